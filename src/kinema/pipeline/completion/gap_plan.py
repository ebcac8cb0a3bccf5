"""The plan of `complete`: the gaps of a clip, their lengths, and a method for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.motion.interpolation.curves import place
from kinema.pipeline.completion.method_choice import Gap

GIVEN, BEYOND = -1, -2
_SAME = 1e-6  # seconds
_TICKS = 10**6  # per second: gaps are compared to the microsecond
_DENSE = 0.25  # of a gap: known frames closer together than that show the movement beside it


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
    sides = sum((around[crossed + side] <= _DENSE * length).long() for side in (0, 2))
    return (length * _TICKS).round().long(), torch.as_tensor(sides)
