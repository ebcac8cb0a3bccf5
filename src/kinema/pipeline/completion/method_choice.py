"""Which method joins two known frames: the classical rule, and the cells that a shipped model has won.

The rule is what was measured on recordings of CMU at 30 frames per second (docs/inbetween.md). A model is chosen only
in the cells of its `release.json`, a table that lies beside its weights and is written from its scores: the gaps where
it beats every classical column.
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
    """What stands between two known frames.

    `seconds` from the one to the other; `sides`: on how many of its sides (0 to 2) movement is known (frames much
    closer to each other than the gap is long); `noisy` keys are evidence; `space` is "rotations", "positions" or
    "picture" (2-D); `lone` where nothing else is known.
    """

    seconds: float
    sides: int
    noisy: bool
    space: str
    lone: bool = False


@dataclass(frozen=True)
class GapRange:
    """Gaps for which a shipped model is better than every classical method: longer than `over`, up to `to` seconds."""

    model: str
    space: str
    sides: int
    noisy: bool
    over: float
    to: float

    def holds(self, gap: Gap) -> bool:
        """Whether a gap falls into the cell."""
        same = (self.space, self.sides, self.noisy) == (gap.space, gap.sides, gap.noisy)
        return same and self.over < gap.seconds <= self.to


def released(weights: Path = WEIGHTS) -> tuple[GapRange, ...]:
    """The cells that shipped models have won."""
    cells: list[GapRange] = []
    for table in sorted(weights.glob("*/release.json")):
        cells += [GapRange(model=table.parent.name, **cell) for cell in json.loads(table.read_text())["cells"]]
    return tuple(cells)


def choose(gap: Gap, cells: tuple[GapRange, ...] = ()) -> tuple[str, str]:
    """The method for a gap, and why in a few words."""
    for cell in cells:
        if cell.holds(gap):
            return cell.model, f"{cell.model} beats every curve on gaps of {cell.over:g} to {cell.to:g} s like this one"
    if gap.noisy:
        return "linear", "keys are evidence: straight lines between smoothed ones, as a spline follows noise"
    if gap.lone:
        return "linear", "two known frames and no more: every curve through them is the straight one"
    table = _DENSE if gap.sides == 2 else _SPARSE
    limit, method = next(row for row in table if gap.seconds <= row[0])
    around = ("single keys", "movement known on one side", "movement known on both sides")[gap.sides]
    reach = f"up to {limit:g} s" if limit < float("inf") else f"above {table[-2][0]:g} s"
    return method, f"{around}, gap {reach}: {method} errs least of the curves there"


def is_curve(method: str) -> bool:
    """Whether a method is a curve, not a model."""
    return method in CURVES
