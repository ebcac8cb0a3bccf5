"""`GivenWeights`: the trained model that another training starts from (`train(..., init_from=...)`)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from kinema.core.errors import CheckpointError, KinemaWarning, UsageError
from kinema.models.base import Model
from kinema.pipeline.checkpoints.checkpoint import take_statistics
from kinema.pipeline.open import model_folder, model_identity
from kinema.recipes import Recipe
from kinema.recipes.codec import differences, to_json
from kinema.representations.base import Representation
from kinema.training.checkpoint import RunFolder

_NAMED = 5  # tensors that an error lists


@dataclass(frozen=True, eq=False)
class GivenWeights:
    """The weights and statistics of a run folder, a shipped model or one of the hub, and its config."""

    name: str
    identity: str
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]

    @classmethod
    def read(cls, name: str | Path) -> GivenWeights:
        """Read the model of that name. Raises UsageError for an unknown one or one without weights, MissingDataError
        for a folder without a model, CheckpointError for a damaged one."""
        folder = model_folder(name)
        if folder is None:
            raise UsageError(
                expected="a model with weights to start from",
                got=f"{name}, a formula",
                cure="Name a run folder or a model with parameters (`kinema models` lists them).",
            )
        run = RunFolder(folder)
        return cls(str(name), model_identity(name), run.weights(), run.facts())

    def about(self, recipe: Recipe) -> dict[str, Any]:
        """What config.json keeps of where a training of that recipe began.

        Raises UsageError where the recipe has no stage of the name of that which the weights are of.
        """
        names = [stage.name for stage in recipe.stages]
        if self.facts["stage"] not in names:
            raise UsageError(
                expected=f"weights of a stage of {recipe.name} ({', '.join(names)})",
                got=f"those of stage '{self.facts['stage']}' in {self.name}",
                cure="Name a model that was trained by this recipe or a variant of it.",
            )
        return {
            "name": self.name,
            "identity": self.identity,
            "stage": self.facts["stage"],
            "licence": self.facts["licence"],
            "trained_on": list(self.facts["trained_on"]),
        }

    def standardise(self, representation: Representation, recipe: Recipe) -> None:
        """Give a representation the statistics of the run. Raises CheckpointError where its features are not as many.

        Warns where the run's features were made otherwise.
        """
        take_statistics(representation, self.tensors)
        was, now = self.facts["recipe"]["representation"], to_json(recipe)["representation"]
        for where, before, wanted in differences(was, now)[:1]:
            warnings.warn(
                f"the weights of {self.name} learnt from features with {where} = {before!r}; here it is {wanted!r}",
                KinemaWarning,
                stacklevel=2,
            )

    def start(self, model: Model, recipe: Recipe, actions: Sequence[str]) -> None:
        """Give a model the weights. Raises CheckpointError where it is of another architecture, naming the first
        tensors that differ, or knows other actions."""
        own = model.state_dict()
        found = {key.removeprefix("model."): value for key, value in self.tensors.items() if key.startswith("model.")}
        if wrong := misfits(found, own):
            raise CheckpointError(
                expected=f"weights of the architecture of {recipe.name} ({len(own)} tensors)",
                got=f"those of {self.name}: {wrong}",
                cure="Take the recipe that the weights were trained by (`recipe` in their config.json), and change "
                "nothing of its model, its features and its actions.",
            )
        known = [str(action) for action in self.facts.get("actions", ())]
        if list(actions) != known:
            raise CheckpointError(
                expected=f"the actions of {self.name}: {', '.join(known) or 'none'}",
                got=", ".join(actions) or "none",
                cure="Label the data by the same actions, or train without these weights.",
            )
        model.load_state_dict(found)


def misfits(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The first tensors that lack, have another shape, or are too many for a model that has `own`; "" for none."""
    wrong = [f"no {name} {tuple(value.shape)}" for name, value in own.items() if name not in found]
    wrong += [
        f"{name} of shape {tuple(found[name].shape)} for {tuple(value.shape)}"
        for name, value in own.items()
        if name in found and found[name].shape != value.shape
    ]
    wrong += [f"one {name} too many" for name in found if name not in own]
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return f"{'; '.join(wrong[:_NAMED])}{more}"
