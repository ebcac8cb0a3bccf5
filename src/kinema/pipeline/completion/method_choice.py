"""The method for a gap: the classical rule, and the ranges of gaps that a shipped model won.

The rule was measured on CMU recordings at 30 frames per second (docs/inbetween.md). A model is chosen only in the
ranges of its `release.json` (beside its weights), where it has smaller errors than every classical method.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from kinema.motion.interpolation import CURVES
from kinema.pipeline.open import WEIGHTS

_DENSE = ((1.0, "squad"), (float("inf"), "pchip"))  # up to so many seconds between known runs: this curve
_SPARSE = ((0.3, "squad"), (0.6, "pchip"), (float("inf"), "linear"))


@dataclass(frozen=True)
class Gap:
    """A gap between two known frames, `seconds` apart.

    `sides` (0 to 2) counts the sides on which movement is known (frames much closer together than the gap is long);
    `noisy`: the known frames are not exact; `space` is "rotations", "positions" or "picture" (2-D); `lone`: no other
    frame is known.
    """

    seconds: float
    sides: int
    noisy: bool
    space: str
    lone: bool = False


@dataclass(frozen=True)
class GapRange:
    """Gaps longer than `over` and up to `to` seconds, for which a shipped model beats every classical method."""

    model: str
    space: str
    sides: int
    noisy: bool
    over: float
    to: float

    def holds(self, gap: Gap) -> bool:
        """True if a gap is in this range."""
        same = (self.space, self.sides, self.noisy) == (gap.space, gap.sides, gap.noisy)
        return same and self.over < gap.seconds <= self.to


def released(weights: Path = WEIGHTS) -> tuple[GapRange, ...]:
    """The ranges that shipped models won."""
    cells: list[GapRange] = []
    # Backwards, so that of two models for noisy keys the one that was trained for them comes first.
    for table in sorted(weights.glob("*/release.json"), reverse=True):
        cells += [GapRange(model=table.parent.name, **cell) for cell in json.loads(table.read_text())["cells"]]
    return tuple(cells)


def choose(gap: Gap, cells: tuple[GapRange, ...] = ()) -> tuple[str, str]:
    """The method for a gap, and the reason."""
    for cell in cells:
        if cell.holds(gap):
            return cell.model, f"{cell.model} beats every curve on gaps of {cell.over:g} to {cell.to:g} s like this one"
    if gap.noisy:
        return "linear", "keys are noisy: straight lines between smoothed keys, as a spline follows noise"
    if gap.lone:
        return "linear", "only two known frames: every curve through them is a straight line"
    table = _DENSE if gap.sides == 2 else _SPARSE
    limit, method = next(row for row in table if gap.seconds <= row[0])
    around = ("single keys", "movement known on one side", "movement known on both sides")[gap.sides]
    reach = f"up to {limit:g} s" if limit < float("inf") else f"above {table[-2][0]:g} s"
    return method, f"{around}, gap {reach}: {method} has the smallest error of all curves"


def is_curve(method: str) -> bool:
    """True if a method is a curve, not a model."""
    return method in CURVES
