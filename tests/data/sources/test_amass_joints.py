"""The HDF5 of AMASS joints in the layout of Render-In-Between."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, KinemaError, MissingDataError
from kinema.data.sources.amass_joints import TEST, TRAIN, AmassJoints


def write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
    return path


def standing(frames: int = 3) -> np.ndarray:
    joints = np.zeros((frames, 52, 3))
    joints[:, 15] = (0.1, -0.2, 1.6)  # the head: z is up
    return joints


def test_splits_are_those_of_the_release(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {
        "CMU/02_01.npz/joints": standing(), "ACCAD/s1_walk.npz/joints": standing(4), "SFU/a.npz/joints": standing(5),
        "Another/a.npz/joints": standing(),
    })  # fmt: skip
    source = AmassJoints(str(path), fps=60)
    train, test = list(source.recordings("train")), list(source.recordings("test"))
    assert [one.identity for one in train] == ["amass/CMU/02_01.npz", "amass/ACCAD/s1_walk.npz"]
    assert [one.frames for one in test] == [5]
    assert list(source.recordings("val")) == []
    assert source.names()["test"] == ("SFU",)
    assert len(TRAIN) == 12
    assert len(TEST) == 6
    assert not set(TRAIN) & set(TEST)


def test_z_up_becomes_y_up(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h5", {"CMU/a/joints": standing()})
    points = next(AmassJoints(str(path), fps=120).recordings("train"))
    assert points.fps == 120
    head = points.positions[0, points.skeleton.index("head")]
    assert torch.allclose(head, torch.tensor([0.1, 1.6, 0.2]))
    kept = next(AmassJoints(str(path), fps=120, z_up=False).recordings("train"))
    assert torch.allclose(kept.positions[0, 15], torch.tensor([0.1, -0.2, 1.6]))


@pytest.mark.parametrize(
    ("name", "array", "said"),
    [
        ("CMU/a/joints", np.zeros((3, 21, 3)), r"CMU/a/joints.*\(frame, 52, 3\).*\(3, 21, 3\)"),
        ("CMU/a/joints", np.full((3, 52, 3), np.nan), "frame 0"),
        ("CMU/a/poses", np.zeros((3, 52, 3)), "an array 'joints'; got poses"),
    ],
)
def test_a_damaged_recording_is_named(tmp_path: Path, name: str, array: np.ndarray, said: str) -> None:
    source = AmassJoints(str(write(tmp_path / "a.h5", {name: array})), fps=60)
    with pytest.raises(FormatError, match=said):
        list(source.recordings("train"))


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDataError, match=r"amass\.is\.tue"):
        list(AmassJoints(str(tmp_path / "none.h5"), fps=60).recordings("train"))
    path = tmp_path / "a.h5"
    path.write_text("no")
    real = importlib.import_module

    def without(name: str) -> object:
        if name == "h5py":
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(KinemaError, match=r"kinema\[data\]"):
        list(AmassJoints(str(path), fps=60).recordings("train"))


def test_a_file_that_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("h5py")
    path = tmp_path / "a.h5"
    path.write_text("no")
    with pytest.raises(FormatError, match="HDF5"):
        list(AmassJoints(str(path), fps=60).recordings("train"))
