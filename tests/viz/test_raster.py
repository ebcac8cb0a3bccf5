"""Still pictures: sizes, colours where they belong, ghosts under the truth, missing joints survived."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from kinema.core.errors import UsageError
from kinema.motion.motion import Points
from kinema.viz.layers import Panel
from kinema.viz.raster import cell_of, clock, forecast_panel, frame, strip
from kinema.viz.style import THEMES, rgb


def share(image: Image.Image, colour: str, *, near: int = 6) -> float:
    """Which part of the picture is of a colour."""
    away = np.abs(np.asarray(image.convert("RGB"), dtype=int) - np.array(rgb(colour))).max(-1)
    return float((away <= near).mean())


@pytest.mark.parametrize("name", THEMES)
def test_a_frame_shows_left_right_and_middle(walk: Points, name: str) -> None:
    colours = THEMES[name]
    image = frame(walk, 0.5, size=(200, 240), theme=name)
    assert image.size == (200, 240)
    truth = colours.roles["truth"]
    for colour in (truth.left, truth.right, truth.spine):
        assert share(image, colour) > 0.003
    assert share(image, colours.panel, near=3) > 0.5


def test_left_is_left(walk: Points) -> None:
    picture = np.asarray(frame(walk, 0.5, size=(300, 300), view="front", caption=False), dtype=int)
    truth = THEMES["light"].roles["truth"]

    def middle(colour: str) -> float:
        return float(np.nonzero(np.abs(picture - np.array(rgb(colour))).max(-1) < 8)[1].mean())

    assert middle(truth.left) > middle(truth.right) + 10  # seen from the front, a body's left is on the right


def test_frames_of_one_moment_are_the_same(walk: Points) -> None:
    assert frame(walk, 0.7, size=(120, 120)).tobytes() == frame(walk, 0.7, size=(120, 120)).tobytes()
    assert frame(walk, 0.7, size=(120, 120)).tobytes() != frame(walk, 0.9, size=(120, 120)).tobytes()


def test_the_known_part_is_grey_and_futures_come_after_it(forecast: Panel) -> None:
    truth, ghost = THEMES["light"].roles["truth"], THEMES["light"].roles["ghost"]
    before, after = (frame(forecast, time, size=(240, 240), caption=False) for time in (0.8, 1.7))
    assert share(before, truth.left) < 1e-4
    assert share(before, THEMES["light"].roles["observed"].spine) > 0.003
    assert share(after, truth.left) > 0.003
    alone = frame(Panel("t", forecast.layers[:2], boundary=1.2), 1.7, size=(240, 240), caption=False)
    tinted = np.asarray(after, dtype=int) - np.asarray(alone, dtype=int)
    towards = np.array(rgb(ghost.spine)) - np.array(rgb(THEMES["light"].panel))
    assert float((tinted @ towards).sum()) > 0
    assert (np.abs(tinted).max(-1) > 10).mean() > 0.005


def test_a_strip_has_one_pose_per_time_and_keeps_its_height(walk: Points) -> None:
    three, six = strip(walk, count=3, height=200, sharpness=2), strip(walk, count=6, height=200, sharpness=2)
    assert three.height == six.height == 200
    assert 1.8 < (six.width - 44) / (three.width - 44) < 2.2
    columns = np.asarray(six.convert("L"), dtype=int)[20:150].min(0)
    bodies = np.diff((columns < 140).astype(int)).tolist().count(1)
    assert bodies >= 5  # neighbours may touch, more would run into each other


def test_an_overlay_marks_both_parts(walk: Points, futures: Points) -> None:
    image = strip(forecast_panel(walk[:50], futures, now=1.2), count=6, height=220)
    half = image.width // 2
    truth = THEMES["light"].roles["truth"]
    assert share(image.crop((0, 40, half - 40, 180)), truth.left) < 1e-3
    assert share(image.crop((half, 40, image.width, 180)), truth.left) > 1e-3


@pytest.mark.parametrize(("count", "start", "stop"), [(0, None, None), (4, 2.0, 1.0), (4, 9.0, None)])
def test_an_empty_strip_is_refused(walk: Points, count: int, start: float | None, stop: float | None) -> None:
    with pytest.raises(UsageError, match=r"at least one pose|a span within"):
        strip(walk, count=count, start=start, stop=stop)


def test_missing_joints_leave_gaps_not_errors(walk: Points) -> None:
    holes = walk.positions.clone()
    holes[10:20, 5:9] = torch.nan
    holes[20:25] = torch.nan
    clip = replace(walk, positions=holes)
    assert share(frame(clip, 0.5, size=(120, 120)), THEMES["light"].roles["truth"].spine) > 0.001
    empty = frame(clip, 0.86, size=(120, 120), caption=False)
    assert share(empty, THEMES["light"].roles["truth"].spine) == 0
    strip(clip, count=4, height=160, sharpness=1)


def test_flat_points_are_drawn_without_a_ground(walk: Points) -> None:
    flat = replace(walk, positions=walk.positions[..., :2] * torch.tensor([100.0, -100.0]))
    image = frame(flat, 0.5, size=(160, 160), caption=False)
    assert share(image, THEMES["light"].grid, near=2) == 0
    assert share(image, THEMES["light"].roles["truth"].spine) > 0.002


def test_one_frame_can_be_drawn(walk: Points) -> None:
    assert frame(walk[:1], 0.0, size=(100, 100)).size == (100, 100)
    assert strip(walk[:1], count=1, height=160).height == 160


def test_times_are_told_from_the_boundary() -> None:
    assert clock(0.4, None) == "0.40 s"
    assert clock(0.4, 1.0) == "-0.60 s"
    assert clock(1.002, 1.0) == "now"
    assert clock(1.4, 1.0) == "+0.40 s"


def test_ground_cells_are_round_numbers() -> None:
    assert cell_of(1.75) == pytest.approx(0.5)
    assert cell_of(175.0) == pytest.approx(50)


def test_behind_a_solid_forecast_the_truth_turns_pale(walk: Points, futures: Points) -> None:
    colours = THEMES["light"].roles
    panel = forecast_panel(walk[:50], futures.one(0), now=1.2, role="forecast")
    image = frame(panel, 1.7, size=(240, 240), caption=False)
    assert share(image, colours["forecast"].spine) > 0.003
    assert share(image, colours["truth"].left) < 1e-4
    alone = frame(Panel("t", panel.layers[:2], boundary=1.2), 1.7, size=(240, 240), caption=False)
    assert share(alone, colours["truth"].left) > 0.003
