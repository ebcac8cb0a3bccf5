"""Parts of a body are found by names of any scheme and by the graph, whatever the root is."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kinema.io.formats import load_clip
from kinema.motion.anatomy import SURE
from kinema.motion.names import CANON17, canon_by_name, sides_and_stems
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

CASES = Path(__file__).parent / "cases"
BODIES = ("kinema24", "smpl24", "lafan22", "cmu38", "h36m17", "bandai21")
# case -> the middle line, as its README gives it
MIDDLE = {
    "daz_g8_bend_twist": "pelvis abdomenLower chestUpper neckLower head",
    "mmd_utf8": "下半身 上半身 上半身2 首 頭",
    "names_actorcore": "CC_Base_Hip CC_Base_Spine01 CC_Base_Spine02 CC_Base_NeckTwist01 CC_Base_Head",
    "names_namespace": "Actor_01:Hips Actor_01:Spine1 Actor_01:Spine2 Actor_01:Neck Actor_01:Head",
    "names_vroid": "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_UpperChest J_Bip_C_Neck J_Bip_C_Head",
    "rigify_metarig": "spine spine.001 spine.003 spine.004 spine.006",
    "unreal_ik_bones": "pelvis spine_01 spine_03 neck_01 head",
}


@pytest.mark.parametrize("case", MIDDLE)
def test_all_seventeen_are_found_in_files_of_many_schemes(case: str) -> None:
    found = load_clip(CASES / f"{case}.bvh").skeleton.aliases
    assert [found[part] for part in ("pelvis", "spine", "chest", "neck", "head")] == MIDDLE[case].split()
    assert set(CANON17) <= set(found)


def test_limbs_of_bend_and_twist_pairs_and_of_japanese_names() -> None:
    found = load_clip(CASES / "daz_g8_bend_twist.bvh").skeleton.aliases
    assert [found[f"l_{part}"] for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")] == [
        "lThighBend", "lShin", "lFoot", "lShldrBend", "lForearmBend", "lHand",
    ]  # fmt: skip
    found = load_clip(CASES / "mmd_utf8.bvh").skeleton.aliases
    assert [found[f"l_{part}"] for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist", "toe")] == [
        "左足", "左ひざ", "左足首", "左腕", "左ひじ", "左手首", "左つま先",
    ]  # fmt: skip


SCHEMES = {
    "rokoko": "Hips Spine1 Spine2 Spine3 Spine4 Neck Head LeftShoulder LeftArm LeftForeArm LeftHand LeftThigh LeftShin LeftFoot LeftToe",  # noqa: E501
    "motive": "Hip Ab Chest Neck Head LShoulder LUArm LFArm LHand LThigh LShin LFoot LToe",
    "neuron": "Robot_Hips Robot_Spine Robot_Spine1 Robot_Spine2 Robot_Neck Robot_Head Robot_LeftShoulder Robot_LeftArm "
    "Robot_LeftForeArm Robot_LeftHand Robot_LeftUpLeg Robot_LeftLeg Robot_LeftFoot",
    "unity": "Hips Spine Chest UpperChest Neck Head LeftShoulder LeftUpperArm LeftLowerArm LeftHand LeftUpperLeg LeftLowerLeg LeftFoot LeftToes",  # noqa: E501
    "vrm": "hips spine chest upperChest neck head leftShoulder leftUpperArm leftLowerArm leftHand leftUpperLeg leftLowerLeg leftFoot",  # noqa: E501
    "valve": "ValveBiped.Bip01_Pelvis ValveBiped.Bip01_Spine ValveBiped.Bip01_Spine1 ValveBiped.Bip01_Spine2 ValveBiped.Bip01_Neck1 "  # noqa: E501
    "ValveBiped.Bip01_Head1 ValveBiped.Bip01_L_Clavicle ValveBiped.Bip01_L_UpperArm ValveBiped.Bip01_L_Forearm "
    "ValveBiped.Bip01_L_Hand ValveBiped.Bip01_L_Thigh ValveBiped.Bip01_L_Calf ValveBiped.Bip01_L_Foot ValveBiped.Bip01_L_Toe0",  # noqa: E501
    "rigify deform": "DEF-pelvis DEF-spine DEF-spine.001 DEF-chest DEF-neck DEF-head DEF-shoulder.L DEF-upper_arm.L "
    "DEF-upper_arm.L.001 DEF-forearm.L DEF-hand.L DEF-thigh.L DEF-thigh.L.001 DEF-shin.L DEF-foot.L DEF-toe.L",
    "advanced skeleton": "Root_M Spine1_M Chest_M Neck_M Head_M Scapula_L Shoulder_L Elbow_L Wrist_L Hip_L Knee_L Ankle_L",  # noqa: E501
    "kinect": "SpineBase SpineMid SpineShoulder Neck Head ShoulderLeft ElbowLeft WristLeft HandLeft HipLeft KneeLeft AnkleLeft FootLeft",  # noqa: E501
    "makehuman": "pelvis spine01 chest neck01 head clavicle.L shoulder01.L upperarm01.L upperarm02.L lowerarm01.L lowerarm02.L "  # noqa: E501
    "wrist.L upperleg01.L upperleg02.L lowerleg01.L lowerleg02.L foot.L",
    "daz g9": "hip pelvis spine1 spine2 spine3 spine4 neck1 neck2 head l_shoulder l_upperarm l_upperarmtwist1 l_forearm l_hand "  # noqa: E501
    "l_thigh l_thightwist1 l_shin l_foot",
    "max biped": "Bip001 Bip001-Pelvis Bip001-Spine Bip001-Spine1 Bip001-Neck Bip001-Head Bip001-L-Clavicle Bip001-L-UpperArm "  # noqa: E501
    "Bip001-L-Forearm Bip001-L-Hand Bip001-L-Thigh Bip001-L-Calf Bip001-L-Foot Bone_hair01 Bone_hair02 Bone_skirt03",
    "vrm with hair": "J_Bip_C_Hips J_Bip_C_Spine J_Bip_C_Chest J_Bip_C_Neck J_Bip_C_Head J_Bip_L_Shoulder J_Bip_L_UpperArm "  # noqa: E501
    "J_Bip_L_LowerArm J_Bip_L_Hand J_Bip_L_UpperLeg J_Bip_L_LowerLeg J_Bip_L_Foot J_Sec_Hair1_01 J_Sec_Hair2_01 J_Adj_L_FaceEye",  # noqa: E501
    "xsens": "Pelvis L5 L3 T12 T8 Neck Head LeftShoulder LeftUpperArm LeftForeArm LeftHand LeftUpperLeg LeftLowerLeg LeftFoot",  # noqa: E501
}


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_limb_of_naming_schemes_without_a_sample_file(scheme: str) -> None:
    found = canon_by_name(SCHEMES[scheme].split())
    limbs = [f"l_{part}" for part in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")]
    middle = () if scheme == "kinect" else ("pelvis", "spine", "chest")  # SpineBase is found by the graph
    assert not [part for part in (*limbs, *middle, "neck", "head") if part not in found]
    assert "Shoulder" not in found["l_shoulder"] or scheme in ("advanced skeleton", "kinect")


def words(name: str) -> tuple[str, list[str]]:
    """The side and the words of a catalogue name."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name.replace("_", " "))
    side = ""
    rest: list[str] = []
    for word in found:
        if word.lower() in ("left", "right", "l", "r") and not side:
            side = word[0].lower()
        else:
            rest.append(word)
    return side, rest


