"""The CMU benchmark: text tree and pack say the same, splits and identities, every way of being damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.cmu import BENCHMARK, OFTEN_MISSING, TRIALS, UNIT, CmuForecast
from kinema.data.windows import WindowSet
from kinema.io.expmap import motion_to_rows
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.representations.positions import RootPositions

PRESENT = [name for name in BENCHMARK if name not in OFTEN_MISSING]
EXTRA = ["train/walking_extra/walking_10", "train/walking_extra/walking_2", "test/walking_extra/walking_23"]


def rows_of(name: str, frames: int = 76) -> np.ndarray:
    """Rows of 117 numbers, a T-pose first; every file has its own translation."""
    rows = np.zeros((frames, 117), dtype=np.float32)
    rows[:, :3] = [[len(name), 17.0, (PRESENT + EXTRA).index(name)]]
    rows[1:, 9:12] = np.sin(np.arange(frames - 1) / 9)[:, None] * [0.5, 0.1, 0.2]
    return rows.round(5)


def write_text(path: Path, rows: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{x:.5f}" for x in row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole tree; do not change it."""
    root = tmp_path_factory.mktemp("tree")
    for name in PRESENT + EXTRA:
        write_text(root / "cmu_mocap" / f"{name}.txt", rows_of(name))
    return root


@pytest.fixture
def pack(tmp_path: Path) -> Callable[..., CmuForecast]:
    """`pack(edit, names=...)` writes cmu_forecast.npz, with one file's rows edited, and gives its source."""

    def write(
        edit: Callable[[np.ndarray], np.ndarray] | None = None, *, names: list[str] | None = None, **arrays: np.ndarray
    ) -> CmuForecast:
        names = PRESENT + EXTRA if names is None else names
        parts = [rows_of(name) for name in names]
        if edit is not None:
            parts[names.index("train/running/running_4")] = edit(rows_of("train/running/running_4"))
        trial = ["13_11" if name == "train/jumping/jumping_1" else "" for name in names]
        start = np.cumsum([0, *map(len, parts)])
        keys = {"expmap": np.concatenate(parts), "start": start, "name": np.array(names), "trial": np.array(trial)}
        np.savez(tmp_path / "cmu_forecast.npz", **(keys | arrays))
        return CmuForecast(str(tmp_path))

    return write


def same(one: Motion, other: Motion) -> bool:
    return (
        torch.allclose(one.rotations, other.rotations, atol=1e-5)
        and torch.allclose(one.root, other.root, atol=1e-5)
        and (one.action, one.identity, one.fps) == (other.action, other.identity, other.fps)
    )


def test_the_text_tree_and_the_pack_say_the_same(tree: Path, pack: Callable[..., CmuForecast]) -> None:
    packed = pack()
    for split in ("train", "test"):
        pairs = list(zip(CmuForecast(str(tree)).recordings(split), packed.recordings(split), strict=True))
        assert all(text[0] == array[0] and same(text[1], array[1]) for text, array in pairs)
        assert len(pairs) == (32 if split == "train" else 6)
    direct = CmuForecast(str(tree / "cmu_mocap"))
    assert direct.names("test") == packed.names("test")


def test_rows_come_back(pack: Callable[..., CmuForecast]) -> None:
    source = pack()
    for dropped in (True, False):
        name, motion = next(CmuForecast(source.root, drop_first=dropped).recordings("test"))
        expected = torch.from_numpy(rows_of(name)[int(dropped) :])
        assert torch.allclose(motion_to_rows(motion, UNIT).float(), expected, atol=1e-4)
        assert motion.fps == 120
        assert motion.frames == 76 - dropped


def test_names_actions_and_identities(tree: Path) -> None:
    source = CmuForecast(str(tree))
    named = dict(source.recordings("train")) | dict(source.recordings("test"))
    assert list(named) == [name for name in BENCHMARK if name not in OFTEN_MISSING]
    known = {
        "train/running/running_1": "cmu/35_17", "train/running/running_3": "cmu/35_23",
        "train/running/running_5": "cmu/35_24", "test/running/running_1": "cmu/16_35",
        "test/soccer/soccer_1": "cmu/11_01", "test/walking/walking_1": "cmu/35_01",
        "test/basketball/basketball_1": "cmu/06_07", "test/washwindow/washwindow_1": "cmu/14_12",
        "train/walking/walking_5": "cmu/07_02", "train/running/running_4": "?cmu/train/running_4",
        "test/jumping/jumping_1": "?cmu/test/jumping_1", "train/jumping/jumping_1": "cmu/13_11",
    }  # fmt: skip
    for name, identity in known.items():
        assert named[name].identity == identity == source.identity(name)
        assert named[name].action == name.split("/")[1]
    assert len({motion.identity for motion in named.values()}) == 38
    assert len(set(TRIALS.values())) == len(TRIALS)
    assert set(source.missing) == set(OFTEN_MISSING)


