"""`import_released`: a checkpoint of an original code becomes a run folder.

The file is read without running anything that it says (`core.safe_pickle`). Names are mapped by the model itself
(`Model.from_released`); shapes must fit the recipe's model, every tensor of which must be there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from kinema.core.errors import CheckpointError, FormatError, MissingDataError, UsageError
from kinema.core.safe_pickle import read_torch
from kinema.motion.skeletons import skeleton as catalogued
from kinema.pipeline.checkpoints.checkpoint import facts_of, feature_shape, fresh_model, save_model
from kinema.pipeline.checkpoints.initial import misfits
from kinema.recipes import Recipe, Stage
from kinema.representations.base import Representation, Statistics
from kinema.training.checkpoint import RunFolder, read_tensors

OF_FEATURES = "representation."  # before "mean" and "std" in what `Model.from_released` is given
_NAMED = 5  # names that an error lists


@dataclass(frozen=True)
class Imported:
    """The run folder, how many tensors were taken, and the names in the file that stand for nothing here."""

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
    """The weights in `files` (as PyTorch or safetensors saves them) as a run folder `out` of that recipe.

    `stage` is the recipe's stage that they are of (its last one); a later file replaces tensors that an earlier one has
    too. `mean` and `std` are NPY files with one number for each feature, in the released order: what the release
    standardises by, where it keeps that elsewhere. `skeleton` is a catalogued body for the recipe's own, which may lie
    with its data. Raises UsageError where `out` holds something or a name is unknown, FormatError where a file is
    damaged or would run code, CheckpointError where its tensors are not those of the recipe's model.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            expected=f"a new or empty folder at {out}", got="one that holds something", cure="Choose another --out."
        )
    chosen = _stage(recipe, stage)
    try:
        body = catalogued(skeleton) if skeleton is not None else recipe.source.skeleton
    except MissingDataError as error:
        raise MissingDataError(
            expected=f"the body that recipe {recipe.name} speaks of, which comes with its data",
            got=error.got,
            cure="Name the data by --data, or a body by --skeleton (kinema24 has every joint that recipes name).",
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
            expected=f"a stage of {recipe.name} among {', '.join(stages)}", got=f"'{name}'", cure="Choose one of these."
        )
    return stages[name]


def _tensors(file: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; those of the one table of tensors in it, where it holds more than a table."""
    if not file.is_file():
        raise MissingDataError(
            expected=f"a checkpoint at {file}", got="no such file", cure=f"Name a file that is in {file.parent}."
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
            cure="Save that one alone: torch.save(checkpoint['NAME'], 'new.pth').",
        )
    table = next(iter(tables.values()))
    # A model that was trained on several devices has its name before every name.
    return {name.removeprefix("module."): value.float() if value.is_floating_point() else value
            for name, value in table.items()}  # fmt: skip


def _tables(found: object, where: str = "the file itself") -> dict[str, dict[str, Tensor]]:
    """Tables that hold nothing but tensors. An optimiser's are none: its keys are numbers, and there are others."""
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
    """The tensors that the model has, each in its own kind. Raises CheckpointError where one lacks or has another
    shape, or the file has more of a kind (a seventh layer)."""
    if wrong := misfits(found, own):
        left = f"; not matched: {', '.join(unmatched[:_NAMED])}" if unmatched else ""
        raise CheckpointError(
            expected=f"the {len(own)} tensors of the model of {recipe.name}",
            got=f"{wrong}{left}",
            cure="Name the recipe of that checkpoint, or the sizes that it was trained with in a recipe's JSON file "
            "(`kinema recipes NAME` prints one).",
        )
    return {name: found[name].to(value.dtype) for name, value in own.items()}


def _numbers(recipe: Recipe, representation: Representation, files: Mapping[str, Path | None]) -> dict[str, Tensor]:
    """The statistics that were given, by the names that models know them by; both or, where features stay as they are,
    none."""
    missing = [f"--{name}" for name, path in files.items() if path is None]
    if missing and (recipe.representation.standardise or len(missing) < len(files)):
        raise UsageError(
            expected=f"--mean and --std for the {representation.width} features of recipe {recipe.name}",
            got=f"no {' and no '.join(missing)}",
            cure="Name the two NPY files that came with the release.",
        )
    numbers: dict[str, Tensor] = {}
    for name, path in files.items():
        if path is None:
            continue
        try:
            array = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise FormatError(
                where=str(path), expected="an NPY file of numbers", got=str(error), cure="Get the file again."
            ) from error
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or array.size != representation.width:
            raise FormatError(
                where=str(path),
                expected=f"{representation.width} numbers, one for each feature",
                got=f"shape {array.shape}" if isinstance(array, np.ndarray) else "an archive",
                cure="Name the file that came with the checkpoint.",
            )
        numbers[f"{OF_FEATURES}{name}"] = torch.from_numpy(array.astype(np.float32)).flatten()
    return numbers
