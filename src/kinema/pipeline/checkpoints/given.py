"""Weights from elsewhere: of a trained model from which another training starts, and of an original code.

`GivenWeights` is for `train(..., init_from=...)`. `import_released` reads a file without executing code
(`core.safe_pickle`); `Model.from_released` maps the names, and all tensors of the recipe's model must be present with
their shapes.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kinema.core.errors import CheckpointError, FormatError, KinemaWarning, MissingDataError, UsageError, some
from kinema.core.safe_pickle import read_torch
from kinema.models.base import Model
from kinema.motion.skeletons import skeleton as catalogued
from kinema.pipeline.checkpoints.checkpoint import facts_of, feature_shape, fresh_model, save_model, take_statistics
from kinema.pipeline.open import model_folder, model_identity
from kinema.recipes import Recipe, Stage
from kinema.recipes.codec import differences, to_json
from kinema.representations.base import Representation, Statistics
from kinema.training.checkpoint import RunFolder, read_tensors

_NAMED = 5  # tensors, or names, that an error lists
OF_FEATURES = "representation."  # prefix of "mean" and "std" in the input of `Model.from_released`


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
    return some(wrong, _NAMED, between="; ")


@dataclass(frozen=True)
class Imported:
    """The run folder, the number of imported tensors, and the names in the file that were not used."""

    folder: Path
    taken: int
    unmatched: tuple[str, ...]


def import_released(
    recipe: Recipe,
    files: Sequence[Path],
    out: Path,
    *,
    stage: str | None = None,
    mean: Path | None = None,
    std: Path | None = None,
    skeleton: str | None = None,
) -> Imported:
    """Write the weights in `files` (PyTorch or safetensors) as a run folder `out` of that recipe.

    `stage` is the recipe's stage of the weights (default: the last). Tensors of later files replace those of earlier
    ones. `mean` and `std` are NPY files with one number per feature, in the released order, if the release stores its
    statistics separately. `skeleton` names a catalogue skeleton in place of the recipe's own, which may need its data.
    Raises UsageError if `out` is not empty or a name is unknown, FormatError if a file is damaged or contains code,
    CheckpointError if its tensors do not fit the recipe's model.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            expected=f"a new or empty folder at {out}", got="a file or a folder with files", cure=f"Use --out {out}-2."
        )
    chosen = _stage(recipe, stage)
    try:
        body = catalogued(skeleton) if skeleton is not None else recipe.source.skeleton
    except MissingDataError as error:
        raise MissingDataError(
            expected=f"the skeleton of recipe {recipe.name}, which comes with its data",
            got=error.got,
            cure="Add --data DIR, or --skeleton kinema24, which has every joint that recipes name.",
        ) from error
    representation = recipe.representation.build(body)
    classes = len(recipe.source.actions) if chosen.task.labelled else 0
    model = fresh_model(recipe, chosen, feature_shape(representation, classes))
    released: dict[str, Tensor] = {}
    for file in files:
        released |= _tensors(file)
    numbers = _numbers(recipe, representation, {"mean": mean, "std": std})
    found, unread = model.from_released(released | numbers)
    unmatched = [name for name in unread if name not in numbers]
    given = {name: found.pop(name, value) for name, value in numbers.items()}
    fitting = _checked(found, model.state_dict(), recipe, unmatched)
    model.load_state_dict(fitting)
    if given:
        representation.statistics = Statistics(given[f"{OF_FEATURES}mean"], given[f"{OF_FEATURES}std"])
    facts = facts_of(
        recipe,
        chosen,
        representation,
        trained_on=(f"?{recipe.source.name}/imported",),
        licence=f"imported from {', '.join(file.name for file in files)}: the terms of those who published it",
        classes=classes,
        actions=recipe.source.actions if classes else (),
        styles=recipe.source.styles if classes else (),
        data={"imported": [file.name for file in files], "unmatched": list(unmatched)},
    )
    save_model(out, model, facts, representation, step=0)
    return Imported(RunFolder(out).path, len(fitting), tuple(unmatched))


