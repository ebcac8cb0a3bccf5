"""The verbs on a folder: results in the same places, a bad file told of, a report, and the right exit code."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from command import run
from kinema.core.errors import KinemaWarning
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.pipeline.open import WEIGHTS

CASES = Path(__file__).parents[2] / "io" / "cases"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def takes(write_bvh: Callable[..., Path], tmp_path: Path) -> Path:
    folder = tmp_path / "takes"
    (folder / "deep").mkdir(parents=True)
    write_bvh(20).rename(folder / "a.bvh")
    write_bvh(24).rename(folder / "deep" / "b.bvh")
    return folder


VERBS = [
    (("forecast", "zero-velocity"), ("--seconds", "0.5", "--samples", "2"), 15),
    (("upsample",), ("--rate", "2"), 47),
    (("repair",), (), 24),
    (("convert",), ("--fps", "15"), 12),
]


@pytest.mark.parametrize(("verb", "options", "frames"), VERBS, ids=[verb[0] for verb, _, _ in VERBS])
def test_a_verb_on_a_folder(
    verb: tuple[str, ...], options: tuple[str, ...], frames: int, takes: Path, tmp_path: Path, capsys: Captured
) -> None:
    (takes / "bad.bvh").write_text("HIERARCHY\nnonsense")
    out = tmp_path / "out"
    assert run(*verb, takes, "-o", out, *options) == 1
    said = capsys.readouterr()
    assert said.out.strip() == str(out / "kinema-report.json")
    assert "bad.bvh" in said.err
    assert "expected ROOT or MOTION" in said.err
    page = json.loads((out / "kinema-report.json").read_text())
    assert (page["done"], page["kept"], page["failed"]) == (2, 0, 1)
    assert load(out / "deep" / ("b-2.bvh" if verb[0] == "forecast" else "b.bvh")).frames == frames
    (takes / "bad.bvh").unlink()
    assert run(*verb, takes, "-o", out, *options) == 0
    assert json.loads((out / "kinema-report.json").read_text())["kept"] == 2


def test_formats_patterns_and_places_of_reports(takes: Path, tmp_path: Path, capsys: Captured) -> None:
    assert run("convert", takes, tmp_path / "npz", "--format", "npz") == 0
    assert load(tmp_path / "npz/deep/b.npz").frames == 24
    assert run("forecast", "zero-velocity", takes, "-o", tmp_path / "glb", "--format", "glb", "--pattern", "a.*") == 0
    assert [path.name for path in (tmp_path / "glb").glob("**/*.glb")] == ["a.glb"]
    capsys.readouterr()
    assert (
        run("upsample", takes, "-o", tmp_path / "up", "--rate", "2", "--report", tmp_path / "told.json", "--json") == 0
    )
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "told.json").read_text())


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--rate", "2"), "a folder for the results"),
        (("--rate", "2", "-o", "takes"), "for both"),
        (("--rate", "2", "-o", "out", "--pattern", "*.fbx"), "files called *.fbx"),
        (("--rate", "2", "-o", "out", "--jobs", "0"), "--jobs 1 or more"),
        (("-o", "out"), "--rate or --fps"),
        (("--rate", "2", "-o", "out", "--method", "slurp"), "slurp"),
    ],
)
def test_misuse_touches_nothing(
    options: tuple[str, ...], says: str, takes: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(takes.parent)
    assert run("upsample", "takes", *options) == 2
    assert says in capsys.readouterr().err
    assert not Path("out").exists()
    assert run("convert", "takes", "out", "--format", "docx") == 2


def test_what_is_written_names_no_place_of_this_machine(tmp_path: Path) -> None:
    """The model and the text of an error: all relative to the report."""
    save(perform("walk", seconds=2.0, fps=30.0, seed=3), tmp_path / "takes" / "a.bvh")
    shutil.copy(tmp_path / "takes" / "a.bvh", tmp_path / "takes" / "b.bvh")
    (tmp_path / "takes" / "b.bvh").chmod(0)
    (tmp_path / "takes" / "bad.bvh").write_text("HIERARCHY\nnonsense")
    shutil.copytree(WEIGHTS / "simlpe-cmu", tmp_path / "model")
    out = tmp_path / "out"
    run("forecast", tmp_path / "takes", "--model", tmp_path / "model", "-o", out, "--seconds", "0.2")
    for name in ("kinema-report.json", "kinema-ledger.jsonl"):
        assert (out / name).read_text().strip()
        assert str(tmp_path) not in (out / name).read_text()
    assert json.loads((out / "kinema-report.json").read_text())["work"]["model"] == "../model"


def test_a_folder_of_all_formats(takes: Path, tmp_path: Path, capsys: Captured) -> None:
    """What holds a motion is taken, whatever its format; the rest is named in one line."""
    motion = load(takes / "a.bvh")
    save(motion, takes / "c.glb")
    save(motion.points(), takes / "d.csv")
    for name in ("names_vroid.bvh", "wham_output.pkl", "ap.json"):
        shutil.copy(CASES / name, takes)
    (takes / "notes.txt").write_text("walk, then run")
    (takes / "weights.pkl").write_bytes(pickle.dumps({"layers": [1, 2]}))
    left = (
        r"ap.json \(it needs --source-fps\), notes.txt \(no motion\), weights.pkl \(no motion\), wham_output.pkl \(it"
    )
    with pytest.warns(KinemaWarning, match=left):
        assert run("repair", takes, "-o", tmp_path / "out", "--json") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 5
    with pytest.warns(KinemaWarning, match=r"left out: notes.txt \(no motion\), weights.pkl \(no motion\)$"):
        assert run("repair", takes, "-o", tmp_path / "out", "--json", "--source-fps", "30") == 0
    assert json.loads(capsys.readouterr().out)["done"] == 7
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"c.glb", "d.csv", "ap.json", "wham_output.npz"}
