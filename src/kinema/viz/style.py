"""Colours: one table that pictures, films, pages and the live viewer share.

Left, right and middle of a body differ in hue and in lightness, so that they stay apart for people with any of the
common colour vision deficiencies (a test simulates them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kinema.core.errors import unknown_name

Role = Literal["truth", "forecast", "ghost", "observed", "baseline", "key"]
Side = Literal["left", "right", "spine"]
ThemeName = Literal["light", "dark"]
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Palette:
    """The colours of one body, as `#rrggbb`: its left limbs, its right limbs, and its middle line with the head."""

    left: str
    right: str
    spine: str

    def side(self, side: Side) -> str:
        """The colour of one side."""
        return {"left": self.left, "right": self.right, "spine": self.spine}[side]


@dataclass(frozen=True)
class Theme:
    """The colours of a picture: paper, text, ground, and one palette per role."""

    name: ThemeName
    paper: str
    panel: str
    ink: str
    muted: str
    grid: str
    shadow: str
    roles: Mapping[Role, Palette]


LIGHT = Theme(
    name="light",
    paper="#f6f5f1",
    panel="#fdfdfb",
    ink="#1d2330",
    muted="#6b7280",
    grid="#dcdcd6",
    shadow="#3c4252",
    roles={
        "truth": Palette(left="#2a6fbb", right="#e8852b", spine="#454f63"),
        "observed": Palette(left="#6f7683", right="#a9aeb8", spine="#868c98"),
        "forecast": Palette(left="#0b7a61", right="#4fb596", spine="#0a5545"),
        "ghost": Palette(left="#12a17f", right="#12a17f", spine="#12a17f"),
        "baseline": Palette(left="#94487c", right="#c98db7", spine="#763a63"),
        "key": Palette(left="#868c98", right="#868c98", spine="#868c98"),
    },
)
DARK = Theme(
    name="dark",
    paper="#12151b",
    panel="#191d25",
    ink="#e9ebef",
    muted="#939aa8",
    grid="#2b313c",
    shadow="#000000",
    roles={
        "truth": Palette(left="#5c9fee", right="#f7a756", spine="#cfd5e0"),
        "observed": Palette(left="#9097a5", right="#626976", spine="#7a818f"),
        "forecast": Palette(left="#3ccfa8", right="#1d8c70", spine="#a5ecd7"),
        "ghost": Palette(left="#2fc7a0", right="#2fc7a0", spine="#2fc7a0"),
        "baseline": Palette(left="#dd92c6", right="#9a5886", spine="#efc3e1"),
        "key": Palette(left="#8c94a3", right="#8c94a3", spine="#8c94a3"),
    },
)
PALE = 0.32  # opacity of the truth behind a solid forecast
KEY = 0.42  # opacity of key poses
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}


def theme(name: str) -> Theme:
    """The theme of that name. Raises UsageError for an unknown name."""
    if name not in THEMES:
        raise unknown_name("theme", name, THEMES)
    return THEMES[name]


def rgb(colour: str) -> Colour:
    """`#rrggbb` as three numbers from 0 to 255."""
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def mix(first: str, second: str, share: float) -> Colour:
    """The colour that is `share` (0 to 1) of the way from the first to the second."""
    red, green, blue = (round(a + share * (b - a)) for a, b in zip(rgb(first), rgb(second), strict=True))
    return red, green, blue
