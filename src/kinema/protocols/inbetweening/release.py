"""The release rule: `auto` uses a model only for gaps where its stored reports beat the best classical method.

A report of `upsample-grid` or `open-inbetween` (its JSON) gives cells of gap lengths.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kinema.core.atomic import write_text
from kinema.core.errors import FormatError

TABLE = "release.json"
_RATE = 30.0  # frames per second of both protocols; gaps are rounded to microseconds, as in `pipeline.gap_plan`


@dataclass(frozen=True)
class Offer:
    """Gaps longer than `over` and up to `to` seconds, for which a model is better than every classical method.

    `space` is that of the clip ("rotations", "positions", "picture"); `noisy`: known frames have a confidence; `sides`
    counts the sides of the gap on which movement is known: none between the single keys of `upsample-grid`, one or two
    in `open-inbetween`. `gain` is the relative reduction of the best classical error, the smallest over deciding
    metrics and sets.
    """

    space: str
    sides: int
    noisy: bool
    over: float
    to: float
    gain: float


def offered(report: Mapping[str, Any]) -> tuple[Offer, ...]:
    """The cells of a stored report in which its model beats the best classical column in every deciding metric.

    Cells that differ only in the set are one cell, and must be won in each. A cell reaches from the next shorter gap of
    the protocol to its own. Cells without the model are not offered.
    """
    gains: dict[tuple[str, int, bool, float], float] = {}
    for cell in report["cells"]:
        key = _key(cell["where"], _space(report))
        gains[key] = min(gains.get(key, float("inf")), _gain(cell["scores"], report))
    offers: list[Offer] = []
    for (space, sides, noisy, seconds), gain in gains.items():
        shorter = [s for other in gains if other[:3] == (space, sides, noisy) and (s := other[3]) < seconds]
        if gain > 0:
            offers.append(Offer(space, sides, noisy, max(shorter, default=0.0), seconds, gain))
    return tuple(offers)


def release_table(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The contents of `release.json` beside a model's weights: the cells for `auto`, from its reports."""
    cells = [asdict(offer) for report in reports for offer in offered(report)]
    return {"cells": [{name: value for name, value in cell.items() if name != "gain"} for cell in cells]}


def write_release(folder: Path, reports: Sequence[Path]) -> dict[str, Any]:
    """Write reports (files of `kinema eval MODEL --json`) and their release table beside a model's weights.

    Each is stored as `report-PROTOCOL.json`, with the folder's name as the model; the table, also returned, as
    `release.json`. Raises FormatError for a file that is no report of these protocols.
    """
    stored = [_renamed(_read(path), folder.name) for path in reports]
    table = release_table(stored)
    for report in stored:
        write_text(folder / f"report-{report['protocol']}.json", json.dumps(report, indent=1) + "\n")
    write_text(folder / TABLE, json.dumps(table, indent=1) + "\n")
    return table


def _read(path: Path) -> dict[str, Any]:
    try:
        report = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        report, got = {}, str(error)
    else:
        got = "other JSON"
    if not isinstance(report, dict) or not {"protocol", "model", "classical", "deciding", "cells"} <= set(report):
        raise FormatError(
            where=str(path),
            expected="the report of a model under upsample-grid or open-inbetween",
            got=got,
            cure="Run `kinema eval MODEL --protocol upsample-grid --json > FILE`.",
        )
    return report


def _renamed(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The report with the model renamed to `name`."""
    old = report["model"]

    def called(label: str) -> str:
        return name if label == old else label

    cells = [
        {**cell, "scores": {metric: {called(label): value for label, value in values.items()}
                            for metric, values in cell["scores"].items()}}
        for cell in report["cells"]
    ]  # fmt: skip
    return {**report, "model": name, "columns": [called(label) for label in report["columns"]], "cells": cells}


def _key(where: Mapping[str, str], space: str) -> tuple[str, int, bool, float]:
    if "rate" in where:
        return where["kind"], 0, where["noise"] != "clean", round(int(where["rate"]) / _RATE, 6)
    return space, 2 if "after" in where else 1, False, round((int(where["gap"]) + 1) / _RATE, 6)


def _space(report: Mapping[str, Any]) -> str:
    """The space of an in-betweening report: with rotations, L2Q is deciding."""
    return "rotations" if "l2q" in report["deciding"] else "positions"


def _gain(scores: Mapping[str, Mapping[str, float]], report: Mapping[str, Any]) -> float:
    """The relative reduction of the best classical errors, the smallest over the deciding metrics."""
    model, classical = report["model"], report["classical"]
    if model in classical:
        return float("-inf")
    return min(_share(scores.get(metric, {}), model, classical) for metric in report["deciding"])


def _share(values: Mapping[str, float], model: str, classical: Sequence[str]) -> float:
    rivals = [values[name] for name in classical if name in values]
    if model not in values or not rivals or not min(rivals) > 0 or math.isnan(values[model]):
        return float("-inf")
    return 1 - values[model] / min(rivals)
