"""Folders of PoseGPT's preprocessing: a pickled list of tensors, labels, y down."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.core.safe_pickle import read_pickle
from kinema.data.sources.pose_folder import PoseFolder
from kinema.geometry.rotations import rotvec_to_rotmat


def write(folder: Path, *frames: int, columns: int = 75, classes: int = 3) -> list[torch.Tensor]:
    folder.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(len(frames))
    sequences = [0.3 * torch.randn(count, columns, generator=generator) for count in frames]
    (folder / "pose.pkl").write_bytes(pickle.dumps(sequences))
    labels = torch.eye(classes, dtype=torch.int32)[torch.arange(len(frames)) % classes]
    labels[0] = 1
    torch.save(labels, folder / "action.pt")
    return sequences


def test_sequences_labels_and_axes(tmp_path: Path) -> None:
    written = write(tmp_path / "train_60" / "seqLen64_fps30", 5, 7)
    write(tmp_path / "val_60" / "seqLen64_fps30", 4)
    (tmp_path / "action_label_2_idx.json").write_text(json.dumps({"walk": 0, "sit": 1}))
    source = PoseFolder(str(tmp_path))
    assert source.actions == ("walk", "sit", "class 2")
    train = list(source.clips("train"))
    assert [clip.frames for clip in train] == [5, 7]
    assert [clip.action for clip in train] == ["walk & sit & class 2", "sit"]
    assert [clip.frames for clip in source.clips("val")] == [4]
    assert not list(source.clips("test"))
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    assert torch.allclose(train[0].root, written[0][:, -3:] @ turn)
    # Turning the body about the world turns the root and its path, and no other joint.
    assert torch.allclose(train[0].rotations[:, 0], turn @ rotvec_to_rotmat(written[0][:, :3]), atol=1e-6)
    assert torch.allclose(train[0].rotations[:, 4], rotvec_to_rotmat(written[0][:, 12:15]), atol=1e-6)
    assert torch.allclose(torch.linalg.det(train[0].rotations), torch.ones(5, 24), atol=1e-5)


def test_one_padded_array_holds_the_same(tmp_path: Path) -> None:
    written = write(tmp_path / "list" / "train_60", 5, 7)
    write(tmp_path / "array" / "train_60", 5, 7)
    folder = tmp_path / "array" / "train_60"
    (folder / "pose.pkl").unlink()
    poses, valid = torch.full((2, 9, 75), torch.nan), torch.zeros(2, 9, dtype=torch.int32)
    for place, rows in enumerate(written):
        poses[place, : len(rows)], valid[place, : len(rows)] = rows, 1
    torch.save(poses, folder / "pose.pt")
    with pytest.raises(FormatError, match=r"valid\.pt"):
        list(PoseFolder(str(tmp_path / "array")).clips("train"))
    torch.save(valid, folder / "valid.pt")
    pairs = zip(*(PoseFolder(str(tmp_path / kind)).clips("train") for kind in ("list", "array")), strict=True)
    for one, other in pairs:
        assert torch.equal(one.rotations, other.rotations)
        assert torch.equal(one.root, other.root)
        assert one.action == other.action
    torch.save(valid[:, :8], folder / "valid.pt")
    with pytest.raises(FormatError, match=r"ones and zeros of shape \(2, 9\)"):
        list(PoseFolder(str(tmp_path / "array")).clips("train"))


@pytest.mark.parametrize(("columns", "joints"), [(75, 24), (159, 52), (168, 55)])
def test_the_three_bodies(tmp_path: Path, columns: int, joints: int) -> None:
    write(tmp_path, 4, columns=columns)
    (clip,) = PoseFolder(str(tmp_path)).clips("train")
    assert len(clip.skeleton) == joints


def test_pickled_tensors_share_and_slice(tmp_path: Path) -> None:
    long = torch.randn(10, 3)
    meant = [long, long[2:5], torch.arange(4, dtype=torch.int32), torch.zeros(0, 3)]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(meant))
    found = read_pickle(tmp_path / "a.pkl")
    assert isinstance(found, list)
    assert all(torch.equal(one, other) for one, other in zip(found, meant, strict=True))
    data = (tmp_path / "a.pkl").read_bytes()
    for spoilt in (data[: len(data) // 2], data.replace(b"FloatStorage", b"LoatFStorage")):
        (tmp_path / "b.pkl").write_bytes(spoilt)
        with pytest.raises(FormatError):
            read_pickle(tmp_path / "b.pkl")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no pose\.pkl or pose\.pt below"):
        list(PoseFolder(str(tmp_path)).clips("train"))
    write(tmp_path / "a", 4, 4)
    (tmp_path / "a" / "pose.pkl").write_bytes(pickle.dumps([torch.zeros(4, 75), torch.full((4, 75), torch.nan)]))
    with pytest.raises(FormatError, match="sequence 1: expected finite numbers of 75, 159, 168 columns"):
        list(PoseFolder(str(tmp_path / "a")).clips("train"))
    (tmp_path / "a" / "pose.pkl").write_bytes(pickle.dumps([torch.zeros(4, 75)]))
    with pytest.raises(FormatError, match=r"labels of shape \(1, classes\)"):
        list(PoseFolder(str(tmp_path / "a")).clips("train"))
    write(tmp_path / "b" / "train_60", 4)
    write(tmp_path / "b" / "train_120", 4)
    with pytest.raises(UsageError, match=r"one pose\.pkl or pose\.pt of train"):
        PoseFolder(str(tmp_path / "b")).skeleton  # noqa: B018