def _stage(recipe: Recipe, name: str | None) -> Stage:
    stages = {stage.name: stage for stage in recipe.stages}
    if name is None:
        return recipe.stages[-1]
    if name not in stages:
        raise UsageError(
            expected=f"a stage of {recipe.name} among {', '.join(stages)}",
            got=f"'{name}'",
            cure=f"Use --stage {recipe.stages[-1].name}.",
        )
    return stages[name]


def _tensors(file: Path) -> dict[str, Tensor]:
    """The named tensors of a file, also if they are nested in it."""
    if not file.is_file():
        raise MissingDataError(
            expected=f"a checkpoint at {file}", got="no such file", cure=f"Use a file of {file.parent}."
        )
    if file.suffix == ".safetensors":
        return read_tensors(file)
    tables = _tables(read_torch(file))
    if len(tables) != 1:
        got = ", ".join(tables) or "none"
        raise FormatError(
            where=str(file),
            expected="one table of named tensors (a state_dict)",
            got=got if len(tables) < 2 else f"{len(tables)}: {got}",
            cure="Save one table: torch.save(checkpoint['NAME'], 'new.pth').",
        )
    table = next(iter(tables.values()))
    # Training on several devices adds a prefix to every name.
    return {name.removeprefix("module."): value.float() if value.is_floating_point() else value
            for name, value in table.items()}  # fmt: skip


def _tables(found: object, where: str = "the file itself") -> dict[str, dict[str, Tensor]]:
    """Tables with only tensors. Those of an optimiser are none: their keys are numbers."""
    if not isinstance(found, Mapping):
        return {}
    items = cast("Mapping[Any, Any]", found)
    if items and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in items.items()):
        return {where: dict(cast("Mapping[str, Tensor]", items))}
    tables: dict[str, dict[str, Tensor]] = {}
    for key, value in items.items():
        if isinstance(key, str):
            tables |= _tables(value, key)
    return tables


def _checked(
    found: Mapping[str, Tensor], own: Mapping[str, Tensor], recipe: Recipe, unmatched: Sequence[str]
) -> dict[str, Tensor]:
    """The tensors of the model in their own types. Raises CheckpointError if one is missing, unexpected or of another
    shape."""
    if wrong := misfits(found, own):
        left = f"; not matched: {', '.join(unmatched[:_NAMED])}" if unmatched else ""
        raise CheckpointError(
            expected=f"the {len(own)} tensors of the model of {recipe.name}",
            got=f"{wrong}{left}",
            cure="Use the recipe of that checkpoint, or a JSON file of it with the trained sizes (`kinema recipes "
            "NAME` prints one).",
        )
    return {name: found[name].to(value.dtype) for name, value in own.items()}


def _numbers(recipe: Recipe, representation: Representation, files: Mapping[str, Path | None]) -> dict[str, Tensor]:
    """The given statistics by their names among the weights: both, or none if features are not standardised."""
    missing = [f"--{name}" for name, path in files.items() if path is None]
    if missing and (recipe.representation.standardise or len(missing) < len(files)):
        raise UsageError(
            expected=f"--mean and --std for the {representation.width} features of recipe {recipe.name}",
            got=f"no {' and no '.join(missing)}",
            cure="Add --mean MEAN.npy --std STD.npy, the two files of the release.",
        )
    numbers: dict[str, Tensor] = {}
    for name, path in files.items():
        if path is None:
            continue
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FormatError(
                where=str(path), expected="an NPY file of numbers", got=str(error), cure="Download the file again."
            ) from error
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size != representation.width:
            raise FormatError(
                where=str(path),
                expected=f"{representation.width} numbers, one for each feature",
                got=f"shape {array.shape}" if isinstance(array, np.ndarray) else "an archive",
                cure="Use the NPY file that came with the checkpoint.",
            )
        numbers[f"{OF_FEATURES}{name}"] = torch.from_numpy(array.astype(np.float32)).flatten()
    return numbers
