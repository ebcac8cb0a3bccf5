"""Finding the canonical seventeen, sides and partners by name in other people's schemes."""

import pytest

from kinema.motion.names import CANON17, canon_by_name, is_end_point, mirror_by_name, side_and_stem

# What each scheme calls pelvis, r_hip, r_knee, r_ankle, l_hip, spine, chest, neck, head, l_shoulder, l_elbow, l_wrist.
PARTS = ("pelvis", "r_hip", "r_knee", "r_ankle", "l_hip", "spine", "chest", "neck", "head", "l_shoulder", "l_elbow", "l_wrist")  # fmt: skip  # noqa: E501
SCHEMES = {
    "mixamo": (
        "mixamorig:Hips mixamorig:Spine mixamorig:Spine1 mixamorig:Spine2 mixamorig:Neck mixamorig:Head "
        "mixamorig:HeadTop_End mixamorig:LeftShoulder mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand "
        "mixamorig:RightUpLeg mixamorig:RightLeg mixamorig:RightFoot mixamorig:RightToeBase mixamorig:LeftUpLeg",
        "Hips RightUpLeg RightLeg RightFoot LeftUpLeg Spine1 Spine2 Neck Head LeftArm LeftForeArm LeftHand",
    ),
    "unreal": (
        "root pelvis spine_01 spine_02 spine_03 neck_01 head clavicle_l upperarm_l lowerarm_l hand_l thigh_r calf_r "
        "foot_r ball_r thigh_l",
        "pelvis thigh_r calf_r foot_r thigh_l spine_01 spine_03 neck_01 head upperarm_l lowerarm_l hand_l",
    ),
    "motionbuilder": (
        "Hips LHipJoint LeftUpLeg LeftLeg RHipJoint RightUpLeg RightLeg RightFoot RightToeBase LowerBack Spine Spine1 "
        "Neck Neck1 Head LeftShoulder LeftArm LeftForeArm LeftHand",
        "Hips RightUpLeg RightLeg RightFoot LeftUpLeg Spine Spine1 Neck Head LeftArm LeftForeArm LeftHand",
    ),
    "daz": (
        "hip abdomen chest neck head lCollar lShldr lForeArm lHand rButtock rThigh rShin rFoot rFoot_end "
        "lButtock lThigh",
        "hip rThigh rShin rFoot lThigh abdomen chest neck head lShldr lForeArm lHand",
    ),
    "acclaim": (
        "root lhipjoint lfemur rhipjoint rfemur rtibia rfoot rtoes lowerback upperback thorax lowerneck upperneck head "
        "lclavicle lhumerus lradius lwrist lhand",
        "root rfemur rtibia rfoot lfemur upperback thorax lowerneck head lhumerus lradius lwrist",
    ),
    "smpl": (
        "pelvis left_hip right_hip spine1 left_knee right_knee spine2 right_ankle spine3 right_foot neck left_collar "
        "head left_shoulder left_elbow left_wrist",
        "pelvis right_hip right_knee right_ankle left_hip spine1 spine3 neck head left_shoulder left_elbow left_wrist",
    ),
    "bandai": (
        "joint_Root Hips Spine Chest Neck Head Shoulder_L UpperArm_L LowerArm_L Hand_L UpperLeg_R LowerLeg_R Foot_R "
        "Toes_R UpperLeg_L",
        "Hips UpperLeg_R LowerLeg_R Foot_R UpperLeg_L Spine Chest Neck Head UpperArm_L LowerArm_L Hand_L",
    ),
    "biped": (
        "Bip01 Pelvis|Bip01 Spine|Bip01 Spine1|Bip01 Spine2|Bip01 Neck|Bip01 Head|Bip01 L Clavicle|Bip01 L UpperArm|"
        "Bip01 L Forearm|Bip01 L Hand|Bip01 R Thigh|Bip01 R Calf|Bip01 R Foot|Bip01 L Thigh",
        "Pelvis|R Thigh|R Calf|R Foot|L Thigh|Spine1|Spine2|Neck|Head|L UpperArm|L Forearm|L Hand",
    ),
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_canonical_joints_of_common_schemes(scheme):
    names, expected = (text.split("|" if "|" in text else " ") for text in SCHEMES[scheme])
    found = canon_by_name(names)
    for canon, own in zip(PARTS, expected, strict=True):
        assert found[canon].endswith(own), canon
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("LeftArm", "l"), ("right_knee", "r"), ("RHipJoint", "r"), ("LThumb", "l"), ("LToe_End", "l"), ("rShldr", "r"),
        ("Hand_L", "l"), ("thigh_r", "r"), ("Toes_R_end", "r"), ("lfemur", "l"), ("mixamorig:LeftHand", "l"),
        ("L_Hip", "l"), ("RKnee", "r"), ("Bip01 R Thigh", "r"),
        ("root", ""), ("Root", ""), ("lowerback", ""), ("LowerBack", ""), ("Rib", ""), ("Leg", ""), ("neck", ""),
        ("lumbar", ""), ("ribcage", ""),
    ],
)  # fmt: skip
def test_sides(name, side):
    assert side_and_stem(name)[0] == side


def test_mirror_pairs_what_has_a_partner_and_leaves_the_rest():
    joints = ("hip", "lThigh", "rThigh", "LeftFoot", "Spine", "RightFoot", "LeftEye")
    assert mirror_by_name(joints) == (0, 2, 1, 5, 4, 3, 6)


def test_end_points_are_never_one_of_the_seventeen():
    assert is_end_point("head_end")
    assert is_end_point("Site12")
    assert not is_end_point("bend")
    found = canon_by_name(("hips", "Head_end", "LeftFoot", "LeftFoot_end"))
    assert "head" not in found
    assert found["head_end"] == "Head_end"
    assert (found["l_ankle"], found["l_toe"]) == ("LeftFoot", "LeftFoot_end")
    assert set(found) - set(CANON17) == {"head_end", "l_toe"}


def test_names_of_a_hundred_thousand_letters_are_looked_at_in_part() -> None:
    long = ["_" * 100_000 + str(number) for number in range(20)] + ["a_1" * 50_000] * 20
    assert canon_by_name([*long, "Actor:" + "x" * 100_000 + ":LeftArm"]).get("l_shoulder", "").endswith("LeftArm")
