"""Resolve a name: a run folder, a shipped model, a baseline, a classical method, or a repository ("hub:...")."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kinema.core.errors import MissingDataError, UsageError, unknown_name
from kinema.models.baselines import BASELINES
from kinema.motion.interpolation import CURVES
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.checkpoints.hub import PREFIX, called, fetched
from kinema.protocols.interface import Space
from kinema.training.checkpoint import CONFIG, RunFolder

WEIGHTS = Path(__file__).parents[1] / "weights"
METHODS: tuple[str, ...] = ("auto", *CURVES)
"""The methods that are no models: a curve for all gaps, or "auto", the best method for each gap."""
_ONLY: dict[str, Space] = {"slerp": "rotations"}


def shipped_models() -> tuple[str, ...]:
    """The names of the models that the package contains."""
    return tuple(sorted(folder.parent.name for folder in WEIGHTS.glob("*/config.json")))


def load_adapter(name: str | Path) -> Adapter:
    """The model of that name, run folder, or repository ("hub:USER/NAME"); a folder with config.json comes first.

    Raises UsageError for an unknown name or a curve, MissingDataError for a folder or repository without a model,
    CheckpointError for a damaged one.
    """
    if (folder := model_folder(name)) is None:
        if str(name) not in BASELINES:
            raise UsageError(
                expected=f"a model among {', '.join((*BASELINES, *shipped_models()))}, or a run folder",
                got=f"'{name}', a classical method",
                cure="Use simlpe-cmu, or another model of `kinema models`.",
            )
        return Adapter(str(name), BASELINES[str(name)](), observed=4, only=_ONLY.get(str(name)))
    return load_model(folder, called(str(name)) if str(name).startswith(PREFIX) else folder.name)


def model_folder(name: str | Path) -> Path | None:
    """The folder of a model; None for a baseline or a curve, which has none.

    Raises UsageError for an unknown name, MissingDataError for a folder without a model.
    """
    if str(name).startswith(PREFIX):
        return fetched(str(name))
    folder = Path(name)
    if (folder / CONFIG).is_file():
        return folder
    if str(name) in BASELINES or str(name) in METHODS:
        return None
    if str(name) in shipped_models():
        return WEIGHTS / str(name)
    if folder.is_dir():
        raise MissingDataError(
            expected=f"a run folder with config.json and model.safetensors at {folder}",
            got="a folder without them",
            cure="Name a folder that `kinema train` wrote, or a model of `kinema models`.",
        )
    error = unknown_name("model, method or run folder", str(name), (*METHODS, *BASELINES, *shipped_models()))
    if len(folder.parts) > 1:
        cure = "Name a folder that `kinema train` wrote, or a model of `kinema models`."
        raise UsageError(expected=error.expected, got=f"no folder at {folder}", cure=cure)
    raise error


def model_identity(name: str | Path) -> str:
    """A digest of a model's files; the name of a baseline or a curve. Raises the same errors as `model_folder`."""
    if (folder := model_folder(name)) is None:
        return str(name)
    digest = hashlib.blake2b(digest_size=16)
    for file in (folder / CONFIG, RunFolder(folder).file()):
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


def model_card(name: str) -> str:
    """The model card (Markdown) of a shipped model. Raises UsageError for an unknown name."""
    if name not in shipped_models():
        raise unknown_name("shipped model", name, shipped_models())
    return (WEIGHTS / name / "README.md").read_text()
