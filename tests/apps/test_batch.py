"""Many files: what is done is not done again, what is cut short is, and a bad file stops nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from kinema.apps.batch.converting import Converting
from kinema.apps.batch.jobs import LEDGER, Do, Made, Outcome, Piece, pieces_in, report_of, run_job
from kinema.apps.batch.workers import Here, Processes, engine_of
from kinema.core.atomic import temporary_prefix, write_text
from kinema.core.errors import FormatError, KinemaError, UsageError

TESTS = Path(__file__).parents[1]


@dataclass(frozen=True)
class Doubling:
    """Writes a file's text `times` times; "bad" cannot be read, "odd" is a surprise, "deadly" ends the process."""

    times: int = 2
    pause: float = 0.0
    notes: Path | None = None

    def stamp(self) -> Mapping[str, Any]:
        return {"times": self.times}

    def open(self) -> Do:
        def do(piece: Piece) -> Made:
            text = piece.source.read_text()
            time.sleep(self.pause)
            if text == "bad":
                raise FormatError(where=piece.source.name, expected="text", got="bad text", cure="Write another.")
            if text == "odd":
                raise ZeroDivisionError("nobody thought of it")
            if text == "deadly":
                os._exit(9)
            write_text(piece.target, text * self.times)
            return Made((piece.target,), {"letters": len(text)})

        return do


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {"a.txt": "one", "b.txt": "bad", "deep/c.txt": "two", "d.txt": "odd", "e.txt": "three"}.items():
        write_text(tmp_path / "in" / name, text)
    return tmp_path / "in"


def outcomes(folder: Path, work: Doubling, engine: Any = None) -> dict[str, Outcome]:
    out = folder.parent / "out"
    pieces = pieces_in(folder, out, patterns=["*.txt"])
    return {one.piece.source.name: one for one in run_job(work, pieces, out, engine or Here())}


def statuses(folder: Path, work: Doubling, engine: Any = None) -> str:
    found = outcomes(folder, work, engine)
    return " ".join(found[name].status for name in sorted(found))


def test_a_bad_file_stops_nobody_and_says_what_is_wrong(folder: Path) -> None:
    found = outcomes(folder, Doubling())
    assert (folder.parent / "out/deep/c.txt").read_text() == "twotwo"
    assert [found[name].status for name in sorted(found)] == ["done", "failed", "done", "failed", "done"]
    known, unknown = found["b.txt"].error, found["d.txt"].error
    assert known == {"expected": "text", "got": "bad text", "cure": "Write another.",
                     "text": "b.txt: expected text; got bad text. Write another."}  # fmt: skip
    assert unknown is not None
    assert "ZeroDivisionError: nobody thought of it" in unknown["got"]
    report = report_of(Doubling(), list(found.values()), 1.0)
    assert (report["done"], report["kept"], report["failed"]) == (3, 0, 2)
    assert [Path(row["file"]).name for row in report["files"]] == ["a.txt", "b.txt", "d.txt", "c.txt", "e.txt"]
    assert json.dumps(report)
    handed = report_of(Doubling(), [found["a.txt"]], 1.0, folder.parent / "out")
    assert handed["files"][0]["file"] == "../in/a.txt"
    assert str(folder.parent.resolve()) not in json.dumps(handed)


def test_what_is_done_is_kept_until_something_changes(folder: Path) -> None:
    assert statuses(folder, Doubling()) == "done failed done failed done"
    assert statuses(folder, Doubling()) == "kept failed kept failed kept"
    assert outcomes(folder, Doubling())["a.txt"].facts == {"letters": 3}
    (folder / "a.txt").write_text("eno")  # as long as before
    assert statuses(folder, Doubling()) == "done failed kept failed kept"
    assert (folder.parent / "out/a.txt").read_text() == "enoeno"
    assert statuses(folder, Doubling(times=3)) == "done failed done failed done"
    (folder.parent / "out/a.txt").unlink()
    (folder.parent / "out/deep/c.txt").write_text("half")
    assert statuses(folder, Doubling(times=3)) == "done failed done failed kept"


def test_a_ledger_that_was_cut_short_and_half_written_files_are_no_harm(folder: Path) -> None:
    statuses(folder, Doubling())
    out = folder.parent / "out"
    ledger = (out / LEDGER).read_text()
    (out / LEDGER).write_text(ledger[: ledger.rindex('"stamp"')])
    left = [out / f"{temporary_prefix(name)}k3jd8w2q.txt" for name in ("a.txt", "a-12.txt")]
    mine = [out / f"{temporary_prefix('also.txt')}k3jd8w2q.txt", out / ".a.notes"]
    for file in left + mine:
        file.write_text("half")
    assert sorted(statuses(folder, Doubling()).split()) == ["done", "failed", "failed", "kept", "kept"]
    assert not any(file.exists() for file in left)
    assert all(file.exists() for file in mine)
    for line in (out / LEDGER).read_text().splitlines():
        json.loads(line)


