"""`kinema demo`: in an empty folder, nothing but the package; what it leaves can be read again."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from PIL import Image

from kinema.cli import main
from kinema.motion.files import load


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one demo, run without a network."""
    folder = tmp_path_factory.mktemp("empty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)

        def refuse(*_: object) -> None:
            raise AssertionError("the demo asked for the network")

        patch.setattr(socket.socket, "connect", refuse)
        with pytest.raises(SystemExit) as stop:
            main(["demo"])
    assert stop.value.code == 0
    return folder / "kinema-demo"


def test_it_leaves_what_it_says(left: Path) -> None:
    names = {file.name for file in left.iterdir()}
    assert names == {"index.html", "poster.png", "forecast.gif", "forecast.bvh", "forecast.glb", "report.json"}


def test_the_model_beats_holding_still(left: Path) -> None:
    report = json.loads((left / "report.json").read_text())
    mean = report["errors"]["mean"]
    assert report["horizons_ms"] == [100, 200, 400]
    assert all(ours < still for ours, still in zip(mean["simlpe-cmu"], mean["zero-velocity"], strict=True))
    assert mean["simlpe-cmu"][0] < 0.7 * mean["zero-velocity"][0]


def test_the_bvh_holds_the_clip_and_its_future(left: Path) -> None:
    clip = load(left / "forecast.bvh")
    assert (clip.frames, clip.fps) == (132, 60.0)
    step = (clip.root[1:] - clip.root[:-1]).norm(dim=-1)
    assert float(step.max()) < 0.06  # nothing jumps where the forecast begins
    lowest = clip.points().positions[..., 1].amin()
    assert -0.03 < float(lowest) < 0.05  # and the body stays on the floor


def test_pictures_are_pictures(left: Path) -> None:
    with Image.open(left / "poster.png") as poster:
        assert poster.width > 3 * poster.height
        assert len(poster.convert("RGB").getcolors(maxcolors=1 << 24) or []) > 100
    with Image.open(left / "forecast.gif") as film:
        assert getattr(film, "n_frames", 1) > 20
    assert (left / "forecast.gif").stat().st_size < 400_000


def test_the_page_needs_nothing_from_outside(left: Path) -> None:
    text = (left / "index.html").read_text()
    assert not re.findall(r"https?://(?!www\.w3\.org)", text)
    assert "simlpe-cmu" in text
