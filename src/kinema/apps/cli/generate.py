"""`kinema generate ACTION`: motion from an action and a length."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note, tell_constraints
from kinema.apps.cli.options import Inline, Json, ModelName, OutRequired
from kinema.core.errors import UsageError
from kinema.pipeline.defaults import AUTO
from kinema.pipeline.requests import ConstraintOptions, Feet, FileOptions, GenerateRequest

if TYPE_CHECKING:
    from kinema.motion.motion import Clip, Motion
    from kinema.pipeline.pipeline import Pipeline

_ONE = "bvh,glb,npz,gif,png"
_ALL = "npz,gif,mp4,png"


def generate(
    what: str | None = None,
    /,
    *,
    request: Annotated[GenerateRequest | None, Inline] = None,
    all_: Annotated[bool, Parameter(name="--all", negative="", show_default=False)] = False,
    per_class: int = 30,
    model: ModelName = AUTO,
    out: OutRequired = Path("generated"),
    skeleton: Path | None = None,
    constraints: Annotated[ConstraintOptions | None, Inline] = None,
    files: Annotated[FileOptions | None, Inline] = None,
    formats: str | None = None,
    as_json: Json = False,
) -> int:
    """Generate motion from an action and a length: `kinema generate walk -o out/`.

    Parameters
    ----------
    what
        The action; or the model, with --action, --schedule or --all.
    all_
        Generate every action of the model, each in its own folder, and one picture of all.
    per_class
        For --all: the number of clips per action.
    out
        The folder to write to.
    skeleton
        A motion file: the result takes its skeleton, frame rate and channel orders. --unit, --source-fps and --map
        describe this file.
    formats
        Formats to write, separated by commas: bvh, glb, npz, gif, mp4, png. Default: all but mp4; with --all npz, gif,
        mp4 and png.
    """
    request = request or GenerateRequest()
    apart = request.action is not None or request.schedule is not None
    if all_ and apart:
        raise UsageError(
            expected="one of --action, --schedule, --all", got="--all and one of the others", cure="Leave out --all."
        )
    if (all_ or apart) and what is not None and model != AUTO:
        raise UsageError(
            expected="an action or one of --action, --schedule, --all",
            got=f"'{what}' and one of them",
            cure=f"Leave out '{what}', or leave out --model.",
        )
    from kinema.apps.generated_files import check_formats, folder_name, write_clips
    from kinema.pipeline.clip_files import open_source
    from kinema.pipeline.constraints import constrained_clip, warn_of
    from kinema.pipeline.pipeline import open_generator

    pipeline = open_generator(what if (all_ or apart) and what is not None else model)
    wanted = check_formats((formats or (_ALL if all_ else _ONE)).split(","))
    body = None if skeleton is None else open_source(skeleton, files or FileOptions()).only
    if all_:
        written = _everything(pipeline, replace(request, samples=per_class), out, wanted, body)
        _report(pipeline, written, out, as_json=as_json)
        return 0
    request = request if apart else replace(request, action=what)
    labels = request.labels(pipeline.actions)
    if isinstance(labels, Mapping):
        name = "+".join(labels)
        request = replace(request, action=labels, style=None)
    else:
        name = "-".join(next(iter(each)) for each, _ in labels)
    wanted_constraints = (constraints or ConstraintOptions()).read(files.unit if files else None)
    clips = onto(pipeline.ask(request), body, set(), feet=request.feet)
    _warn(pipeline, request)
    code = 0
    if wanted_constraints:
        clips, residuals = constrained_clip(clips, wanted_constraints)
        warn_of(residuals)
        code = tell_constraints(each.to_json() for each in residuals)
    written, notes = write_clips(clips, out, folder_name(name), wanted)
    for line in notes:
        note(line)
    _report(pipeline, written, out, as_json=as_json)
    return code


def _everything(
    pipeline: Pipeline, request: GenerateRequest, out: Path, formats: tuple[str, ...], body: Motion | None
) -> list[Path]:
    from kinema.apps.generated_files import folder_name, write_clips, write_strips

    _warn(pipeline, request)
    rows: list[tuple[str, Clip]] = []
    written: list[Path] = []
    noted: set[str] = set()
    for place, name in enumerate(one for one in pipeline.actions if one not in pipeline.card.styles):
        clips = onto(
            pipeline.ask(replace(request, action=name, seed=request.seed * 1009 + place)),
            body,
            noted,
            feet=request.feet,
        )
        paths, notes = write_clips(clips, out / folder_name(name), folder_name(name), formats)
        rows.append((name, clips))
        written += paths
        for line in notes:
            if line not in noted:
                noted.add(line)
                note(line)
    write_strips(rows, out / "all.png")
    return [*written, out / "all.png"]


def onto(clips: Clip, body: Motion | None, noted: set[str], feet: Feet | None = None) -> Clip:
    """The clips on the user's skeleton, if there is one; `noted` are the notes that were printed already."""
    if body is None:
        return clips
    from kinema.pipeline.constraints import clip_on_body

    there, lines = clip_on_body(clips, body, feet)
    for line in lines:
        if line not in noted:
            noted.add(line)
            note(line)
    return there


def _warn(pipeline: Pipeline, request: GenerateRequest) -> None:
    trained = pipeline.trained_seconds
    if trained and ((request.seconds or trained) - trained) * pipeline.fps > 0.5:
        note(f"{pipeline.name} was trained for {trained:.2f} s; longer motion is less reliable")
    if pipeline.deterministic and request.samples > 1:
        note(f"{pipeline.name} is deterministic: the {request.samples} samples are the same")


def _report(pipeline: Pipeline, written: list[Path], out: Path, *, as_json: bool) -> None:
    if as_json:
        files = [str(path) for path in written]
        print(json.dumps({"model": pipeline.name, "actions": pipeline.actions, "files": files}))
    else:
        print(f"{len(written)} file{'s' * (len(written) != 1)} by {pipeline.name} in {out}")
