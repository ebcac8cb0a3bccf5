"""`kinema models`, `kinema recipes` and `kinema export`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from kinema.apps.cli.console import note
from kinema.apps.cli.options import Flag, Json, OutRequired
from kinema.core.errors import UsageError

app = App(name="models", help="List the models; push, pull and import them.")


@app.default
def models(name: str | None = None, which: str | None = None, *, json_: Json = False) -> None:
    """List the shipped models and the baselines; with a NAME (or show NAME), print that model's card and actions.

    Licences and numbers of parameters are in the cards and in the JSON.

    Parameters
    ----------
    name
        A shipped model, or the word show.
    which
        After show: a shipped model.
    """
    from kinema.models.baselines import BASELINES
    from kinema.pipeline.open import load_adapter, model_card, shipped_models
    from kinema.pipeline.pipeline import open as open_pipeline

    name = which if name == "show" else name
    if name is not None:
        print(model_card(name))
        if actions := load_adapter(name).actions:
            print(f"\nActions: {', '.join(actions)}")
        return
    rows = [_row(shipped) for shipped in shipped_models()]
    baseline = {"answers": "any skeleton, any rate", "parameters": 0, "licence": "", "default of": ""}
    rows += [{"model": name, "verbs": ", ".join(open_pipeline(name).verbs), **baseline} for name in BASELINES]
    if json_:
        print(json.dumps(rows, indent=1))
        return
    table = Table(box=None)
    columns = ("model", "verbs", "answers", "default of")
    for column in columns:
        table.add_column(column, no_wrap=column == "model")
    for row in rows:
        table.add_row(*(str(row[column]) for column in columns))
    Console().print(table)


@app.command
def push(model: str, target: str, /, *, private: Annotated[bool, Flag] = False) -> None:
    """Push a model to the hub, or to a folder of the same layout: config, weights as safetensors, card.

    Parameters
    ----------
    model
        A shipped model or a run folder.
    target
        hub:USER/NAME, or a folder.
    private
        Make a new repository private.
    """
    from kinema.pipeline.checkpoints.hub import push as send
    from kinema.pipeline.open import model_folder

    folder = model_folder(model)
    if folder is None:
        raise UsageError(
            expected="a model with weights",
            got=f"{model}, which has no weights",
            cure=f"Push a trained model: kinema models push simlpe-cmu {target}.",
        )
    print(send(folder, target, private=private))


@app.command
def pull(source: str, /, *, out: OutRequired) -> None:
    """Pull a model from the hub, or from a folder of the same layout, into a folder that works as a run folder.

    Parameters
    ----------
    source
        hub:USER/NAME, hub:USER/NAME@REVISION, or a folder.
    out
        The folder to write, new or empty.
    """
    from kinema.pipeline.checkpoints.hub import pull as bring

    print(bring(source, out))


@app.command(name="import")
def import_(
    recipe: str,
    files: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    out: OutRequired,
    stage: str | None = None,
    mean: Path | None = None,
    std: Path | None = None,
    data: Path | None = None,
    skeleton: str | None = None,
) -> None:
    """Import a checkpoint that a system's original code saved, as a run folder. Nothing in the file is executed.

    Parameters
    ----------
    recipe
        The recipe of the checkpoint: smrnet-faithful, smrnet-faithful-humaneva, simlpe-faithful-h36m,
        render-in-between-faithful, posegpt-faithful, or a JSON file with a recipe.
    files
        The checkpoint (PyTorch or safetensors); several files if the release has several.
    out
        The run folder to write, new or empty.
    stage
        The recipe's stage that the checkpoint holds. Default: the last.
    mean
        An NPY file with the mean of every feature, if the release standardises.
    std
        An NPY file with the standard deviation of every feature.
    data
        The folder with the recipe's data, if the skeleton comes from there.
    skeleton
        A skeleton of the catalogue instead of the recipe's own.
    """
    from kinema.apps.cli.train import read_recipe
    from kinema.pipeline.checkpoints.given import import_released

    chosen = read_recipe(recipe, data, tiny=False)
    made = import_released(chosen, files, out, stage=stage, mean=mean, std=std, skeleton=skeleton)
    for name in made.unmatched:
        print(f"kinema: not used: {name}", file=sys.stderr)
    print(f"kinema: {made.taken} tensors taken, {len(made.unmatched)} not used", file=sys.stderr)
    print(made.folder)


def recipes(name: str | None = None, *, json_: Json = False) -> None:
    """List the recipes; with a NAME, print that recipe as JSON: every value that `--set` can change.

    Parameters
    ----------
    name
        A recipe.
    """
    from kinema.recipes import RECIPES, recipe
    from kinema.recipes.codec import to_json

    if name is not None:
        print(json.dumps(to_json(recipe(name)), indent=2))
        return
    rows = {key: (build.__doc__ or "").strip().splitlines()[0] for key, build in RECIPES.items()}
    if json_:
        print(json.dumps(rows, indent=1))
        return
    table = Table(box=None)
    table.add_column("recipe", no_wrap=True)
    table.add_column("what")
    for key, what in rows.items():
        table.add_row(key, what)
    Console().print(table)


def export(model: str, out: Path, *, part: str | None = None, check: bool = True, as_json: Json = False) -> None:
    """Export a part of a model as ONNX, with a JSON beside it that describes its inputs and outputs.

    Parameters
    ----------
    model
        A shipped model (see `kinema models`) or a run folder.
    out
        The file to write, .onnx; the description goes to the same name with .json.
    part
        forecast (siMLPe, ConvSeq2Seq), denoiser or frames (SMRNet), inbetween (Render-In-Between), step, cached, encode
        or decode (PoseGPT). Default: the model's first part.
    check
        Compare onnxruntime's answers with the model's; fail above a difference of 1e-4.
    """
    from kinema.apps.onnx.graph import export as export_model

    done = export_model(model, out, part, check=check)
    if as_json:
        print(json.dumps({**asdict(done), "graph": str(done.graph), "page": str(done.page)}))
        return
    difference = "not checked" if done.difference is None else f"at most {done.difference:.1e} from the model"
    if done.others and part is None:
        note(f"this is the part {done.part}; --part also takes {', '.join(done.others)}")
    print(f"{done.graph} ({difference}), {done.page}")


def _row(name: str) -> dict[str, str | int]:
    from kinema.pipeline.defaults import DEFAULTS
    from kinema.pipeline.pipeline import open as open_pipeline

    pipeline = open_pipeline(name)
    adapter = pipeline.adapter
    assert adapter is not None
    representation = adapter.representation
    answers = "" if representation is None else f"{representation.space} of {representation.skeleton.name}"
    answers += "" if representation is None else f" at {representation.fps:g} fps"
    parameters = sum(weight.numel() for weight in adapter.model.parameters())
    chosen_for = ", ".join(verb for verb, chosen in DEFAULTS.items() if chosen.model == name)
    return {
        "model": name,
        "verbs": ", ".join(pipeline.verbs),
        "answers": answers,
        "parameters": parameters,
        "licence": adapter.card.licence,
        "default of": chosen_for,
    }
