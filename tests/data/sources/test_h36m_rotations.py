"""Human3.6M's text tree, written here in its layout: splits, identities, rows, and every way of being damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.h36m_rotations import ACTIONS, SUBJECTS, H36MExpmap
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion import skeletons as catalog
from kinema.motion.skeletons.h36m import H36M32_COPIES, H36M32_STATIC, H36M32_VARYING

FEW = ("walking", "eating")


def h36m_rows(frames: int, seed: int) -> np.ndarray:
    """Rows of 99 numbers of which the 54 vary that vary in the real files; millimetres, radians."""
    generator = np.random.default_rng(seed)
    rows = np.zeros((frames, 99))
    speed = generator.uniform(0.02, 0.1, len(H36M32_VARYING))
    phase = generator.uniform(0, 6, len(H36M32_VARYING))
    rows[:, list(H36M32_VARYING)] = 0.4 * np.sin(np.arange(frames)[:, None] * speed + phase)
    rows[:, :3] = rows[:, :3] * 500 + [100.0, 900.0, -300.0]
    return rows


def write_rows(path: Path, rows: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(",".join(f"{x:.7f}" for x in row) + "\n" for row in rows))


@pytest.fixture(scope="session")
def h36m_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two actions of all subjects; do not change it."""
    root = tmp_path_factory.mktemp("h36m")
    for subject in SUBJECTS:
        for place, action in enumerate(FEW):
            for clip in (1, 2):
                rows = h36m_rows(400 + 10 * clip, 100 * subject + 10 * place + clip)
                write_rows(root / "h36m" / f"S{subject}" / f"{action}_{clip}.txt", rows)
    return root


def test_subjects_make_the_splits(h36m_tree: Path) -> None:
    source = H36MExpmap(str(h36m_tree), actions=FEW)
    names = {split: [clip.identity for clip in source.clips(split)] for split in ("train", "val", "test")}
    assert names["test"] == [f"h36m/S5/{action}_{clip}" for action in FEW for clip in (1, 2)]
    assert names["val"] == [f"h36m/S11/{action}_{clip}" for action in FEW for clip in (1, 2)]
    assert len(names["train"]) == 5 * 4
    # As released: subject 11 is trained on.
    everyone = H36MExpmap(str(h36m_tree / "h36m"), actions=FEW, validation=())
    assert len(list(everyone.clips("train"))) == 6 * 4
    assert not list(everyone.clips("val"))


def test_a_row_is_millimetres_and_rotations_for_row_vectors(h36m_tree: Path) -> None:
    clip = next(H36MExpmap(str(h36m_tree), actions=FEW).clips("test"))
    rows = h36m_rows(410, 501)
    assert (clip.frames, clip.fps, clip.action, len(clip.skeleton)) == (410, 50.0, "walking", 32)
    torch.testing.assert_close(clip.root, torch.from_numpy(rows[:, :3] / 1000).float(), atol=1e-6, rtol=0)
    turned = rotvec_to_rotmat(torch.from_numpy(-rows[:, 12:15]))
    torch.testing.assert_close(clip.rotations[:, 3], turned.float(), atol=1e-6, rtol=0)


def test_copies_coincide_and_static_joints_stand_still(h36m_tree: Path) -> None:
    from kinema.representations.base import root_free

    places = root_free(next(H36MExpmap(str(h36m_tree), actions=FEW).clips("test"))).points().positions
    for joint, source in H36M32_COPIES.items():
        torch.testing.assert_close(places[:, joint], places[:, source], atol=1e-6, rtol=0)
    for joint in range(32):
        moves = float(places[:, joint].std(0).max())
        # The spine's root hangs a tenth of a millimetre above the pelvis.
        assert (moves < 1e-4) == (joint in H36M32_STATIC), joint


def test_the_used_columns_are_the_published_ones() -> None:
    listed = "6-9,12-15,21-24,27-30,36-47,51-57,60-62,75-81,84-86"
    spans = [tuple(map(int, part.split("-"))) for part in listed.split(",")]
    assert (*range(6), *(column for first, last in spans for column in range(first, last + 1))) == H36M32_VARYING
    assert len(H36M32_VARYING) == 54
    assert len(catalog.skeleton("h36m32")) == 32


@pytest.fixture
def broken(tmp_path: Path) -> Callable[..., H36MExpmap]:
    """A source whose first test file is made of other rows."""

    def write(rows: np.ndarray | None) -> H36MExpmap:
        (tmp_path / "S5").mkdir(exist_ok=True)
        if rows is not None:
            write_rows(tmp_path / "S5" / "walking_1.txt", rows)
        return H36MExpmap(str(tmp_path), actions=("walking",))

    return write


def test_a_file_that_is_missing(broken: Callable[..., H36MExpmap]) -> None:
    with pytest.raises(MissingDataError, match=r"without S5/walking_1\.txt") as caught:
        next(broken(None).clips("test"))
    assert "vision.imar.ro" in caught.value.cure
    assert "redistribution" in caught.value.cure


def test_no_tree_at_all(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no S1 in"):
        next(H36MExpmap(str(tmp_path)).clips("test"))


def test_files_that_are_not_what_they_should_be(broken: Callable[..., H36MExpmap]) -> None:
    rows = h36m_rows(160, 0)
    with pytest.raises(FormatError, match="99 columns"):
        next(broken(rows[:, :98]).clips("test"))
    with pytest.raises(FormatError, match="at least 150 rows; got 149"):
        next(broken(rows[:149]).clips("test"))
    rows[7, 50] = np.nan
    with pytest.raises(FormatError, match="line 8: expected finite numbers"):
        next(broken(rows).clips("test"))


def test_names_that_are_not_in_the_set() -> None:
    with pytest.raises(UsageError, match="Did you mean walking"):
        H36MExpmap(actions=("walkin",))
    for subject in (5, 2):
        with pytest.raises(UsageError, match="validation subjects"):
            H36MExpmap(validation=(subject,))
    assert len(ACTIONS) == 15
