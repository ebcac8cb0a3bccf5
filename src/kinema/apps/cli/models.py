"""`kinema models` and `kinema recipes`: what there is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console
from rich.table import Table

from kinema.core.errors import UsageError

app = App(name="models", help="List the shipped models and the baselines; send, fetch and import models.")
JsonFlag = Annotated[bool, Parameter(name="--json")]


@app.default
def models(name: str | None = None, which: str | None = None, *, json_: JsonFlag = False) -> None:
    """List the shipped models and the baselines; with a NAME (or `show NAME`), print that model's card and actions.

    Parameters
    ----------
    name
        A shipped model, or the word show.
    which
        After show: the model.
    json_
        As JSON on standard output.
    """
    from kinema.models.baselines import BASELINES
    from kinema.pipeline.open import load_adapter, model_card, shipped_models

    name = which if name == "show" else name
    if name is not None:
        print(model_card(name))
        if actions := load_adapter(name).actions:
            print(f"\nActions: {', '.join(actions)}")
        return
    rows = [_row(shipped) for shipped in shipped_models()]
    rows += [{"model": name, "answers": "any skeleton, any rate", "parameters": 0, "licence": ""} for name in BASELINES]
    if json_:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    table = Table("model", "answers", "parameters", "licence", box=None)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console().print(table)


@app.command
def push(model: str, target: str, /, *, private: Annotated[bool, Parameter(negative=())] = False) -> None:
    """Send a model to the hub, or to a folder of the same layout: config, weights as safetensors, card.

    Parameters
    ----------
    model
        A shipped model or a run folder.
    target
        hub:USER/NAME, or a folder.
    private
        Where the repository is new: for your eyes only.
    """
    from kinema.pipeline.checkpoints.hub import push as send
    from kinema.pipeline.open import model_folder

    folder = model_folder(model)
    if folder is None:
        raise UsageError(
            expected="a model with weights",
            got=f"{model}, a formula",
            cure=f"Send a model that was trained: kinema models push simlpe-cmu {target}.",
        )
    print(send(folder, target, private=private))


@app.command
def pull(source: str, /, *, out: Annotated[Path, Parameter(name=["--out", "-o"])]) -> None:
    """Fetch a model from the hub, or from a folder of the same layout, to a folder that all verbs take as a model.

    Parameters
    ----------
    source
        hub:USER/NAME, hub:USER/NAME@REVISION, or a folder. (The verbs take hub:USER/NAME as a model, too.)
    out
        The folder: new, or empty.
    """
    from kinema.pipeline.checkpoints.hub import pull as bring

    print(bring(source, out))


@app.command(name="import")
def import_(
    recipe: str,
    files: Annotated[list[Path], Parameter(negative=())],
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    stage: str | None = None,
    mean: Path | None = None,
    std: Path | None = None,
    data: Path | None = None,
    skeleton: str | None = None,
) -> None:
    """Make a run folder of a checkpoint that the original code of a system saved. Nothing in the file is run.

    Parameters
    ----------
    recipe
        The recipe that says what the checkpoint is of: smrnet-faithful, smrnet-faithful-humaneva, simlpe-faithful-h36m,
        render-in-between-faithful, posegpt-faithful; or a JSON file with a recipe of other sizes.
    files
        The checkpoint, as PyTorch (any version) or safetensors saves it; several, where the release keeps parts apart.
    out
        The run folder: new, or empty.
    stage
        The recipe's stage that the checkpoint is of; by default the last.
    mean
        NPY file with the mean of every feature, where the release standardises.
    std
        NPY file with the deviation of every feature.
    data
        Where the recipe's data lie, if the body comes with them.
    skeleton
        A body of the catalogue in place of the recipe's own.
    """
    from kinema.apps.cli.train import read_recipe
    from kinema.pipeline.checkpoints.released import import_released

    chosen = read_recipe(recipe, data, tiny=False)
    made = import_released(chosen, files, out, stage=stage, mean=mean, std=std, skeleton=skeleton)
    for name in made.unmatched:
        print(f"kinema: not used: {name}", file=sys.stderr)
    print(f"kinema: {made.taken} tensors taken, {len(made.unmatched)} not used", file=sys.stderr)
    print(made.folder)


def recipes(name: str | None = None, *, json_: JsonFlag = False) -> None:
    """List the recipes; with a NAME, print that recipe as JSON, every value that `--set` can change.

    Parameters
    ----------
    name
        A recipe.
    json_
        The list as JSON on standard output.
    """
    from kinema.recipes import RECIPES, recipe
    from kinema.recipes.codec import to_json

    if name is not None:
        print(json.dumps(to_json(recipe(name)), indent=2))
        return
    rows = {key: (build.__doc__ or "").strip().splitlines()[0] for key, build in RECIPES.items()}
    if json_:
        json.dump(rows, sys.stdout, indent=1)
        print()
        return
    table = Table("recipe", "what", box=None)
    for key, what in rows.items():
        table.add_row(key, what)
    Console().print(table)


def _row(name: str) -> dict[str, str | int]:
    from kinema.pipeline.open import load_adapter

    adapter = load_adapter(name)
    representation = adapter.representation
    answers = "" if representation is None else f"{representation.space} of {representation.skeleton.name}"
    answers += "" if representation is None else f" at {representation.fps:g} fps"
    parameters = sum(weight.numel() for weight in adapter.model.parameters())
    return {"model": name, "answers": answers, "parameters": parameters, "licence": adapter.card.licence}
