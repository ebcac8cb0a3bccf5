"""`Report`: the result of a protocol, as data, JSON, Markdown or tables for a terminal.

`score_report`, `horizon_report` and `cell_report` (`tables`) build one from numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table as RichTable

from kinema.protocols.leaks import NO_LEAK, Leak


@dataclass(frozen=True)
class Table:
    """A table of text: title, column heads (the first is above the row labels), sections of rows."""

    title: str
    header: tuple[str, ...]
    sections: tuple[tuple[tuple[str, ...], ...], ...]


@dataclass(frozen=True)
class Report:
    """The scores of one model under one protocol, with baselines and published rows beside it.

    `numbers` is plain data under the names of the JSON; `beside` (baselines, published rows) is only in the full JSON.
    `short` are the tables for a terminal, `full` all tables (None: the same). `leak` compares training and test
    recordings.
    """

    protocol: str
    model: str
    numbers: Mapping[str, Any]
    short: Sequence[Table] = ()
    full: Sequence[Table] | None = None
    beside: Mapping[str, Any] = field(default_factory=dict[str, Any])
    notes: tuple[str, ...] = ()
    leak: Leak = NO_LEAK

    def __getitem__(self, name: str) -> Any:
        """A value of the full JSON: report["scores"]."""
        return self.to_json(full=True)[name]

    def to_json(self, *, full: bool = False) -> dict[str, Any]:
        """Plain data, ready for `json.dumps`; `full` adds the baselines and the published rows."""
        data = {"protocol": self.protocol, "model": self.model, **self.numbers}
        data |= {"leak": self.leak.to_json(), "notes": self.notes}
        return plain({**data, **self.beside} if full else data)

    def tables(self, *, full: bool = False) -> list[Table]:
        """Tables of text."""
        return list(self.short if self.full is None or not full else self.full)


def plain(data: Any) -> Any:
    """Nested mappings as dicts and sequences as lists."""
    if isinstance(data, Mapping):
        return {str(name): plain(value) for name, value in data.items()}
    if isinstance(data, Iterable) and not isinstance(data, str):
        return [plain(value) for value in data]
    return data


def number(value: float | None, decimals: int) -> str:
    """A number with that many decimals; a dash for None."""
    return "-" if value is None else f"{value:.{decimals}f}"


def markdown(report: Report) -> str:
    """The whole report as a Markdown document."""
    lines = [f"# {report.model} under {report.protocol}", "", f"**{report.leak.message}**", ""]
    for table in report.tables(full=True):
        lines += [f"## {table.title}", "", _bar(table.header), _bar(("---", *("---:",) * (len(table.header) - 1)))]
        lines += [_bar(row) for section in table.sections for row in section]
        lines.append("")
    lines += ["## Notes", "", *(f"- {note}" for note in report.notes), ""]
    return "\n".join(lines)


def rich_tables(report: Report, width: int) -> list[RichTable]:
    """The report's short tables for `width` characters, one wider than that in several parts; the caller prints the
    leak and the notes."""
    return [drawn for table in report.short for drawn in _parts(table, width)]


def _parts(table: Table, width: int) -> Iterator[RichTable]:
    rows = [row for section in table.sections for row in section]
    names = [name.replace(" (", "\n(") for name in table.header]
    # A column is as wide as its longest line, and has a border and two spaces.
    wide = [
        3 + max(len(line) for text in (name, *(row[place] for row in rows)) for line in text.split("\n"))
        for place, name in enumerate(names)
    ]
    first = 1 + min(max(wide[0], 21), max(width // 3, 21))
    taken: list[int] = []
    for place in range(1, len(names)):
        if taken and first + sum(wide[one] for one in (*taken, place)) > width:
            yield _drawn(table, names, taken)
            taken = []
        taken.append(place)
    yield _drawn(table, names, taken)


def _drawn(table: Table, names: Sequence[str], columns: Sequence[int]) -> RichTable:
    rich = RichTable(title=table.title, title_justify="left", header_style="bold")
    rich.add_column(names[0], min_width=18)
    for place in columns:
        rich.add_column(names[place], justify="right", no_wrap=True)
    for section in table.sections:
        for row in section:
            # A bracketed mark is text, not markup of rich.
            rich.add_row(row[0].replace("[", r"\["), *(row[place] for place in columns))
        rich.add_section()
    return rich


def _bar(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
