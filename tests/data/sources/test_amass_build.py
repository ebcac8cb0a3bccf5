"""Render-In-Between's file of joints, built of recordings and a model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from command import run
from kinema.data.sources.amass import Amass
from little_amass import write_model, write_take

h5py = pytest.importorskip("h5py")


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


def joints(out: Path, recording: str = "CMU/01_01_01_poses.npz") -> torch.Tensor:
    """(frame, 52, 3), metres, z up."""
    with h5py.File(out) as file:
        return torch.from_numpy(file[f"{recording}/joints"][()])


def statuses(out: Path) -> dict[str, str]:
    rows = json.loads(out.with_name(f"{out.name}.report.json").read_text())["files"]
    return {Path(row["file"]).name: row["status"] for row in rows}


def test_what_is_built_is_the_joints_of_the_recording(root: Path) -> None:
    out = root / "joints.h5"
    assert build(root, out) == 0
    assert statuses(out) == {"01_01_poses.npz": "done", "a_poses.npz": "done"}
    assert sorted(path.name for path in root.glob("joints*")) == ["joints.h5", "joints.h5.report.json"]
    read = joints(out)
    own = next(iter(Amass(str(root / "amass"), model=str(root / "smplh")).clips("train")))
    assert len(read) == 40  # eighty of a hundred, at half the rate
    x, y, z = own.points().positions[10:90:2].double().unbind(-1)
    assert torch.allclose(read, torch.stack((x, -z, y), -1), atol=1e-5)


def test_as_released(root: Path) -> None:
    assert build(root, root / "joints.h5", "--as-released") == 0
    read = joints(root / "joints.h5")
    assert len(read) == 80
    assert build(root, root / "f.h5", "--fps", "120", model="smplh/female/model.npz") == 0
    bones = [(one[0, 4] - one[0, 1]).norm() for one in (read, joints(root / "f.h5"))]
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
    assert len(joints(out, "SFU/1_a_poses.npz")) > 0


def test_broken_recordings_may_be_left_out(root: Path) -> None:
    write_take(root / "amass/CMU/01/bad_poses.npz", poses=np.full((40, 156), np.nan))
    assert build(root, root / "joints.h5", "--skip-bad") == 1
    assert (root / "joints.h5").is_file()


def test_a_wrong_model(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(root / "smplx/SMPLX_NEUTRAL.npz", "smplx")
    assert build(root, root / "joints.h5", model="smplx") == 1
    assert "SMPL-H" in capsys.readouterr().err
    assert not (root / "joints.h5").exists()
