"""Published numbers, shown beside our own: `published.toml`, which says where each was read."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kinema.protocols.tables import Published, PublishedScores

LABELS_MS = (80, 160, 320, 400, 560, 1000)
_TABLES: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _errors(benchmark: str) -> tuple[Published, ...]:
    """Rows of errors by action, None at the horizons that are not printed."""
    found: list[Published] = []
    for paper in _TABLES[benchmark]:
        labels = paper.pop("labels")
        printed = {action: dict(zip(labels, row, strict=True)) for action, row in paper.pop("rows").items()}
        rows = {action: tuple(row.get(label) for label in LABELS_MS) for action, row in printed.items()}
        found.append(Published(rows=rows, **paper))
    return tuple(found)


def _scores(kind: str, benchmark: str) -> tuple[PublishedScores, ...]:
    rows: list[dict[str, Any]] = _TABLES[kind][benchmark]
    return tuple(PublishedScores(recalled=tuple(row.pop("recalled", ())), **row) for row in rows)


CMU_PUBLISHED = _errors("cmu")
H36M_PUBLISHED = _errors("h36m")
H36M_FUTURES = _scores("stochastic", "h36m")
HUMANEVA_FUTURES = _scores("stochastic", "humaneva")
AMASS_FUTURES = _scores("stochastic", "amass")
ACTION_PUBLISHED = _scores("generation", "actions")
MMD_PUBLISHED = _scores("generation", "mmd")
LAFAN1_PUBLISHED: Mapping[str, Mapping[str, Mapping[str, float]]] = _TABLES["lafan1"]
"""Method -> cell -> metric -> value."""
