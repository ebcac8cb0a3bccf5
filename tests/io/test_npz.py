"""Kinema NPZ, and what the front door (load, save, sniff) says about files in general."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, KinemaError, KinemaWarning, UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io import formats as files
from kinema.motion.feet.contacts import foot_contacts
from kinema.motion.motion import Motion, Points, stack
from kinema.motion.skeletons import skeleton

Writer = Callable[..., Path]


def moving(name: str = "smpl24", frames: int = 20, seed: int = 0) -> Motion:
    body = skeleton(name)
    random = torch.Generator().manual_seed(seed)
    rotations = rotvec_to_rotmat(torch.randn(frames, len(body), 3, generator=random) * 0.3)
    root = torch.randn(frames, 3, generator=random)
    return Motion(body, rotations, root, 50.0, action="jump", identity="test/1")


def test_round_trip(tmp_path: Path) -> None:
    motion = moving()
    files.save(motion, tmp_path / "clip.npz")
    again = files.load(tmp_path / "clip.npz")
    assert torch.equal(again.rotations, motion.rotations)
    assert torch.equal(again.root, motion.root)
    assert (again.fps, again.action, again.identity) == (50.0, "jump", "test/1")
    assert again.skeleton == motion.skeleton
    assert again.offsets is None


def test_keys_and_what_they_hold(tmp_path: Path) -> None:
    motion = moving()
    files.save(motion, tmp_path / "clip.npz")
    with np.load(tmp_path / "clip.npz", allow_pickle=False) as held:
        arrays = {key: held[key] for key in held.files}
    assert {
        "posed_joints", "local_rot_mats", "global_rot_mats", "root_positions", "foot_contacts", "fps", "joint_names",
        "parents", "rest_offsets", "up", "unit", "format_version", "action", "identity",
    } <= set(arrays)  # fmt: skip
    np.testing.assert_allclose(arrays["posed_joints"], motion.points().positions)
    parents = arrays["parents"]
    for joint in range(1, len(parents)):
        product = arrays["global_rot_mats"][:, parents[joint]] @ arrays["local_rot_mats"][:, joint]
        np.testing.assert_allclose(arrays["global_rot_mats"][:, joint], product, atol=1e-5)
    assert arrays["foot_contacts"].shape == (20, 4)
    assert arrays["up"] == "y"
    assert arrays["unit"] == "m"


def test_a_batch_and_animated_offsets(tmp_path: Path) -> None:
    clips = []
    for seed in range(3):
        clip = moving(seed=seed)
        offsets = clip.skeleton.offsets + 0.01 * torch.arange(20)[:, None, None]
        clips.append(replace(clip, offsets=offsets))
    batch = stack(clips)
    files.save(batch, tmp_path / "clips.npz")
    again = files.load(tmp_path / "clips.npz")
    assert again.batch_shape == (3,)
    torch.testing.assert_close(again.points().positions, batch.points().positions)


def test_positions_only_are_points(tmp_path: Path) -> None:
    points = moving("canon17").points()
    files.save(points, tmp_path / "points.npz")
    again = files.load_clip(tmp_path / "points.npz")
    assert isinstance(again, Points)
    torch.testing.assert_close(again.positions, points.positions)
    assert torch.equal(files.load_points(tmp_path / "points.npz").positions, points.positions)
    with pytest.raises(UsageError, match="joint positions only"):
        files.load(tmp_path / "points.npz")
    with pytest.raises(UsageError, match="inverse kinematics"):
        files.save(points, tmp_path / "points.bvh")
    assert not (tmp_path / "points.bvh").exists()


def rewrite(path: Path, **changes: object) -> None:
    """Replace keys of an NPZ; None removes one."""
    with np.load(path, allow_pickle=True) as held:
        arrays = {key: held[key] for key in held.files} | changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})


def test_pickled_objects_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    files.save(moving(), path)
    rewrite(path, action=np.array({"a": 1}, dtype=object))
    with pytest.raises(FormatError, match=r"clip.npz, key 'action': .*pickled object.*refused"):
        files.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fps": None}, "key 'fps'.*--source-fps 30"),
        ({"fps": np.array("fast")}, "key 'fps'.*a number"),
        ({"unit": None}, r"key 'unit'.*--unit"),
        ({"unit": np.array("ell")}, "'ell'"),
        ({"joint_names": None}, r"key 'joint_names'.*skeleton="),
        ({"root_positions": None}, "the key 'root_positions'"),
        ({"root_positions": np.zeros((19, 3))}, "as many frames"),
        ({"local_rot_mats": np.zeros((20, 23, 3, 3))}, r"key 'local_rot_mats'.*\(20, 23, 3, 3\)"),
        ({"local_rot_mats": np.full((20, 24, 3, 3), np.nan)}, "NaN or infinity in frame 0"),
        ({"up": np.array("up")}, "one of x, y, z"),
        ({"parents": np.array(["a"] * 24)}, "key 'parents'"),
    ],
)
def test_bad_keys(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    path = tmp_path / "clip.npz"
    files.save(moving(), path)
    rewrite(path, **changes)
    with pytest.raises(FormatError, match=message):
        files.load(path)


def test_arguments_stand_in_for_missing_keys(tmp_path: Path) -> None:
    path, motion = tmp_path / "clip.npz", moving()
    files.save(motion, path)
    rewrite(path, fps=None, unit=None, joint_names=None, parents=None, rest_offsets=None)
    again = files.load(path, fps=24, unit=1.0, skeleton=motion.skeleton)
    assert again.fps == 24
    torch.testing.assert_close(again.points().positions, motion.points().positions)


def test_centimetres_and_z_up_are_brought_to_metres_and_y_up(tmp_path: Path) -> None:
    path, motion = tmp_path / "clip.npz", moving()
    files.save(motion, path)
    turn = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])  # y up to z up
    rotations = motion.rotations.numpy().copy()
    rotations[:, 0] = turn @ rotations[:, 0]
    rewrite(
        path,
        up=np.array("z"),
        unit=np.array("cm"),
        local_rot_mats=rotations,
        root_positions=motion.root.numpy() @ turn.T * 100,
        rest_offsets=motion.skeleton.offsets.numpy() * 100,
    )
    torch.testing.assert_close(files.load(path).points().positions, motion.points().positions, atol=1e-5, rtol=0)
    rewrite(path, up=None)
    with pytest.warns(KinemaWarning, match="no key 'up'"):
        files.load(path)


def test_a_damaged_archive(tmp_path: Path) -> None:
    path = tmp_path / "clip.npz"
    files.save(moving(), path)
    whole = path.read_bytes()
    for part in (len(whole) // 2, 20):
        path.write_bytes(whole[:part])
        with pytest.raises(FormatError, match=r"clip.npz: .*damaged"):
            files.load(path)
    path.write_bytes(whole[: len(whole) // 3] + b"\xff" * 64 + whole[len(whole) // 3 + 64 :])
    with pytest.raises(FormatError, match=r"clip.npz"):
        files.load(path)


def test_feet_on_the_ground_are_found() -> None:
    body = skeleton("smpl24")
    rotations = torch.eye(3).expand(40, len(body), 3, 3).clone()
    root = torch.zeros(40, 3)
    root[20:, 1] = 0.5  # in the air
    assert foot_contacts(Motion(body, rotations, root, 30.0))[:19].all()
    assert not foot_contacts(Motion(body, rotations, root, 30.0))[20:].any()
    sliding = torch.zeros(40, 3)
    sliding[:, 0] = torch.arange(40) * 0.1
    assert not foot_contacts(Motion(body, rotations, sliding, 30.0)).any()


# The front door.


def test_sniff(tmp_path: Path, write_bvh: Writer) -> None:
    bvh = write_bvh(3)
    assert files.sniff(bvh) == "bvh"
    assert files.sniff(bvh.rename(tmp_path / "walk.txt")) == "bvh"  # content before suffix
    motion = moving()
    for suffix, name in ((".npz", "npz"), (".glb", "glb")):
        files.save(motion, tmp_path / f"clip{suffix}")
        assert files.sniff(tmp_path / f"clip{suffix}") == name
    (tmp_path / "rows.txt").write_text("1,2,3\n")
    assert files.sniff(tmp_path / "rows.txt") == "expmap"
    (tmp_path / "clip.abc").write_text("?")
    with pytest.raises(UsageError, match=r"suffix among .*\.bvh"):
        files.sniff(tmp_path / "clip.abc")


@pytest.mark.parametrize("suffix", [".bvh", ".txt", ".glb"])
def test_a_zip_renamed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"walk{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("walk.bvh", "HIERARCHY")
    with pytest.raises(FormatError, match="a zip archive"):
        files.load(path)


def test_a_zip_without_arrays(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "walk.npz", "w") as archive:
        archive.writestr("walk.bvh", "HIERARCHY")
    with pytest.raises(FormatError, match="a zip archive"):
        files.load(tmp_path / "walk.npz")


def test_no_such_file_and_no_such_format(tmp_path: Path, write_bvh: Writer) -> None:
    write_bvh(3)
    with pytest.raises(UsageError, match=r"no file at .*wolk.bvh\. Did you mean .*walk.bvh"):
        files.load(tmp_path / "wolk.bvh")
    with pytest.raises(UsageError, match="lists the files"):  # every BVH file is a little like every other
        files.load(tmp_path / "jump.bvh")
    with pytest.raises(UsageError, match="the folder"):
        files.load(tmp_path)
    with pytest.raises(UsageError, match="a format among"):
        files.load(tmp_path / "walk.bvh", format="bhv")


@pytest.mark.parametrize("suffix", ["bvh", "npz", "glb"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"clip.{suffix}"
    path.write_text("old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(KinemaError, match="no space left"):
        files.save(moving(), path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
