"""The page as a file: self-contained, small, safe, and true to the positions."""

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.motion.motion import Points
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import Link, PageTable, page, page_text


def data_of(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="motion">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found.group(1))


def positions_of(layer: dict[str, Any]) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(layer["data"]), "<i2").astype(float)
    steps[steps == -32768] = np.nan
    shape = (layer["bodies"], layer["frames"], layer["joints"], 3)
    return steps.reshape(shape) * layer["scale"] + np.array(layer["origin"])


def test_nothing_points_out_of_the_file(forecast: Panel, tmp_path: Path) -> None:
    page([forecast], tmp_path / "a.html", title="A forecast")
    text = (tmp_path / "a.html").read_text()
    assert not re.search(r"https?://|//[a-z]+\.|@import|\bfetch\(|XMLHttpRequest|import\(", text)
    assert "default-src 'none'" in text
    assert "<noscript>" in text
    assert "{{" not in text
    assert len(text) < 120_000


def test_positions_survive_the_journey(walk: Points) -> None:
    layer = data_of(page_text([walk], title="walk"))["panels"][0]["layers"][0]
    told = positions_of(layer)
    assert layer["fps"] == walk.fps
    # Only joints that are drawn travel: each is one of the clip's own, to half a millimetre.
    own = walk.positions.numpy()[None]
    for joint in range(layer["joints"]):
        assert np.abs(own - told[:, :, joint : joint + 1]).max((0, 1, 3)).min() < 5e-4


def test_a_fast_clip_is_thinned_in_time_and_keeps_its_length(walk: Points) -> None:
    fast = Points(walk.skeleton, torch.linspace(0, 1, 241)[:, None, None].expand(-1, 24, 3) + walk.positions[0], 120.0)
    panel = data_of(page_text([fast], title="fast"))["panels"][0]
    layer = panel["layers"][0]
    assert layer["fps"] <= 30
    assert layer["frames"] / layer["fps"] == pytest.approx(241 / 120)
    steps = np.diff(positions_of(layer)[0, :, 0, 0])
    assert np.allclose(steps, steps[0], atol=1e-4)  # even in time: no frame is skipped by whole numbers


def test_missing_joints_are_marked(walk: Points) -> None:
    holes = walk.positions.clone()
    holes[4] = torch.nan
    told = positions_of(data_of(page_text([replace(walk, positions=holes)], title="x"))["panels"][0]["layers"][0])
    assert np.isnan(told[0, 4]).all()
    assert np.isfinite(told[0, 5]).all()


def test_names_cannot_break_out(walk: Points) -> None:
    evil = '</script><img src=x onerror="alert(1)">'
    panel = Panel(evil, (Layer(evil, walk),), caption=evil)
    text = page_text([panel], title=evil, lead=evil, table=PageTable([evil], [[evil]], evil), links=[Link(evil, evil)])
    assert "<img" not in text
    assert text.count("</script>") == 2
    assert data_of(text)["panels"][0]["title"] == evil


def test_table_and_links_stand_in_the_page(walk: Points) -> None:
    table = PageTable(
        ["mm", "80 ms", "160 ms"], [["ours", "1.0", "2.0"], ["zero velocity", "3.0", "4.0"]], "Lower is better."
    )
    text = page_text([walk], title="x", table=table, links=[Link("forecast.bvh", "animation")])
    assert '<th scope="row">zero velocity</th><td>3.0</td><td>4.0</td>' in text
    assert '<a href="forecast.bvh">forecast.bvh</a> <span>animation</span>' in text
    assert "<table>" not in page_text([walk], title="x")


def test_a_page_that_cannot_be_written_leaves_nothing(walk: Points, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Exception, match="a place to write"):
        page([walk], tmp_path / "file" / "a.html", title="x")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
