"""`kinema models`, `kinema recipes`, `kinema doctor` and `kinema forecast`: what they say, and what they write."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from command import run
from kinema.io.formats import load, load_clip
from kinema.motion.motion import Motion
from kinema.recipes import RECIPES

Captured = pytest.CaptureFixture[str]


def test_models_are_listed_with_their_licence(capsys: Captured) -> None:
    assert run("models", "--json") == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["simlpe-cmu"]["parameters"] == 181_891
    assert "CMU" in rows["simlpe-cmu"]["licence"]
    assert "cmu38" in rows["simlpe-cmu"]["answers"]
    assert rows["zero-velocity"]["parameters"] == 0


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


def test_doctor_finds_a_whole_installation(capsys: Captured) -> None:
    assert run("doctor") == 0
    out = capsys.readouterr().out
    for part in ("torch", "viser", "simlpe-cmu", "all that is needed is here"):
        assert part in out


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