SPELL: dict[str, Callable[[str, str], str]] = {
    "Left at the start": lambda side, stem: f"{'Left' if side == 'l' else 'Right'}{stem}",
    "_L": lambda side, stem: f"{stem}_{side.upper()}",
    ".l": lambda side, stem: f"{stem}.{side}",
    "L_": lambda side, stem: f"{side.upper()}_{stem}",
    "left_": lambda side, stem: f"{'left' if side == 'l' else 'right'}_{stem}",
    "Japanese": lambda side, stem: f"{'左' if side == 'l' else '右'}{stem}",
}
JOIN: dict[str, Callable[[list[str]], str]] = {
    "camel": lambda words: "".join(word.capitalize() for word in words),
    "snake": lambda words: "_".join(word.lower() for word in words),
    "blank": lambda words: " ".join(word.capitalize() for word in words),
    "upper": lambda words: "_".join(word.upper() for word in words),
}


@settings(max_examples=150, deadline=None)
@given(
    body=st.sampled_from(BODIES),
    join=st.sampled_from(sorted(JOIN)),
    spell=st.sampled_from(sorted(SPELL)),
    prefix=st.from_regex(r"([A-Za-z][A-Za-z0-9]{1,7}[_:|. ]){0,2}", fullmatch=True),
    suffix=st.sampled_from(["", "_jnt", "_x9f2", "Bone", ".skin", " #12"]),
)
def test_a_renamed_body_keeps_its_parts(body: str, join: str, spell: str, prefix: str, suffix: str) -> None:
    """Names of six bodies, spelled another way behind any prefix and suffix, are the same parts."""
    own = skeleton(body)
    plain = Skeleton(body, own.joints, own.parents, own.offsets).aliases
    renamed: list[str] = []
    for name in own.joints:
        side, rest = words(name)
        stem = JOIN[join](rest)
        renamed.append(prefix + (SPELL[spell](side, stem) if side else stem) + suffix)
    if len(set(renamed)) < len(renamed):
        return  # the plain spelling does not tell two joints apart ("Neck", "NECK")
    found = Skeleton("renamed", tuple(renamed), own.parents, own.offsets)
    parts = {part: own.joints[renamed.index(name)] for part, name in found.aliases.items()}
    assert {part: parts.get(part) for part in CANON17} == {part: plain.get(part) for part in CANON17}
    assert found.mirror == own.mirror


