"""Render-In-Between's file of joints, built of recordings and a model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from command import run
from kinema.data.sources.amass import Amass
from kinema.data.sources.amass_joints import AmassJoints
from little_amass import write_model, write_take

pytest.importorskip("h5py")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for place, gender in enumerate(("male", "female")):
        write_model(tmp_path / "smplh" / gender / "model.npz", seed=place)
    write_take(tmp_path / "amass/CMU/01/01_01_poses.npz", frames=100, fps=120)
    write_take(tmp_path / "amass/SFU/1/a_poses.npz", frames=50, fps=60, seed=1)
    write_take(tmp_path / "amass/CMU/01/shape.npz", poses=None)
    return tmp_path


def build(root: Path, out: Path, *options: object, model: str = "smplh") -> int:
    return run("data", "amass-joints", root / "amass", "--model", root / model, "-o", out, *options)


def statuses(out: Path) -> dict[str, str]:
    rows = json.loads(out.with_name(f"{out.name}.report.json").read_text())["files"]
    return {Path(row["file"]).name: row["status"] for row in rows}


def test_the_reader_reads_what_was_built(root: Path) -> None:
    out = root / "joints.h5"
    assert build(root, out) == 0
    assert statuses(out) == {"01_01_poses.npz": "done", "a_poses.npz": "done"}
    assert sorted(path.name for path in root.glob("joints*")) == ["joints.h5", "joints.h5.report.json"]
    read = next(AmassJoints(str(out), fps=60).recordings("train"))
    own = next(iter(Amass(str(root / "amass"), model=str(root / "smplh")).clips("train")))
    assert read.frames == 40  # eighty of a hundred, at half the rate
    assert torch.allclose(read.positions, own.points().positions[10:90:2], atol=1e-5)


def test_as_released(root: Path) -> None:
    assert build(root, root / "joints.h5", "--as-released") == 0
    read = next(AmassJoints(str(root / "joints.h5"), fps=60).recordings("train"))
    assert read.frames == 80
    assert build(root, root / "f.h5", "--fps", "120", model="smplh/female/model.npz") == 0
    other = next(AmassJoints(str(root / "f.h5"), fps=120).recordings("train"))
    bones = [(one.positions[0, 4] - one.positions[0, 1]).norm() for one in (read, other)]
    assert abs(bones[0] - bones[1]) > 1e-4


def test_a_broken_recording_stops_nobody_and_a_second_run_goes_on(root: Path) -> None:
    out = root / "joints.h5"
    bad = write_take(root / "amass/CMU/01/bad_poses.npz", poses=np.full((40, 156), np.nan))
    (root / "amass/SFU/1/cut_poses.npz").write_bytes(bad.read_bytes()[:500])
    assert build(root, out) == 1
    assert statuses(out) == {"01_01_poses.npz": "done", "a_poses.npz": "done",
                             "bad_poses.npz": "failed", "cut_poses.npz": "failed"}  # fmt: skip
    assert not out.exists()
    write_take(bad, frames=20)
    (root / "amass/SFU/1/cut_poses.npz").unlink()
    assert build(root, out) == 0
    assert statuses(out) == {"01_01_poses.npz": "kept", "a_poses.npz": "kept", "bad_poses.npz": "done"}
    assert len(list(AmassJoints(str(out), fps=60).recordings("train"))) >= 1


def test_broken_recordings_may_be_left_out(root: Path) -> None:
    write_take(root / "amass/CMU/01/bad_poses.npz", poses=np.full((40, 156), np.nan))
    assert build(root, root / "joints.h5", "--skip-bad") == 1
    assert (root / "joints.h5").is_file()


def test_a_wrong_model(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(root / "smplx/SMPLX_NEUTRAL.npz", "smplx")
    assert build(root, root / "joints.h5", model="smplx") == 1
    assert "SMPL-H" in capsys.readouterr().err
    assert not (root / "joints.h5").exists()
