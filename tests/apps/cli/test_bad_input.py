"""Bad input through the command line: one clear line, the right exit code, and no half-written file."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from command import run
from kinema.pipeline.open import WEIGHTS
from kinema.pipeline.train import Means, train
from kinema.recipes import recipe
from small_bvh import SMALL_BVH, small_bvh_rows

Writer = Callable[..., Path]
Captured = pytest.CaptureFixture[str]


def fails(capsys: Captured, code: int, *arguments: str | Path, says: tuple[str, ...]) -> None:
    """The command leaves with `code` after exactly one line that holds every word of `says`."""
    assert run(*arguments) == code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.strip()]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("kinema: ")
    for word in ("expected", "got", *says):
        assert word in lines[0], lines[0]


def broken_bvh(kind: str, folder: Path) -> tuple[Path, tuple[str, ...]]:
    """A file that is wrong in one way, and what the error must name."""
    rows = small_bvh_rows(5)
    header, frames, frame_time = SMALL_BVH, str(len(rows)), "0.0333333"
    says: tuple[str, ...] = ("bad.bvh",)
    if kind == "cut in a row":
        rows[-1] = " ".join(rows[-1].split()[:3])
        says += ("18",)
    elif kind == "cut in the hierarchy":
        header = header[: len(header) // 2]
    elif kind == "not a number":
        rows[3] = rows[3].replace(rows[3].split()[4], "nan", 1)
        says += ("frame 3",)
    elif kind == "a number missing in frame 4711":
        rows = small_bvh_rows(5000)
        rows[4711] = " ".join(rows[4711].split()[:-1])
        frames, says = "5000", (*says, "4711", "17")
    elif kind == "a cycle":
        header = header.replace("JOINT LeftFoot", "JOINT Hips")
        says += ("Hips",)
    elif kind == "zero frames":
        rows, frames = [], "0"
    path = folder / "bad.bvh"
    path.write_text(f"{header}MOTION\nFrames: {frames}\nFrame Time: {frame_time}\n" + "\n".join(rows) + "\n")
    return path, says


@pytest.mark.parametrize(
    "kind",
    [
        "cut in a row",
        "cut in the hierarchy",
        "not a number",
        "a number missing in frame 4711",
        "a cycle",
        "zero frames",
    ],
)
def test_a_broken_bvh(kind: str, tmp_path: Path, capsys: Captured) -> None:
    path, says = broken_bvh(kind, tmp_path)
    target = tmp_path / "out.npz"
    fails(capsys, 1, "convert", path, target, says=says)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["bad.bvh"]
    fails(capsys, 1, "forecast", "zero-velocity", path, "-o", target, says=says)
    assert not target.exists()


def test_a_zip_renamed_to_bvh(tmp_path: Path, capsys: Captured) -> None:
    with zipfile.ZipFile(tmp_path / "walk.bvh", "w") as archive:
        archive.writestr("inside.bvh", "HIERARCHY")
    fails(capsys, 1, "info", tmp_path / "walk.bvh", says=("walk.bvh", "zip"))


def test_an_npz_with_pickled_objects(tmp_path: Path, capsys: Captured) -> None:
    np.savez(tmp_path / "walk.npz", posed_joints=np.array([{"evil": 1}], dtype=object), fps=30.0)
    fails(capsys, 1, "info", tmp_path / "walk.npz", says=("walk.npz", "posed_joints", "pickle"))


def test_an_expmap_file_with_116_columns(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "walk.txt").write_text((",".join(["0.1"] * 116) + "\n") * 3)
    fails(
        capsys,
        1,
        "info",
        tmp_path / "walk.txt",
        "--source-skeleton",
        "cmu38",
        "--source-fps",
        "120",
        says=("116", "117"),
    )


def test_an_unknown_recipe_and_key(tmp_path: Path, capsys: Captured) -> None:
    fails(capsys, 2, "train", "simple", "--out", tmp_path / "run", says=("simlpe",))
    fails(capsys, 2, "train", "simlpe", "--out", tmp_path / "run", "--set", "stages.model.optim.lrr=1", says=("lr",))
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    small = recipe("simlpe").tiny().with_steps(2)
    return train(small, tmp_path_factory.mktemp("runs") / "run", means=Means(device="cpu"))


def test_a_checkpoint_cut_in_half(trained: Path, tmp_path: Path, write_bvh: Writer, capsys: Captured) -> None:
    run_folder = shutil.copytree(trained, tmp_path / "run")
    weights = run_folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    fails(capsys, 1, "forecast", run_folder, write_bvh(40), "-o", tmp_path / "x.bvh", says=("model.safetensors",))


def test_a_checkpoint_of_another_version(trained: Path, tmp_path: Path, write_bvh: Writer, capsys: Captured) -> None:
    run_folder = shutil.copytree(trained, tmp_path / "run")
    config = json.loads((run_folder / "config.json").read_text())
    (run_folder / "config.json").write_text(json.dumps(config | {"format_version": 99}))
    fails(capsys, 1, "forecast", run_folder, write_bvh(40), "-o", tmp_path / "x.bvh", says=("version", "99"))


def test_a_checkpoint_of_another_skeleton(trained: Path, tmp_path: Path, write_bvh: Writer, capsys: Captured) -> None:
    run_folder = shutil.copytree(trained, tmp_path / "run")
    config = json.loads((run_folder / "config.json").read_text())
    other = json.loads((WEIGHTS / "simlpe-cmu" / "config.json").read_text())
    (run_folder / "config.json").write_text(json.dumps(config | {"skeleton": other["skeleton"]}))
    fails(capsys, 1, "forecast", run_folder, write_bvh(40), "-o", tmp_path / "x.bvh", says=("skeleton",))
    assert not (tmp_path / "x.bvh").exists()


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, write_bvh: Writer, capsys: Captured) -> None:
    (tmp_path / "file").write_text("in the way")
    fails(capsys, 1, "convert", write_bvh(5), tmp_path / "file" / "out.npz", says=("out.npz",))


@pytest.mark.parametrize("suffix", [".bvh", ".npz", ".glb"])
def test_a_full_disk(
    suffix: str, tmp_path: Path, write_bvh: Writer, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = write_bvh(5), tmp_path / "out" / f"walk{suffix}"
    target.parent.mkdir()
    target.write_text("what was there before")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    fails(capsys, 1, "convert", source, target, says=("no space left on device",))
    assert [file.name for file in target.parent.iterdir()] == [target.name]
    assert target.read_text() == "what was there before"
