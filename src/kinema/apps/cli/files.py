"""`kinema info` and `kinema convert`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kinema.apps.cli.console import JointMapFile
from kinema.apps.cli.many import ONE, ManyFiles, run_many, suffix_of
from kinema.core.errors import UsageError
from kinema.motion.names import Rest

if TYPE_CHECKING:
    from kinema.io.summary import Summary
    from kinema.motion.skeleton import Skeleton


def info(
    file: Path,
    *,
    unit: float | None = None,
    source_fps: float | None = None,
    source_skeleton: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Show what a motion file holds, and what looks wrong with it.

    Parameters
    ----------
    file
        A BVH, NPZ or exponential-map text.
    unit
        Length of one file unit in metres (0.01 for centimetres); inferred for BVH where it is not given.
    source_fps
        Frames per second of the file, where it does not say or says something wrong.
    source_skeleton
        Skeleton of the catalogue that the file is written for, where it does not say.
    as_json
        Write the facts as JSON.
    """
    from kinema.io.summary import summarise

    summary = summarise(file, fps=source_fps, unit=unit, skeleton=_skeleton(source_skeleton))
    if as_json:
        print(json.dumps(asdict(summary), indent=2))
        return
    _show(summary)


def convert(
    source: Path,
    target: Path | None = None,
    *,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    format_: Annotated[str | None, Parameter(name="--format")] = None,
    fps: float | None = None,
    to: str | None = None,
    unit: float | None = None,
    source_fps: float | None = None,
    source_skeleton: str | None = None,
    map_: JointMapFile = None,
    rest: Rest = "auto",
    blender: bool | Path = False,
    many: ManyFiles = ONE,
) -> int:
    """Convert a motion file, or all those of a folder; the formats follow from the suffixes.

    Parameters
    ----------
    source
        A BVH, NPZ, CSV or exponential-map text; or a folder of them.
    target
        Where to write: .bvh, .npz, .glb, .csv, .fbx or .txt; or the folder of the results.
    out
        The same, said by name.
    format_
        Of a folder's results: bvh, npz, glb, csv, fbx or txt. Default: that of each file.
    fps
        Resample to this many frames per second; the duration is kept.
    to
        Retarget the motion to this skeleton of the catalogue (canon17, smpl24 ...), as `kinema retarget` does.
    unit
        Length of one unit of the source in metres; inferred for BVH where it is not given.
    source_fps
        Frames per second of the source, where it does not say or says something wrong.
    source_skeleton
        Skeleton of the catalogue that the source is written for, where it does not say.
    map_
        A joint map (TOML): which joint is which, where names do not say (docs/retarget.md).
    rest
        The rest pose of BVH, GLB and FBX: tpose; source, that of the source's skeleton; auto, a T-pose unless a BVH
        becomes a BVH.
    blender
        Write FBX through this Blender (the program, or a Python that has bpy); without a path, through the one that
        KINEMA_BLENDER names or that is on the search path.
    """
    from kinema.apps.batch.converting import Converting

    target = target or out
    if target is None:
        raise UsageError(expected="a place for the result", got="none", cure="Say kinema convert IN OUT.")
    through = str(blender) if isinstance(blender, Path) else None
    if blender and ".fbx" not in (target.suffix.lower(), suffix_of(format_)):
        got = f"{target.name} and --blender"
        raise UsageError(expected="an .fbx as the target", got=got, cure="Only FBX is written through Blender.")
    work = Converting(fps, to, unit, source_fps, source_skeleton, map_, rest, through)
    if source.is_dir():
        return run_many(work, source, target, many, suffix_of(format_))
    clip = work.done(source)
    work.write(clip, target)
    joints = f"{len(clip.skeleton)} joints"
    print(f"{target}: {clip.frames} frames of {joints} at {clip.fps:g} per second", file=sys.stderr)
    return 0


def _skeleton(name: str | None) -> Skeleton | None:
    from kinema.motion.skeletons import skeleton as catalogue_skeleton

    return None if name is None else catalogue_skeleton(name)


def _show(summary: Summary) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold")
    table.add_column()
    for key, value in _rows(summary):
        table.add_row(key, escape(value))
    console = Console()
    console.print(table)
    for warning in summary.warnings:
        console.print(f"[yellow]warning[/]: {escape(warning)}", soft_wrap=True, highlight=False)


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
