"""`kinema models`, `kinema recipes`, `kinema doctor` and `kinema forecast`: what they say, and what they write."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from command import run
from kinema.apps.cli.first_steps import slow_parts
from kinema.data.synthetic import Synthetic
from kinema.io.formats import load, load_clip
from kinema.motion.motion import Motion
from kinema.recipes import RECIPES, recipe
from kinema.recipes.codec import to_json
from kinema.training.checkpoint import RunFolder
from released_networks import ReleasedSiMLPe

Captured = pytest.CaptureFixture[str]


def test_models_are_listed_with_their_licence(capsys: Captured) -> None:
    assert run("models", "--json") == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["simlpe-cmu"]["parameters"] == 181_891
    assert "CMU" in rows["simlpe-cmu"]["licence"]
    assert "cmu38" in rows["simlpe-cmu"]["answers"]
    assert rows["zero-velocity"]["parameters"] == 0
    assert rows["smrnet"]["verbs"] == "forecast, inbetween, upsample, repair"
    assert run("models") == 0
    assert set(rows) <= set(capsys.readouterr().out.split())  # no name is cut off


def test_a_models_card_is_printed(capsys: Captured) -> None:
    assert run("models", "simlpe-cmu") == 0
    card = capsys.readouterr().out
    for part in ("EIA-0196217", "Licence", "Limits", "washwindow"):
        assert part in card
    assert run("models", "simlpe-cum") == 2
    assert "simlpe-cmu" in capsys.readouterr().err


def test_recipes_are_listed_and_shown(capsys: Captured) -> None:
    assert run("recipes", "--json") == 0
    assert set(json.loads(capsys.readouterr().out)) == set(RECIPES)
    assert run("recipes", "simlpe-cmu") == 0
    assert json.loads(capsys.readouterr().out)["stages"][0]["model"]["mixing"] == "gelu"


def test_a_released_checkpoint_becomes_a_run_that_training_starts_from(tmp_path: Path, capsys: Captured) -> None:
    whole = recipe("simlpe-faithful-h36m").with_value("stages.model.model.layers", "3")
    (tmp_path / "recipe.json").write_text(json.dumps(to_json(whole)))
    torch.save({**ReleasedSiMLPe(layers=3).state_dict(), "extra": torch.ones(2)}, tmp_path / "model.pth")
    run_folder = tmp_path / "run"
    assert run("models", "import", tmp_path / "recipe.json", tmp_path / "model.pth", "--out", run_folder) == 0
    said = capsys.readouterr()
    assert said.out.strip() == str(run_folder)
    assert "not used: extra" in said.err
    assert "16 tensors taken, 1 not used" in said.err
    facts = RunFolder(run_folder).facts()
    assert facts["data"] == {"imported": ["model.pth"], "unmatched": ["extra"]}
    # On motion that is at hand, in place of Human3.6M.
    synthetic = Synthetic(clips_per_action=1, seconds=4.0, fps=25.0, actions=("walk",))
    representation: Any = whole.representation
    joints = tuple(joint for joint in synthetic.skeleton.joints[1:] if joint != "head_end")
    body = replace(representation, joints=joints, copies=())
    short = replace(whole, source=synthetic, representation=body).with_steps(1)
    (tmp_path / "more.json").write_text(json.dumps(to_json(short)))
    arguments = ("train", tmp_path / "more.json", "--init-from", run_folder, "--out", tmp_path / "more")
    assert run(*arguments, "--device", "cpu") == 0
    assert RunFolder(tmp_path / "more").facts()["init_from"]["name"] == str(run_folder)
    assert run(*arguments, "--device", "cpu", "--resume") == 2
    assert "Leave --init-from out" in capsys.readouterr().err


def test_doctor_finds_a_whole_installation(capsys: Captured) -> None:
    assert run("doctor") == 0
    out = capsys.readouterr().out
    for part in ("torch build", "precision", "viser", "simlpe-cmu", "everything that kinema needs is installed"):
        assert part in out
    assert ("CPU only" in out) == (torch.version.cuda is None and torch.version.hip is None)


FAST: dict[str, Any] = {
    "threads": 2, "cores": 2, "has_onednn": True, "vectors": "AVX512", "has_gpu_driver": False, "uses_gpu": False,
    "environment": {},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "what", "cure"),
    [
        ({"threads": 1, "environment": {"OMP_NUM_THREADS": "1"}}, "1 of 2 cores", "unset OMP_NUM_THREADS"),
        ({"threads": 1}, "1 of 2 cores", "set OMP_NUM_THREADS=2"),
        ({"has_onednn": False}, "no oneDNN", "pip install"),
        ({"vectors": "DEFAULT", "environment": {"ATEN_CPU_CAPABILITY": "default"}}, "vector", "unset ATEN"),
        ({"has_gpu_driver": True}, "an NVIDIA GPU that torch does not use", "CUDA build"),
    ],
)
def test_doctor_says_what_is_slow_and_what_helps(changed: dict[str, Any], what: str, cure: str) -> None:
    assert slow_parts(**FAST) == []
    ((said, helps),) = slow_parts(**{**FAST, **changed})
    assert what in said
    assert cure in helps


def test_several_futures_are_a_file_each(write_bvh: Callable[..., Path], tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "out" / "next.bvh"
    arguments = ("forecast", "zero-velocity", write_bvh(20), "-o", target, "--samples", "2", "--seconds", "0.5")
    assert run(*arguments, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert [Path(file).name for file in said["files"]] == ["next-1.bvh", "next-2.bvh"]
    assert (said["frames"], said["fps"]) == (15, 30.0)
    assert load(target.with_name("next-2.bvh")).frames == 15


def test_an_npz_holds_all_futures(write_bvh: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "next.npz"
    assert run("forecast", "zero-velocity", write_bvh(20), "-o", target, "--samples", "3", "--seconds", "0.5") == 0
    clip = load_clip(target)
    assert isinstance(clip, Motion)
    assert clip.batch_shape == torch.Size([3])
    assert clip.frames == 15


def test_the_past_can_stand_in_front(write_bvh: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "next.bvh"
    assert run("forecast", "zero-velocity", write_bvh(20), "-o", target, "--seconds", "0.5", "--append") == 0
    assert load(target).frames == 35
