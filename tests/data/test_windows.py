"""Window sets: the index by hand, the cache and when it is stale, gathering, balance, phases."""

from __future__ import annotations

import json
import pickle
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import KinemaError, UsageError
from kinema.data.windows import WindowSet
from kinema.representations.positions import RootPositions
from little_motion import BODY, Clips, clips, positions, rotations, smooth_motion


def build(source: Clips, cache: Path | None = None, phases: int = 1, fps: float = 30.0) -> WindowSet:
    return WindowSet.build(source, "train", positions(fps), cache=cache, phases=phases)


def test_windows_never_cross_from_one_clip_into_the_next() -> None:
    windows = build(clips(10, 7, 12)).windows(8, stride=2)
    assert windows.start.tolist() == [0, 2, 17, 19, 21]
    assert windows.clip.tolist() == [0, 0, 2, 2, 2]
    assert [clip.identity for clip in windows.skipped] == ["a/1"]
    assert len(windows) == 5


def test_features_are_those_of_the_representation() -> None:
    source = clips(10, 7)
    built = build(source)
    expected = torch.cat([positions().encode(motion) for motion in source.motions])
    assert torch.equal(torch.from_numpy(np.array(built.features)), expected)
    assert built.features.dtype == np.float32
    assert built.identities == {"a/0", "a/1"}
    assert built.actions == ("walk", "run")
    assert torch.equal(built.statistics().mean, expected.mean(0))
    gathered = built.gather(np.array([3, 0, 9]), 5)
    assert torch.equal(gathered, torch.stack([expected[s : s + 5] for s in (3, 0, 9)]))


def test_gathering_outside_the_array_is_an_error() -> None:
    built = build(clips(10))
    for start in (-1, 6):
        with pytest.raises(UsageError, match="within 10 rows"):
            built.gather(np.array([0, start]), 5)


def test_balance() -> None:
    built = build(clips(14, 9, 9, actions=("walk", "run", "run")))
    share = {}
    for name in ("windows", "clips", "actions"):
        windows = built.windows(5, balance=name)
        share[name] = [round(float(windows.weight[windows.clip == clip].sum()), 6) for clip in range(3)]
    assert share["windows"] == [0.5, 0.25, 0.25]
    assert share["clips"] == pytest.approx([1 / 3] * 3, abs=1e-6)
    assert share["actions"] == [0.5, 0.25, 0.25]
    uneven = build(clips(14, 9, actions=("walk", "run"))).windows(5, balance="actions")
    assert float(uneven.weight[uneven.clip == 1].sum()) == pytest.approx(0.5)


class Persons(Clips):
    def subject(self, identity: str) -> str:
        return "anna" if identity == "a/0" else "ben"


def test_subjects_are_drawn_first_then_their_clips_then_a_window() -> None:
    """Anna has one clip, Ben two: 1/2, 1/4, 1/4, whatever their lengths; a clip that is too short counts nothing."""
    source = Persons(clips(30, 9, 14, 3).motions)
    windows = build(source).windows(5, balance="subjects")
    share = [float(windows.weight[windows.clip == clip].sum()) for clip in range(4)]
    assert share == pytest.approx([0.5, 0.25, 0.25, 0.0])
    assert windows.weight[windows.clip == 0].tolist() == pytest.approx([0.5 / 26] * 26)


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_balance_is_refused() -> None:
    with pytest.raises(UsageError, match="balance"):
        build(clips(14, 9)).windows(5, balance="persons")  # pyright: ignore


def test_no_window_at_all_says_how_long_the_clips_are() -> None:
    with pytest.raises(UsageError, match=r"at least one clip of 30 frames.*2 clips, the longest of 10"):
        build(clips(10, 7)).windows(30)


def test_an_empty_split_is_an_error() -> None:
    with pytest.raises(UsageError, match="'val' of clips"):
        WindowSet.build(clips(10), "val", positions())


def test_features_that_are_not_finite_name_the_clip() -> None:
    clip = smooth_motion(10, identity="a/bad")
    clip.rotations[4] = torch.nan
    with pytest.raises(KinemaError, match="a/bad"):
        build(Clips((clip,)))


