"""Reports of cells: a condition (set, gap, rate, noise ...) and in it, for each metric, a number per method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from kinema.protocols.leaks import NO_LEAK, Leak
from kinema.protocols.report import Report, Table

Scores = Mapping[str, Mapping[str, float]]  # metric -> method -> value
PublishedCells = Mapping[str, Mapping[str, Mapping[str, float]]]  # paper -> cell name -> metric -> value

_TITLES = {
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
    """One condition (`where`, in the order of its name), how many windows it is a mean over, and the scores."""

    where: Mapping[str, str]
    windows: int
    scores: Scores

    @property
    def name(self) -> str:
        """The condition in one line."""
        return cell_name(self.where)


def cell_name(where: Mapping[str, str]) -> str:
    """A condition in one line: a number stands after the name of what it counts."""
    return " ".join(f"{key} {value}" if value[:1].isdigit() else value for key, value in where.items())


def cell_report(
    protocol: str,
    model: str,
    columns: Sequence[str],
    cells: Sequence[Cell],
    *,
    classical: Sequence[str],
    deciding: Sequence[str],
    published: PublishedCells | None = None,
    notes: tuple[str, ...] = (),
    leak: Leak = NO_LEAK,
) -> Report:
    """The report of cells. Tables: one for each metric, a row per cell and a column per method.

    `columns` are the methods, `classical` those that need no training, `deciding` the metrics (smaller is better) that
    the short tables show, and in which a model must be the best to be offered for a cell (see `release`).
    """
    papers = published or {}

    def table(metric: str) -> Table:
        scored = [cell for cell in cells if metric in cell.scores]
        there = [column for column in columns if any(column in cell.scores[metric] for cell in scored)]
        rows = tuple((cell.name, *(_number(cell.scores[metric].get(column)) for column in there)) for cell in scored)
        printed = tuple(
            (f"{method}: {cell}", _number(values[metric]), *("" for _ in there[1:]))
            for method, by_cell in papers.items()
            for cell, values in by_cell.items()
            if metric in values
        )
        return Table(_TITLES.get(metric, metric), (protocol, *there), (rows, printed) if printed else (rows,))

    metrics = list(dict.fromkeys(metric for cell in cells for metric in cell.scores))
    return Report(
        protocol,
        model,
        numbers={
            "columns": columns,
            "classical": classical,
            "deciding": deciding,
            "cells": [asdict(cell) for cell in cells],
        },
        short=[table(metric) for metric in metrics if metric in deciding],
        full=[table(metric) for metric in metrics],
        beside={"published": papers},
        notes=notes,
        leak=leak,
    )


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
