"""Reports of errors by horizon: windows ("8", "all") -> metric ("euler_rad") -> action or mean -> a row of numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from kinema.core.errors import UsageError
from kinema.protocols.leaks import NO_LEAK, Leak
from kinema.protocols.report import Report, Table, number

Row = tuple[float | None, ...]  # one number per horizon; None where a source prints none
Rows = Mapping[str, Row]  # per action
Errors = Mapping[str, Mapping[str, Rows]]

_TITLES = {"euler_rad": "Euler angle error, radians", "mpjpe_mm": "MPJPE, mm"}
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
class Horizons:
    """What the numbers of a row are: the times as tables print them, and as they are, in milliseconds."""

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
    """The report of `errors` by method, of which `model` is one. Tables: one for each choice of windows and metric.

    `means` lists the actions of each mean ("mean" is over all that were scored). Raises UsageError where an action of a
    mean has no row.
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
            tuple(_cells(f"{name}: {action}", rows[action], metric) for action in actions if action in rows)
            for name, rows in shown
        ]
        for mean, over in means.items():
            rows = [(model, own[windows][metric][mean]), *((name, mean_over(rows, over)) for name, rows in others)]
            head = (f"{mean} of {len(over)}: {', '.join(over)}", *("" for _ in horizons.labels_ms))
            sections.append((head, *(_cells(name, row, metric) for name, row in rows if row is not None)))
        which = "all windows" if windows == "all" else f"{windows} windows per action"
        title = f"{protocol}: {_TITLES.get(metric, metric)}, {which}; horizons: label (true time)"
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


def _cells(name: str, row: Row, metric: str) -> tuple[str, ...]:
    return (name, *(number(value, _PLACES.get(metric, 3)) for value in row))
