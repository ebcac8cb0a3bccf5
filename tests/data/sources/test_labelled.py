"""Labels: of packs, of a folder's table, of mixes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.loader import Loader
from kinema.data.source import labels_of
from kinema.data.sources.composed import (
    BENCHMARK_TESTS,
    OPEN_ACTIONS,
    Mixed,
    open_actions,
)
from kinema.data.sources.folder import LabelledFolder
from kinema.data.sources.packs import LabelledPack, RotationPack
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Generate
from kinema.data.windows import WindowSet
from kinema.io.formats import save
from little_motion import clips, positions, smooth_motion


def test_several_labels_become_k_hot_weights() -> None:
    source = clips(30, 30, actions=("walk & run", "run"))
    windows = WindowSet.build(source, "train", positions())
    loader = Loader(windows, positions(), Generate(10), batch_size=32, seed=0)
    rows = {tuple(row.tolist()) for row in loader.batch(0).query.action}
    assert rows == {(1.0, 1.0), (0.0, 1.0)}
    assert labels_of(None) == ()


def test_a_pack_by_content_and_style(shared_data: Path) -> None:
    both = LabelledPack("bandai2", str(shared_data), label="both")
    assert len(both.actions) == 17
    assert len(both.styles) == 7
    clip = next(both.clips("test"))
    content, style = labels_of(clip.action)
    assert clip.identity.startswith(f"bandai2/{content}_{style}_")
    assert LabelledPack("bandai2", str(shared_data), label="style").actions == both.styles
    assert len(LabelledPack("hdm05", str(shared_data)).actions) == 11
    with pytest.raises(UsageError, match="a pack with styles"):
        LabelledPack("hdm05", str(shared_data), label="both").actions  # noqa: B018


def folder(tmp_path: Path, table: str) -> LabelledFolder:
    for name in ("a", "b", "c", "d", "e", "f"):
        save(smooth_motion(60, identity=f"x/{name}"), tmp_path / f"{name}.npz")
    (tmp_path / "labels.csv").write_text(table)
    return LabelledFolder(str(tmp_path))


def test_a_folder_is_cut_by_its_table(tmp_path: Path) -> None:
    source = folder(tmp_path, "file,action,style,start,end\na.npz,walk,old,,\nb.npz,run,,0.5,1\nb.npz,walk,,1.0,\n")
    assert source.actions == ("run", "walk", "old")
    found = [clip for split in ("train", "val", "test") for clip in source.clips(split)]
    assert {(clip.identity, clip.action, clip.frames) for clip in found} == {
        ("x/a", "walk & old", 60),
        ("x/b", "run", 16),
        ("x/b", "walk", 30),
    }
    before = source.stamp()
    (tmp_path / "labels.csv").write_text("file,action\na.npz,walk\n")
    assert LabelledFolder(str(tmp_path)).stamp() != before


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("file,action\nzz.npz,walk\n", r"labels.csv:2.*zz.npz"),
        ("file,action\na.npz,\n", r"labels.csv:2.*empty cell"),
        ("name,what\na.npz,walk\n", "the columns file, action"),
        ("file,action,start,end\na.npz,walk,1,0.5\n", "an end after the start"),
        ("file,action,start\na.npz,walk,soon\n", "a time in seconds"),
    ],
)
def test_a_wrong_table_names_its_line(tmp_path: Path, table: str, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        folder(tmp_path, table).segments  # noqa: B018


def test_a_folder_without_a_table_says_so(tmp_path: Path) -> None:
    save(smooth_motion(10), tmp_path / "a.npz")
    with pytest.raises(MissingDataError, match=r"labels\.csv"):
        LabelledFolder(str(tmp_path)).actions  # noqa: B018


def test_a_mix_is_on_one_skeleton_at_one_rate_under_common_names() -> None:
    one = Synthetic(clips_per_action=1, seconds=1.0, fps=60.0, actions=("walk", "sneak"))
    other = Synthetic(clips_per_action=1, seconds=1.0, actions=("run", "bow"), seed=3)
    mixed = Mixed((one, other), rename=(("sneak", "walk"),), keep=("run", "walk"))
    found = list(mixed.clips("train"))
    assert [clip.action for clip in found] == ["walk", "walk", "run"]
    assert {clip.fps for clip in found} == {30.0}
    assert all(torch.equal(clip.skeleton.offsets, mixed.skeleton.offsets) for clip in found)
    assert mixed.counts()["walk"] == {"train": 2, "val": 2, "test": 2}
    assert mixed.licence == one.licence
    with pytest.raises(UsageError, match="label of the mixed sources"):
        Mixed((one,), keep=("fly",)).actions  # noqa: B018
    with pytest.raises(UsageError, match="at least one source"):
        Mixed(())


def test_a_mix_may_keep_rates_and_call_what_is_left_by_one_name() -> None:
    fast = Synthetic(clips_per_action=1, seconds=1.0, fps=60.0, actions=("walk", "sneak"))
    slow = Synthetic(clips_per_action=1, seconds=1.0, actions=("run",), seed=3)
    mixed = Mixed((fast, slow), keep=("walk",), others="other", fps=None)
    assert mixed.actions == ("walk", "other")
    assert [(clip.action, clip.fps) for clip in mixed.clips("train")] == [
        ("walk", 60.0),
        ("other", 60.0),
        ("other", 30.0),
    ]


def test_a_mix_may_stay_on_the_skeleton_of_its_first_source(shared_data: Path) -> None:
    root = str(shared_data)
    mixed = Mixed((RotationPack("cmu_bvh"), Synthetic(1, 2.0, actions=("walk",))), onto="", root=root, keep=("walk",))
    assert mixed.skeleton == RotationPack("cmu_bvh", root=root).skeleton
    assert all(clip.skeleton.joints == mixed.skeleton.joints for clip in mixed.clips("val"))


def test_a_mix_hands_its_root_to_sources_without_one(shared_data: Path) -> None:
    mixed = Mixed((LabelledPack("cmu_bvh"), Synthetic()), root=str(shared_data), rename=(("dance_salsa", "dance"),))
    assert {"walk", "dance", "kick"} <= set(mixed.actions)
    assert "dance_salsa" not in mixed.actions


def test_open_actions_leave_out_what_benchmarks_test_on_and_have_recordings_of_what_kinema_cannot_perform(
    shared_data: Path,
) -> None:
    mixed = replace(open_actions(clips_per_action=1, seconds=2.5), root=str(shared_data))
    assert mixed.actions == OPEN_ACTIONS
    assert "CC BY" not in mixed.licence  # nobody's share-alike
    names = dict(mixed.rename)
    packs = (pack.rooted(str(shared_data)) for pack in mixed.sources[:2])
    found = [
        (clip.identity, names.get(clip.action or "", clip.action)) for pack in packs for clip in pack.clips("train")
    ]
    assert not {identity for identity, _ in found} & set(BENCHMARK_TESTS)
    made = mixed.sources[-1].actions
    for action in set(OPEN_ACTIONS) - set(made):
        assert sum(name == action for _, name in found) >= 3
