"""`kinema eval`: JSON on standard output, tables for people, errors with their exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kinema.apps.cli import main
from kinema.data.sources.cmu import BENCHMARK, OFTEN_MISSING
from kinema.models.baselines import BASELINES
from kinema.pipeline.evaluate import evaluate
from kinema.pipeline.pipeline import open as open_pipeline

KEYS = {"protocol", "model", "labels_ms", "true_ms", "windows", "actions", "missing_actions", "leak", "notes"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The benchmark's usual files, as small random walks."""
    folder = tmp_path_factory.mktemp("cmu")
    rng = np.random.default_rng(1)
    names = [name for name in BENCHMARK if name not in OFTEN_MISSING]
    lengths = [160 if name.startswith("test/") else 76 for name in names]
    rows = [0.02 * rng.standard_normal((n, 117)).astype(np.float32).cumsum(0) for n in lengths]
    start = np.cumsum([0, *lengths])
    np.savez(folder / "cmu_forecast.npz", expmap=np.concatenate(rows), start=start, name=np.array(names))
    return folder


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["eval", *arguments])
    assert isinstance(left.value.code, int)
    return left.value.code


def test_json_on_standard_output_and_the_table_on_the_other(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("zero-velocity", "--protocol", "cmu-legacy", "--data", str(data), "--json") == 0
    shown = capsys.readouterr()
    report = json.loads(shown.out)
    assert set(report) >= KEYS
    assert (report["protocol"], report["model"]) == ("cmu-legacy", "zero-velocity")
    assert report["labels_ms"] == [80, 160, 320, 400, 560, 1000]
    assert report["true_ms"] == [33, 67, 133, 167, 233, 417]
    six = ["basketball", "jumping", "running", "soccer", "walking", "washwindow"]
    assert report["actions"] == six
    for windows in ("8", "all"):
        for metric in ("euler_rad", "mpjpe_mm"):
            rows = report["windows"][windows][metric]
            assert set(rows) == {*six, "mean", "mean_trained"}
            assert all(len(row) == 6 and all(isinstance(x, float) for x in row) for row in rows.values())
    assert report["leak"]["met"] == "no"
    assert "running-average-4" in shown.err


def test_without_json_the_tables_are_the_output(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("linear", "--protocol", "cmu-physical", "--data", str(data)) == 0
    shown = capsys.readouterr()
    assert "cmu-physical: MPJPE, mm, all windows" in shown.out
    assert "zero-velocity" in shown.out
    assert "(417 ms)" in shown.out
    assert "mean of 6: basketball" in shown.out


def test_out_writes_the_whole_report(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("report.md", "report.json"):
        out = tmp_path / name
        assert run("zero-velocity", "--protocol", "cmu-legacy", "--data", str(data), "--out", str(out)) == 0
    assert "PGBIG [csv]: walking" in (tmp_path / "report.md").read_text()
    full = json.loads((tmp_path / "report.json").read_text())
    assert set(full["beside"]) == {"running-average-2", "running-average-4"}
    assert {row["provenance"] for row in full["published"]} == {"pdf", "readme", "csv", "recalled"}
    assert run("zero-velocity", "--protocol", "cmu-legacy", "--out", str(tmp_path / "report.txt")) == 2
    assert "ends in .md or .json" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("zero-velocity", "--protocol", "cmu-legcy"), 2, "Did you mean cmu-legacy"),
        (("zero-velocty", "--protocol", "cmu-legacy"), 2, "Did you mean zero-velocity"),
        (("zero-velocity", "--protocol", "cmu-legacy", "--data", "/nowhere/at/all"), 3, "which does not exist"),
    ],
)
def test_errors(arguments: tuple[str, ...], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == code
    shown = capsys.readouterr()
    assert words in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_can_be_scored(name: str, data: Path) -> None:
    report = evaluate(name, "cmu-legacy", data)
    assert report["windows"]["8"]["euler_rad"]["mean"][0] is not None
    assert "mpjpe_mm" in report["windows"]["all"]
    assert ("positions" in open_pipeline(name).spaces) == (name != "slerp")


@pytest.mark.shared
def test_golden_values_through_the_command_line(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("zero-velocity", "--protocol", "cmu-legacy", "--data", str(shared_data), "--json") == 0
    windows = json.loads(capsys.readouterr().out)["windows"]
    assert windows["8"]["euler_rad"]["walking"][3] == pytest.approx(0.951, abs=5e-4)
    assert windows["all"]["mpjpe_mm"]["mean"][0] == pytest.approx(22.65, abs=5e-3)
