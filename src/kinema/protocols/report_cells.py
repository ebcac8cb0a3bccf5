"""What a protocol of completion found: a table of cells (set, gap, rate, noise ...), in each a number per method.

`CellReport` is pure data, and speaks to the command line as `Report` does: `tables`, `to_json`, `notes`, `leak`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinema.protocols.report import Leak, Table

Scores = Mapping[str, Mapping[str, float]]  # metric -> column -> value

TITLES = {
    "l2q": "L2Q (signs toward the last known frame)",
    "l2q_strict": "L2Q (signs unbroken, as the original code)",
    "l2p": "L2P (positions over the deviation of the training windows)",
    "npss": "NPSS",
    "npss_strict": "NPSS (signs unbroken, as the original code)",
    "mpjpe_mm": "Mean joint error, mm",
    "missing": "Mean joint error in frames that were not given",
    "keys": "Mean joint error in frames that were given",
    "acceleration": "Acceleration error, per frame squared",
    "jitter": "Jerk, per second cubed",
    "mse": "Mean square error by coordinate, aligned at the first frame",
    "mae": "Mean absolute error by coordinate, aligned at the first frame",
    "max": "Largest error by coordinate, mean over clips, aligned at the first frame",
    "skate": "Share of steps in which a foot slides",
    "jerk": "Jerk, m/s3",
}


@dataclass(frozen=True)
class Cell:
    """One condition: what it is called (`where`, in order), how many windows it is a mean over, and the scores."""

    where: Mapping[str, str]
    windows: int
    scores: Scores

    @property
    def name(self) -> str:
        """The condition in one line."""
        return cell_name(self.where)


def cell_name(where: Mapping[str, str]) -> str:
    """A condition in one line: what is a number is told with what it counts."""
    return " ".join(f"{key} {value}" if value[:1].isdigit() else value for key, value in where.items())


@dataclass(frozen=True)
class CellReport:
    """The cells of one model under one protocol.

    `columns` are the methods in the order of the tables, `classical` those that need no training, `deciding` the
    metrics (less is better) in which a model must be the best to be offered for a cell. `published` holds rows of
    papers: method -> cell name -> metric -> value.
    """

    protocol: str
    model: str
    columns: tuple[str, ...]
    classical: tuple[str, ...]
    deciding: tuple[str, ...]
    cells: tuple[Cell, ...]
    published: Mapping[str, Mapping[str, Mapping[str, float]]] = field(
        default_factory=dict[str, Mapping[str, Mapping[str, float]]]
    )
    notes: tuple[str, ...] = ()
    leak: Leak = field(default_factory=Leak)

    def tables(self, *, full: bool = False) -> list[Table]:
        """One table for each metric: a row per cell, a column per method. Without `full`, those that decide."""
        metrics = list(dict.fromkeys(metric for cell in self.cells for metric in cell.scores))
        shown = [metric for metric in metrics if full or metric in self.deciding]
        return [self._table(metric) for metric in shown]

    def _table(self, metric: str) -> Table:
        with_it = [cell for cell in self.cells if metric in cell.scores]
        columns = [column for column in self.columns if any(column in cell.scores[metric] for cell in with_it)]
        rows = tuple((cell.name, *(_number(cell.scores[metric].get(column)) for column in columns)) for cell in with_it)
        papers = tuple(
            (f"{method}: {cell}", _number(values[metric]), *("" for _ in columns[1:]))
            for method, cells in self.published.items()
            for cell, values in cells.items()
            if metric in values
        )
        return Table(TITLES.get(metric, metric), (self.protocol, *columns), (rows, papers) if papers else (rows,))

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Plain data; `full` adds the published rows."""
        plain: dict[str, Any] = {
            "protocol": self.protocol,
            "model": self.model,
            "columns": list(self.columns),
            "classical": list(self.classical),
            "deciding": list(self.deciding),
            "cells": [
                {"where": dict(cell.where), "windows": cell.windows,
                 "scores": {metric: dict(values) for metric, values in cell.scores.items()}}
                for cell in self.cells
            ],
            "notes": list(self.notes),
            "leak": self.leak.to_json(),
        }  # fmt: skip
        if full:
            plain["published"] = {m: {c: dict(v) for c, v in cells.items()} for m, cells in self.published.items()}
        return plain


def merged(parts: Sequence[tuple[int, Scores]]) -> tuple[int, dict[str, dict[str, float]]]:
    """The mean of scores over parts of so many windows, each window counting the same."""
    windows = sum(count for count, _ in parts)
    total: dict[str, dict[str, float]] = {}
    for count, scores in parts:
        for metric, columns in scores.items():
            for column, value in columns.items():
                row = total.setdefault(metric, {})
                row[column] = row.get(column, 0.0) + value * count / windows
    return windows, total


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
