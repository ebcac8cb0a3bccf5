"""`ScoreReport`: what a protocol found where each metric is one number (and not an error by horizon, as in `Report`).

Pure data. It has what `metrics.report` asks of anything that is shown: JSON, tables, a leak report and notes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinema.protocols.report import Leak, Table

Scores = Mapping[str, float | None]  # metric -> value; None where there is none


@dataclass(frozen=True)
class PublishedScores:
    """What a paper prints. `provenance` says where it was read ("table", "issue") or that it was "recalled"; `recalled`
    names single metrics that were, in a row that was read otherwise; `note` is what a reader must know to compare."""

    method: str
    provenance: str
    scores: Scores
    recalled: tuple[str, ...] = ()
    note: str = ""

    @property
    def label(self) -> str:
        """The method with its mark, as tables show it."""
        return f"{self.method} [{self.provenance}]"


@dataclass(frozen=True)
class ScoreReport:
    """The scores of one model under one protocol, with baselines and published rows to stand beside it.

    `metrics` says what each one is; tables show those that are `shown` (default: all), with three decimals
    or as `places` says. `scores` are by way of counting, the first of them the one to quote; `by_action` is counted
    the first way. `setting` says what was done (windows, samples, seed, unit ...).
    """

    protocol: str
    model: str
    metrics: Mapping[str, str]
    scores: Mapping[str, Scores]
    by_action: Mapping[str, Scores] = field(default_factory=dict[str, Scores])
    beside: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict[str, Mapping[str, Scores]])
    published: Sequence[PublishedScores] = ()
    setting: Mapping[str, Any] = field(default_factory=dict[str, Any])
    shown: tuple[str, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict[str, int])
    leak: Leak = field(default_factory=Leak)
    notes: tuple[str, ...] = ()

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `full` adds the baselines and the published rows."""
        data: dict[str, Any] = {
            "protocol": self.protocol,
            "model": self.model,
            "setting": dict(self.setting),
            "metrics": dict(self.metrics),
            "scores": {way: dict(scores) for way, scores in self.scores.items()},
            "by_action": {action: dict(scores) for action, scores in self.by_action.items()},
            "leak": self.leak.to_json(),
            "notes": list(self.notes),
        }
        if full:
            data["beside"] = {
                name: {way: dict(scores) for way, scores in ways.items()} for name, ways in self.beside.items()
            }
            data["published"] = [
                {"method": row.method, "provenance": row.provenance, "scores": dict(row.scores),
                 "recalled": list(row.recalled), "note": row.note} for row in self.published
            ]  # fmt: skip
        return data

    def tables(self, *, full: bool = False) -> list[Table]:
        """One table of everybody for each way of counting, published rows in the first, and one by action.

        `full` is for the interface that reports share: nothing more is shown.
        """
        del full
        tables: list[Table] = []
        for place, (way, ours) in enumerate(self.scores.items()):
            rows = [self._cells(self.model, ours)]
            rows += [self._cells(n, ways[way]) for n, ways in self.beside.items() if way in ways and n != self.model]
            printed = () if place else tuple(self._cells(row.label, row.scores, row.recalled) for row in self.published)
            tables.append(Table(f"{self.protocol}: {way}", ("", *self._columns), (tuple(rows), printed)))
        if self.by_action:
            rows = [self._cells(action, scores) for action, scores in self.by_action.items()]
            title = f"{self.protocol}: {self.model} by action, {next(iter(self.scores))}"
            tables.append(Table(title, ("", *self._columns), (tuple(rows),)))
        return tables

    @property
    def _columns(self) -> tuple[str, ...]:
        return self.shown or tuple(self.metrics)

    def _cells(self, name: str, scores: Scores, recalled: Sequence[str] = ()) -> tuple[str, ...]:
        return (name, *(self._cell(metric, scores.get(metric), recalled) for metric in self._columns))

    def _cell(self, metric: str, value: float | None, recalled: Sequence[str]) -> str:
        text = "-" if value is None else f"{value:.{self.places.get(metric, 3)}f}"
        return f"{text} (recalled)" if metric in recalled else text
