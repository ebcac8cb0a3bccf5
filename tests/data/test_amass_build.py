"""Render-In-Between's file of joints, built of recordings and a model."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.data.amass import Amass
from kinema.data.amass_build import Building, build_joints
from kinema.data.amass_joints import AmassJoints
from kinema.errors import FormatError, UsageError
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


def test_the_reader_reads_what_was_built(root: Path) -> None:
    out = root / "joints.h5"
    steps = list(build_joints(root / "amass", root / "smplh", out))
    assert [(step.name, step.made) for step in steps] == [("CMU/01_01_01_poses.npz", True), ("SFU/1_a_poses.npz", True)]
    assert [path.name for path in root.glob("joints*")] == ["joints.h5"]
    read = next(AmassJoints(str(out), fps=60).recordings("train"))
    own = next(iter(Amass(str(root / "amass"), model=str(root / "smplh")).clips("train")))
    assert read.frames == 40  # eighty of a hundred, at half the rate
    assert torch.allclose(read.positions, own.points().positions[10:90:2], atol=1e-5)


def test_as_released(root: Path) -> None:
    out = root / "joints.h5"
    list(build_joints(root / "amass", root / "smplh", out, Building(None, released=True)))
    read = next(AmassJoints(str(out), fps=60).recordings("train"))
    assert read.frames == 80
    bones = [(read.positions[0, 4] - read.positions[0, 1]).norm()]
    list(build_joints(root / "amass", root / "smplh/female/model.npz", root / "f.h5", Building(None)))
    other = next(AmassJoints(str(root / "f.h5"), fps=60).recordings("train"))
    assert abs(bones[0] - (other.positions[0, 4] - other.positions[0, 1]).norm()) > 1e-4


def test_a_stopped_run_goes_on(root: Path) -> None:
    out = root / "joints.h5"
    next(build_joints(root / "amass", root / "smplh", out))
    assert not out.exists()
    with pytest.raises(UsageError, match="unfinished"):
        list(build_joints(root / "amass", root / "smplh", out, Building(30)))
    assert [step.made for step in build_joints(root / "amass", root / "smplh", out)] == [False, True]
    assert out.exists()


def test_a_broken_recording_and_a_wrong_model(root: Path) -> None:
    write_model(root / "smplx/SMPLX_NEUTRAL.npz", "smplx")
    with pytest.raises(FormatError, match="SMPL-H"):
        list(build_joints(root / "amass", root / "smplx", root / "joints.h5"))
    write_take(root / "amass/CMU/01/bad_poses.npz", poses=np.full((40, 156), np.nan))
    with pytest.raises(FormatError, match="bad_poses"):
        list(build_joints(root / "amass", root / "smplh", root / "other.h5"))
    assert not (root / "other.h5").exists()
