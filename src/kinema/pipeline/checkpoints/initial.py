"""`GivenWeights`: the trained model from which another training starts (`train(..., init_from=...)`)."""

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
        """Read the model of that name. Raises UsageError for an unknown name or a method without weights,
        MissingDataError for a folder without a model, CheckpointError for a damaged one."""
        folder = model_folder(name)
        if folder is None:
            raise UsageError(
                expected="a model with weights to start from",
                got=f"{name}, a formula",
                cure="Use a run folder, or a model that `kinema models` lists with parameters.",
            )
        run = RunFolder(folder)
        return cls(str(name), model_identity(name), run.weights(), run.facts())

    def about(self, recipe: Recipe) -> dict[str, Any]:
        """The facts about these weights for config.json.

        Raises UsageError if the recipe has no stage of the name of the weights' stage.
        """
        names = [stage.name for stage in recipe.stages]
        if self.facts["stage"] not in names:
            raise UsageError(
                expected=f"weights of a stage of {recipe.name} ({', '.join(names)})",
                got=f"those of stage '{self.facts['stage']}' in {self.name}",
                cure="Use a model that was trained with this recipe or a variant of it.",
            )
        return {
            "name": self.name,
            "identity": self.identity,
            "stage": self.facts["stage"],
            "licence": self.facts["licence"],
            "trained_on": list(self.facts["trained_on"]),
        }

    def standardise(self, representation: Representation, recipe: Recipe) -> None:
        """Set a representation's statistics to those of the run, with a warning if its features differ in kind.

        Raises CheckpointError if the number of features differs.
        """
        take_statistics(representation, self.tensors)
        was, now = self.facts["recipe"]["representation"], to_json(recipe)["representation"]
        for where, before, wanted in differences(was, now)[:1]:
            warnings.warn(
                f"the weights of {self.name} were trained on features with {where} = {before!r}; here it is {wanted!r}",
                KinemaWarning,
                stacklevel=2,
            )

    def start(self, model: Model, recipe: Recipe, actions: Sequence[str]) -> None:
        """Copy the weights into a model. Raises CheckpointError for another architecture (with the first tensors that
        differ) or other actions."""
        own = model.state_dict()
        found = {key.removeprefix("model."): value for key, value in self.tensors.items() if key.startswith("model.")}
        found = model.renamed(found)
        if wrong := misfits(found, own):
            raise CheckpointError(
                expected=f"weights of the architecture of {recipe.name} ({len(own)} tensors)",
                got=f"those of {self.name}: {wrong}",
                cure="Use the recipe of the weights (`recipe` in their config.json) with the same model, features and "
                "actions.",
            )
        known = [str(action) for action in self.facts.get("actions", ())]
        if list(actions) != known:
            raise CheckpointError(
                expected=f"the actions of {self.name}: {', '.join(known) or 'none'}",
                got=", ".join(actions) or "none",
                cure="Label the data with the same actions, or leave --init-from out.",
            )
        model.load_state_dict(found)


def misfits(found: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """The first tensors that are missing, of another shape, or unexpected in a model with `own`; "" for none."""
    wrong = [f"no {name} {tuple(value.shape)}" for name, value in own.items() if name not in found]
    wrong += [
        f"{name} of shape {tuple(found[name].shape)} for {tuple(value.shape)}"
        for name, value in own.items()
        if name in found and found[name].shape != value.shape
    ]
    wrong += [f"unexpected {name}" for name in found if name not in own]
    more = f" and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
    return f"{'; '.join(wrong[:_NAMED])}{more}"
