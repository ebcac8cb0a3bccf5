"""`kinema upsample`, `kinema inbetween`, `kinema repair`: some frames are known, say the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kinema.apps.cli.console import JointMapFile, note
from kinema.apps.cli.many import ONE, ManyFiles, is_folder, run_many
from kinema.core.errors import UsageError

if TYPE_CHECKING:
    from kinema.pipeline.completion import Completed


Keys = Literal["exact", "soft"]
Json = Annotated[bool, Parameter(name="--json", negative="")]
Out = Annotated[Path | None, Parameter(name=["--out", "-o"])]


def upsample(
    file: Path,
    /,
    *,
    rate: float | None = None,
    fps: float | None = None,
    out: Out = None,
    keys: Keys | None = None,
    method: str = "auto",
    seed: int = 0,
    source_fps: float | None = None,
    unit: float | None = None,
    person: str | None = None,
    map_: JointMapFile = None,
    report: Path | None = None,
    as_json: Json = False,
    many: ManyFiles = ONE,
) -> int:
    """Say what happens between the frames of a clip: slow motion, or a higher frame rate.

    Parameters
    ----------
    file
        A BVH or NPZ, or keypoints of video: an OpenPose folder, or JSON of AlphaPose, COCO, MMPose or MediaPipe. Or a
        folder of motion files; OUT is then the folder of the results.
    rate
        How many times as many frames per second: any number from 1 on, 2.5 too.
    fps
        Instead of a rate: frames per second.
    out
        Where to write. Default: FILE.upsampled with the same suffix, in this folder.
    keys
        exact: the given frames come back as they are. soft: they are evidence and are smoothed. Default: exact for
        animation, soft for keypoints.
    method
        auto, hold, linear, cubic, pchip, squad, or a model: a name of `kinema models`, or a run folder.
    seed
        Same seed, same motion.
    source_fps
        Frames per second of the file, where it does not say.
    unit
        Metres per file unit, where the file does not say (BVH): 0.01 for centimetres.
    person
        Of keypoints with several people: the track id. Default: everybody.
    map_
        A joint map (TOML): which joint is which, where names do not say (docs/retarget.md).
    report
        Where the report goes, as JSON.
    as_json
        Write the report on standard output.
    """
    from kinema.apps.batch.tasks import Upsampling

    work = Upsampling(rate, fps, keys, method, seed, source_fps, unit, person, map_)
    if is_folder(file):
        return run_many(work, file, out, many, report=report, as_json=as_json)
    source = work.source(file)
    done = work.done(source)
    path = out or source.beside("upsampled")
    source.write(done, path)
    _tell(done, path, report, as_json=as_json)
    return 0


def inbetween(
    first: Path,
    second: Path | None = None,
    /,
    *,
    frames: int | None = None,
    keys: str = "exact",
    at: str | None = None,
    every: int | None = None,
    context: int = 0,
    align: bool = False,
    whole: bool = False,
    out: Out = None,
    method: str = "auto",
    seed: int = 0,
    unit: float | None = None,
    map_: JointMapFile = None,
    report: Path | None = None,
    as_json: Json = False,
) -> None:
    """Say the movement between two poses, or between the key frames of one clip.

    With A.bvh and B.bvh: from the last pose of A to the first pose of B, with --frames new ones between. With one clip:
    its frames --keys 0,10,35 (counted from 0), or --every tenth, are kept and the others are filled anew.

    Parameters
    ----------
    first
        The clip that is gone out from, or the only one: BVH or NPZ.
    second
        The clip that is arrived at. One of another skeleton or rate is carried over to those of the first.
    frames
        How many frames lie between the two poses.
    keys
        Key frames of a single clip: 0,10,35. Or how far given poses are to be believed: exact (they come back as they
        are) or soft (they are evidence and are smoothed).
    at
        The key frames, where --keys says soft.
    every
        Instead of naming key frames: every so many frames, and the last.
    context
        How many frames before A's last and after B's first are known, too: they tell the movement. All of them are
        written. 0: the two poses alone.
    align
        Move and turn B so that it stands where A ended, facing as A did. Default: B stays where its file has it.
    whole
        Write all of A and all of B round the new frames.
    out
        Where to write. Default: FIRST.inbetween.bvh in this folder.
    method
        auto, hold, linear, cubic, pchip, squad, or a model: a name of `kinema models`, or a run folder.
    seed
        Same seed, same motion.
    unit
        Metres per file unit, where the file does not say (BVH): 0.01 for centimetres.
    map_
        A joint map (TOML): which joint is which, where names do not say (docs/retarget.md).
    report
        Where the report goes, as JSON.
    as_json
        Write the report on standard output.
    """
    from kinema.pipeline.clip_files import joined, key_frames, open_source, pair
    from kinema.pipeline.completion import complete

    belief: Keys = "soft" if keys == "soft" else "exact"
    at = at if keys in ("exact", "soft") else keys
    source = open_source(first, fps=None, unit=unit, person=None, joint_map=map_)
    if second is None:
        clip = source.only
        known = key_frames(clip.frames, at, every)
    else:
        if at is not None or every is not None:
            raise UsageError(
                expected="two clips, or key frames of one", got="both", cure="Leave --keys and --every out."
            )
        if frames is None or frames < 1:
            raise UsageError(
                expected="how many frames lie between the two poses: --frames 1 or more",
                got="none" if frames is None else f"{frames}",
                cure="Say --frames 30 for a second at 30 per second.",
            )
        before, after = pair(source, open_source(second, fps=None, unit=unit, person=None, joint_map=map_), align=align)
        clip, known = joined(before, after, frames, max(before.frames, after.frames) if whole else context + 1)
        if not align:
            note("the second clip stays where its file has it; --align puts it where the first one ends")
    done = {"": complete(clip, known=known, keys=belief, method=method, seed=seed)}
    path = out or source.beside("inbetween")
    source.write(done, path)
    _tell(done, path, report, as_json=as_json)


def repair(
    file: Path,
    /,
    *,
    frames: str | None = None,
    strength: float = 1.0,
    out: Out = None,
    keys: Keys = "exact",
    method: str = "auto",
    seed: int = 0,
    source_fps: float | None = None,
    unit: float | None = None,
    person: str | None = None,
    map_: JointMapFile = None,
    report: Path | None = None,
    as_json: Json = False,
    many: ManyFiles = ONE,
) -> int:
    """Mend a clip: what is missing, spikes, jumps and frozen runs are filled anew, and good frames stay as they are.

    Parameters
    ----------
    file
        A BVH or NPZ, or keypoints of video: an OpenPose folder, or JSON of AlphaPose, COCO, MMPose or MediaPipe. Or a
        folder of motion files; OUT is then the folder of the results.
    frames
        The bad frames, where you know them: 12,40-55 (counted from 0, ends included). Nothing is then searched for.
    strength
        How suspicious to be: 2 finds steps half as unusual, 0.5 only the grossest. With --keys soft also how widely
        frames are smoothed.
    out
        Where to write. Default: FILE.repaired with the same suffix, in this folder.
    keys
        exact: good frames come back as they are. soft: all frames are evidence, and trembling is smoothed away.
    method
        auto, hold, linear, cubic, pchip, squad, or a model: a name of `kinema models`, or a run folder.
    seed
        Same seed, same motion.
    source_fps
        Frames per second of the file, where it does not say.
    unit
        Metres per file unit, where the file does not say (BVH): 0.01 for centimetres.
    person
        Of keypoints with several people: the track id. Default: everybody.
    map_
        A joint map (TOML): which joint is which, where names do not say (docs/retarget.md).
    report
        Where the report goes, as JSON.
    as_json
        Write the report on standard output.
    """
    from kinema.apps.batch.tasks import Repairing

    work = Repairing(frames, strength, keys, method, seed, source_fps, unit, person, map_)
    if is_folder(file):
        return run_many(work, file, out, many, report=report, as_json=as_json)
    source = work.source(file)
    path = out or source.beside("repaired")
    done, found = work.done(source)
    for who, kinds in found.items():
        told = ", ".join(f"{kind} in {count} frames" for kind, count in kinds.items()) or "nothing looks damaged"
        note(f"{who + ': ' if who else ''}{told}")
    source.write(done, path)
    _tell(done, path, report, as_json=as_json)
    return 0


def _tell(done: dict[str, Completed], path: Path, report: Path | None, *, as_json: bool) -> None:
    from kinema.apps.batch.tasks import pages

    page = {"file": str(path), **pages(done)}
    if report is not None:
        from kinema.core.atomic import write_text

        write_text(report, json.dumps(page, indent=2) + "\n")
    if as_json:
        print(json.dumps(page))
        return
    for who, each in done.items():
        for line in each.report.lines():
            note(f"{who}: {line}" if who else line)
    print(path)
