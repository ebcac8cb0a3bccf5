"""Save and load a model with its recipe, skeleton, statistics and training recordings.

Run folders and shipped weights have the same layout (`kinema.training.checkpoint`); shipped weights have no training
state and may be float16.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)

from kinema.core.errors import CheckpointError, KinemaError, UsageError
from kinema.data.tasks import Forecast
from kinema.models.base import FeatureShape, Frame, Model
from kinema.motion.edit import rest_pose
from kinema.pipeline.adapter import Adapter, Card
from kinema.recipes import Recipe, Stage
from kinema.recipes.codec import from_json, to_json
from kinema.representations.base import Anchor, Representation, Statistics
from kinema.training.checkpoint import RunFolder, sizes_of, skeleton_from_json, skeleton_to_json


def facts_of(
    recipe: Recipe,
    stage: Stage,
    representation: Representation,
    *,
    trained_on: Iterable[str],
    licence: str,
    classes: int = 0,
    actions: Iterable[str] = (),
    styles: Iterable[str] = (),
    data: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The contents of config.json without the step; `load_model` reads them.

    `trained_on` are the identities of the training recordings, `classes` the number of action classes, `actions` their
    names, `styles` those that describe how an action is done, `data` counts of clips, frames and windows. Paths of data
    are left out.
    """
    return {
        "recipe": to_json(portable(recipe)),
        "stage": stage.name,
        "skeleton": skeleton_to_json(representation.skeleton),
        "classes": classes,
        "actions": list(actions) if classes else [],
        "styles": list(styles) if classes else [],
        "trained_on": sorted(trained_on),
        "licence": licence,
        "data": dict(data or {}),
    }


def constants_of(representation: Representation) -> dict[str, Tensor]:
    """The representation's statistics under their names among the weights."""
    statistics = representation.statistics
    return {"representation.mean": statistics.mean, "representation.std": statistics.std}


def portable(recipe: Recipe) -> Recipe:
    """The recipe without its data folder."""
    return replace(recipe, source=recipe.source.rooted(None))


