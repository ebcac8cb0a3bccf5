"""The release rule: a model is offered only where it beats the best classical method, and the stored report says where.

A report of `upsample-grid` or `open-inbetween` (its JSON) becomes cells of gap lengths: what `auto` may give the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_RATE = 30.0  # frames per second of both protocols


@dataclass(frozen=True)
class Offer:
    """Gaps longer than `over` and up to `to` seconds, for which a model is better than every classical method.

    `space` is what the clip is made of ("rotations", "positions", "picture"), `dense` whether movement (not single
    keys) is known around the gap, `noisy` whether what is known is evidence. `gain` is by what share the error is
    smaller than the best classical one: the least over the metrics and sets that decide.
    """

    space: str
    dense: bool
    noisy: bool
    over: float
    to: float
    gain: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def offered(report: Mapping[str, Any]) -> tuple[Offer, ...]:
    """The cells of a stored report in which its model beats the best classical column in every deciding metric.

    Cells that differ only in the set are one cell, and must be won in each. A gap's cell reaches from the next shorter
    gap of the protocol to its own; a cell in which the model has no column is not offered.
    """
    gains: dict[tuple[str, bool, bool, float], float] = {}
    for cell in report["cells"]:
        key = _key(cell["where"], _space(report))
        gains[key] = min(gains.get(key, float("inf")), _gain(cell["scores"], report))
    offers: list[Offer] = []
    for (space, dense, noisy, seconds), gain in gains.items():
        shorter = [s for other in gains if other[:3] == (space, dense, noisy) and (s := other[3]) < seconds]
        if gain > 0:
            offers.append(Offer(space, dense, noisy, max(shorter, default=0.0), seconds, gain))
    return tuple(offers)


def release_table(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `release.json` beside the weights of a model holds, from its stored reports: the cells that `auto` reads."""
    names = ("space", "dense", "noisy", "over", "to")
    offers = [offer.to_json() for report in reports for offer in offered(report)]
    return {"cells": [{name: offer[name] for name in names} for offer in offers]}


def _key(where: Mapping[str, str], space: str) -> tuple[str, bool, bool, float]:
    if "rate" in where:
        return where["kind"], False, where["noise"] != "clean", int(where["rate"]) / _RATE
    return space, True, False, (int(where["gap"]) + 1) / _RATE


def _space(report: Mapping[str, Any]) -> str:
    """What the model of an in-betweening report completes: with rotations, L2Q decides, too."""
    return "rotations" if "l2q" in report["deciding"] else "positions"


def _gain(scores: Mapping[str, Mapping[str, float]], report: Mapping[str, Any]) -> float:
    """By what share the model's errors are below the best classical ones; the least over the deciding metrics."""
    model, classical = report["model"], report["classical"]
    if model in classical:
        return float("-inf")
    return min(_share(scores.get(metric, {}), model, classical) for metric in report["deciding"])


def _share(values: Mapping[str, float], model: str, classical: Sequence[str]) -> float:
    rivals = [values[name] for name in classical if name in values]
    if model not in values or not rivals or not min(rivals) > 0 or math.isnan(values[model]):
        return float("-inf")
    return 1 - values[model] / min(rivals)
