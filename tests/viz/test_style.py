"""The colours of left, right and middle stay apart for eyes with a colour vision deficiency."""

from itertools import combinations

import numpy as np
import pytest
import viser

from kinema.core.errors import UsageError
from kinema.viz.camera import shot_of
from kinema.viz.layers import Panel
from kinema.viz.scene import add_ground
from kinema.viz.style import THEMES, Theme, mix, rgb, theme

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deutan": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritan": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    part = np.array(rgb(colour)) / 255
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def lab(colour: str, eye: str) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(DEFICIENCIES[eye] @ linear(colour), 0, 1) / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(first: str, second: str) -> float:
    light = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (first, second))
    return (light[1] + 0.05) / (light[0] + 0.05)


@pytest.mark.parametrize("eye", DEFICIENCIES)
@pytest.mark.parametrize("colours", THEMES.values(), ids=lambda theme: theme.name)
def test_sides_and_futures_stay_apart(colours: Theme, eye: str) -> None:
    truth, ghost = colours.roles["truth"], colours.roles["ghost"].spine
    for first, second in combinations((truth.left, truth.right, truth.spine), 2):
        assert np.linalg.norm(lab(first, eye) - lab(second, eye)) > 25, (first, second)
    for colour in (truth.left, truth.right):
        assert np.linalg.norm(lab(colour, eye) - lab(ghost, eye)) > 15, colour


@pytest.mark.parametrize("colours", THEMES.values(), ids=lambda theme: theme.name)
def test_words_and_bodies_can_be_read(colours: Theme) -> None:
    for paper in (colours.paper, colours.panel):
        assert contrast(colours.ink, paper) > 7
        assert contrast(colours.muted, paper) > 4.4
        assert contrast(colours.roles["forecast"].left, paper) > 4.4
    for role in ("truth", "forecast", "baseline"):
        for side in ("left", "right", "spine"):
            assert contrast(colours.roles[role].side(side), colours.panel) > 2.2, (role, side)


def test_an_unknown_theme_is_named() -> None:
    with pytest.raises(UsageError, match=r"dark, light.*'sepia'"):
        theme("sepia")


def test_mix_goes_from_one_end_to_the_other() -> None:
    assert mix("#000000", "#ff8000", 0) == (0, 0, 0)
    assert mix("#000000", "#ff8000", 0.5) == (128, 64, 0)
    assert mix("#000000", "#ff8000", 1) == (255, 128, 0)


@pytest.mark.parametrize("colours", THEMES.values(), ids=lambda theme: theme.name)
def test_the_floor_of_the_live_viewer_can_be_seen(colours: Theme, forecast: Panel) -> None:
    drawn: dict[str, tuple[int, int, int]] = {}

    class Floor(viser.SceneApi):
        def __init__(self) -> None:
            """Without a server."""

        def add_grid(self, *_: object, **given: tuple[int, int, int]) -> viser.GridHandle:  # type: ignore[override]
            drawn.update(given)
            return object.__new__(viser.GridHandle)

    add_ground(Floor(), shot_of(forecast.layers), colours)
    lines = [f"#{bytes(drawn[part]).hex()}" for part in ("cell_color", "section_color")]
    assert 1.6 < contrast(lines[0], colours.panel) < contrast(lines[1], colours.panel) < 3.5
