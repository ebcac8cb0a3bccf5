"""What a protocol found: numbers by horizon, what they are means over, and what must be said beside them.

`Report` is pure data. It becomes a JSON object (`to_json`), tables of text (`tables`), and from those Markdown
(`markdown`) or rich tables for a terminal (`rich_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from rich.table import Table as RichTable

from kinema.core.errors import UsageError

Row = tuple[float | None, ...]  # one number per horizon; None where a source prints none
Rows = Mapping[str, Row]  # per action
Scores = Mapping[str, Mapping[str, Rows]]  # windows ("8", "all") -> metric ("euler_rad") -> action or mean -> row

METRIC_TITLES = {"euler_rad": "Euler angle error, radians", "mpjpe_mm": "MPJPE, mm"}
_PLACES = {"euler_rad": 3, "mpjpe_mm": 2}


@dataclass(frozen=True)
class Published:
    """Rows that a paper or its repository prints, for one choice of windows and one metric.

    `provenance` is "pdf", "readme" or "csv" for what was read there, and "recalled" for what was written down from
    memory and could not be read again; `note` is what a reader must know to compare.
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
class Meeting:
    """A test recording and the training recordings of a model that are, or may be, the same."""

    action: str
    test: str
    trained: tuple[str, ...]


@dataclass(frozen=True)
class Leak:
    """Whether a model has seen what it is tested on: surely, or possibly (a recording is not identified)."""

    sure: tuple[Meeting, ...] = ()
    possible: tuple[Meeting, ...] = ()

    @property
    def message(self) -> str:
        """One line, in capitals where the scores are not to be trusted."""
        lines: list[str] = []
        if self.sure:
            met = "; ".join(f"{m.action} ({m.test})" for m in self.sure)
            lines.append(f"LEAK: this model was trained on test recordings of this protocol: {met}.")
        if self.possible:
            may = "; ".join(f"{m.action} ({m.test}) among {len(m.trained)} recordings" for m in self.possible)
            lines.append(
                f"POSSIBLE LEAK: recordings that are not identified may be the same in training and in test: {may}."
            )
        return " ".join(lines) or "No test recording is known to be among the training recordings."

    def to_json(self) -> dict[str, Any]:
        """Plain data; `met` is "yes", "may" or "no"."""
        as_dicts = {
            name: [{"action": m.action, "test": m.test, "trained_on": list(m.trained)} for m in meetings]
            for name, meetings in (("sure", self.sure), ("possible", self.possible))
        }
        return {"met": "yes" if self.sure else "may" if self.possible else "no", **as_dicts, "message": self.message}


@dataclass(frozen=True)
class Table:
    """A table as text: what it shows, the heads of its columns, and sections of rows."""

    title: str
    header: tuple[str, ...]
    sections: tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True)
