"""Reports: what the JSON holds, what the tables say, and that means say what they are over."""

from __future__ import annotations

import json

import pytest
from rich.console import Console

from kinema.core.errors import UsageError
from kinema.protocols.leaks import Leak, Meeting
from kinema.protocols.report import Report, Table, markdown, rich_tables
from kinema.protocols.tables import Horizons, Published, horizon_report, mean_over, with_means

MEANS = {"mean": ("run", "jump"), "mean_trained": ("run",)}


def scores(run: float, jump: float) -> dict[str, dict[str, dict[str, tuple[float | None, ...]]]]:
    return {"all": {"mpjpe_mm": {"run": (run, 2 * run), "jump": (jump, 2 * jump)}}}


@pytest.fixture
def report() -> Report:
    rows = {"run": (5.0, None), "jump": (7.0, None), "sit": (1.0, None)}
    return horizon_report(
        "toy",
        "ours",
        Horizons((80, 1000), (33, 417)),
        {"ours": scores(10, 20), "zero-velocity": scores(30, 40)},
        MEANS,
        missing_actions=("sit",),
        published=(
            Published("Old", "recalled", "all", "mpjpe_mm", rows),
            Published("Other", "pdf", "8", "mpjpe_mm", rows),
            Published("Partial", "csv", "all", "mpjpe_mm", {"run": (6.0, 8.0)}),
        ),
        leak=Leak(sure=(Meeting("run", "cmu/16_35", ("cmu/16_35",)),)),
        notes=("a note",),
    )


def test_json_is_plain_and_complete(report: Report) -> None:
    data = json.loads(json.dumps(report.to_json()))
    assert (data["protocol"], data["model"]) == ("toy", "ours")
    assert data["labels_ms"] == [80, 1000]
    assert data["true_ms"] == [33, 417]
    assert data["windows"]["all"]["mpjpe_mm"] == {
        "run": [10, 20], "jump": [20, 40], "mean": [15, 30], "mean_trained": [10, 20],
    }  # fmt: skip
    assert (data["actions"], data["missing_actions"]) == (["run", "jump"], ["sit"])
    assert data["mean_over"] == {"mean": ["run", "jump"], "mean_trained": ["run"]}
    assert data["leak"]["met"] == "yes"
    assert "LEAK" in data["leak"]["message"]
    assert "beside" not in data
    full = report.to_json(full=True)
    assert full["beside"]["zero-velocity"]["all"]["mpjpe_mm"]["mean"] == [35, 70]
    assert full["published"][0]["provenance"] == "recalled"


def test_tables_put_everybody_beside_over_the_same_actions(report: Report) -> None:
    (table,) = report.tables()
    assert table.header == ("", "80 (33 ms)", "1000 (417 ms)")
    assert table.sections[0] == (("ours: run", "10.00", "20.00"), ("ours: jump", "20.00", "40.00"))
    head, *rows = table.sections[1]
    assert head[0] == "mean of 2: run, jump"
    assert rows == [("ours", "15.00", "30.00"), ("zero-velocity", "35.00", "70.00"), ("Old [recalled]", "6.00", "-")]
    assert ("Partial [csv]", "6.00", "8.00") in table.sections[2]


def test_full_tables_show_the_others_by_action(report: Report) -> None:
    (table,) = report.tables(full=True)
    rows = [row for section in table.sections for row in section]
    assert ("zero-velocity: jump", "40.00", "80.00") in rows
    assert ("Old [recalled]: run", "5.00", "-") in rows
    assert not any(row[0].endswith(": sit") for row in rows)


def test_markdown_and_terminal_say_the_same(report: Report) -> None:
    text = markdown(report)
    assert "**LEAK:" in text
    assert "| Old [recalled] | 6.00 | - |" in text
    assert "- a note" in text
    console = Console(width=100, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for table in rich_tables(report, 120):
        console.print(table)
    drawn = console.export_text()
    assert "Old [recalled]" in drawn
    assert "35.00" in drawn


@pytest.mark.parametrize("width", [60, 120])
def test_no_number_of_a_wide_table_is_cut(width: int) -> None:
    header = ("protocol", *(f"metric {number}" for number in range(14)))
    values = tuple(f"{number}.{number:04}" for number in range(14))
    table = Table("wide", header, ((("a method with a name of many words", *values),),))
    console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    for part in rich_tables(Report("protocol", "model", {}, short=[table]), width):
        console.print(part)
    drawn = console.export_text()
    assert all(value in drawn for value in values)
    assert "…" not in drawn


def test_a_mean_needs_every_action_and_skips_horizons_that_one_lacks() -> None:
    rows = {"a": (1.0, None), "b": (3.0, 4.0)}
    assert mean_over(rows, ("a", "b")) == (2.0, None)
    assert mean_over(rows, ("b",)) == (3.0, 4.0)
    assert mean_over(rows, ("a", "c")) is None
    assert mean_over(rows, ()) is None
    with pytest.raises(UsageError, match="a row for each of a, c"):
        with_means(rows, {"mean": ("a", "c")})


def test_a_leak_says_how_sure_it_is() -> None:
    assert Leak().to_json()["met"] == "no"
    may = Leak(possible=(Meeting("jump", "?cmu/test/jumping_1", ("cmu/49_02", "cmu/13_13")),))
    assert may.to_json()["met"] == "may"
    assert "may be the same" in may.message
    assert "2 recordings" in may.message
