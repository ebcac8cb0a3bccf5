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
from kinema.apps.cli.many import ONE, ManyFiles, is_folder, run_many, suffix_of
from kinema.apps.cli.options import AllowUnmatched, Inline, JointMapFile, Json, Out
from kinema.core.errors import UsageError, unknown_name
from kinema.motion.names import Rest
from kinema.pipeline.requests import FileOptions, SourceOptions

if TYPE_CHECKING:
    from kinema.io.summary import Summary
    from kinema.motion.motion import Motion
    from kinema.motion.skeleton import Skeleton


def info(
    file: Path,
    *,
    source: Annotated[SourceOptions | None, Inline] = None,
    write_map: Annotated[Path | None, Parameter(name="--write-map")] = None,
    as_json: Json = False,
) -> None:
    """Show what a motion file holds, and what looks wrong with it.

    Parameters
    ----------
    file
        A motion file of any format (docs/files.md), or a folder of OpenPose frames.
    write_map
        Also write a joint map (TOML) with the joints that were found, to edit and use with --map.
    """
    from kinema.io.summary import summarise

    summary = summarise(file, **(source or SourceOptions()).arguments())
    if write_map is not None:
        from kinema.motion.retargeting.joint_map import write_map as write_joint_map

        write_joint_map((source or SourceOptions()).load(file).skeleton, write_map)
        note(f"the joint map is in {write_map}: edit it, and use it with --map {write_map}")
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
    files: Annotated[FileOptions | None, Inline] = None,
    allow_unmatched: AllowUnmatched = False,
    rest: Rest = "auto",
    blender: bool | Path = False,
    many: ManyFiles = ONE,
) -> int:
    """Convert a motion file, or every file of a folder; the suffix of the target is its format.

    Parameters
    ----------
    source
        A motion file of any format (docs/files.md); or a folder of them.
    target
        The file to write: .bvh, .npz, .glb, .csv, .fbx or .txt; or the folder for the results.
    out
        The same as TARGET.
    format_
        The format of the result; amass: AMASS's layout in an .npz. Default: by the suffix; in a folder as each file.
    fps
        Resample to this many frames per second; the duration stays.
    to
        Retarget to this skeleton (canon17, smpl24 ...), as `kinema retarget` does.
    rest
        The rest pose of BVH, GLB and FBX: tpose, source (the source's own), or auto (a T-pose, except BVH to BVH).
    blender
        Read and write FBX with Blender, or with the one at this path. Default: $KINEMA_BLENDER, or blender on the
        search path.
    """
    from kinema.apps.batch.converting import Converting

    target = target or out
    if target is None:
        raise UsageError(expected="a file to write", got="none", cure=f"Type kinema convert {source} out.npz.")
    through = str(blender) if isinstance(blender, Path) else None
    if blender and ".fbx" not in (source.suffix.lower(), target.suffix.lower(), suffix_of(format_)):
        raise UsageError(
            expected="an .fbx as the source or the target",
            got=f"{source.name}, {target.name} and --blender",
            cure="Only FBX goes through Blender: leave out --blender.",
        )
    from kinema.io.fbx import named_blender
    from kinema.io.formats import FORMATS, written_as

    named = format_ if format_ in FORMATS else None
    work = Converting(fps, to, files or FileOptions(), rest, through, allow_unmatched, named)
    with named_blender(through):
        if is_folder(source):
            return run_many(work, source, target, many, suffix_of(format_) or written_as, files=work.files)
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
    feet: Annotated[bool, Parameter(name=["--feet", "--lock-feet"], negative="", show_default=False)] = False,
    options: Annotated[SourceOptions | None, Inline] = None,
    target_unit: float | None = None,
    allow_unmatched: AllowUnmatched = False,
    as_json: Json = False,
) -> None:
    """Retarget a motion to another body: `kinema retarget walk.bvh character.bvh -o out.bvh`.

    Parameters
    ----------
    source
        The motion, in a file of any format. Positions become rotations by inverse kinematics.
    target
        A motion file of the other body, a character (.glb, .vrm), or the name of a skeleton (smpl24, lafan22 ...).
    out
        The file to write: .bvh, .npz, .csv or .glb (a character keeps its mesh). Default: SOURCE.retargeted.bvh in this
        folder.
    feet
        Clean the feet: those that stand in the source do not slide, and none goes under the floor.
    target_unit
        Metres per unit of TARGET (BVH).
    """
    from kinema.io.formats import save
    from kinema.motion.feet.clean import cannot_clean, clean_retargeted
    from kinema.motion.motion import Motion
    from kinema.motion.retargeting import direction_errors, pair_joints, retarget
    from kinema.motion.retargeting.joint_map import graph_note, read_joint_map

    clip, body = (options or SourceOptions()).load(source), _body_of(target, target_unit)
    there = body.skeleton if isinstance(body, Motion) else body
    if map_ is not None:
        here, there = read_joint_map(map_).of_both(clip.skeleton, there)
        clip, body = replace(clip, skeleton=here), replace(body, skeleton=there) if isinstance(body, Motion) else there
    for line in [] if map_ is not None else [graph_note(clip.skeleton), graph_note(there)]:
        if line:
            note(line)
    pairing = pair_joints(clip.skeleton, there)
    if not allow_unmatched:
        pairing.require_limbs()
    moved = retarget(clip, body)
    errors = direction_errors(clip, moved)
    if feet and (reason := cannot_clean(moved)):
        note(reason)
    elif feet:
        moved = clean_retargeted(moved, clip)
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
    length = "px" if summary.unit_name == "px" else "m"
    rows = [("file", f"{summary.file} ({summary.format})"), ("what", summary.what)]
    if len(summary.people) > 1:
        rows.append(("people", f"{len(summary.people)}: {', '.join(summary.people[:12])}; --person takes one"))
    if summary.batch:
        rows.append(("batch", f"{' x '.join(map(str, summary.batch))} clips; the facts below are of the first"))
    ends = f" and {summary.end_sites} end sites" if summary.end_sites else ""
    kind = "" if summary.rotations else ", positions only"
    rows.append(("joints", f"{summary.joints}{ends}{kind}"))
    missing = f" (not found: {', '.join(summary.canon17_missing)})" if summary.canon17_missing else ""
    rows.append(("canon17", f"{summary.canon17_matched}/17 joints matched{missing}"))
    written = f" (written {summary.frame_time} s per frame)" if summary.frame_time else ""
    rows.append(("frames", f"{summary.frames} at {summary.fps:g} per second{written}"))
    rows.append(("duration", f"{summary.duration:.2f} s"))
    if length == "px":
        rows.append(("unit", "pixels, y down"))
        if summary.picture is not None:
            left, top, right, bottom = summary.picture
            rows.append(("picture", f"seen from ({left:.0f}, {top:.0f}) to ({right:.0f}, {bottom:.0f}) px"))
    elif summary.unit is not None:
        how = "; inferred from the size of the body, --unit METRES overrides it" if summary.unit_inferred else ""
        rows.append(("unit", f"{summary.unit_name or 'given'}: {summary.unit:g} m{how}"))
    turned = f"; in the file {summary.up_in_file}" if summary.up_in_file != summary.up else ""
    rows.append(("up", f"{summary.up}{turned} ({summary.up_reason})"))
    rows.append(("height", f"{summary.height:.{0 if length == 'px' else 2}f} {length}"))
    if summary.unseen:
        rows.append(("unseen", f"{summary.unseen}; {summary.gaps} gaps" if summary.gaps else summary.unseen))
    if summary.floor is not None:
        rows.append(("floor", f"the lowest joint is at y = {summary.floor:.2f} m"))
    if (feet := summary.feet) is not None:
        slides = "" if feet.slides is None else f", slide {100 * feet.slides:.1f} cm/s"
        off = f", {100 * feet.floats:.0f} cm up at the lowest, {100 * feet.sinks:.0f} cm sunk"
        rows.append(("feet", f"stand in {feet.stand:.0%} of the frames{slides}{off}"))
    rows += [("channels", f"{order} on {count} joints") for order, count in summary.channel_orders.items()]
    return rows
