"""`kinema info`, `kinema convert` and `kinema retarget`: commands on motion files."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kinema.apps.cli.console import note
from kinema.apps.cli.many import ONE, ManyFiles, run_many, suffix_of
from kinema.apps.cli.options import AllowUnmatched, JointMapFile, Json, Out
from kinema.core.errors import UsageError, unknown_name
from kinema.motion.names import Rest

if TYPE_CHECKING:
    from kinema.io.summary import Summary
    from kinema.motion.motion import Motion
    from kinema.motion.skeleton import Skeleton


def info(
    file: Path,
    *,
    unit: float | None = None,
    source_fps: float | None = None,
    source_skeleton: str | None = None,
    as_json: Json = False,
) -> None:
    """Show what a motion file holds, and what looks wrong with it.

    Parameters
    ----------
    file
        A BVH, NPZ, CSV or exponential-map text.
    unit
        Metres per file unit: 0.01 for centimetres. Default for BVH: inferred from the size of the body.
    source_fps
        Frames per second of the file, if it has none or a wrong one.
    source_skeleton
        The skeleton of the file (cmu38, h36m32 ...), if it has none.
    """
    from kinema.io.summary import summarise
    from kinema.motion.skeletons import skeleton

    body = None if source_skeleton is None else skeleton(source_skeleton)
    summary = summarise(file, fps=source_fps, unit=unit, skeleton=body)
    if as_json:
        print(json.dumps(asdict(summary), indent=2))
        return
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for key, value in _rows(summary):
        table.add_row(key, escape(value))
    console = Console()
    console.print(table)
    for warning in summary.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}", soft_wrap=True, highlight=False)


def convert(
    source: Path,
    target: Path | None = None,
    *,
    out: Out = None,
    format_: Annotated[str | None, Parameter(name="--format")] = None,
    fps: float | None = None,
    to: str | None = None,
    unit: float | None = None,
    source_fps: float | None = None,
    source_skeleton: str | None = None,
    map_: JointMapFile = None,
    allow_unmatched: AllowUnmatched = False,
    rest: Rest = "auto",
    blender: bool | Path = False,
    many: ManyFiles = ONE,
) -> int:
    """Convert a motion file, or every file of a folder; the suffix of the target is its format.

    Parameters
    ----------
    source
        A BVH, NPZ, CSV or exponential-map text; or a folder of them.
    target
        The file to write: .bvh, .npz, .glb, .csv, .fbx or .txt; or the folder for the results.
    out
        The same as TARGET.
    format_
        For a folder: the format of the results. Default: the format of each file.
    fps
        Resample to this many frames per second; the duration stays.
    to
        Retarget to this skeleton (canon17, smpl24 ...), as `kinema retarget` does.
    unit
        Metres per unit of the source. Default for BVH: inferred from the size of the body.
    source_fps
        Frames per second of the source, if it has none or a wrong one.
    source_skeleton
        The skeleton of the source (cmu38, h36m32 ...), if it has none.
    rest
        The rest pose of BVH, GLB and FBX: tpose, source (the source's own), or auto (a T-pose, except BVH to BVH).
    blender
        Write FBX with Blender, or with the one at this path. Default: $KINEMA_BLENDER, or blender on the search path.
    """
    from kinema.apps.batch.converting import Converting

    target = target or out
    if target is None:
        raise UsageError(expected="a file to write", got="none", cure=f"Type kinema convert {source} out.npz.")
    through = str(blender) if isinstance(blender, Path) else None
    if blender and ".fbx" not in (target.suffix.lower(), suffix_of(format_)):
        raise UsageError(
            expected="an .fbx as the target",
            got=f"{target.name} and --blender",
            cure="Only FBX is written through Blender: leave out --blender.",
        )
    work = Converting(fps, to, unit, source_fps, source_skeleton, map_, rest, through, allow_unmatched)
    if source.is_dir():
        return run_many(work, source, target, many, suffix_of(format_))
    clip, pairing = work.done(source)
    work.write(clip, target)
    for line in () if pairing is None else pairing.lines():
        note(line)
    joints = f"{len(clip.skeleton)} joints"
    print(f"{target}: {clip.frames} frames of {joints} at {clip.fps:g} per second", file=sys.stderr)
    return 0


def retarget_file(
    source: Path,
    target: str,
    /,
    *,
    out: Out = None,
    map_: JointMapFile = None,
    lock_feet_: Annotated[bool, Parameter(name="--lock-feet", negative="", show_default=False)] = False,
    unit: float | None = None,
    target_unit: float | None = None,
    source_fps: float | None = None,
    allow_unmatched: AllowUnmatched = False,
    as_json: Json = False,
) -> None:
    """Retarget a motion to another body: `kinema retarget walk.bvh character.bvh -o out.bvh`.

    Parameters
    ----------
    source
        The motion: BVH, NPZ or exponential-map text. Positions become rotations by inverse kinematics.
    target
        A motion file of the other body, or the name of a skeleton (smpl24, lafan22, cmu38 ...).
    out
        The file to write: .bvh, .npz, .csv or .glb. Default: SOURCE.retargeted.bvh in this folder.
    lock_feet_
        Keep standing feet in place.
    unit
        Metres per unit of SOURCE (BVH): 0.01 for centimetres.
    target_unit
        Metres per unit of TARGET (BVH).
    source_fps
        Frames per second of SOURCE, if it has none or a wrong one.
    """
    from kinema.io.formats import load_clip, save
    from kinema.motion.feet.contacts import foot_contacts
    from kinema.motion.feet.lock import lock_feet
    from kinema.motion.motion import Motion
    from kinema.motion.retargeting import direction_errors, pair_joints, retarget
    from kinema.motion.retargeting.joint_map import graph_note, read_joint_map

    clip, body = load_clip(source, unit=unit, fps=source_fps), _body_of(target, target_unit)
    there = body.skeleton if isinstance(body, Motion) else body
    if map_ is not None:
        here, there = read_joint_map(map_).of_both(clip.skeleton, there)
        clip, body = replace(clip, skeleton=here), replace(body, skeleton=there) if isinstance(body, Motion) else there
    for told in [] if map_ is not None else [graph_note(clip.skeleton), graph_note(there)]:
        if told:
            note(told)
    pairing = pair_joints(clip.skeleton, there)
    if not allow_unmatched:
        pairing.require_limbs()
    moved = retarget(clip, body)
    errors = direction_errors(clip, moved)
    if lock_feet_:
        moved = lock_feet(moved, None if clip.batch_shape else foot_contacts(clip))
    path = out or Path(f"{source.stem}.retargeted.bvh")
    save(moved, path)
    if as_json:
        facts = {"file": str(path), "frames": moved.frames, "fps": moved.fps, "direction_errors": errors}
        print(json.dumps({**facts, **asdict(pairing)}))
        return
    for line in pairing.lines():
        note(line)
    if errors:
        worst = max(errors, key=errors.__getitem__)
        note(f"limbs point as in the source within {errors[worst]:.1f} degrees (mean over the frames; worst: {worst})")
    print(f"{path}: {moved.frames} frames of {len(moved.skeleton)} joints at {moved.fps:g} per second")


def _body_of(target: str, unit: float | None) -> Motion | Skeleton:
    from kinema.io.formats import load_clip
    from kinema.motion.motion import Points
    from kinema.motion.skeletons import SKELETONS, skeleton

    path = Path(target)
    if not path.exists() and target in SKELETONS:
        return skeleton(target)
    if not path.exists() and path.suffix == "":
        raise unknown_name("skeleton, or a motion file", target, SKELETONS)
    clip = load_clip(path, unit=unit)
    return clip.skeleton if isinstance(clip, Points) else clip


def _rows(summary: Summary) -> list[tuple[str, str]]:
    rows = [("file", f"{summary.file} ({summary.format})")]
    if summary.batch:
        rows.append(("batch", f"{' x '.join(map(str, summary.batch))} clips; the facts below are of the first"))
    ends = f" and {summary.end_sites} end sites" if summary.end_sites else ""
    kind = "" if summary.rotations else ", positions only"
    rows.append(("joints", f"{summary.joints}{ends}{kind}"))
    written = f" (written {summary.frame_time} s per frame)" if summary.frame_time else ""
    rows.append(("frames", f"{summary.frames} at {summary.fps:g} per second{written}"))
    rows.append(("duration", f"{summary.duration:.2f} s"))
    if summary.unit is not None:
        how = "; inferred from the size of the body, --unit METRES overrides it" if summary.unit_inferred else ""
        rows.append(("unit", f"{summary.unit_name or 'given'}: {summary.unit:g} m{how}"))
    rows.append(("up", summary.up))
    rows.append(("height", f"{summary.height:.2f} m"))
    missing = f" (not found: {', '.join(summary.canon17_missing)})" if summary.canon17_missing else ""
    rows.append(("canon17", f"{summary.canon17_matched}/17 joints matched by name{missing}"))
    rows += [("channels", f"{order} on {count} joints") for order, count in summary.channel_orders.items()]
    return rows