def save_model(
    folder: Path,
    model: Model,
    facts: Mapping[str, Any],
    representation: Representation,
    *,
    step: int,
    half: bool = False,
) -> None:
    """Write config.json and model.safetensors, without training state; `facts` from `facts_of`.

    `half` stores float16. Raises KinemaError if the folder is not writable.
    """
    weights = {
        f"model.{name}": value.half() if half and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    RunFolder(folder).save(facts, weights | constants_of(representation), {}, step=step, last=True)


def load_model(folder: Path, name: str | None = None) -> Adapter:
    """The model of a folder, float32, in evaluation mode; `name` defaults to the folder's.

    Raises MissingDataError for a folder without a model, CheckpointError for a damaged one, another format version, or
    weights that do not fit the recipe.
    """
    run = RunFolder(folder)
    facts = run.facts()
    weights = run.weights()
    try:
        recipe = from_json(facts["recipe"], Recipe)
        stages = {stage.name: stage for stage in recipe.stages}
        stage = stages[facts["stage"]]
        representation = recipe.representation.build(skeleton_from_json(facts["skeleton"]))
        take_statistics(representation, weights)
        shape = feature_shape(representation, int(facts.get("classes", 0)))
        with _no_more_than(*sizes_of(run.file())):
            model = fresh_model(recipe, stage, shape)
        model.load_state_dict(
            {name.removeprefix("model."): value for name, value in weights.items() if name.startswith("model.")}
        )
        card = Card(
            licence=str(facts["licence"]),
            trained_on=frozenset(str(identity) for identity in facts["trained_on"]),
            actions=tuple(str(name) for name in facts.get("actions", ())),
            styles=tuple(str(name) for name in facts.get("styles", ())),
            recipe=recipe,
            stage=stage,
            step=int(facts["step"]),
            facts=facts,
        )
    except (KinemaError, LookupError, ArithmeticError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, CheckpointError):
            raise
        if isinstance(error, UsageError) and error.expected.startswith("a kind of "):
            raise CheckpointError(
                expected=f"a model in {folder} whose parts are known",
                got=f"{error.got}, which is no {error.expected.removeprefix('a ').partition(' among ')[0]} of kinema",
                cure="Import the package that registers it first, as the end of docs/extend.md shows.",
            ) from error
        raise CheckpointError(
            expected=f"a model in {folder} whose recipe, skeleton and weights fit together",
            got=" ".join(str(error).split()),
            cure="Copy the whole folder again from its source, or repeat `kinema train`.",
        ) from error
    task = stage.task
    observed, trained = (task.observed, task.predicted) if isinstance(task, Forecast) else (task.frames, 0)
    return Adapter(
        name or folder.name,
        model.eval(),
        representation,
        observed,
        trained,
        symmetric=recipe.symmetric,
        card=card,
        share=recipe.share,
    )


@contextlib.contextmanager
def _no_more_than(tensors: int, numbers: int) -> Generator[None]:
    """Modules that are built inside have about as many parameters as their file, by its header.

    The stages before the last one and what is not stored may be as large again. Each tensor is counted before it is
    filled, so that a config that asks for too much costs neither memory nor time. Raises CheckpointError.
    """
    builder, most, largest = threading.get_ident(), 20 * tensors + 1000, 20 * numbers + 10_000_000
    count = size = 0

    def add(_: nn.Module, name: str, value: Tensor | None) -> None:
        nonlocal count, size
        if value is None or threading.get_ident() != builder:
            return
        count, size = count + 1, size + value.numel()
        if count > most or size > largest:
            raise CheckpointError(
                expected=f"a config for {numbers:,} numbers in {tensors} tensors, by the header of the weights",
                got=f"one that asks for more than {min(count, most):,} tensors or {min(size, largest):,} numbers",
                cure="Copy the whole folder again from its source, or repeat `kinema train`.",
            )

    hooks = (register_module_parameter_registration_hook(add), register_module_buffer_registration_hook(add))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def take_statistics(representation: Representation, weights: Mapping[str, Tensor]) -> None:
    """Set a representation's statistics from stored tensors. Raises CheckpointError if they do not fit."""
    found = [weights.get(f"representation.{name}") for name in ("mean", "std")]
    mean, std = found
    if mean is None or std is None or mean.shape != std.shape or tuple(mean.shape) != (representation.width,):
        shapes = ["none" if value is None else str(tuple(value.shape)) for value in found]
        raise CheckpointError(
            expected=f"a mean and a deviation of {representation.width} features",
            got=" and ".join(shapes),
            cure="The weights are of another skeleton: use the one of their config.json, or repeat `kinema train`.",
        )
    representation.statistics = Statistics(mean, std)


def feature_shape(representation: Representation, classes: int) -> FeatureShape:
    """The facts about a representation that a model needs."""

    def points(features: Tensor) -> Tensor:
        return representation.decode(representation.restore(features)).points().positions

    def frame(observed: Tensor, confidence: Tensor) -> Frame | None:
        anchor = representation.anchor(representation.restore(observed), confidence)
        return anchor and _OwnFrame(anchor, representation)

    def rest() -> Tensor:
        pose = rest_pose(representation.skeleton, representation.fps)
        return representation.standardise(representation.encode(pose))[0]

    return FeatureShape(
        representation.width,
        representation.tokens,
        classes,
        points,
        representation.fps,
        representation.token_of_feature,
        representation.source_of_feature,
        frame,
        rest,
        representation.body,
    )


@dataclass(frozen=True, eq=False)
class _OwnFrame:
    """An anchor for standardised features; relative to it they are in their own units."""

    anchor: Anchor
    representation: Representation

    def into(self, features: Tensor) -> Tensor:
        return self.anchor.into(self.representation.restore(features))

    def back(self, features: Tensor) -> Tensor:
        return self.representation.standardise(self.anchor.back(features))


def fresh_model(recipe: Recipe, last: Stage, shape: FeatureShape) -> Model:
    """The model of a recipe's stage with new weights, built on new models of the stages before it."""
    earlier: dict[str, Model] = {}
    with torch.random.fork_rng():
        for stage in recipe.stages:
            earlier[stage.name] = stage.build(shape, earlier)
            if stage.name == last.name:
                break
    return earlier[last.name]