def test_phases_give_the_frames_between() -> None:
    source = clips(21, fps=60.0)
    built = build(source, phases=2, fps=30.0)
    assert [(clip.start, clip.stop) for clip in built.clips] == [(0, 11), (11, 21)]
    assert {clip.identity for clip in built.clips} == {"a/0"}
    full = RootPositions(BODY, 60.0, BODY.joints).encode(source.motions[0]).numpy()
    assert np.allclose(built.features[:11], full[::2], atol=1e-5)
    assert np.allclose(built.features[11:], full[1::2], atol=1e-5)


@pytest.mark.parametrize("fps", [30.0, 20.0])
def test_no_phases_where_the_rate_does_not_allow_them(fps: float) -> None:
    assert len(build(clips(21, fps=30.0), phases=2, fps=fps).clips) == 1


def test_the_cache_holds_what_memory_holds(tmp_path: Path) -> None:
    source = clips(10, 7)
    cached, plain = build(source, tmp_path), build(source)
    assert isinstance(cached.features, np.memmap)
    assert np.array_equal(cached.features, plain.features)
    assert cached.clips == plain.clips
    assert cached.actions == plain.actions
    assert torch.equal(cached.gather(np.array([1, 2]), 4), plain.gather(np.array([1, 2]), 4))
    # A worker process is sent the path, not the contents.
    again = pickle.loads(pickle.dumps(cached))
    assert isinstance(again.features, np.memmap)
    assert np.array_equal(again.features, plain.features)
    assert len(pickle.dumps(build(clips(2000), tmp_path))) < 5_000


class Unread(Clips):
    def clips(self, split: str):
        raise AssertionError("the cache was not used")


def test_a_fresh_cache_is_not_made_again(tmp_path: Path) -> None:
    source = clips(10, 7)
    build(source, tmp_path)
    unread = Unread(source.motions)
    assert unread.stamp().replace("Unread", "Clips") == source.stamp()
    with pytest.raises(AssertionError, match="not used"):
        build(unread, tmp_path)  # another class: another stamp
    Unread.stamp = lambda self: source.stamp()  # type: ignore[method-assign]
    assert len(build(unread, tmp_path).clips) == 2


def test_a_stale_cache_is_made_again(tmp_path: Path) -> None:
    source = clips(10, 7)
    build(source, tmp_path)
    other = Clips(clips(12).motions, version=1)
    assert build(other, tmp_path).features.shape == (12, 18)
    assert len(build(source, tmp_path).clips) == 2
    rotated = WindowSet.build(source, "train", rotations(), cache=tmp_path)
    assert not np.allclose(rotated.features, build(source).features)

    class Shifted(RootPositions):
        def encode(self, clip):
            return super().encode(clip) + 1

    Shifted.__qualname__ = "RootPositions"  # its code was changed, its name and shape were not
    shifted = WindowSet.build(source, "train", Shifted(BODY, 30.0, BODY.joints), cache=tmp_path)
    assert np.allclose(shifted.features, build(source).features + 1)


@pytest.mark.parametrize("damage", ["features cut", "index cut", "index gone"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, damage: str) -> None:
    source = clips(10, 7)
    build(source, tmp_path)
    file = next(tmp_path.rglob("features.npy" if damage.startswith("features") else "index.json"))
    if damage == "index gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:100])
    assert np.array_equal(build(source, tmp_path).features, build(source).features)
    json.loads(next(tmp_path.rglob("index.json")).read_text())


def test_no_half_written_file_is_left(tmp_path: Path) -> None:
    build(clips(10), tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["features.npy", "index.json"]


def test_a_batch_is_gathered_in_a_few_milliseconds(tmp_path: Path) -> None:
    built = build(clips(3000, 3000), tmp_path)
    wide = WindowSet(np.tile(np.array(built.features), (1, 5))[:, :75].copy(), built.clips, (), 30.0)
    start = np.random.default_rng(0).integers(0, 5900, 256)
    best = 1.0
    for _ in range(10):
        begun = time.perf_counter()
        wide.gather(start, 35)
        best = min(best, time.perf_counter() - begun)
    assert best < 0.02  # about 1 ms on an idle core


def test_replacing_a_file_changes_a_source_on_disk() -> None:
    assert replace(clips(10), version=1).stamp() != clips(10).stamp()
