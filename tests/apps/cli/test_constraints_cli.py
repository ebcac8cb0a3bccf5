"""Constraints, loops and joins on the command line: exit codes, residuals, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from command import run
from kinema.core.errors import KinemaWarning
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.motion.motion import Motion

WALK = perform("walk", seconds=2.0, fps=30.0, seed=0)


@pytest.fixture
def walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    save(WALK, tmp_path / "walk.bvh")
    return tmp_path / "walk.bvh"


def wrist(clip: Motion, frame: int, side: str = "r") -> torch.Tensor:
    return clip.points().positions[frame, clip.skeleton.index(f"{side}_wrist")]


def test_a_pin_is_met_and_its_residual_reported(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x, y, z = (wrist(WALK, 20) + torch.tensor([0.0, 0.2, 0.1])).tolist()
    pin = f"r_wrist@20={x},{y},{z}"
    assert run("inbetween", str(walk), "--every", "15", "--method", "linear", "--pin", pin, "--json") == 0
    left = json.loads(capsys.readouterr().out)["constraints"]
    assert [each["met"] for each in left] == [True]
    assert (wrist(load("walk.inbetween.bvh"), 20) - torch.tensor([x, y, z])).norm() < 3e-4
    keys = [0, 15, 30, 45]
    assert torch.allclose(load("walk.inbetween.bvh").rotations[keys], load(walk).rotations[keys], atol=1e-5)


def test_what_cannot_be_met_is_exit_code_4(walk: Path) -> None:
    with pytest.warns(KinemaWarning, match=r"pin of r_wrist at frame 20: \d+\.\d cm left"):
        assert run("inbetween", str(walk), "--every", "15", "--method", "linear", "--pin", "r_wrist@20=9,9,9") == 4
    assert Path("walk.inbetween.bvh").is_file()


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--pin", "rwrist@20=1,1,1", "Did you mean"),
        ("--pin", "r_wrist@900=1,1,1", "frames of the clip"),
        ("--pin", "r_wrist", "Write --pin"),
        ("--path", "0:0,0", "at least two points"),
        ("--plant", "left", "Write --plant"),
        ("--ground", "nan", "finite"),
        ("--pin", "r_wrist@15=9,9,9", "which is a key"),
    ],
)
def test_misuse_is_one_line(
    walk: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    assert run("inbetween", str(walk), "--every", "15", "--method", "linear", option, value) == 2
    assert words in " ".join(capsys.readouterr().err.split())


def test_a_forecast_goes_where_its_path_goes(walk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    end = WALK.root[-1]
    path = f"10:{float(end[0]):.3f},{float(end[2]) + 0.3:.3f} 29:{float(end[0]) + 0.4:.3f},{float(end[2]) + 0.9:.3f}"
    assert run("forecast", "constant-velocity", str(walk), "--seconds", "1", "--path", path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["constraints"][0]["met"]
    x, z = (float(number) for number in path.split(":")[-1].split(","))
    assert abs(float(load("walk.forecast.bvh").root[29, 0]) - x) < 1e-3
    assert abs(float(load("walk.forecast.bvh").root[29, 2]) - z) < 1e-3


def test_generated_clips_meet_a_file_of_constraints(walk: Path) -> None:
    path = {"kind": "root_path", "frames": [0, 29], "positions": [[0, 0], [1, 0]]}
    Path("wanted.json").write_text(json.dumps([path]))
    options = ["--seconds", "1", "--samples", "2", "--formats", "npz", "-o", "out", "--constraints", "wanted.json"]
    assert run("generate", "walk", *options) == 0
    clips = load(next(Path("out").rglob("*.npz")))
    assert (clips.root[..., 29, [0, 2]] - torch.tensor([1.0, 0.0])).abs().max() < 1e-3


def test_a_loop_closes(walk: Path) -> None:
    assert run("loop", str(walk), "--in-place") == 0
    clip = load("walk.loop.bvh")
    assert 15 <= clip.frames <= WALK.frames
    assert (clip.root[0] - clip.root[-1]).norm() < 1e-3
    assert (clip.rotations[0] - clip.rotations[-1]).abs().max() < 1e-2


def test_a_sequence_is_joined(walk: Path) -> None:
    save(perform("squat", seconds=1.5, fps=30.0, seed=0), Path("squat.bvh"))
    assert run("join", str(walk), "squat.bvh", str(walk), "-o", "all.bvh", "--method", "cubic") == 0
    clip = load("all.bvh")
    assert clip.frames > 2 * WALK.frames + 45
    assert clip.root.diff(dim=0).norm(dim=-1).max() < 0.15
    assert run("join", str(walk)) == 2
