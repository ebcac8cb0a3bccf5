"""`kinema generate`: motion from nothing but an action and a length."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import JointMapFile, note
from kinema.core.errors import UsageError

if TYPE_CHECKING:
    from kinema.motion.motion import Clip, Motion
    from kinema.pipeline.pipeline import Pipeline


_ONE = "bvh,glb,npz,gif,png"
_ALL = "npz,gif,mp4,png"


def generate(
    what: str | None = None,
    *,
    model: str | None = None,
    style: str | None = None,
    action: str | None = None,
    schedule: str | None = None,
    all_: Annotated[bool, Parameter(name="--all", negative="")] = False,
    seconds: float | None = None,
    samples: int = 1,
    per_class: int = 30,
    seed: int = 0,
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("generated"),
    skeleton: Path | None = None,
    unit: float | None = None,
    map_: JointMapFile = None,
    formats: str | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> None:
    """Make motion from an action: `kinema generate walk --model posegpt -o out/`.

    Parameters
    ----------
    what
        The action; or, with --action, --schedule or --all, the model.
    model
        A shipped model (see `kinema models`) or a run folder; default: the shipped one that knows actions.
    style
        How it is done, where the model was trained with styles; several and weights as in --action.
    action
        A mixture instead of one action: walk:0.5,run:0.5 (weights that do not sum to 1 are divided by their sum).
    schedule
        Actions after one another: walk@0,run@2s.
    all_
        Every action of the model, each in a folder of its own, and one picture of all.
    seconds
        How long; default: as long as the model was trained to make.
    samples
        How many clips.
    per_class
        How many clips of each action, with --all.
    seed
        Same seed, same motion.
    out
        The folder to write to.
    skeleton
        A motion file (BVH, NPZ): the answer is on its skeleton, at its frame rate, with its channel orders.
    unit
        Metres per unit of that file, where it does not say (BVH): 0.01 for centimetres.
    map_
        A joint map (TOML): which joint of that file is which, where names do not say (docs/retarget.md).
    formats
        What to write: bvh, glb, npz, gif, mp4, png, with commas between. Default: all but MP4; with --all, NPZ and
        pictures.
    json_
        Say on standard output, as JSON, what was written.
    """
    from kinema.apps.generated_files import check_formats, folder_name, write_clips
    from kinema.io.formats import load
    from kinema.motion.retargeting.joint_map import named_by
    from kinema.pipeline.pipeline import open_generator

    ways = sum((action is not None, schedule is not None, all_))
    if ways > 1:
        raise UsageError(expected="one of --action, --schedule, --all", got="several", cure="Leave the others out.")
    if ways and what is not None and model is not None:
        raise UsageError(
            expected="an action or one of --action, --schedule, --all",
            got=f"'{what}' and one of them",
            cure="Drop one.",
        )
    pipeline = open_generator(model or (what if ways else None) or _default_model())
    wanted = check_formats((formats or (_ALL if all_ else _ONE)).split(","))
    length = seconds if seconds is not None else pipeline.trained_seconds
    body = None if skeleton is None else named_by(load(skeleton, unit=unit), map_)
    if all_:
        _report(pipeline, _everything(pipeline, style, length, per_class, seed, out, wanted, body), out, json_=json_)
        return
    named = action if action is not None else what
    if schedule is not None:
        parts = [({**_mixture(text), **_styles(style)}, start) for text, start in _schedule(schedule)]
        name = folder_name("-".join(next(iter(labels)) for labels, _ in parts))
        clips = pipeline.generate(parts, seconds=length, samples=samples, seed=seed)
    elif named is not None:
        labels = {named: 1.0} if named in pipeline.actions else _mixture(named)
        name = folder_name("+".join([*labels, *_styles(style)]))
        clips = pipeline.generate({**labels, **_styles(style)}, seconds=length, samples=samples, seed=seed)
    else:
        raise UsageError(expected="an action", got="none", cure=f"{pipeline.name} knows {', '.join(pipeline.actions)}.")
    _warn(pipeline, length, samples)
    clips = onto(clips, body, set())
    written, notes = write_clips(clips, out, name, wanted)
    for line in notes:
        note(line)
    _report(pipeline, written, out, json_=json_)


def _everything(
    pipeline: Pipeline,
    style: str | None,
    length: float,
    count: int,
    seed: int,
    out: Path,
    formats: tuple[str, ...],
    body: Motion | None,
) -> list[Path]:
    from kinema.apps.generated_files import folder_name, write_clips, write_strips

    _warn(pipeline, length, count)
    rows: list[tuple[str, Clip]] = []
    written: list[Path] = []
    told: set[str] = set()
    for place, name in enumerate(one for one in pipeline.actions if one not in pipeline.card.styles):
        clips = pipeline.generate(
            {name: 1.0, **_styles(style)}, seconds=length, samples=count, seed=seed * 1009 + place
        )
        clips = onto(clips, body, told)
        files, notes = write_clips(clips, out / folder_name(name), folder_name(name), formats)
        rows.append((name, clips))
        written += files
        for line in notes:
            if line not in told:
                told.add(line)
                note(line)
    write_strips(rows, out / "all.png")
    return [*written, out / "all.png"]


def onto(clips: Clip, body: Motion | None, told: set[str]) -> Clip:
    """The clips on the user's own body, where there is one; what does not match is said once."""
    from kinema.motion.edit import resample
    from kinema.motion.retargeting import as_motion, pair_joints, retarget

    if body is None:
        return clips
    for line in pair_joints(clips.skeleton, body.skeleton).lines()[1:]:
        if line not in told:
            told.add(line)
            note(line)
    return retarget(resample(as_motion(clips), body.fps), body)


