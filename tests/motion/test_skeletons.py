"""The catalogue: every body in it is sound, and the published ones are what the specification says."""

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.motion.edit import rest_pose
from kinema.motion.names import CANON17, CANON17_PARENTS, EXTREMITIES, side_and_stem
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import SKELETONS, skeleton
from kinema.motion.skeletons.cmu import CMU38_COPIES, CMU38_MODEL_JOINTS, CMU38_NOT_CAPTURED, CMU38_STATIC
from kinema.motion.skeletons.h36m import H36M32_COPIES, H36M32_MODEL_JOINTS, H36M32_STATIC, H36M32_TO_17
from kinema.motion.skeletons.keypoints import BODY25_FILE_ORDER

WHOLE = sorted(set(SKELETONS) - {"coco17", "body25", "humaneva15"})
T_POSED = sorted(set(SKELETONS) - {"coco17", "body25", "h36m32", "cmu38"})


def rest(body: Skeleton) -> dict[str, torch.Tensor]:
    positions = rest_pose(body).points().positions[0]
    return {name: positions[body.joints.index(own)] for name, own in body.aliases.items()}


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_every_body_is_sound(name):
    body = skeleton(name)
    assert body.name == name
    assert set(body.aliases) <= {*CANON17, *EXTREMITIES}
    assert len(set(body.aliases.values())) == len(body.aliases)
    for joint, other in enumerate(body.mirror):
        (side, stem), (far, far_stem) = side_and_stem(body.joints[joint]), side_and_stem(body.joints[other])
        assert stem == far_stem
        assert {side, far} == ({""} if joint == other else {"l", "r"})
    for canon, own in body.aliases.items():  # an alias keeps the side
        assert side_and_stem(own)[0] == side_and_stem(canon)[0]
    assert body.mirror_axis == 0


@pytest.mark.parametrize("name", WHOLE)
def test_every_whole_body_has_the_seventeen(name):
    assert set(CANON17) <= set(skeleton(name).aliases)


@pytest.mark.parametrize("name", T_POSED)
def test_rest_poses_stand_upright_and_face_forward(name):
    body = skeleton(name)
    place = rest(body)
    assert place["l_wrist"][0] > place["l_elbow"][0] > place["l_shoulder"][0] > 0 > place["r_shoulder"][0]
    assert place["head"][1] > place["l_shoulder"][1] > place["l_hip"][1] > place["l_knee"][1] > place["l_ankle"][1] >= 0
    if "l_toe" in place:
        assert place["l_toe"][2] > place["l_ankle"][2] + 0.1
    swapped = body.offsets[list(body.mirror)] * torch.tensor([-1.0, 1.0, 1.0])
    torch.testing.assert_close(swapped, body.offsets)


def test_our_own_body_has_human_proportions():
    place, tall = rest(skeleton("kinema24")), 1.72
    assert skeleton("kinema24").joints[0] == "pelvis"
    assert place["head_end"][1] == pytest.approx(tall, abs=0.03)
    thigh = float((place["l_knee"] - place["l_hip"]).norm()) / tall
    shank = float((place["l_ankle"] - place["l_knee"]).norm()) / tall
    upper = float((place["l_elbow"] - place["l_shoulder"]).norm()) / tall
    fore = float((place["l_wrist"] - place["l_elbow"]).norm()) / tall
    # Shares of body height, Winter 2009, to two hundredths.
    assert (thigh, shank, upper, fore) == pytest.approx((0.245, 0.246, 0.172, 0.157), abs=0.02)
    assert 2 * float(place["l_hand_end"][0]) == pytest.approx(tall, rel=0.05)  # the span of the arms


def test_cmu_is_the_specification():
    body = skeleton("cmu38")
    assert len(body) == 38
    # True scale: the left thigh is 7.594 ASF units.
    assert float(body.bone_lengths[3]) == pytest.approx(7.59365 * 0.0564444, abs=1e-5)
    assert CMU38_MODEL_JOINTS == (
        3, 4, 5, 6, 9, 10, 11, 12, 14, 15, 17, 18, 19, 21, 22, 23, 25, 26, 28, 30, 31, 32, 34, 35, 37,
    )  # fmt: skip
    assert CMU38_STATIC == (0, 1, 2, 7, 8, 13)
    for copy, source in CMU38_COPIES.items():
        assert source in CMU38_MODEL_JOINTS
        assert body.parents[copy] == source
        assert float(body.bone_lengths[copy]) == 0
    assert all(
        "Thumb" in body.joints[j] or "Finger" in body.joints[j] or "Index" in body.joints[j] for j in CMU38_NOT_CAPTURED
    )
    assert (body.joints[body.index("chest")], body.joints[body.index("neck")]) == ("Spine1", "Neck1")


def test_h36m_is_the_specification():
    body, small = skeleton("h36m32"), skeleton("h36m17")
    assert len(H36M32_MODEL_JOINTS) == 22
    positions = rest_pose(body).points().positions[0]
    for copy, source in H36M32_COPIES.items():
        torch.testing.assert_close(positions[copy], positions[source])
        assert source in H36M32_MODEL_JOINTS
    assert all(float((positions[joint] - positions[0]).norm()) < 0.14 for joint in H36M32_STATIC)
    assert H36M32_TO_17 == (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
    assert small.parents == CANON17_PARENTS
    for canon, joint in zip(CANON17, H36M32_TO_17, strict=True):
        assert body.index(canon) == joint
        assert small.aliases[canon] == small.joints[CANON17.index(canon)]
    assert [small.mirror[j] for j in (1, 2, 3, 11, 12, 13)] == [4, 5, 6, 14, 15, 16]


def test_facts_of_the_other_sets():
    assert skeleton("humaneva15").parents == (-1, 0, 1, 2, 3, 1, 5, 6, 0, 8, 9, 0, 11, 12, 1)
    body22 = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19)
    for name, count in (("smpl24", 24), ("smplh52", 52), ("smplx55", 55)):
        assert skeleton(name).parents[:22] == body22
        assert len(skeleton(name)) == count
    hands = skeleton("smplx55")
    assert hands.joints[22:26] == ("jaw", "left_eye_smplhf", "right_eye_smplhf", "left_index1")
    assert [hands.parents[j] for j in (25, 26, 27, 28, 40, 41)] == [20, 25, 26, 20, 21, 40]
    assert sorted(BODY25_FILE_ORDER) == list(range(25))
    assert BODY25_FILE_ORDER[skeleton("body25").index("l_ankle")] == 14
    assert skeleton("coco17").joints[0] == "nose"
    assert skeleton("lafan22").joints[17] == "LeftHand"


def test_an_unknown_skeleton_is_named_with_a_suggestion():
    with pytest.raises(UsageError, match="Did you mean kinema24"):
        skeleton("kinema42")