def test_the_packs_own_trials_win(pack: Callable[..., CmuForecast]) -> None:
    trial = np.array(["99_01" if name == "train/running/running_4" else "" for name in PRESENT + EXTRA])
    source = pack(trial=trial)
    assert source.identity("train/running/running_4") == "cmu/99_01"
    assert source.identity("train/running/running_1") == "cmu/35_17"


def test_extra_walks_come_only_when_asked_for(tree: Path) -> None:
    source = CmuForecast(str(tree), extra=True)
    assert source.names("train")[-2:] == ("train/walking_extra/walking_2", "train/walking_extra/walking_10")
    assert source.names("test")[-1] == "test/walking_extra/walking_23"
    assert source.identity("test/walking_extra/walking_23") == "cmu/35_34"
    assert source.identity("train/walking_extra/walking_2") == "?cmu/train/walking_extra/walking_2"
    assert dict(source.recordings("train"))["train/walking_extra/walking_2"].action == "walking"
    assert not any("extra" in name for split in ("train", "test") for name in CmuForecast(str(tree)).names(split))


def test_held_out_files_leave_train_for_val(tree: Path) -> None:
    source = CmuForecast(str(tree), validation=("running_4", "train/walking/walking_2"), extra=True)
    assert source.names("val") == ("train/running/running_4", "train/walking/walking_2")
    assert [motion.identity for motion in source.clips("val")] == ["?cmu/train/running_4", "cmu/05_01"]
    assert not set(source.names("val")) & set(source.names("train"))
    assert len(source.names("train")) == 32
    assert CmuForecast(str(tree)).names("val") == ()
    with pytest.raises(UsageError, match="running_4"):
        CmuForecast(str(tree), validation=("runing_4",)).names("train")


@pytest.mark.usefixtures("unchecked")
def test_an_unknown_split_is_refused(tree: Path) -> None:
    with pytest.raises(UsageError, match="val"):
        CmuForecast(str(tree)).clips("validate")  # pyright: ignore


def test_where_the_folder_comes_from(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KINEMA_DATA", raising=False)
    source = CmuForecast()  # making a source opens nothing
    with pytest.raises(MissingDataError, match="KINEMA_DATA") as caught:
        source.names("train")
    assert caught.value.exit_code == 3
    for told in ("mocap.cs.cmu.edu", "ConvSeq2Seq", "cmu_mocap", "may not be resold"):
        assert told in str(caught.value)
    monkeypatch.setenv("KINEMA_DATA", str(tree))
    assert len(CmuForecast().names("train")) == 32
    for empty in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(MissingDataError, match=r"mocap\.cs\.cmu\.edu"):
            CmuForecast(str(empty)).names("train")


def test_a_file_that_should_be_there_and_is_not(pack: Callable[..., CmuForecast]) -> None:
    source = pack(names=[name for name in PRESENT if name != "test/walking/walking_1"])
    assert len(list(source.clips("train"))) == 32
    with pytest.raises(MissingDataError, match="without test/walking/walking_1"):
        source.clips("test")


def with_nan(rows: np.ndarray) -> np.ndarray:
    rows[40, 5] = np.nan
    return rows


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (with_nan, "train/running/running_4, row 40.*NaN"),
        (lambda rows: rows[:74], "train/running/running_4.*at least 75 rows; got 74"),
    ],
    ids=["nan", "short"],
)
def test_damaged_packs(
    pack: Callable[..., CmuForecast], edit: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    with pytest.raises(FormatError, match=message):
        list(pack(edit).clips("train"))


def test_a_pack_of_another_layout(pack: Callable[..., CmuForecast], tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"117 columns.*got 116"):
        pack(expmap=np.zeros((41 * 76, 116), dtype=np.float32)).names("train")
    with pytest.raises(FormatError, match="rising row numbers"):
        pack(start=np.arange(5)).names("train")
    objects = np.array([{"no": "pickles"}], dtype=object)
    with pytest.raises(FormatError, match="pickled"):
        pack(labels=objects).names("train")
    file = tmp_path / "cmu_forecast.npz"
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(FormatError, match="NPZ archive"):
        CmuForecast(str(tmp_path)).names("train")
    np.savez(file, name=np.array(["a"]))
    with pytest.raises(FormatError, match="none called expmap, start"):
        CmuForecast(str(tmp_path)).names("train")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace(",", "", 1), r"walking_1\.txt.*117 columns.*116"),
        (lambda text: text.replace("17.00000", "nan", 1), r"walking_1\.txt.*nan"),
        (lambda text: "".join(text.splitlines(keepends=True)[:70]), "at least 75 rows; got 70"),
    ],
    ids=["116 columns", "nan", "short"],
)
def test_damaged_text(tree: Path, tmp_path: Path, damage: Callable[[str], str], message: str) -> None:
    for name in PRESENT:
        if name.startswith("test"):
            path = tmp_path / f"{name}.txt"
            path.parent.mkdir(parents=True)
            text = (tree / "cmu_mocap" / f"{name}.txt").read_text()
            path.write_text(damage(text) if name.endswith("walking_1") else text)
    with pytest.raises(FormatError, match=message) as caught:
        list(CmuForecast(str(tmp_path)).clips("test"))
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_another_stamp(pack: Callable[..., CmuForecast]) -> None:
    source = pack()
    before = source.stamp()
    assert before == CmuForecast(source.root).stamp() != CmuForecast(source.root, drop_first=False).stamp()
    assert pack(lambda rows: np.concatenate((rows, rows))).stamp() != before


