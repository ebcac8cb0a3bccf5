"""A folder of one's own files: splits, labels, one skeleton, bad files."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, KinemaError, KinemaWarning, MissingDataError, SkeletonError
from kinema.data.sources.folder import Folder, split_of, user_folder
from kinema.io import npz
from kinema.io.formats import save
from kinema.io.gltf import load as gltf_load
from kinema.motion.motion import Motion
from little_amass import write_take
from little_motion import smooth_motion


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """`folder(count)` writes so many NPZ files in two folders."""

    def write(count: int = 6) -> Path:
        for place in range(count):
            path = tmp_path / "moves" / ("a" if place % 2 else "b") / f"clip{place:02d}.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            npz.save(smooth_motion(10 + place, seed=place), path)
        return tmp_path / "moves"

    return write


def every(source: Folder) -> list[Motion]:
    return [clip for split in ("train", "val", "test") for clip in source.clips(split)]


def test_every_file_is_in_one_split(folder: Callable[..., Path]) -> None:
    source = Folder(str(folder(20)))
    splits = {split: [clip.identity for clip in source.clips(split)] for split in ("train", "val", "test")}
    names = [name for split in splits.values() for name in split]
    assert len(names) == len(set(names)) == 20
    assert all(name.startswith(("file/a/clip", "file/b/clip")) for name in names)
    assert splits == {split: sorted(names) for split, names in splits.items()}
    for split, identities in splits.items():
        assert all(split_of(name.removeprefix("file/") + ".npz") == split for name in identities)


def test_splits_are_eighty_ten_ten_and_stay() -> None:
    splits = [split_of(f"walk_{place}.bvh") for place in range(3000)]
    share = {split: splits.count(split) / 3000 for split in set(splits)}
    assert share == pytest.approx({"train": 0.8, "val": 0.1, "test": 0.1}, abs=0.02)
    assert [split_of(name) for name in ("walk_1.bvh", "walk_2.bvh", "walk_22.bvh")] == ["train", "val", "test"]


def test_bvh_files_are_read(write_bvh: Callable[..., Path], tmp_path: Path) -> None:
    for place in range(3):
        write_bvh(frames=5 + place, name=f"walk{place}.bvh")
    source = Folder(str(tmp_path))
    assert sorted(clip.frames for clip in every(source)) == [5, 6, 7]
    assert source.skeleton.joints[0] == "Hips"
    assert every(source)[0].fps == pytest.approx(30, rel=1e-4)


def test_labels(folder: Callable[..., Path], tmp_path: Path) -> None:
    root = folder(4)
    labels = tmp_path / "labels.csv"
    labels.write_text("action,file\nwalk,b/clip00.npz\nrun,a/clip01.npz\nwalk, b/clip02.npz \n")
    source = Folder(str(root), labels=str(labels))
    assert source.actions == ("run", "walk")
    actions = {clip.identity: clip.action for clip in every(source)}
    assert actions == {
        "file/b/clip00": "walk", "file/a/clip01": "run", "file/b/clip02": "walk", "file/a/clip03": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,action\n", FormatError, "columns file, action"),
        ("", FormatError, "empty file"),
        ("file,action\nb/clip00.npz,\n", FormatError, r"labels.csv:2.*empty cell"),
        ("file,action\nb/other.npz,walk\n", FormatError, "b/other.npz"),
    ],
)
def test_bad_labels(folder: Callable[..., Path], tmp_path: Path, text: str, error: type, message: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    with pytest.raises(error, match=message):
        every(Folder(str(folder(2)), labels=str(labels)))


def test_no_labels_file(folder: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"no file .*labels\.csv"):
        every(Folder(str(folder(2)), labels=str(tmp_path / "labels.csv")))


def test_without_labels_files_tell_their_action_and_identity(folder: Callable[..., Path]) -> None:
    root = folder(2)
    npz.save(smooth_motion(12, action="jump", identity="cmu/13_11"), root / "own.npz")
    source = Folder(str(root))
    assert source.actions == ("jump",)
    assert {clip.identity for clip in every(source)} == {"file/a/clip01", "file/b/clip00", "cmu/13_11"}


def test_another_skeleton_names_the_file_and_the_joint(folder: Callable[..., Path]) -> None:
    root = folder(3)
    clip = smooth_motion(10)
    body = clip.skeleton
    other = replace(body, joints=(*body.joints[:-1], "Crown"), mirror=(), aliases={})
    npz.save(replace(clip, skeleton=other), root / "z_odd.npz")
    with pytest.raises(SkeletonError, match=r"z_odd\.npz with no joint Head"):
        every(Folder(str(root)))
    assert len(every(Folder(str(root), skip_bad=True))) == 3


def test_other_bone_lengths_are_the_same_tree(folder: Callable[..., Path]) -> None:
    root = folder(1)
    clip = smooth_motion(10)
    tall = replace(clip.skeleton, offsets=clip.skeleton.offsets * 1.1)
    npz.save(replace(clip, skeleton=tall), root / "tall.npz")
    assert len(every(Folder(str(root)))) == 2


def test_a_bad_file_raises_or_is_reported_and_left_out(
    folder: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    root = folder(4)
    (root / "a" / "aa.bvh").write_text("HIERARCHY\nROOT")
    points = smooth_motion(10).points()
    npz.save(replace(points, positions=points.positions.where(torch.rand(10, 6, 1) < 0.5, torch.nan)), root / "p.npz")
    many = smooth_motion(10)
    npz.save(replace(many, rotations=many.rotations.expand(2, -1, -1, -1, -1), root=many.root.expand(2, -1, -1)),
             root / "many.npz")  # fmt: skip
    with pytest.raises(KinemaError):
        every(Folder(str(root)))
    with caplog.at_level(logging.WARNING, logger="kinema.data.sources.folder"):
        clips = every(Folder(str(root), skip_bad=True))
    assert len(clips) == 4
    for told in ("aa.bvh", "unseen ones in p.npz", "a batch of (2,)"):
        assert caplog.text.count(told) == 1


def test_no_file_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    with pytest.raises(MissingDataError, match="none below"):
        Folder(str(tmp_path)).clips("train")
    monkeypatch.delenv("KINEMA_DATA", raising=False)
    with pytest.raises(MissingDataError, match="KINEMA_DATA"):
        Folder().clips("train")


def test_a_new_file_is_another_stamp(folder: Callable[..., Path]) -> None:
    root = folder(2)
    before = Folder(str(root)).stamp()
    assert before == Folder(str(root)).stamp()
    npz.save(smooth_motion(12), root / "new.npz")
    assert before != Folder(str(root)).stamp()
    assert torch.is_tensor(every(Folder(str(root)))[0].root)


def test_every_format_is_read_and_the_rest_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    motion = smooth_motion(12)
    save(motion, tmp_path / "a.glb")
    (tmp_path / "b.fbx").write_bytes((tmp_path / "a.glb").read_bytes())
    monkeypatch.setattr("kinema.io.fbx.load", lambda path, **_: gltf_load.load(tmp_path / "a.glb"))  # no Blender here
    save(motion, tmp_path / "c.npz")
    save(motion.points(), tmp_path / "d.csv")
    (tmp_path / "notes.txt").write_text("walk, then run\n")
    (tmp_path / "report.json").write_text('{"done": 3}')
    np.savez(tmp_path / "shape.npz", betas=np.zeros(16))
    with pytest.warns(KinemaWarning, match=r"notes.txt \(no motion\), report.json \(no motion\), shape.npz \(no m"):
        clips = every(Folder(str(tmp_path)))
    assert sorted(clip.identity for clip in clips) == ["file/a", "file/b", "file/c", "file/d"]
    assert {clip.skeleton.joints for clip in clips} == {motion.skeleton.joints}


def test_points_are_fitted_to_one_tree_and_rest_pose(tmp_path: Path) -> None:
    """Markers have no rest pose: each file would bring the pose of its own first frame."""
    names = ("Hip", "Neck", "Head", "LHip", "RHip", "LKnee", "RKnee", "LAnkle", "RAnkle")
    chance = np.random.default_rng(0)
    body = np.array([[0, 1, 0], [0, 1.5, 0], [0, 1.7, 0], [0.1, 1, 0], [-0.1, 1, 0], [0.1, 0.5, 0], [-0.1, 0.5, 0],
                     [0.1, 0.1, 0], [-0.1, 0.1, 0]])  # fmt: skip
    for place in range(2):
        size = 1 + 0.2 * place
        rows = (body + chance.normal(0, 0.02, (5, 1, 3))) * size
        columns = ",".join(f"{name}_{axis}" for name in names[:: 1 if place else -1] for axis in "xyz")
        wide = rows[:, :: 1 if place else -1].reshape(5, -1)
        clock = np.arange(5)[:, None] / 20
        header = f"time,{columns}"
        np.savetxt(tmp_path / f"{place}.csv", np.hstack((clock, wide)), delimiter=",", header=header, comments="")
    source = Folder(str(tmp_path))
    first, second = sorted(every(source), key=lambda clip: clip.identity)
    assert first.skeleton.same_tree(second.skeleton)
    ways = [torch.nn.functional.normalize(clip.skeleton.offsets[1:], dim=-1) for clip in (first, second)]
    torch.testing.assert_close(ways[0], ways[1])
    lengths = [clip.skeleton.bone_lengths[1:].mean() for clip in (first, second)]
    assert float(lengths[1] / lengths[0]) == pytest.approx(1.2, rel=1e-3)
    places = {name: second.points().positions[:, second.skeleton.index(name)] for name in names}
    wanted = np.loadtxt(tmp_path / "1.csv", delimiter=",", skiprows=1)[:, 1:].reshape(5, -1, 3)
    # The body of each frame is stiff and the same, so that the fit is exact up to float32.
    np.testing.assert_allclose(np.stack([places[name].numpy() for name in names], 1), wanted, atol=1e-4)


def test_amass_files_are_a_folder_too(tmp_path: Path) -> None:
    for place in range(2):
        write_take(tmp_path / f"{place}_poses.npz", body="smplh", frames=8)
    assert Folder(str(tmp_path)).skeleton.name == "smplh52"
    assert isinstance(user_folder(str(tmp_path)), Folder)
    assert user_folder(str(tmp_path / "nothing")) is None


def test_what_readers_say_of_many_files_is_said_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_take(tmp_path / "takes" / f"{name}.npz")
    source = Folder(str(tmp_path / "takes"))
    with pytest.warns(KinemaWarning, match="the first such file alone") as caught:
        assert len(every(source)) == 3
    assert len(caught) == 1
