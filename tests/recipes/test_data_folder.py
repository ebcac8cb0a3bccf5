"""`--data` reaches the files of every recipe, also where its source is made of others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import kinema as kn
from kinema.apps.cli import app
from kinema.core.errors import MissingDataError, UsageError
from kinema.data.sources.folder import Folder, split_of
from kinema.data.synthetic import Synthetic, perform
from kinema.io.formats import save
from kinema.motion.edit import resample
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


@pytest.mark.parametrize("options", [[], ["--tiny"]])
def test_a_recipe_that_makes_its_motion_refuses_a_folder_without_motion(tmp_path: Path, options: list[str]) -> None:
    np.savez(tmp_path / "numbers.npz", numbers=np.arange(3))
    command = ["train", "simlpe", *options, "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    with pytest.raises(UsageError, match="makes its motion itself"):
        app(command, result_action="return_value")


def write_walks(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for number in range(count):
        save(perform("walk", seconds=4.0, fps=30.0, seed=number), folder / f"take{number}.bvh")
    return folder


@pytest.mark.parametrize("name", ["simlpe", "smrnet", "render-in-between", "conv-seq2seq", "posegpt"])
def test_a_small_twin_trains_on_the_users_files(name: str, tmp_path: Path) -> None:
    folder, out = write_walks(tmp_path / "moves"), tmp_path / "run"
    if name == "posegpt":
        (folder / "labels.csv").write_text("file,action\n" + "".join(f"take{i}.bvh,walk\n" for i in range(3)))
    command = ["train", name, "--tiny", "--steps", "1", "--data", str(folder), "--out", str(out), "--no-progress"]
    assert app(command, result_action="return_value") == 0
    facts = json.loads((out / "config.json").read_text())
    assert facts["recipe"]["source"]["kind"] == ("LabelledFolder" if name == "posegpt" else "Folder")
    assert facts["trained_on"] == ["file/take0", "file/take1", "file/take2"]
    assert str(tmp_path) not in json.dumps(facts)
    assert kn.open(out).verbs


@pytest.mark.parametrize("name", ["simlpe", "smrnet", "render-in-between"])
def test_whole_recipes_take_the_users_files_with_all_their_joints(name: str, tmp_path: Path) -> None:
    there = recipe(name).with_data(str(write_walks(tmp_path / "moves", 1)))
    assert isinstance(there.source, Folder)
    assert there.source.split_of("take0.bvh") == "train"
    representation = there.representation.build(there.source.skeleton)
    assert representation.encode(resample(next(there.source.clips("train")), representation.fps)).isfinite().all()


def test_a_recipe_of_a_benchmark_refuses_the_users_files(tmp_path: Path) -> None:
    folder = str(write_walks(tmp_path / "moves", 1))
    with pytest.raises(UsageError, match=f"kinema train simlpe --data {folder}"):
        recipe("simlpe-cmu").with_data(folder)


def test_where_no_file_falls_into_training_all_do(tmp_path: Path) -> None:
    names = [f"take{number}" for number in range(40) if split_of(f"take{number}.bvh") != "train"][:2]
    for name in names:
        save(perform("walk", seconds=1.0, fps=30.0, seed=0), tmp_path / f"{name}.bvh")
    source = Folder(str(tmp_path))
    assert [clip.identity for clip in source.clips("train")] == [f"file/{name}" for name in names]
    assert not [*source.clips("val"), *source.clips("test")]
