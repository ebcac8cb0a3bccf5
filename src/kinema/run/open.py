"""Opening a model by name or by folder: a baseline, a model that is shipped, or a run of one's own."""

from __future__ import annotations

from pathlib import Path

from kinema.data.tasks import Forecast
from kinema.errors import MissingDataError, unknown_name
from kinema.models.baselines import BASELINES
from kinema.protocols.forecaster import Space
from kinema.run.run import Run
from kinema.run.saved import load_model

WEIGHTS = Path(__file__).parents[1] / "weights"
_ONLY: dict[str, Space] = {"slerp": "rotations"}


def shipped_models() -> tuple[str, ...]:
    """The names of the models whose weights come with the package."""
    return tuple(sorted(folder.parent.name for folder in WEIGHTS.glob("*/config.json")))


def open_run(name: str | Path) -> Run:
    """The model of that name, or of that run folder. Folders win over names where they hold a `config.json`.

    Raises UsageError for an unknown name, MissingDataError for a folder without a model, CheckpointError for a damaged
    one.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return _from_folder(folder, folder.name)
    if str(name) in BASELINES:
        return Run(name=str(name), model=BASELINES[str(name)](), observed=4, only=_ONLY.get(str(name)))
    if str(name) in shipped_models():
        return _from_folder(WEIGHTS / str(name), str(name))
    if folder.is_dir():
        raise MissingDataError(
            expected=f"a run folder with config.json and model.safetensors at {folder}",
            got="a folder without them",
            cure="Name a folder that `kinema train --out` wrote, or a model of `kinema models`.",
        )
    raise unknown_name("model", str(name), (*BASELINES, *shipped_models()))


def model_card(name: str) -> str:
    """The model card (Markdown) of a shipped model. Raises UsageError for an unknown name."""
    if name not in shipped_models():
        raise unknown_name("shipped model", name, shipped_models())
    return (WEIGHTS / name / "README.md").read_text()


def _from_folder(folder: Path, name: str) -> Run:
    loaded = load_model(folder)
    task = loaded.stage.task
    observed, trained = (task.observed, task.predicted) if isinstance(task, Forecast) else (task.frames, 0)
    return Run(
        name=name,
        model=loaded.model,
        representation=loaded.representation,
        observed=observed,
        trained=trained,
        trained_on=loaded.trained_on,
        licence=loaded.licence,
        symmetric=loaded.recipe.symmetric,
    )