def test_several_processes_do_the_same_and_a_dead_one_costs_one_file(folder: Path) -> None:
    (folder / "d.txt").write_text("deadly")
    found = outcomes(folder, Doubling(), Processes(2))
    assert " ".join(found[name].status for name in sorted(found)) == "done failed done failed done"
    assert found["d.txt"].error is not None
    assert "exit code 9" in found["d.txt"].error["got"]
    assert found["b.txt"].error is not None
    assert found["b.txt"].error["cure"] == "Write another."
    assert (folder.parent / "out/e.txt").read_text() == "threethree"


def test_one_job_at_a_time(folder: Path) -> None:
    out = folder.parent / "out"
    pieces = pieces_in(folder, out, patterns=["*.txt"])
    first = run_job(Doubling(), pieces, out, Here())
    next(first)
    with pytest.raises(UsageError, match="a job, process"):
        next(run_job(Doubling(), pieces, out, Here()))
    first.close()
    assert statuses(folder, Doubling()) == "kept failed done failed done"


def test_a_work_that_cannot_get_ready_says_so_for_every_file(folder: Path) -> None:
    @dataclass(frozen=True)
    class Broken(Doubling):
        def open(self) -> Do:
            raise UsageError(expected="a model", got="none", cure="Train one.")

    found = outcomes(folder, Broken())
    assert {one.status for one in found.values()} == {"failed"}
    assert all(one.error and one.error["cure"] == "Train one." for one in found.values())


def test_which_files(folder: Path) -> None:
    out = folder.parent / "out"
    (folder / ".hidden.txt").write_text("no")
    write_text(folder / "results" / "x.txt", "no")
    places = pieces_in(folder, folder / "results", patterns=["*.txt"], suffix=".npz")
    names = [str(piece.target.relative_to(folder / "results")) for piece in places]
    assert names == ["a.npz", "b.npz", "d.npz", "deep/c.npz", "e.npz"]
    with pytest.raises(UsageError, match="for both"):
        pieces_in(folder, folder, patterns=["*.txt"])
    with pytest.raises(UsageError, match="none"):
        pieces_in(folder, out, patterns=["*.bvh"])
    with pytest.raises(UsageError, match="no such folder"):
        pieces_in(folder / "nowhere", out, patterns=["*.bvh"])
    (folder / "a.csv").write_text("x")
    with pytest.raises(UsageError, match=r"both become a\.npz"):
        pieces_in(folder, out, patterns=["*.txt", "*.csv"], suffix=".npz")
    with pytest.raises(UsageError, match="--jobs 1 or more"):
        engine_of("local", 0)


def test_a_place_that_cannot_be_written_to(folder: Path) -> None:
    (folder.parent / "out").write_text("a file")
    with pytest.raises(KinemaError, match="a place to write"):
        outcomes(folder, Doubling())


def test_the_stamp_knows_what_the_options_hold() -> None:
    assert Converting(fps=30).stamp() != Converting(fps=60).stamp()
    assert Converting(fps=30).stamp() == replace(Converting(), fps=30).stamp()
    with pytest.raises(UsageError, match="skeleton"):
        Converting(to="nobody").stamp()


KILLED = """
import sys
from pathlib import Path
from kinema.apps.batch.workers import engine_of
from kinema.apps.batch.jobs import pieces_in, run_job
from test_batch import Doubling

if __name__ == "__main__":
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    pieces = pieces_in(folder, out, patterns=["*.txt"])
    for outcome in run_job(Doubling(pause=0.02), pieces, out, engine_of("local", 2)):
        print(outcome.status, flush=True)
"""


def test_a_job_that_is_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    for place in range(30):
        write_text(tmp_path / f"in/{place:02}.txt", str(place))
    (tmp_path / "job.py").write_text(KILLED)
    command = [sys.executable, tmp_path / "job.py", tmp_path / "in", tmp_path / "out"]
    path = os.pathsep.join([str(TESTS / "apps"), str(TESTS)])
    job = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path})
    assert job.stdout is not None
    told = [job.stdout.readline().strip() for _ in range(8)]
    job.send_signal(signal.SIGKILL)
    told += job.stdout.read().split()
    job.wait()
    pieces = pieces_in(tmp_path / "in", tmp_path / "out", patterns=["*.txt"])
    again = [one.status for one in run_job(Doubling(), pieces, tmp_path / "out", Here())]
    assert told == ["done"] * len(told)
    assert len(told) <= again.count("kept") <= len(told) + 1  # a line is on disk before it is told
    assert again.count("kept") + again.count("done") == 30
    assert [(tmp_path / f"out/{place:02}.txt").read_text() for place in range(30)] == [2 * str(n) for n in range(30)]
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {f"{place:02}.txt" for place in range(30)} | {LEDGER}