def _mixture(text: str) -> dict[str, float]:
    """ "walk:0.5,run:0.5" -> weights that sum to 1, said where they did not."""
    weights: dict[str, float] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, colon, number = part.rpartition(":")
        try:
            weights[name.strip() if colon else part] = float(number) if colon else 1.0
        except ValueError as error:
            raise UsageError(
                expected="ACTION:WEIGHT, as walk:0.5", got=f"'{part}'", cure="Give a number behind the colon."
            ) from error
    total = sum(weights.values())
    if len(weights) > 1 and abs(total - 1) > 1e-6:
        note(f"the weights of {', '.join(weights)} sum to {total:g}: divided by that")
    return weights


def _styles(style: str | None) -> dict[str, float]:
    return _mixture(style) if style else {}


def _schedule(text: str) -> list[tuple[str, float]]:
    """ "walk@0,run@2s" -> texts of labels and seconds."""
    parts: list[tuple[str, float]] = []
    for part in filter(None, (one.strip() for one in text.split(","))):
        found = re.fullmatch(r"(.+)@\s*([0-9.]+)\s*s?", part)
        try:
            parts.append((found.group(1).strip(), float(found.group(2))) if found else ("", float("nan")))
        except ValueError:
            parts.append(("", float("nan")))
        if not parts[-1][0]:
            raise UsageError(expected="ACTION@SECONDS, as run@2s", got=f"'{part}'", cure="Give a time behind the @.")
    return parts


def _default_model() -> str:
    from kinema.pipeline.open import shipped_models
    from kinema.pipeline.pipeline import open_generator

    for name in shipped_models():
        try:
            open_generator(name)
        except UsageError:
            continue
        return name
    raise UsageError(
        expected="a model with --model", got="none, and none that knows actions is shipped", cure="Name a run folder."
    )


def _warn(pipeline: Pipeline, length: float, samples: int) -> None:
    trained = pipeline.trained_seconds
    if trained and (length - trained) * pipeline.fps > 0.5:
        note(f"{pipeline.name} was trained for {trained:.2f} s; what is longer grows less sure")
    if pipeline.deterministic and samples > 1:
        note(f"{pipeline.name} is deterministic: the {samples} samples are the same")


def _report(pipeline: Pipeline, written: list[Path], out: Path, *, json_: bool) -> None:
    if json_:
        json.dump(
            {"model": pipeline.name, "actions": pipeline.actions, "files": [str(path) for path in written]}, sys.stdout
        )
        print()
    else:
        print(f"{len(written)} file{'s' * (len(written) != 1)} by {pipeline.name} in {out}")