@pytest.mark.parametrize("body", ["smpl24", "smplx55", "lafan22", "bandai21", "kinema24", "humaneva15"])
def test_names_that_say_nothing_are_matched_by_the_graph(body: str) -> None:
    own = skeleton(body)
    order = torch.randperm(len(own), generator=torch.Generator().manual_seed(3)).tolist()
    found = Skeleton("boxes", tuple(f"Bone{order[j]:03d}" for j in range(len(own))), own.parents, own.offsets)
    assert found.anatomy.by == "graph"
    assert SURE <= found.anatomy.confidence < 1
    for part, name in own.aliases.items():
        if part in CANON17 and part != "spine":
            assert own.joints[found.joints.index(found.aliases[part])] == name, part
    pairs = [j for j in range(len(own)) if found.mirror[j] != j]
    assert len(pairs) == 12
    assert all(found.mirror[j] == own.mirror[j] for j in pairs)


@pytest.mark.parametrize("root", ["head", "left_foot", "spine2", "right_hand"])
@pytest.mark.parametrize("named", [True, False])
def test_the_root_may_be_any_joint(root: str, named: bool) -> None:
    own = skeleton("smpl24")
    given, _ = own.hung_on(own.joints.index(root))
    body = Skeleton(root, given.joints, given.parents, given.offsets)
    if not named:
        joints = tuple(f"n{own.joints.index(name)}" for name in body.joints)
        body = Skeleton("numbers", joints, body.parents, body.offsets)
    for part in CANON17:
        name = body.aliases[part]
        if part != "spine":  # spine1 or spine2: both lie between pelvis and chest
            assert (name if named else own.joints[int(name[1:])]) == own.aliases[part], part


def test_four_legs_without_names_are_no_human() -> None:
    human = skeleton("smpl24")
    spots = human.rest_positions.clone()
    turned = torch.stack((spots[:, 0], spots[:, 2], spots[:, 1]), 1)  # the trunk along z
    legs = {j for name in ("left_hip", "right_hip") for j in human.below(human.index(name))}
    arms = {j for name in ("left_shoulder", "right_shoulder") for j in human.below(human.index(name))}
    for joint in legs | arms:
        length = float((spots[joint] - spots[human.parents[joint]]).norm())
        parent = human.parents[joint]
        turned[joint] = turned[parent] + (
            torch.tensor([0.0, -length, 0.0]) if parent in legs | arms else turned[joint] - turned[parent]
        )
    offsets = turned - turned[[max(parent, 0) for parent in human.parents]]
    dog = Skeleton("dog", tuple(f"b{j}" for j in range(24)), human.parents, offsets)
    assert not dog.aliases


def test_what_all_names_share_is_dropped_and_a_side_is_not() -> None:
    names = ["Leg_L_Hip", "Leg_L_Knee", "Leg_L_Foot", "Leg_L_Toe", "Leg_L_Heel", "Leg_L_Ball"]
    assert {side for side, _ in sides_and_stems(names)} == {"l"}
    assert sides_and_stems(["Spine1", "Spine2", "Spine3", "Spine4", "Spine5"])[0] == ("", "spine1")
    sketchfab = [f"{name}_0{number}" for number, name in enumerate(skeleton("lafan22").joints, 10)]
    assert set(CANON17) <= set(canon_by_name(sketchfab))


@pytest.mark.parametrize("shape", ["rope", "star"])
def test_thousands_of_joints_without_a_body_are_no_body(shape: str) -> None:
    count = 2000
    parents = tuple(range(-1, count - 1)) if shape == "rope" else (-1, *[0] * (count - 1))
    offsets = torch.randn(count, 3, generator=torch.Generator().manual_seed(1))
    assert not Skeleton(shape, tuple(f"q{j}" for j in range(count)), parents, offsets).aliases