class Report:
    """Errors by horizon of one model under one protocol, with baselines and published rows to stand beside it.

    `labels_ms` are the horizons as tables print them, `true_ms` what they are. `means` says which actions a mean is
    over ("mean", "mean_trained" ...); `beside` holds the scores of baselines, `notes` what a reader must know.
    """

    protocol: str
    model: str
    labels_ms: tuple[int, ...]
    true_ms: tuple[int, ...]
    actions: tuple[str, ...]
    missing_actions: tuple[str, ...]
    means: Mapping[str, tuple[str, ...]]
    windows: Scores
    beside: Mapping[str, Scores] = field(default_factory=dict[str, Scores])
    published: Sequence[Published] = ()
    leak: Leak = field(default_factory=Leak)
    notes: tuple[str, ...] = ()

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `full` adds the baselines and the published rows."""
        data: dict[str, Any] = {
            "protocol": self.protocol,
            "model": self.model,
            "labels_ms": list(self.labels_ms),
            "true_ms": list(self.true_ms),
            "windows": _plain(self.windows),
            "actions": list(self.actions),
            "missing_actions": list(self.missing_actions),
            "mean_over": {name: list(actions) for name, actions in self.means.items()},
            "leak": self.leak.to_json(),
            "notes": list(self.notes),
        }
        if full:
            data["beside"] = {name: _plain(scores) for name, scores in self.beside.items()}
            data["published"] = [
                {"method": p.method, "provenance": p.provenance, "windows": p.windows, "metric": p.metric,
                 "note": p.note, "rows": {action: list(row) for action, row in p.rows.items()}}
                for p in self.published
            ]  # fmt: skip
        return data

    def tables(self, *, full: bool = False) -> list[Table]:
        """One table per choice of windows and metric: this model by action, and the means of everybody.

        `full` shows the baselines and the published rows by action too.
        """
        return [
            self._table(windows, metric, full=full) for windows, metrics in self.windows.items() for metric in metrics
        ]

    def _table(self, windows: str, metric: str, *, full: bool) -> Table:
        ours = self.windows[windows][metric]
        others: list[tuple[str, Rows]] = [
            (name, scores[windows][metric])
            for name, scores in self.beside.items()
            if metric in scores.get(windows, {}) and name != self.model
        ]
        others += [(p.label, p.rows) for p in self.published if (p.windows, p.metric) == (windows, metric)]
        sections = [tuple(_cells(f"{self.model}: {a}", ours[a], metric) for a in self.actions)]
        if full:
            sections += [
                tuple(_cells(f"{name}: {a}", rows[a], metric) for a in self.actions if a in rows)
                for name, rows in others
            ]
        for mean, actions in self.means.items():
            rows = [(self.model, ours[mean]), *((name, mean_over(rows, actions)) for name, rows in others)]
            head = (f"{mean} of {len(actions)}: {', '.join(actions)}", *("" for _ in self.labels_ms))
            sections.append((head, *(_cells(name, row, metric) for name, row in rows if row is not None)))
        header = tuple(f"{label} ({true} ms)" for label, true in zip(self.labels_ms, self.true_ms, strict=True))
        which = "all windows" if windows == "all" else f"{windows} windows per action"
        title = f"{self.protocol}: {METRIC_TITLES.get(metric, metric)}, {which}; horizons: label (true time)"
        return Table(title, ("", *header), tuple(sections))


@runtime_checkable
class Reported(Protocol):
    """What anything that a protocol found can do: be data, be tables, and say what must be said beside them."""

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        ...

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def leak(self) -> Leak:
        """Whether the model has seen what it was tested on."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        ...

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`."""
        ...

    def tables(self, *, full: bool = False) -> list[Table]:
        """Tables of text."""
        ...


def mean_over(rows: Rows, actions: Sequence[str]) -> Row | None:
    """Unweighted mean of each horizon over `actions`; None where one of them has no row or no number is common to all.

    A horizon that one of the actions lacks is None in the answer.
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
    """The rows with those of the named means after them. Raises UsageError where an action of a mean has no row."""
    extended = dict(rows)
    for name, actions in means.items():
        mean = mean_over(rows, actions)
        if mean is None:
            raise UsageError(
                expected=f"a row for each of {', '.join(actions) or 'at least one action'}",
                got=f"rows for {', '.join(rows) or 'none'}",
                cure="Score these actions, or take the mean over others.",
            )
        extended[name] = mean
    return extended


def all_with_means(
    scores: Mapping[str, Mapping[str, Rows]], means: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Rows]]:
    """`with_means` for every choice of windows and every metric of a forecaster."""
    return {
        windows: {metric: with_means(rows, means) for metric, rows in metrics.items()}
        for windows, metrics in scores.items()
    }


def markdown(report: Reported, *, full: bool = True) -> str:
    """The report as a Markdown document."""
    lines = [f"# {report.model} under {report.protocol}", "", f"**{report.leak.message}**", ""]
    for table in report.tables(full=full):
        lines += [f"## {table.title}", "", _bar(table.header), _bar(("---", *("---:",) * (len(table.header) - 1)))]
        lines += [_bar(row) for section in table.sections for row in section]
        lines.append("")
    lines += ["## Notes", "", *(f"- {note}" for note in report.notes), ""]
    return "\n".join(lines)


def rich_tables(report: Reported, *, full: bool = False) -> list[RichTable]:
    """The report's tables for a terminal; the leak and the notes are the caller's to print."""
    drawn: list[RichTable] = []
    for table in report.tables(full=full):
        rich = RichTable(title=table.title, title_justify="left", header_style="bold")
        for place, name in enumerate(table.header):
            rich.add_column(
                name.replace(" (", "\n("), justify="right" if place else "left", min_width=0 if place else 18
            )
        for section in table.sections:
            for row in section:
                # A bracketed mark is text here and not rich's markup.
                rich.add_row(row[0].replace("[", r"\["), *row[1:])
            rich.add_section()
        drawn.append(rich)
    return drawn


def _cells(name: str, row: Row, metric: str) -> tuple[str, ...]:
    places = _PLACES.get(metric, 3)
    return (name, *("-" if value is None else f"{value:.{places}f}" for value in row))


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(scores: Scores) -> dict[str, Any]:
    return {
        windows: {metric: {name: list(row) for name, row in rows.items()} for metric, rows in metrics.items()}
        for windows, metrics in scores.items()
    }
