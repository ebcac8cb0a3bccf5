"""Reports from numbers: `score_report`, `horizon_report` (by horizon) and `cell_report` (by condition)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinema.core.errors import UsageError
from kinema.protocols.leaks import NO_LEAK, Leak
from kinema.protocols.report import Report, Table, number

Scores = Mapping[str, float | None]  # metric -> value; None where there is none


@dataclass(frozen=True)
class PublishedScores:
    """Scores in a paper. `provenance` is its source ("table", "issue") or "recalled"; `recalled` names single recalled
    metrics of a row that was read; `note` is needed to compare."""

    method: str
    provenance: str
    scores: Scores
    recalled: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """The method with its mark, as tables show it."""
        return f"{self.method} [{self.provenance}]"


def score_report(
    protocol: str,
    model: str,
    metrics: Mapping[str, str],
    scores: Mapping[str, Mapping[str, Scores]],
    *,
    by_action: Mapping[str, Scores] | None = None,
    published: Sequence[PublishedScores] = (),
    setting: Mapping[str, Any] | None = None,
    shown: Sequence[str] = (),
    decimals: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
    leak: Leak = NO_LEAK,
) -> Report:
    """The report of `scores`: method (`model` is one) -> way of counting -> metric.

    `metrics` describes each metric; tables show those in `shown` (default: all) with three decimals, or `decimals`. The
    first way of counting is the one to quote, and that of the published rows and `by_action`. `setting` holds the
    number of windows, samples, seed ...
    """
    own, others = scores[model], {name: ways for name, ways in scores.items() if name != model}
    actions, columns, digits = by_action or {}, tuple(shown or metrics), decimals or {}

    def cells(name: str, row: Scores, recalled: Sequence[str] = ()) -> tuple[str, ...]:
        values = [(metric, number(row.get(metric), digits.get(metric, 3))) for metric in columns]
        return (name, *(f"{text} (recalled)" if metric in recalled else text for metric, text in values))

    tables: list[Table] = []
    for way, row in own.items():
        rows = [cells(model, row), *(cells(name, ways[way]) for name, ways in others.items() if way in ways)]
        printed = () if tables else tuple(cells(one.label, one.scores, one.recalled) for one in published)
        tables.append(Table(f"{protocol}: {way}", ("", *columns), (tuple(rows), printed)))
    if actions:
        title = f"{protocol}: {model} by action, {next(iter(own))}"
        rows = [cells(action, row) for action, row in actions.items()]
        tables.append(Table(title, ("", *columns), (tuple(rows),)))
    return Report(
        protocol,
        model,
        numbers={"setting": setting or {}, "metrics": metrics, "scores": own, "by_action": actions},
        short=tables,
        beside={"beside": others, "published": [asdict(row) for row in published]},
        notes=notes,
        leak=leak,
    )


Row = tuple[float | None, ...]  # one number per horizon; None where a source prints none
Rows = Mapping[str, Row]  # per action
Errors = Mapping[str, Mapping[str, Rows]]

_ERROR_TITLES = {"euler_rad": "Euler angle error, radians", "mpjpe_mm": "MPJPE, mm"}
_ERROR_DECIMALS = {"euler_rad": 3, "mpjpe_mm": 2}


@dataclass(frozen=True)
class Published:
    """Rows of a paper or its repository, for one choice of windows and one metric.

    `provenance` is "pdf", "readme" or "csv", or "recalled" (written down from memory); `note` is needed to compare.
    """

    method: str
    provenance: str
    windows: str
    metric: str
    rows: Rows
    note: str = ""

    @property
    def label(self) -> str:
        """The method with its mark, as tables show it."""
        return f"{self.method} [{self.provenance}]"


@dataclass(frozen=True)
class Horizons:
    """The horizons of a row in milliseconds: as tables print them, and the true times."""

    labels_ms: tuple[int, ...]
    true_ms: tuple[int, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """The heads of columns."""
        return tuple(f"{label} ({true} ms)" for label, true in zip(self.labels_ms, self.true_ms, strict=True))


def horizon_report(
    protocol: str,
    model: str,
    horizons: Horizons,
    errors: Mapping[str, Errors],
    means: Mapping[str, tuple[str, ...]],
    *,
    missing_actions: tuple[str, ...] = (),
    published: Sequence[Published] = (),
    notes: tuple[str, ...] = (),
    leak: Leak = NO_LEAK,
) -> Report:
    """The report of `errors`: method (`model` is one) -> choice of windows -> metric -> action -> row.

    `means` lists the actions of each mean ("mean": all scored ones). Raises UsageError if one of them has no row.
    """
    actions = means["mean"]
    whole = {
        name: {w: {metric: with_means(rows, means) for metric, rows in of.items()} for w, of in by_windows.items()}
        for name, by_windows in errors.items()
    }
    own = whole.pop(model)

    def table(windows: str, metric: str, full: bool) -> Table:
        others = [(name, one[windows][metric]) for name, one in whole.items() if metric in one.get(windows, {})]
        others += [(p.label, p.rows) for p in published if (p.windows, p.metric) == (windows, metric)]
        shown = [(model, own[windows][metric]), *(others if full else ())]
        sections = [
            tuple(_error_cells(f"{name}: {action}", rows[action], metric) for action in actions if action in rows)
            for name, rows in shown
        ]
        for mean, over in means.items():
            rows = [(model, own[windows][metric][mean]), *((name, mean_over(rows, over)) for name, rows in others)]
            head = (f"{mean} of {len(over)}: {', '.join(over)}", *("" for _ in horizons.labels_ms))
            sections.append((head, *(_error_cells(name, row, metric) for name, row in rows if row is not None)))
        which = "all windows" if windows == "all" else f"{windows} windows per action"
        title = f"{protocol}: {_ERROR_TITLES.get(metric, metric)}, {which}; horizons: label (true time)"
        return Table(title, ("", *horizons.header), tuple(sections))

    pairs = [(windows, metric) for windows, metrics in own.items() for metric in metrics]
    return Report(
        protocol,
        model,
        numbers={
            **asdict(horizons),
            "windows": own,
            "actions": actions,
            "missing_actions": missing_actions,
            "mean_over": means,
        },
        short=[table(*pair, False) for pair in pairs],
        full=[table(*pair, True) for pair in pairs],
        beside={"beside": whole, "published": [asdict(row) for row in published]},
        notes=notes,
        leak=leak,
    )


def mean_over(rows: Rows, actions: Sequence[str]) -> Row | None:
    """Unweighted mean of each horizon over `actions`; None for a horizon that one of them lacks.

    None instead of a row if an action has no row, or no horizon is common to all.
    """
    if not actions or any(action not in rows for action in actions):
        return None
    columns = list(zip(*(rows[action] for action in actions), strict=True))
    means = tuple(
        sum(value for value in column if value is not None) / len(column) if None not in column else None
        for column in columns
    )
    return means if any(mean is not None for mean in means) else None


def with_means(rows: Rows, means: Mapping[str, Sequence[str]]) -> Rows:
    """The rows followed by those of the named means. Raises UsageError if an action of a mean has no row."""
    extended = dict(rows)
    for name, actions in means.items():
        mean = mean_over(rows, actions)
        if mean is None:
            raise UsageError(
                expected=f"a row for each of {', '.join(actions) or 'at least one action'}",
                got=f"rows for {', '.join(rows) or 'none'}",
                cure="Add the files of these actions to the folder of --data.",
            )
        extended[name] = mean
    return extended


def _error_cells(name: str, row: Row, metric: str) -> tuple[str, ...]:
    return (name, *(number(value, _ERROR_DECIMALS.get(metric, 3)) for value in row))


CellScores = Mapping[str, Mapping[str, float]]  # metric -> method -> value
PublishedCells = Mapping[str, Mapping[str, Mapping[str, float]]]  # paper -> cell name -> metric -> value

_CELL_TITLES = {
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
    """One condition (`where`, in the order of its name), its number of windows, and their mean scores."""

    where: Mapping[str, str]
    windows: int
    scores: CellScores

    @property
    def name(self) -> str:
        """The condition in one line."""
        return cell_name(self.where)


def cell_name(where: Mapping[str, str]) -> str:
    """A condition in one line: numbers follow their name."""
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

    `columns` are the methods, `classical` the untrained ones. `deciding` metrics (smaller is better) are in the short
    tables; a model must be the best in all of them to be offered for a cell (see `release`).
    """
    papers = published or {}

    def table(metric: str) -> Table:
        scored = [cell for cell in cells if metric in cell.scores]
        there = [column for column in columns if any(column in cell.scores[metric] for cell in scored)]
        rows = tuple(
            (cell.name, *(_significant(cell.scores[metric].get(column)) for column in there)) for cell in scored
        )
        printed = tuple(
            (f"{method}: {cell}", _significant(values[metric]), *("" for _ in there[1:]))
            for method, by_cell in papers.items()
            for cell, values in by_cell.items()
            if metric in values
        )
        return Table(_CELL_TITLES.get(metric, metric), (protocol, *there), (rows, printed) if printed else (rows,))

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


def by_metric(scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """The scores of methods (method -> metric) as `CellScores`."""
    metrics = dict.fromkeys(metric for of in scores.values() for metric in of)
    return {metric: {name: of[metric] for name, of in scores.items() if metric in of} for metric in metrics}


def merged(parts: Sequence[tuple[int, CellScores]]) -> tuple[int, dict[str, dict[str, float]]]:
    """The mean of scores over parts, weighted by their number of windows."""
    windows = sum(count for count, _ in parts)
    total: dict[str, dict[str, float]] = {}
    for count, scores in parts:
        for metric, columns in scores.items():
            for column, value in columns.items():
                row = total.setdefault(metric, {})
                row[column] = row.get(column, 0.0) + value * count / windows
    return windows, total


def _significant(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