@pytest.mark.shared
def test_the_real_files(shared_data: Path) -> None:
    source = CmuForecast(str(shared_data), drop_first=False)
    rows = {name: motion.frames for split in ("train", "test") for name, motion in source.recordings(split)}
    assert len(rows) == 38
    assert sum(rows.values()) == 40_331
    tests = {name.split("/")[1]: count for name, count in rows.items() if name.startswith("test")}
    assert tests == {
        "basketball": 577, "jumping": 2086, "running": 163, "soccer": 598, "walking": 359, "washwindow": 2754,
    }  # fmt: skip
    assert rows["train/running/running_5"] == 151
    extra = CmuForecast(str(shared_data), extra=True)
    assert len(extra.names("train") + extra.names("test")) == 96
    with np.load(shared_data / "cmu_forecast.npz", allow_pickle=False) as archive:
        body = catalog.skeleton("cmu38")
        assert body.parents == tuple(archive["parents"].tolist())
        assert np.allclose(body.offsets.numpy(), archive["offsets"] * UNIT, atol=1e-4)
        trials = {str(name): str(trial) for name, trial in zip(archive["name"], archive["trial"], strict=True)}
    assert {name: trial for name, trial in trials.items() if trial} == {
        name: TRIALS[name] for name, trial in trials.items() if trial
    }


@pytest.mark.shared
def test_real_people_walk_upright_at_a_human_pace(shared_data: Path) -> None:
    source = CmuForecast(str(shared_data))
    for name, motion in source.recordings("train"):
        if not name.startswith("train/walking"):
            continue
        positions = motion.points().positions
        feet, crown = source.skeleton.indices(("LToe_End", "RToe_End")), source.skeleton.index("Head_End")
        way = (motion.root[1:, [0, 2]] - motion.root[:-1, [0, 2]]).norm(dim=-1).sum()
        assert 0.8 < float(way) / motion.duration < 1.7, name
        tall = positions[:, crown, 1] - positions[:, feet, 1].amin(-1)
        assert 1.35 < float(tall.median()) < 1.7, name  # one rather short body stands in for everybody
        left, right = source.skeleton.indices(("l_hip", "r_hip"))
        assert float((positions[:, left] - positions[:, right]).norm(dim=-1).mean()) > 0.15


@pytest.mark.shared
def test_the_real_files_as_windows(shared_data: Path, tmp_path: Path) -> None:
    source = CmuForecast(str(shared_data), drop_first=False)
    representation = RootPositions(source.skeleton, 60.0, source.skeleton.joints)
    built = WindowSet.build(source, "test", representation, cache=tmp_path)
    assert [clip.stop - clip.start for clip in built.clips] == [289, 1043, 82, 299, 180, 1377]
    # The counts of all-window tests in the literature.
    assert np.bincount(built.windows(35).clip).tolist() == [255, 1009, 48, 265, 146, 1343]
    phased = WindowSet.build(source, "test", representation, phases=2)
    assert phased.features.shape[0] == sum(motion.frames for motion in source.clips("test"))
