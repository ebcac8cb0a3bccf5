"""Reports of scores: a way of counting ("all-windows") and in it one number per metric, for the model and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from kinema.protocols.leaks import NO_LEAK, Leak
from kinema.protocols.report import Report, Table, number

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
    places: Mapping[str, int] | None = None,
    notes: tuple[str, ...] = (),
    leak: Leak = NO_LEAK,
) -> Report:
    """The report of `scores` by method (of which `model` is one), way of counting and metric.

    `metrics` says what each metric is; tables show those that are `shown` (default: all), with three decimals or as
    `places` says. The first way of counting is the one to quote: published rows and `by_action` are counted so.
    `setting` says what was done (windows, samples, seed, unit ...).
    """
    own, others = scores[model], {name: ways for name, ways in scores.items() if name != model}
    actions, columns, decimals = by_action or {}, tuple(shown or metrics), places or {}

    def cells(name: str, row: Scores, recalled: Sequence[str] = ()) -> tuple[str, ...]:
        values = [(metric, number(row.get(metric), decimals.get(metric, 3))) for metric in columns]
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
