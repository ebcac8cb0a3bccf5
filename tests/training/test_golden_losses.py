"""The first twenty losses of every tiny recipe: a refactoring must not move them.

Where a change of the numbers is meant: python tests/training/test_golden_losses.py writes the new ones.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.pipeline.train import Means, train
from kinema.recipes import RECIPES, recipe
from kinema.training.checkpoint import RunFolder

GOLDEN = Path(__file__).with_name("golden_losses.json")
STEPS = 20


def first_losses(name: str, folder: Path) -> list[float]:
    tiny = replace(recipe(name).tiny(), seed=0)
    # The recipe's own schedule, cut short: with_steps would change the shape of a cosine.
    train(tiny, folder, means=Means(device="cpu"))
    lines = [json.loads(line) for line in RunFolder(folder).log.read_text().splitlines()]
    # Of a GAN the turn that comes last: what its other turn did shows there too.
    return [list(line["losses"].values())[-1]["loss"] for line in lines if "losses" in line][:STEPS]


@pytest.mark.parametrize("name", RECIPES)
def test_the_first_losses_are_as_they_were(name: str, tmp_path: Path) -> None:
    golden = json.loads(GOLDEN.read_text())[name]
    losses = first_losses(name, tmp_path / "run")
    assert len(losses) == STEPS
    # Another processor rounds otherwise, and every step makes more of it.
    assert losses[:5] == pytest.approx(golden[:5], rel=1e-4, abs=1e-6)
    assert losses == pytest.approx(golden, rel=2e-2)


def test_there_is_no_golden_row_too_many() -> None:
    assert set(json.loads(GOLDEN.read_text())) == set(RECIPES)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        rows = {name: [round(loss, 8) for loss in first_losses(name, Path(place) / name)] for name in RECIPES}
    GOLDEN.write_text(json.dumps(rows, indent=1) + "\n")
