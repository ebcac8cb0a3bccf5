"""`kinema demo`: in an empty folder, nothing but the package; what it leaves can be read again."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest
from PIL import Image

from kinema.apps.cli import main
from kinema.io.formats import load
from kinema.pipeline.open import shipped_models

pytestmark = pytest.mark.xdist_group("demo")  # one process runs it once


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
    scores = json.loads((left / "report.json").read_text())["parts"]["Forecast: most likely future"]["scores"]
    ours, still = scores["simlpe-cmu"], scores["zero-velocity"]
    assert list(ours) == ["100 ms", "200 ms", "400 ms"]
    assert all(ours[when] < still[when] for when in ours)
    assert ours["100 ms"] < 0.7 * still["100 ms"]


def test_every_part_says_who_made_it(left: Path) -> None:
    parts = json.loads((left / "report.json").read_text())["parts"]
    forecasts = ["Forecast: many futures", "Forecast: most likely future"]
    assert list(parts) == ["In-between", *forecasts, "Repair", "Constraints", "Generate"]
    text = (left / "index.html").read_text()
    for title, part in parts.items():
        assert part["made_by"], title
        assert all(line in text.replace("&#x27;", "'") for line in part["made_by"])
    for system, title in (
        ("smrnet", "Forecast: many futures"),
        ("render-in-between", "In-between"),
        ("render-in-between", "Repair"),
        ("posegpt", "Generate"),
        ("action-gan", "Generate"),
    ):
        line = next(line for line in parts[title]["made_by"] if system in line)
        assert ("no trained weights" in line) == (system not in shipped_models())


def test_filling_beats_the_trivial_answer(left: Path) -> None:
    parts = json.loads((left / "report.json").read_text())["parts"]
    between, repair = parts["In-between"]["scores"], parts["Repair"]["scores"]
    assert between["auto"]["error, cm"] < 0.5 * between["hold"]["error, cm"]
    for done, came in (("faults: repaired", "faults: as captured"), ("jitter: auto", "jitter: as captured")):
        assert repair[done]["error, cm"] < repair[came]["error, cm"]


def test_the_bvh_holds_the_clip_and_its_future(left: Path) -> None:
    clip = load(left / "forecast.bvh")
    assert (clip.frames, clip.fps) == (168, 60.0)
    step = (clip.root[1:] - clip.root[:-1]).norm(dim=-1)
    assert float(step.max()) < 0.06  # nothing jumps where the forecast begins
    lowest = clip.points().positions[..., 1].amin()
    assert -0.03 < float(lowest) < 0.05  # and the body stays on the floor


def test_pictures_are_pictures(left: Path) -> None:
    with Image.open(left / "poster.png") as poster:
        assert (
            poster.width > 2 * poster.height
        )  # a strip of nine poses, of a body about a quarter as wide as it is tall
        assert len(poster.convert("RGB").getcolors(maxcolors=1 << 24) or []) > 100
    with Image.open(left / "forecast.gif") as film:
        assert getattr(film, "n_frames", 1) > 20
    assert (left / "forecast.gif").stat().st_size < 400_000


def test_the_page_needs_nothing_from_outside(left: Path) -> None:
    text = (left / "index.html").read_text()
    assert not re.findall(r"https?://(?!www\.w3\.org)", text)
    assert "simlpe-cmu" in text
