"""Sample files: what they hold, both suffixes, the commands that write and draw them, and bad ones."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kinema.apps.cli import main
from kinema.core.errors import FormatError, UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.skeletons.h36m import H36M32_VARYING
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.forecasting.h36m import H36M_LEGACY, drawn_starts
from kinema.protocols.forecasting.sample_file import (
    check_suffix,
    collect,
    is_sample_file,
    load_samples,
    sample_of,
    save_samples,
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two actions of subject 5."""
    root = tmp_path_factory.mktemp("h36m")
    (root / "S5").mkdir()
    for place, action in enumerate(("eating", "walking")):
        for clip in (1, 2):
            rows = np.zeros((350, 99))
            rows[:, list(H36M32_VARYING)] = 0.4 * np.sin(np.arange(350)[:, None] / (5 + place + clip))
            text = "".join(",".join(f"{x:.6f}" for x in row) + "\n" for row in rows)
            (root / "S5" / f"{action}_{clip}.txt").write_text(text)
    return root


def leave(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    return int(stop.value.code or 0)


def test_truth_and_prediction_of_every_window(tree: Path) -> None:
    arrays = collect(H36M_LEGACY, open_pipeline("zero-velocity"), tree)
    assert arrays["observed"].shape == (16, 50, 32, 3)
    assert arrays["truth"].shape == arrays["prediction"].shape == (16, 25, 32, 3)
    assert list(arrays["action"]) == ["walking"] * 8 + ["eating"] * 8  # the benchmark's order
    first, second = drawn_starts((175, 175), 4)
    assert list(arrays["start"][:8]) == first + second
    # Zero velocity: the last pose that was seen.
    np.testing.assert_allclose(arrays["prediction"], np.repeat(arrays["observed"][:, -1:], 25, 1), atol=1e-5)
    _, clips = next(iter(H36M_LEGACY.tests(tree)))
    own = clips[0].rotations[first[0] + 50 : first[0] + 75]
    turned = rotvec_to_rotmat(-torch.from_numpy(arrays["truth_expmap"][0]))
    torch.testing.assert_close(turned, own, atol=1e-5, rtol=0)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_written_and_read_again(suffix: str, tree: Path, tmp_path: Path) -> None:
    if suffix == ".h5":
        pytest.importorskip("h5py", reason="pip install 'kinema[data]'")
    arrays = collect(H36M_LEGACY, open_pipeline("slerp"), tree)
    path = tmp_path / f"samples{suffix}"
    save_samples(arrays, path)
    assert is_sample_file(path)
    again = load_samples(path)
    assert again.keys() == arrays.keys()
    for key, value in arrays.items():
        assert np.array_equal(again[key], value), key
    sample = sample_of(again, "eating", 3)
    assert (sample.action, sample.observed, sample.whole.frames, sample.prediction.frames) == ("eating", 50, 75, 25)
    np.testing.assert_array_equal(sample.whole.positions[50:].numpy(), arrays["truth"][11])


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_the_commands(suffix: str, tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if suffix == ".h5":
        pytest.importorskip("h5py", reason="pip install 'kinema[data]'")
    path, picture = tmp_path / f"s{suffix}", tmp_path / "walk.png"
    asked = ["forecast", "zero-velocity", "--protocol", "h36m-legacy", "--data", str(tree), "--samples-out", str(path)]
    assert leave(asked) == 0
    assert "16 windows of 2 actions (eating, walking)" in capsys.readouterr().out
    assert leave(["render", str(path), "-o", str(picture), "--action", "eating", "--window", "7", "--size", "96"]) == 0
    with Image.open(picture) as drawn:
        assert drawn.height > 90
        assert len(drawn.convert("RGB").getcolors(1 << 20) or []) > 20
    capsys.readouterr()
    assert leave(["render", str(path), "-o", str(picture), "--action", "eatin"]) == 2
    assert "Did you mean eating" in capsys.readouterr().err
    assert leave(["render", str(path), "-o", str(picture), "--window", "8"]) == 2


@pytest.mark.parametrize(
    "arguments",
    [[], ["--protocol", "h36m-legacy"], ["--samples-out", "x.npz"], ["x.bvh", "--protocol", "h36m-legacy"]],
)
def test_half_a_question(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert leave(["forecast", "zero-velocity", *arguments]) == 2
    assert "FILE" in capsys.readouterr().err


def test_what_cannot_be_written_or_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"ends in \.npz or \.h5"):
        check_suffix(tmp_path / "x.txt")
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no")
    assert not is_sample_file(tmp_path / "x.npz")
    with pytest.raises(FormatError):
        load_samples(tmp_path / "x.npz")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(UsageError, match=r"kinema\[data\]"):
        check_suffix(tmp_path / "x.h5")
