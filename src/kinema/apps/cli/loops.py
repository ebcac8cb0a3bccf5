"""`kinema loop` and `kinema join`: cycles and sequences without a seam."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from kinema.apps.cli.console import note
from kinema.apps.cli.options import Flag, Inline, ModelName, Out
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import FileOptions, InbetweenRequest


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
