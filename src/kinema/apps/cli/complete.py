"""`kinema upsample`, `inbetween`, `repair`: fill the gaps of a clip; `loop`, `join`: fill those between clips."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note, tell_constraints
from kinema.apps.cli.many import ONE, Many, ManyFiles, is_folder, own_suffix, run_many
from kinema.apps.cli.options import Flag, Inline, Json, ModelName, Out, Report
from kinema.core.atomic import write_text
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import ConstraintOptions, FileOptions, InbetweenRequest, RepairRequest, UpsampleRequest

if TYPE_CHECKING:
    from kinema.pipeline.completion.complete import Completed

_MotionOrKeypoints = Annotated[
    Path,
    Parameter(
        help="A motion file of any format, or keypoints: an OpenPose folder, or JSON of AlphaPose, PoseFlow, COCO, "
        "MMPose or MediaPipe. Or a folder of motion files; OUT is then a folder too."
    ),
]


def upsample(
    file: _MotionOrKeypoints,
    /,
    *,
    request: Annotated[UpsampleRequest | None, Inline] = None,
    model: ModelName = AUTO,
    out: Out = None,
    constraints: Annotated[ConstraintOptions | None, Inline] = None,
    files: Annotated[FileOptions | None, Inline] = None,
    report: Report = None,
    as_json: Json = False,
    many: ManyFiles = ONE,
) -> int:
    """Add frames between those of a clip: slow motion, or a higher frame rate.

    Parameters
    ----------
    out
        The file to write. Default: FILE.upsampled, same suffix, in this folder.
    """
    request = request or UpsampleRequest()  # raises UsageError: it needs --rate or --fps
    return _fill(request, model, constraints, files, file, out, "upsampled", many, report, as_json=as_json)


def repair(
    file: _MotionOrKeypoints,
    /,
    *,
    request: Annotated[RepairRequest | None, Inline] = None,
    model: ModelName = AUTO,
    out: Out = None,
    constraints: Annotated[ConstraintOptions | None, Inline] = None,
    files: Annotated[FileOptions | None, Inline] = None,
    report: Report = None,
    as_json: Json = False,
    many: ManyFiles = ONE,
) -> int:
    """Repair a clip: fill missing values, spikes, jumps and frozen frames; good frames stay as they are.

    Parameters
    ----------
    out
        The file to write. Default: FILE.repaired, same suffix, in this folder.
    """
    return _fill(
        request or RepairRequest(), model, constraints, files, file, out, "repaired", many, report, as_json=as_json
    )


def inbetween(
    first: Path,
    second: Path | None = None,
    /,
    *,
    request: Annotated[InbetweenRequest | None, Inline] = None,
    model: ModelName = AUTO,
    out: Out = None,
    constraints: Annotated[ConstraintOptions | None, Inline] = None,
    files: Annotated[FileOptions | None, Inline] = None,
    report: Report = None,
    as_json: Json = False,
) -> int:
    """Fill the gap between two clips, or between the key frames of one.

    Parameters
    ----------
    first
        The clip before the gap (BVH or NPZ); or the only clip, with --keys or --every.
    second
        The clip after the gap. It is retargeted to the skeleton and resampled to the rate of FIRST.
    out
        The file to write. Default: FIRST.inbetween.bvh in this folder. Several samples: OUT-1.bvh, OUT-2.bvh ..., or
        one NPZ.
    """
    from kinema.apps.batch.tasks import numbered
    from kinema.io.formats import save
    from kinema.pipeline.clip_files import open_source
    from kinema.pipeline.pipeline import open as open_pipeline

    request, options = request or InbetweenRequest(), files or FileOptions()
    if second is not None:
        request.check_two()
    source = open_source(first, options)
    other = None if second is None else open_source(second, options).only
    wanted = (constraints or ConstraintOptions()).read(options.unit)
    done = open_pipeline(model).ask(request, source.only, other, constraints=wanted)
    if second is not None and not request.align:
        note("the second clip stays where its file puts it; --align moves it to where the first one ends")
    path, clips = out or source.beside("inbetween"), done.motion
    if not clips.batch_shape or path.suffix == ".npz":
        save(clips, path)
    else:
        for index, one in enumerate(numbered(path, clips.batch_shape.numel())):
            save(clips.one(index), one)
    return _tell({"": done}, path, report, as_json=as_json)


def loop(
    file: Path,
    /,
    *,
    out: Out = None,
    in_place: Annotated[bool, Flag] = False,
    whole: Annotated[bool, Flag] = False,
    seconds: float = 0.5,
    files: Annotated[FileOptions | None, Inline] = None,
) -> None:
    """Cut a cycle out of a clip and close it: its last frame continues into its first.

    Parameters
    ----------
    file
        A motion file (BVH, NPZ, GLB).
    out
        The file to write. Default: FILE.loop, same suffix, in this folder.
    in_place
        Take the travel out: every cycle starts where the one before it did.
    whole
        Close the whole clip instead of the best cycle in it.
    seconds
        The shortest cycle.
    """
    from kinema.io.formats import save
    from kinema.motion.constraints.loop import best_cycle, looped
    from kinema.pipeline.clip_files import open_source

    source = open_source(file, files or FileOptions())
    clip = source.only
    first, last = (0, clip.frames - 1) if whole else best_cycle(clip, shortest=seconds)
    path = out or source.beside("loop")
    save(looped(clip[first : last + 1], in_place=in_place), path)
    note(f"frames {first} to {last} of {clip.frames} ({(last - first) / clip.fps:.2f} s)")
    print(path)


def join(
    *clips: Path,
    out: Out = None,
    frames: int | None = None,
    model: ModelName = AUTO,
    files: Annotated[FileOptions | None, Inline] = None,
) -> None:
    """Join clips into one: each starts where the one before it ends, with a transition in between.

    Parameters
    ----------
    clips
        Two or more motion files. They take the skeleton and the frame rate of the first.
    out
        The file to write. Default: the first FILE.joined, same suffix, in this folder.
    frames
        The length of every transition. Default: as long as the change between the two poses takes at 1.5 m/s.
    """
    from kinema.io.formats import save
    from kinema.motion.motion import Motion
    from kinema.pipeline.clip_files import open_source, pair, transition
    from kinema.pipeline.pipeline import open as open_pipeline

    if len(clips) < 2:
        raise UsageError(
            expected="two or more clips", got=str(len(clips)), cure="Name them: kinema join walk.bvh jump.bvh run.bvh."
        )
    options = files or FileOptions()
    first = open_source(clips[0], options)
    pipeline, whole = open_pipeline(model), first.only
    for path in clips[1:]:
        assert isinstance(whole, Motion)
        before, after = pair(whole, open_source(path, options).only, align=True)
        after, count = transition(before, after, frames)
        whole = pipeline.ask(InbetweenRequest(count, whole=True), before, after).motion
        note(f"{count} frames before {path}")
    path = out or first.beside("joined")
    save(whole, path)
    print(path)


def _fill(
    request: UpsampleRequest | RepairRequest,
    model: str,
    constraints: ConstraintOptions | None,
    files: FileOptions | None,
    file: Path,
    out: Path | None,
    word: str,
    many: Many,
    report: Path | None,
    *,
    as_json: bool,
) -> int:
    """Fill a file, or every file of a folder; returns the exit code. `word` is in the name of the default OUT."""
    from kinema.apps.batch.tasks import Completing
    from kinema.pipeline.clip_files import open_source
    from kinema.pipeline.pipeline import open as open_pipeline

    work = Completing(request, model, files or FileOptions(), constraints or ConstraintOptions())
    if is_folder(file):
        return run_many(work, file, out, many, own_suffix, files=work.files, report=report, as_json=as_json)
    source = open_source(file, work.files)
    done = work.done(source, open_pipeline(model))
    path = out or source.beside(word)
    source.write(done, path)
    return _tell(done, path, report, as_json=as_json)


def _tell(done: Mapping[str, Completed], path: Path, report: Path | None, *, as_json: bool) -> int:
    """Print the file, or the report as JSON; write the report where that was asked for. Returns the exit code."""
    from kinema.apps.batch.tasks import pages

    page = {"file": str(path), **pages(done)}
    if report is not None:
        write_text(report, json.dumps(page, indent=2) + "\n")
    code = tell_constraints(left.to_json() for each in done.values() for left in each.residuals)
    if as_json:
        print(json.dumps(page))
        return code
    for who, each in done.items():
        for line in each.report.lines():
            note(f"{who}: {line}" if who else line)
    print(path)
    return code
