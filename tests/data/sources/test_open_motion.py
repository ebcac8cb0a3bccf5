"""`OpenMotion`: several packs on one body, each pack's own splits, a validation split where a pack has none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import MissingDataError, UsageError
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.packs import RotationPack
from kinema.data.windows import WindowSet
from kinema.motion.names import CANON17, CANON17_PARENTS
from kinema.representations.positions import CentredPositionsConfig

FRAMES = 12


def write(root: Path, pack: str, names: tuple[str, ...], splits: tuple[int, ...], *, fps: float = 60.0) -> None:
    """A pack of clips of noise on a body of 18 joints, of which the second is none of the seventeen."""
    generator = np.random.default_rng(len(pack))
    clips, joints = len(names), len(CANON17) + 1
    parents = [-1, 0, *(0 if parent == 0 else parent + 1 for parent in CANON17_PARENTS[1:])]
    arrays = {
        "rot": generator.integers(-3000, 3000, (clips * FRAMES, joints, 3)).astype(np.int16),
        "root": generator.normal(size=(clips * FRAMES, 3)).astype(np.float32),
        "start": np.arange(clips + 1) * FRAMES,
        "parents": np.array(parents),
        "offsets": generator.normal(size=(1, joints, 3)).astype(np.float32) / 4,
        "joints": np.array([f"{pack}_{joint}" for joint in range(joints)]),
        "skel": np.zeros(clips, int),
        "label": np.arange(clips) % 2,
        "labels": np.array(["walk", f"{pack} special"]),
        "split": np.array(splits),
        "name": np.array(names),
        "jumps": np.zeros(clips, int),
        "canon17": np.array([0, *range(2, joints)]),
        "fps": np.array(fps),
    }
    np.savez(root / f"{pack}.npz", **arrays)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def packs(tmp_path: Path) -> str:
    write(tmp_path, "cmu_bvh", ("06_07", "05_01", "09_01"), (0, 1, 2))
    write(tmp_path, "hdm05", ("bd_squat_1", "dg_squat_1", "dg_squat_2", "mm_squat_1"), (0, 0, 0, 2))
    write(tmp_path, "bandai1", ("walk_1",), (0,), fps=30.0)
    return str(tmp_path)


def test_splits_are_the_packs_own_and_one_actor_is_held_out(packs: str) -> None:
    source = OpenMotion(root=packs, fastest=None)
    found = {split: [clip.identity for clip in source.clips(split)] for split in ("train", "val", "test")}
    assert found == {
        "train": ["cmu/06_07", "hdm05/bd_squat_1"],
        "val": ["cmu/05_01", "hdm05/dg_squat_1", "hdm05/dg_squat_2"],
        "test": ["cmu/09_01", "hdm05/mm_squat_1"],
    }
    assert source.actions == ("walk", "cmu_bvh special", "hdm05 special")
    assert [clip.action for clip in source.clips("val")] == ["cmu_bvh special", "hdm05 special", "walk"]
    everything = OpenMotion(root=packs, fastest=None, validation=(), exclude=("cmu/06_07",))
    assert len(list(everything.clips("train"))) == 3


def test_clips_are_the_canonical_joints_of_each_body(packs: str) -> None:
    clip = next(OpenMotion(root=packs, fastest=None).clips("train"))
    own = next(RotationPack("cmu_bvh", packs).clips("train"))
    assert clip.skeleton.joints == CANON17
    assert clip.fps == 60.0
    torch.testing.assert_close(clip.positions, own.points().positions[1:, [0, *range(2, 18)]])  # without the T-pose


def test_a_rate_is_reached_by_turning_limbs_not_by_cutting_corners(packs: str) -> None:
    natural, slower = OpenMotion(root=packs, fastest=None), OpenMotion(root=packs, fps=50.0, fastest=None)
    own, clip = (next(source.clips("train")) for source in (natural, slower))
    assert (clip.fps, clip.frames) == (50.0, 9)  # frames 0 to 10 at 60 Hz last 10/60 s
    torch.testing.assert_close(clip.positions[5], own.positions[6])

    def upper_arm(positions: torch.Tensor) -> torch.Tensor:
        shoulder, elbow = CANON17.index("l_shoulder"), CANON17.index("l_elbow")
        return (positions[:, elbow] - positions[:, shoulder]).norm(dim=-1)

    torch.testing.assert_close(upper_arm(clip.positions), upper_arm(own.positions)[:1].expand(9))


def test_a_recording_is_cut_where_a_limb_flips(packs: str) -> None:
    whole = next(OpenMotion(root=packs, fastest=None).clips("train"))
    about = whole.positions - whole.positions[:, :1]
    speed = (about.diff(dim=0).norm(dim=-1) * 60).amax(-1)
    limit = float(speed.sort().values[-2:].mean())  # one step is faster
    where = int(speed.argmax()) + 1
    pieces = [c for c in OpenMotion(root=packs, fastest=limit).clips("train") if c.identity == whole.identity]
    lengths = [length for length in (where, whole.frames - where) if length > 1]
    assert [piece.frames for piece in pieces] == lengths
    torch.testing.assert_close(pieces[-1].positions[-1], whole.positions[-1])


def test_windows_are_cut_at_one_rate(packs: str) -> None:
    source = OpenMotion(("cmu_bvh", "bandai1"), root=packs, fastest=None)
    windows = WindowSet.build(source, "train", CentredPositionsConfig(50.0).build(source.skeleton))
    assert [clip.stop - clip.start for clip in windows.clips] == [9, 19]
    assert windows.features.shape == (28, 48)


def test_licences_are_all_told_and_stamps_know_the_files(packs: str) -> None:
    source = OpenMotion(root=packs, fastest=None)
    assert "CMU Graphics Lab" in source.licence
    assert "CC BY-SA 3.0" in source.licence
    before = source.stamp()
    write(Path(packs), "hdm05", ("bd_squat_1",), (0,))
    assert OpenMotion(root=packs, fastest=None).stamp() != before


def test_wrong_packs_and_missing_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hdm06"):
        OpenMotion(("hdm06",))
    with pytest.raises(UsageError, match="each once"):
        OpenMotion(("hdm05", "hdm05"))
    with pytest.raises(UsageError, match="speed"):
        OpenMotion(fastest=0.0)
    with pytest.raises(MissingDataError, match="cmu_bvh"):
        next(OpenMotion(root=str(tmp_path)).clips("train"))


@pytest.mark.shared
def test_the_open_packs(shared_data: Path) -> None:
    source = OpenMotion(root=str(shared_data))
    counts = {split: len({clip.identity for clip in source.clips(split)}) for split in ("train", "val", "test")}
    assert counts == {"train": 148 + 188 - 61, "val": 13 + 61, "test": 24 + 99}
