"""Rotation packs: small ones in exactly the layout, the real ones, and what is said of damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.packs import PACKS, RADIANS_PER_STEP, LabelledPack, RotationPack
from kinema.geometry.rotations import rotmat_to_rotvec
from kinema.motion.names import CANON17, CANON17_PARENTS

FRAMES = (4, 6, 5, 3)


def arrays() -> dict[str, Any]:
    """Four clips of two bodies whose joints are called b0 ... b17 (a crown on top of the canonical seventeen)."""
    random = np.random.default_rng(0)
    offsets = random.normal(0, 0.2, (2, 18, 3)).astype(np.float32)
    offsets[:, 0] = 0
    return {
        "rot": random.integers(-9000, 9000, (sum(FRAMES), 18, 3)).astype(np.int16),
        "root": random.normal(0, 1, (sum(FRAMES), 3)).astype(np.float32),
        "start": np.cumsum([0, *FRAMES]),
        "parents": np.array([*CANON17_PARENTS, 10]),
        "offsets": offsets,
        "joints": np.array([f"b{j}" for j in range(18)]),
        "skel": np.array([0, 1, 0, 1], dtype=np.int8),
        "label": np.array([1, 0, 1, 1]),
        "labels": np.array(["walk", "run"]),
        "split": np.array([0, 0, 1, 2]),
        "name": np.array(["06_07", "martial_03", "06_08", "07_01"]),
        "jumps": np.array([0, 3, 0, 0]),
        "canon17": np.arange(17),
        "fps": np.float32(60),
        "meta": np.array("{}"),
    }


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    """`write(pack, key=array ...)` writes a pack, with arrays replaced, or left out where None; gives the folder."""

    def save(pack: str = "cmu_bvh", **changed: Any) -> str:
        kept = {key: array for key, array in (arrays() | changed).items() if array is not None}
        np.savez_compressed(tmp_path / f"{pack}.npz", **kept)
        return str(tmp_path)

    return save


def test_clips_are_the_rows_of_the_file(write: Callable[..., str]) -> None:
    source = RotationPack("cmu_bvh", write())
    raw = arrays()
    clips = {split: list(source.clips(split)) for split in ("train", "val", "test")}
    assert [clip.frames for clip in clips["train"]] == [4, 6]
    assert [clip.identity for clip in clips["train"]] == ["cmu/06_07", "?cmu/bvh/martial_03"]
    assert [clip.action for clip in clips["train"]] == ["run", "walk"]
    assert [clip.identity for clip in clips["val"] + clips["test"]] == ["cmu/06_08", "cmu/07_01"]
    second = clips["train"][1]
    assert torch.allclose(
        rotmat_to_rotvec(second.rotations), torch.from_numpy(raw["rot"][4:10] * np.float32(RADIANS_PER_STEP)), atol=1e-5
    )
    assert torch.equal(second.root, torch.from_numpy(raw["root"][4:10]))
    assert second.fps == 60
    assert torch.equal(second.skeleton.offsets, torch.from_numpy(raw["offsets"][1]))
    assert source.actions == ("walk", "run")
    assert source.fps == 60


def test_forward_kinematics_is_that_of_the_layout(write: Callable[..., str]) -> None:
    """R_j = R_parent L_j, p_j = p_parent + R_parent offset_j, done here by hand in float64."""
    clip = next(RotationPack("cmu_bvh", write()).clips("train"))
    raw = arrays()
    local = clip.rotations[2].double().numpy()
    turned, place = [local[0]], [raw["root"][2].astype(np.float64)]
    for joint, parent in enumerate(raw["parents"].tolist()):
        if joint:
            place.append(place[parent] + turned[parent] @ raw["offsets"][0, joint])
            turned.append(turned[parent] @ local[joint])
    assert np.allclose(clip.points().positions[2].numpy(), np.stack(place), atol=1e-5)


def test_canon17_is_the_files_own(write: Callable[..., str]) -> None:
    source = RotationPack("cmu_bvh", write(canon17=np.arange(17)[::-1]))
    assert [source.skeleton.index(name) for name in CANON17] == list(range(17))[::-1]
    assert source.skeleton.joints[0] == "b0"


def test_clean_only_and_exclude(write: Callable[..., str]) -> None:
    root = write()
    assert [c.identity for c in RotationPack("cmu_bvh", root, clean_only=True).clips("train")] == ["cmu/06_07"]
    without = RotationPack("cmu_bvh", root, exclude=("cmu/06_07",))
    assert [c.identity for c in without.clips("train")] == ["?cmu/bvh/martial_03"]


def test_identities_name_the_set(write: Callable[..., str]) -> None:
    for pack in ("hdm05", "bandai1", "bandai2"):
        clip = next(RotationPack(pack, write(pack)).clips("train"))
        assert clip.identity == f"{pack}/06_07"
        assert clip.skeleton.name == pack


def test_making_a_source_opens_nothing_and_names_are_checked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KINEMA_DATA", raising=False)
    for pack, about in PACKS.items():
        source = RotationPack(pack)
        assert source.name == pack
        assert source.licence == about.licence
        with pytest.raises(MissingDataError, match="KINEMA_DATA") as caught:
            source.clips("train")
        assert caught.value.exit_code == 3
    with pytest.raises(MissingDataError, match="CC BY-SA"):
        RotationPack("hdm05", str(tmp_path)).clips("train")
    with pytest.raises(UsageError, match="Did you mean hdm05"):
        RotationPack("hdm5")


def wrong_label(value: int) -> np.ndarray:
    return np.array([1, 0, 1, value])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rot": None}, "none called rot"),
        ({"root": np.zeros((3, 3), np.float32)}, r"root: expected shape \(18, 3\); got shape \(3, 3\)"),
        ({"start": np.array([0, 4, 3, 15, 18])}, "rising row numbers"),
        ({"start": np.array([0, 4, 10, 15, 99])}, "rising row numbers from 0 to 18"),
        ({"rot": np.zeros((18, 18, 3), np.float32)}, "16-bit integers"),
        ({"label": wrong_label(2)}, "label: expected numbers from 0 to 1"),
        ({"split": wrong_label(-1)}, "split: expected numbers from 0 to 2"),
        ({"canon17": np.arange(16)}, r"shape \(17,\)"),
        ({"root": np.full((18, 3), np.nan, np.float32)}, "root: expected finite"),
        ({"labels": np.array([{"a": 1}, 2], dtype=object)}, "pickled"),
    ],
    ids=lambda value: str(next(iter(value))) if isinstance(value, dict) else "",
)
def test_damaged_packs(write: Callable[..., str], changed: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        RotationPack("cmu_bvh", write(**changed)).clips("train")


def test_a_truncated_pack(write: Callable[..., str], tmp_path: Path) -> None:
    write()
    file = tmp_path / "cmu_bvh.npz"
    whole = file.read_bytes()
    for keep in (0, 10, len(whole) // 2, len(whole) - 5):
        file.write_bytes(whole[:keep])
        with pytest.raises(FormatError, match="NPZ archive"):
            RotationPack("cmu_bvh", str(tmp_path)).clips("train")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("pack", "splits", "frames", "bodies"),
    [
        ("cmu_bvh", (148, 13, 24), 146_305, 1),
        ("hdm05", (188, 0, 99), 35_580, 5),
        ("bandai1", (174, 0, 0), 31_914, 2),
        ("bandai2", (2323, 287, 292), 384_931, 1),
    ],
)
def test_the_real_packs(shared_data: Path, pack: str, splits: tuple[int, ...], frames: int, bodies: int) -> None:
    source = RotationPack(pack, str(shared_data))
    counts, total, names = [], 0, set[str]()
    for split in ("train", "val", "test"):
        clips = [(clip.frames, clip.identity) for clip in source.clips(split)]
        counts.append(len(clips))
        total += sum(count for count, _ in clips)
        names |= {identity for _, identity in clips}
    assert (tuple(counts), total) == (splits, frames)
    assert len(names) == sum(splits)
    assert len(source.skeletons) == bodies


@pytest.mark.shared
def test_real_people_of_every_pack_stand_on_their_feet(shared_data: Path) -> None:
    for pack, action in (("cmu_bvh", "walk"), ("hdm05", "squat1Reps"), ("bandai1", "walk"), ("bandai2", "walk")):
        clip = next(clip for clip in RotationPack(pack, str(shared_data)).clips("train") if clip.action == action)
        height = clip.points().positions[..., 1].median(0).values
        place = clip.skeleton.index
        assert 1.1 < float(height[place("head")] - height[place("l_ankle")]) < 1.7, pack
        chain = [float(height[place(name)]) for name in ("l_ankle", "l_knee", "l_hip", "chest", "head")]
        assert chain == sorted(chain), pack
        assert abs(float(height[place("l_shoulder")] - height[place("r_shoulder")])) < 0.15, pack


@pytest.mark.shared
def test_walking_in_the_cmu_pack_is_walking(shared_data: Path) -> None:
    paces = [
        float((clip.root[1:, [0, 2]] - clip.root[:-1, [0, 2]]).norm(dim=-1).sum()) / clip.duration
        for clip in RotationPack("cmu_bvh", str(shared_data)).clips("train")
        if clip.action == "walk"
    ]
    assert 0.9 < float(np.median(paces)) < 1.5


@pytest.mark.shared
def test_the_benchmarks_test_trials_are_known_to_be_in_the_cmu_pack(shared_data: Path) -> None:
    leaks = ("cmu/06_07", "cmu/11_01", "cmu/14_12")
    source = RotationPack("cmu_bvh", str(shared_data))
    found = {clip.identity for split in ("train", "val", "test") for clip in source.clips(split)}
    assert set(leaks) <= found
    safe = RotationPack("cmu_bvh", str(shared_data), exclude=leaks)
    assert not {clip.identity for split in ("train", "val", "test") for clip in safe.clips(split)} & set(leaks)


def test_the_first_row_may_be_left_out(write: Callable[..., str]) -> None:
    whole, less = (list(RotationPack("cmu_bvh", write(), drop_first=drop).clips("train")) for drop in (False, True))
    assert [clip.frames for clip in less] == [clip.frames - 1 for clip in whole]
    assert torch.equal(less[1].root, whole[1].root[1:])


def test_descriptions_give_labels(write: Callable[..., str]) -> None:
    said = np.array(["slow walk, brisk", "climb ladder", "walk", "walk"])
    folder = write(description=said)
    source = LabelledPack("cmu_bvh", folder, described=(("ladder", "climb"), ("slow", "slow-walk")))
    assert source.actions == ("walk", "run", "climb", "slow-walk")
    assert [clip.action for clip in source.clips("train")] == ["slow-walk", "climb"]
    assert [clip.action for clip in source.clips("val")] == ["run"]
    with pytest.raises(UsageError, match="a pack with a description"):
        list(LabelledPack("cmu_bvh", write(), described=(("ladder", "climb"),)).clips("train"))
