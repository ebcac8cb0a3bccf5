"""The first losses of every tiny recipe, in float64: a refactoring must not move them.

Where a change of the numbers is meant, `PYTHONPATH=tests python tests/training/test_golden_losses.py` writes the new.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from double_precision import double_precision
from kinema.data.augment import Augment
from kinema.pipeline.train import Means, train
from kinema.recipes import RECIPES, Recipe, recipe
from kinema.recipes.codec import to_json
from kinema.training.checkpoint import RunFolder

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 8  # of every stage; of more the GANs make too much: after 30 they have turned 1e-14 into 1e-3
# Between AVX-512, AVX2 and no vector units, on one and two threads, losses differ by 5e-15 at most (measured); a
# constant that changes by a millionth moves some loss by more than 1e-8.
TOLERANCE = 1e-10


def tiny(name: str) -> Recipe:
    small = replace(recipe(name).tiny(), name="tiny", seed=0).with_steps(STEPS)
    return replace(small, stages=tuple(replace(stage, augment=_noisy(stage.augment)) for stage in small.stages))


def _noisy(augment: Augment) -> Augment:
    # Feet of procedural motion stand exactly still. Where an answer is as still, the gradient of |error| is +1 or -1 by
    # rounding; a millimetre of noise leaves no error at zero. The stages without augmentation have no such loss.
    return augment if augment == Augment() else replace(augment, noise=1e-3)


def distinct() -> list[str]:
    """The first recipe of each tiny twin: those that differ in their data only have one and the same."""
    by_contents: dict[str, str] = {}
    for name in RECIPES:
        by_contents.setdefault(json.dumps(to_json(tiny(name))), name)
    return list(by_contents.values())


def first_losses(small: Recipe, folder: Path) -> dict[str, list[list[float]]]:
    """For each stage and each of its steps the loss of every turn."""
    with double_precision():
        train(small, folder, means=Means(device="cpu"))
    places = [folder / "stages" / stage.name for stage in small.stages[:-1]] + [folder]
    return {stage.name: _logged(RunFolder(place).log) for stage, place in zip(small.stages, places, strict=True)}


def _logged(log: Path) -> list[list[float]]:
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    return [[phase["loss"] for phase in line["losses"].values()] for line in lines if "losses" in line]


@pytest.mark.parametrize("name", distinct())
def test_the_first_losses_are_as_they_were(name: str, tmp_path: Path) -> None:
    losses, golden = first_losses(tiny(name), tmp_path / "run"), json.loads(GOLDEN.read_text())[name]
    assert list(losses) == list(golden)
    for stage in golden:
        found, stored = (torch.tensor(each[stage], dtype=torch.float64) for each in (losses, golden))
        assert torch.allclose(found, stored, rtol=TOLERANCE, atol=TOLERANCE), f"{stage}: {found} was {stored}"


def test_there_is_no_golden_row_too_many() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(distinct())


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        rows = {name: first_losses(tiny(name), Path(place) / name) for name in distinct()}
    text = json.dumps(rows, indent=1)
    GOLDEN.write_text(re.sub(r"\[\s+([^][]*?)\s+\]", lambda step: f"[{' '.join(step[1].split())}]", text) + "\n")
