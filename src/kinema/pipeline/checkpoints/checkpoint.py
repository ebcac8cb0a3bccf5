"""A model on disk with everything that it needs: recipe, skeleton, statistics, and where it learnt.

A run folder and the weights that are shipped have the same layout (`kinema.training.checkpoint`); shipped weights
merely lack the state of their training and may be half precision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kinema.core.errors import CheckpointError, KinemaError
from kinema.data.tasks import Forecast
from kinema.models.base import FeatureShape, Frame, Model
from kinema.motion.edit import rest_pose
from kinema.pipeline.adapter import Adapter, Card
from kinema.recipes import Recipe, Stage
from kinema.recipes.codec import from_json, to_json
from kinema.representations.base import Anchor, Representation, Statistics
from kinema.training.checkpoint import RunFolder, skeleton_from_json, skeleton_to_json


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
    """What a checkpoint's config.json says besides the step: see `load_model` for the way back.

    `trained_on` are the identities of the recordings that training drew from, `classes` the model's number of action
    classes, `actions` their names, `styles` those of them that say how and not what, `data` counts of clips, frames and
    windows. Where the data lie on this machine is left out.
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
    """The representation's statistics, as they are stored among the weights."""
    statistics = representation.statistics
    return {"representation.mean": statistics.mean, "representation.std": statistics.std}


def portable(recipe: Recipe) -> Recipe:
    """The recipe without the place where this machine keeps the data."""
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
    """Write config.json and model.safetensors, without the state of training; `facts` by `facts_of`.

    With `half` the weights are float16 on disk. Raises KinemaError where the folder cannot be written to.
    """
    weights = {
        f"model.{name}": value.half() if half and value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    RunFolder(folder).save(facts, weights | constants_of(representation), {}, step=step, last=True)


def load_model(folder: Path, name: str | None = None) -> Adapter:
    """The model of a run folder or of shipped weights, as float32, in evaluation mode. Its name is the folder's.

    Raises MissingDataError where there is none, CheckpointError where it is damaged, of another format version, or its
    weights do not fit its recipe.
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
        model = fresh_model(recipe, stage, feature_shape(representation, int(facts.get("classes", 0))))
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
        raise CheckpointError(
            expected=f"a model in {folder} whose recipe, skeleton and weights fit together",
            got=" ".join(str(error).split()),
            cure="The folder was changed or mixed with another: copy it again, or train it again.",
        ) from error
    task = stage.task
    observed, trained = (task.observed, task.predicted) if isinstance(task, Forecast) else (task.frames, 0)
    return Adapter(
        name or folder.name, model.eval(), representation, observed, trained, symmetric=recipe.symmetric, card=card
    )


def take_statistics(representation: Representation, weights: Mapping[str, Tensor]) -> None:
    """Give a representation the statistics that were stored. Raises CheckpointError where they do not fit it."""
    found = [weights.get(f"representation.{name}") for name in ("mean", "std")]
    mean, std = found
    if mean is None or std is None or mean.shape != std.shape or tuple(mean.shape) != (representation.width,):
        shapes = ["none" if value is None else str(tuple(value.shape)) for value in found]
        raise CheckpointError(
            expected=f"a mean and a deviation of {representation.width} features",
            got=" and ".join(shapes),
            cure="The weights are of another skeleton or representation: train them again.",
        )
    representation.statistics = Statistics(mean, std)


def feature_shape(representation: Representation, classes: int) -> FeatureShape:
    """What a model must know of a representation."""

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
    )


@dataclass(frozen=True, eq=False)
class _OwnFrame:
    """An anchor for standardised features; seen from it they are in their own units."""

    anchor: Anchor
    representation: Representation

    def into(self, features: Tensor) -> Tensor:
        return self.anchor.into(self.representation.restore(features))

    def back(self, features: Tensor) -> Tensor:
        return self.representation.standardise(self.anchor.back(features))


def fresh_model(recipe: Recipe, last: Stage, shape: FeatureShape) -> Model:
    """The model of a recipe's stage with fresh weights, upon fresh models of the stages before it."""
    earlier: dict[str, Model] = {}
    with torch.random.fork_rng():
        for stage in recipe.stages:
            earlier[stage.name] = stage.build(shape, earlier)
            if stage.name == last.name:
                break
    return earlier[last.name]
