"""`kinema forecast` with a diffusion model: many futures, wishes, the grid, and input that is wrong or unusual."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from command import run
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.motion.motion import Points
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.train import Means, train
from kinema.protocols import registry as protocols
from kinema.protocols.stochastic.protocol import OPEN_STOCHASTIC
from kinema.recipes import recipe
from small_bvh import SMALL_BVH

Writer = Callable[..., Path]
Captured = pytest.CaptureFixture[str]
PAGE = (Path(__file__).parents[3] / "docs" / "forecast.md").read_text()


@pytest.fixture(scope="module")
def smrnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = recipe("smrnet").tiny().with_steps(2)
    return train(small, tmp_path_factory.mktemp("runs") / "smrnet", means=Means(device="cpu"))


@pytest.fixture
def walk(tmp_path: Path) -> Path:
    path = tmp_path / "walk.bvh"
    save(perform("walk", seconds=1.0, fps=30.0, seed=1), path)
    return path


@pytest.mark.parametrize(("seconds", "fps"), [(0.2, 30.0), (1.0, 24.0), (0.6, 120.0)])
def test_short_clips_and_other_rates_are_answered_at_their_own_rate(
    seconds: float, fps: float, smrnet: Path, tmp_path: Path, capsys: Captured
) -> None:
    save(perform("walk", seconds=seconds, fps=fps, seed=1), tmp_path / "in.bvh")
    assert run("forecast", smrnet, tmp_path / "in.bvh", "--seconds", "0.5", "-o", tmp_path / "out.bvh") == 0
    found = load(tmp_path / "out.bvh")
    assert found.fps == pytest.approx(fps, rel=1e-3)
    assert found.frames == round(0.5 * fps)
    assert ("the first one was" in capsys.readouterr().err) == (seconds == 0.2)


def test_a_pose_that_does_not_move_gives_finite_motion(smrnet: Path, walk: Path, tmp_path: Path) -> None:
    clip = load(walk)
    still = replace(
        clip, rotations=clip.rotations[:1].expand_as(clip.rotations), root=clip.root[:1].expand_as(clip.root)
    )
    save(still, tmp_path / "still.bvh")
    assert run("forecast", smrnet, tmp_path / "still.bvh", "--seconds", "0.5", "-o", tmp_path / "out.npz") == 0
    found = load(tmp_path / "out.npz")
    assert torch.isfinite(found.points().positions).all()


def test_a_body_that_lacks_limbs_and_one_of_unknown_joints_are_refused(
    smrnet: Path, write_bvh: Writer, tmp_path: Path, capsys: Captured
) -> None:
    assert run("forecast", smrnet, write_bvh(40), "--seconds", "0.2", "-o", tmp_path / "some.bvh") == 2
    assert "no right leg, no left arm, no right arm" in capsys.readouterr().err
    strange = SMALL_BVH
    for name in ("Hips", "Spine", "Head", "LeftUpLeg", "LeftFoot"):
        strange = strange.replace(name, "Part" + name[::-1])
    assert run("forecast", smrnet, write_bvh(40, header=strange), "-o", tmp_path / "out.bvh") != 0
    said = capsys.readouterr().err
    assert "expected" in said
    assert "joint" in said
    assert not (tmp_path / "out.bvh").exists()


def test_a_number_that_is_none_is_refused_with_its_frame(
    smrnet: Path, walk: Path, tmp_path: Path, capsys: Captured
) -> None:
    head, rows = re.split(r"(?<=\n)(?=[-\d.])", walk.read_text(), maxsplit=1)
    lines = rows.splitlines()
    lines[3] = " ".join(["nan", *lines[3].split()[1:]])
    (tmp_path / "bad.bvh").write_text(head + "\n".join(lines) + "\n")
    assert run("forecast", smrnet, tmp_path / "bad.bvh", "-o", tmp_path / "out.bvh") == 1
    assert "frame 3" in capsys.readouterr().err
    assert not (tmp_path / "out.bvh").exists()


def test_two_poses_are_joined_by_a_diffusion_model(smrnet: Path, walk: Path, tmp_path: Path) -> None:
    save(perform("wave", seconds=1.0, fps=30.0, seed=2), tmp_path / "wave.bvh")
    out = tmp_path / "between.bvh"
    assert run("inbetween", walk, tmp_path / "wave.bvh", "--frames", "30", "--method", smrnet, "-o", out) == 0
    found = load(out)
    assert found.frames == 32
    torch.testing.assert_close(found.rotations[:1], load(walk).rotations[-1:], atol=1e-4, rtol=0)


@pytest.mark.parametrize("wrong", [["--hold", "left_arn"], ["--grid", "x.png"], ["--grid", "x.jpg"]])
def test_a_wrong_wish_or_grid_is_misuse(wrong: list[str], smrnet: Path, walk: Path, capsys: Captured) -> None:
    assert run("forecast", smrnet, walk, *wrong) == 2
    assert "expected" in capsys.readouterr().err


def test_the_model_stands_before_the_file_or_is_an_option_or_is_the_default(
    walk: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(walk.parent)
    assert run("forecast", walk, "--seconds", "0.1") == 0
    assert "by simlpe-cmu" in capsys.readouterr().out
    assert run("forecast", walk, "--seconds", "0.1", "--method", "zero-velocity") == 0
    assert "by zero-velocity" in capsys.readouterr().out
    assert run("forecast", "simlpe-cmu") == 2
    said = capsys.readouterr().err
    assert "'simlpe-cmu' alone" in said
    assert "kinema forecast simlpe-cmu walk.bvh" in said
    assert run("forecast", "simlpe-cmu", walk, "--model", "smrnet") == 2
    assert "kinema forecast" in capsys.readouterr().err


def few(root: str | None, split: str) -> Iterator[Points]:
    del root, split
    for clip in recipe("smrnet").tiny().source.clips("train"):
        yield replace(clip, fps=50.0).points()


@pytest.mark.parametrize("suffix", [".png", ".gif", ".html"])
def test_a_grid_shows_windows_and_samples(
    suffix: str, smrnet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_pipeline(smrnet)
    little = replace(OPEN_STOCHASTIC, takes=few, observed=opened.trained().observed, predicted=16, stride=20)
    monkeypatch.setitem(protocols.PROTOCOLS, "open-stochastic", little)
    out = tmp_path / f"grid{suffix}"
    assert run("forecast", smrnet, "--protocol", "open-stochastic", "--grid", out, "--rows", "2", "--cols", "2") == 0
    if suffix == ".html":
        assert out.read_text().count('"boundary"') == 2
    else:
        with Image.open(out) as picture:
            assert picture.height > 2 * 140
            assert getattr(picture, "n_frames", 1) == (1 if suffix == ".png" else pytest.approx(10, abs=4))


def test_the_page_runs(smrnet: Path, walk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(perform("wave", seconds=1.0, fps=30.0, seed=2), "wave.bvh")
    smrnet.rename(tmp_path / "smrnet")
    commands = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    ran = [command for command in commands if "--protocol" not in command]
    assert len(commands) == 6
    assert len(ran) == 4
    for command in ran:
        assert run(*command.split()[1:]) == 0, command
    (tmp_path / "smrnet").rename(smrnet)
