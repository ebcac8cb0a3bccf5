"""The plan of `complete`: the gaps of a clip, their lengths, and a method for each.

The rule for curves was measured on CMU recordings at 30 frames per second (docs/inbetween.md). A model is chosen
only in the ranges of its `release.json` (beside its weights), where it has smaller errors than every classical method.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.motion.interpolation.curves import place
from kinema.pipeline.open import WEIGHTS

_DENSE = ((1.0, "squad"), (float("inf"), "pchip"))  # up to so many seconds between known runs: this curve
_SPARSE = ((0.3, "squad"), (0.6, "pchip"), (float("inf"), "linear"))
GIVEN, BEYOND = -1, -2
_SAME = 1e-6  # seconds
_TICKS = 10**6  # per second: gaps are compared to the microsecond
_CLOSE = 0.25  # of a gap: known frames closer together than that show the movement beside it


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
            return (
                cell.model,
                f"{cell.model} beats every curve on gaps of {cell.over:.2g} to {cell.to:.2g} s like this one",
            )
    if gap.noisy:
        return "linear", "keys are noisy: straight lines between smoothed keys, as a spline follows noise"
    if gap.lone:
        return "linear", "only two known frames: every curve through them is a straight line"
    table = _DENSE if gap.sides == 2 else _SPARSE
    limit, method = next(row for row in table if gap.seconds <= row[0])
    around = ("single keys", "movement known on one side", "movement known on both sides")[gap.sides]
    reach = f"up to {limit:g} s" if limit < float("inf") else f"above {table[-2][0]:g} s"
    return method, f"{around}, gap {reach}: {method} has the smallest error of all curves"


@dataclass(frozen=True, eq=False)
class Plan:
    """For every time of the answer and every joint: a method (`methods[choice]`), GIVEN, or BEYOND the known frames.

    `gap` is the length in seconds of the gap at that time (0 for GIVEN and BEYOND).
    """

    methods: list[str]
    reasons: list[str]
    choice: Int[Tensor, "time joint"]
    gap: Float[Tensor, "time joint"]


def plan_gaps(
    known: Bool[Tensor, "frame joint"],
    times: Float[Tensor, " frame"],
    at: Float[Tensor, " time"],
    pick: Callable[[Gap], tuple[str, str]],
    *,
    noisy: bool,
    space: str,
) -> Plan:
    """Find all gaps and pick a method for each; joints that are known in the same frames are handled together."""
    picks: dict[tuple[str, str], int] = {}
    patterns, group = torch.unique(known, dim=1, return_inverse=True)
    columns: list[tuple[Tensor, Tensor]] = []
    for which in range(patterns.shape[1]):
        keys = times[patterns[:, which]]
        column = torch.full((len(at),), BEYOND, dtype=torch.int16)
        gaps = torch.zeros(len(at), dtype=torch.float64)
        columns.append((column, gaps))
        if not len(keys):
            continue
        index = place(keys, at + _SAME, after=True) - 1
        near = place(keys, at - _SAME).clamp(max=len(keys) - 1)
        given = (keys[near] - at).abs() <= _SAME
        inside = (index >= 0) & (index < len(keys) - 1) & ~given
        if bool(inside.any()):
            crossed, back = index[inside].unique(return_inverse=True)
            # Pick once for equal gaps, in order of their first occurrence.
            looks, alike = torch.stack(_looks(keys, crossed), -1).unique(dim=0, return_inverse=True)
            first = torch.full((len(looks),), len(alike)).scatter_reduce(0, alike, torch.arange(len(alike)), "amin")
            chosen = torch.empty(len(looks), dtype=torch.int16)
            seconds = torch.empty(len(looks), dtype=torch.float64)
            for look in first.argsort().tolist():
                length, sides = looks[look].tolist()
                gap = Gap(length / _TICKS, sides, noisy, space, lone=len(keys) == 2)
                chosen[look], seconds[look] = picks.setdefault(pick(gap), len(picks)), gap.seconds
            column[inside], gaps[inside] = chosen[alike][back], seconds[alike][back]
        column[given] = GIVEN
    if len(columns) == 1:  # a view: of a long clip, whole tables would be larger than the clip
        choice, length = (each[:, None].expand(-1, known.shape[1]) for each in columns[0])
    else:
        choice = torch.stack([column for column, _ in columns], 1)[:, group]
        length = torch.stack([gaps for _, gaps in columns], 1)[:, group]
    return Plan([method for method, _ in picks], [why for _, why in picks], choice, length)


def _looks(keys: Float[Tensor, " key"], crossed: Int[Tensor, " gap"]) -> tuple[Tensor, Tensor]:
    """For each gap (the index of the key before it): length in microseconds, and sides on which movement is known."""
    steps = keys.diff()
    around = torch.nn.functional.pad(steps, (1, 1), value=float("inf"))
    length = steps[crossed]
    sides = sum((around[crossed + side] <= _CLOSE * length).long() for side in (0, 2))
    return (length * _TICKS).round().long(), torch.as_tensor(sides)
