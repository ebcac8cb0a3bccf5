"""`--data` reaches the files of every recipe, also where its source is made of others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kinema.apps.cli import app
from kinema.core.errors import MissingDataError, UsageError
from kinema.data.synthetic import Synthetic
from kinema.pipeline.checkpoints.checkpoint import portable
from kinema.recipes import RECIPES, recipe

RECORDED = [name for name in sorted(RECIPES) if not isinstance(recipe(name).source, Synthetic)]


@pytest.mark.parametrize("name", RECORDED)
def test_the_folder_reaches_every_source(name: str) -> None:
    one = recipe(name)
    there = replace(one, source=one.source.rooted("/nowhere/at/all"))
    with pytest.raises(MissingDataError, match="/nowhere/at/all"):
        next(iter(there.source.clips("train")))
    assert "nowhere" not in repr(portable(there))


def test_a_recipe_without_recordings_needs_no_folder(tmp_path: Path) -> None:
    command = ["train", "simlpe", "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    with pytest.raises(UsageError, match="makes its motion itself"):
        app(command, result_action="return_value")
