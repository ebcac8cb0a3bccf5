"""Human3.6M and HumanEva as positions, from archives written here in their layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions, action_of
from kinema.motion.skeletons.h36m import H36M32_TO_17
from positions_archive import h36m_subjects, humaneva_subjects, take, write_archive


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both archives; do not change them."""
    root = tmp_path_factory.mktemp("positions")
    write_archive(root / "data_3d_h36m.npz", h36m_subjects(10))
    write_archive(root / "data_3d_humaneva15.npz", humaneva_subjects())
    return root


def test_subjects_of_human36m_make_the_splits(data: Path) -> None:
    source = H36MPositions(str(data))
    names = {split: [clip.identity for clip in source.clips(split)] for split in ("train", "val", "test")}
    assert {name.split("/")[1] for name in names["train"]} == {"S1", "S5", "S6", "S7"}
    assert {name.split("/")[1] for name in names["val"]} == {"S8"}
    assert [len(names[split]) for split in ("train", "val", "test")] == [120, 30, 59]
    # The order of names, whatever that of the file.
    assert names["test"][:3] == ["h36m/S9/Directions", "h36m/S9/Directions 1", "h36m/S9/Discussion"]
    assert len(list(H36MPositions(str(data), validation=()).clips("train"))) == 150


def test_human36m_is_turned_upright_and_thinned_to_seventeen_joints(data: Path) -> None:
    clip = next(H36MPositions(str(data)).clips("test"))
    assert (clip.fps, clip.action, clip.skeleton.name) == (50.0, "Directions", "h36m17")
    z_up = torch.from_numpy(h36m_subjects(10)["S9"]["Directions"][:, list(H36M32_TO_17)])
    torch.testing.assert_close(clip.positions[..., 1], z_up[..., 2], rtol=0, atol=0)
    # A turn, not a mirror: the triple product of three bones keeps its sign.
    det = torch.linalg.det(clip.positions[0, 1:4] - clip.positions[0, :1])
    torch.testing.assert_close(det, torch.linalg.det(z_up[0, 1:4] - z_up[0, :1]))


def test_humaneva_drops_what_the_benchmark_drops(data: Path) -> None:
    source = HumanEvaPositions(str(data))
    found = [clip.identity.removeprefix("humaneva/") for clip in source.clips("train")]
    assert found == [
        f"Train/S{subject}/{name}"
        for subject in (1, 2, 3)
        for name in ("Box 1 chunk0", *(f"Walking 1 chunk{chunk}" for chunk in (0, 2, 4)))
        if (subject, name) not in ((3, "Walking 1 chunk0"), (3, "Walking 1 chunk2"))
    ]
    tested = list(source.clips("test"))
    assert "humaneva/Validate/S3/Walking 1 chunk0" in [clip.identity for clip in tested]
    assert "humaneva/Validate/S3/Walking 1 chunk4" not in [clip.identity for clip in tested]
    assert {(clip.fps, clip.skeleton.name) for clip in tested} == {(60.0, "humaneva15")}
    assert {clip.action for clip in tested} == {"Walking", "Box"}
    assert not list(source.clips("val"))
    held = HumanEvaPositions(str(data), validation=("Train/S2",), shortest=70)
    assert len(list(held.clips("val"))) == 5
    assert len(list(held.clips("train"))) == 8


def test_a_take_knows_its_subject(data: Path) -> None:
    h36m, humaneva = H36MPositions(str(data), validation=()), HumanEvaPositions(str(data))
    assert {h36m.subject(clip.identity) for clip in h36m.clips("train")} == {
        f"h36m/S{number}" for number in (1, 5, 6, 7, 8)
    }
    assert {humaneva.subject(clip.identity) for clip in humaneva.clips("train")} == {
        f"humaneva/Train/S{number}" for number in (1, 2, 3)
    }


def test_the_action_is_the_name_without_its_numbers() -> None:
    assert [action_of(name) for name in ("Walking", "SittingDown 2", "Jog 1 chunk12")] == [
        "Walking", "SittingDown", "Jog"]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (
            lambda takes: takes.update(Walking=takes["Walking"][:, :17]),
            r"S9, Walking: .* \(frame, 32, 3\).*\(10, 17",
        ),
        (lambda takes: takes.update(Walking=takes["Walking"] * 1000), r"S9, Walking: expected positions in metres"),
        (lambda takes: takes["Walking"].__setitem__((4, 2, 0), np.nan), r"infinity in frame 4"),
        (lambda takes: takes.update(Walking=np.zeros((0, 32, 3))), r"at least one frame"),
        (lambda takes: takes.update(Walking="text"), r"got str"),
        (lambda takes: takes.update(Walking=Path("x")), r"asks for pathlib"),
        (lambda takes: takes.clear(), r"none of S9"),
    ],
)
def test_damage_is_named(spoil: Any, says: str, tmp_path: Path) -> None:
    subjects = {"S9": {"Walking": take(10, 32, 1)}, "S11": {"Walking": take(10, 32, 1)}}
    spoil(subjects["S9"])
    write_archive(tmp_path / "data_3d_h36m.npz", subjects)
    with pytest.raises(FormatError, match=says) as caught:
        list(H36MPositions(str(tmp_path)).clips("test"))
    assert caught.value.cure


def test_what_is_not_there_is_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"vision\.imar\.ro"):
        list(H36MPositions(str(tmp_path)).clips("train"))
    with pytest.raises(MissingDataError, match=r"multimodal files of other projects are not needed"):
        list(HumanEvaPositions(str(tmp_path)).clips("train"))
    (tmp_path / "data").mkdir()
    np.savez(tmp_path / "data" / "data_3d_humaneva15.npz", positions_3d=np.array([1, 2], dtype=object))
    with pytest.raises(FormatError, match="expected one object"):
        list(HumanEvaPositions(str(tmp_path)).clips("train"))


def test_subjects_that_cannot_validate_are_refused() -> None:
    with pytest.raises(UsageError, match="S9"):
        H36MPositions(validation=("S9",))
    with pytest.raises(UsageError, match=r"Human3\.6M subject among"):
        H36MPositions(validation=("S2",))
    with pytest.raises(UsageError, match="training subject among"):
        HumanEvaPositions(validation=("Validate/S1",))
