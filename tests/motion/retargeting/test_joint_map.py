"""Joint maps: read, applied, and refused with a sentence that says what to do."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.core.errors import FormatError, KinemaWarning, UsageError
from kinema.data.synthetic import perform
from kinema.motion.motion import Motion
from kinema.motion.names import CANON17
from kinema.motion.retargeting import pair_joints, retarget
from kinema.motion.retargeting.joint_map import named_by, read_joint_map, write_map
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton


@pytest.fixture(scope="module")
def walk() -> Motion:
    return perform("walk", seconds=1.0, fps=30.0, seed=1)


@pytest.fixture
def boxes(walk: Motion) -> Motion:
    """The walk of a body whose joints are called Bone0, Bone1 ..."""
    body = walk.skeleton
    return replace(walk, skeleton=Skeleton("boxes", tuple(f"Bone{i}" for i in range(24)), body.parents, body.offsets))


def written(folder: Path, text: str) -> Path:
    path = folder / "map.toml"
    path.write_text(text)
    return path


def whole_map(folder: Path) -> Path:
    names = skeleton("kinema24").joints
    lines = [f'{name} = "Bone{names.index(name)}"' for name in (*CANON17, "l_clavicle", "r_clavicle", "l_toe", "r_toe")]
    return written(folder, "[joints]\n" + "\n".join(lines) + "\n")


def test_a_map_makes_a_stranger_known(walk: Motion, boxes: Motion, tmp_path: Path) -> None:
    assert boxes.skeleton.anatomy.by == "graph"
    known = named_by(boxes, whole_map(tmp_path))
    assert known.skeleton.index("l_knee") == walk.skeleton.index("l_knee")
    assert known.skeleton.joints == boxes.skeleton.joints
    assert known.skeleton.mirror == tuple(
        walk.skeleton.mirror[j] if not walk.skeleton.joints[j].endswith("hand_end") else j for j in range(24)
    )
    back, pairing = retarget(known, walk.skeleton), pair_joints(known.skeleton, walk.skeleton)
    assert len(pairing.matched) == 21
    torch.testing.assert_close(back.points().positions, walk.points().positions, atol=1e-3, rtol=0)


def test_what_the_map_says_wins_over_names_and_nothing_means_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, '[joints]\nspine = "LowerBack"\nneck = ["nowhere", "Neck"]\nhead_end = ""\n')
    body = read_joint_map(path).onto(skeleton("cmu38"))
    assert (body.aliases["spine"], body.aliases["neck"]) == ("LowerBack", "Neck")
    assert "head_end" not in body.aliases
    assert body.aliases["l_knee"] == "LeftLeg"


def test_one_map_for_two_bodies(walk: Motion, boxes: Motion, tmp_path: Path) -> None:
    path = written(tmp_path, '[joints]\nl_knee = ["Bone17", "LeftLeg"]\npet = ["Bone5", "Head_End"]\n')
    one, other = read_joint_map(path).of_both(boxes.skeleton, skeleton("cmu38"))
    assert (one.aliases["l_knee"], other.aliases["l_knee"]) == ("Bone17", "LeftLeg")
    path = written(tmp_path, '[joints]\nl_knee = "Bone17"\n')
    assert read_joint_map(path).of_both(boxes.skeleton, skeleton("cmu38"))[1].aliases == skeleton("cmu38").aliases
    assert (one.aliases["pet"], other.aliases["pet"]) == ("Bone5", "Head_End")


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("no toml", FormatError, r"map\.toml: expected TOML.*docs/retarget\.md"),
        ("", FormatError, r"one table \[joints\].*got nothing"),
        ("[bones]\nl_hip = 'LHip'\n", FormatError, r"one table \[joints\].*got bones"),
        ("[joints]\nl_hip = 3\n", FormatError, r"map\.toml, l_hip: .*in quotes.*got 3"),
        ("[joints]\nl_hip = 'Oberschenkel'\n", UsageError, r"joints of cmu38.*'Oberschenkel' for l_hip in map\.toml"),
        ("[joints]\nl_nee = 'LeftLeg'\n", UsageError, r"part of the body.*'l_nee'.*l_knee"),
        ("[joints]\nl_hip = 'LeftLeg'\nl_knee = 'LeftLeg'\n", UsageError, r"'LeftLeg' for l_hip and for l_knee"),
    ],
)
def test_a_bad_map_is_refused(tmp_path: Path, text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as raised:
        read_joint_map(written(tmp_path, text)).onto(skeleton("cmu38"))
    assert all(getattr(raised.value, part) for part in ("expected", "got", "cure"))


def test_a_map_that_fits_neither_body_is_refused(boxes: Motion, tmp_path: Path) -> None:
    found = read_joint_map(written(tmp_path, '[joints]\nl_hip = "Bein"\n'))
    with pytest.raises(UsageError, match="joints of boxes or cmu38"):
        found.of_both(boxes.skeleton, skeleton("cmu38"))
    found = read_joint_map(written(tmp_path, '[joints]\ntail = "Bone5"\n'))
    with pytest.raises(UsageError, match="joints of boxes and cmu38, both"):
        found.of_both(boxes.skeleton, skeleton("cmu38"))


def test_a_map_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file at"):
        read_joint_map(tmp_path / "none.toml")


def test_a_written_map_is_read_as_it_was_meant_and_says_how_sure_it_is(boxes: Motion, tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    write_map(boxes.skeleton, path)
    text = path.read_text()
    assert f"confidence {boxes.skeleton.anatomy.confidence:.2f}" in text
    assert '# head_end = ""' in text
    assert read_joint_map(path).onto(boxes.skeleton).aliases == boxes.skeleton.aliases
    body = Skeleton('q"', ('a"b', "左腕", "c\\d"), (-1, 0, 1), torch.zeros(3, 3), aliases={"pelvis": 'a"b'})
    write_map(replace(body, aliases={"pelvis": 'a"b', "l_shoulder": "左腕", "head": "c\\d"}), path)
    again = read_joint_map(path).onto(body)
    assert again.aliases == {"pelvis": 'a"b', "l_shoulder": "左腕", "head": "c\\d"}


def test_a_match_by_bone_lengths_is_told_once_a_map_is_given_it_is_not(boxes: Motion, tmp_path: Path) -> None:
    with pytest.warns(KinemaWarning, match=r"matched by the lengths of the bones \(confidence 0\.\d+\).*--write-map"):
        named_by(boxes, None)
    write_map(boxes.skeleton, tmp_path / "map.toml")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert named_by(boxes, tmp_path / "map.toml").skeleton.aliases == boxes.skeleton.aliases
