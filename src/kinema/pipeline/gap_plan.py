"""Where something is unknown, how long it stays so, and what joins it: the plan that `complete` follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.pipeline.method_choice import Gap

GIVEN, BEYOND = -1, -2
_SAME = 1e-6  # seconds
_DENSE = 0.25  # of a gap: known frames nearer to each other than that tell the movement into the gap


@dataclass(frozen=True, eq=False)
class Plan:
    """For every time asked for and every joint: which method (`methods[choice]`), or GIVEN, or BEYOND the known frames.

    `gap` is the length in seconds of what is crossed there (0 where given or beyond).
    """

    methods: list[str]
    reasons: list[str]
    choice: Float[Tensor, "time joint"]
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
    """Find every gap and pick a method for it; joints that are known in the same frames are looked at together."""
    choice = torch.full((len(at), known.shape[1]), BEYOND, dtype=torch.float64)
    length = torch.zeros(len(at), known.shape[1], dtype=torch.float64)
    picks: dict[tuple[str, str], int] = {}
    patterns, group = torch.unique(known, dim=1, return_inverse=True)
    for which in range(patterns.shape[1]):
        keys = times[patterns[:, which]]
        members = group == which
        if not len(keys):
            continue
        index = torch.searchsorted(keys, at + _SAME, right=True) - 1
        near = torch.searchsorted(keys, at - _SAME).clamp(max=len(keys) - 1)
        given = (keys[near] - at).abs() <= _SAME
        column = torch.full((len(at),), float(BEYOND), dtype=torch.float64)
        gaps = torch.zeros(len(at), dtype=torch.float64)
        inside = (index >= 0) & (index < len(keys) - 1) & ~given
        for key in index[inside].unique().tolist():
            here = inside & (index == key)
            gap = _gap(keys, key, noisy=noisy, space=space)
            column[here] = picks.setdefault(pick(gap), len(picks))
            gaps[here] = gap.seconds
        column[given] = GIVEN
        choice[:, members], length[:, members] = column[:, None], gaps[:, None]
    return Plan([method for method, _ in picks], [why for _, why in picks], choice, length)


def _gap(keys: Tensor, key: int, *, noisy: bool, space: str) -> Gap:
    seconds = float(keys[key + 1] - keys[key])
    before = float(keys[key] - keys[key - 1]) if key > 0 else float("inf")
    after = float(keys[key + 2] - keys[key + 1]) if key + 2 < len(keys) else float("inf")
    sides = sum(next_key <= _DENSE * seconds for next_key in (before, after))
    return Gap(round(seconds, 6), sides, noisy, space, lone=len(keys) == 2)
