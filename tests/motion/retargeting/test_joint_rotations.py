"""Retargeting by the difference of rest poses: what a body does, whoever's body and whatever its rest pose."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from families import FAMILIES, along_x, named, slanting
from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import angle_between, rotvec_to_rotmat
from kinema.motion.edit import facing, resample, rest_pose, rotate
from kinema.motion.motion import Motion
from kinema.motion.names import canon_by_name, finer_by_name
from kinema.motion.retargeting import as_motion, pair_joints, retarget
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.joint_rotations import parts
from kinema.motion.retargeting.rest_poses import neutral_pose, stands_at_rest
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

LIMBS = [(f"{s}_{a}", f"{s}_{b}") for s in "lr" for a, b in (*pairwise(("hip", "knee", "ankle")), *pairwise(("shoulder", "elbow", "wrist")))]  # fmt: skip  # noqa: E501


@pytest.fixture(scope="module")
def walk() -> Motion:
    """A walk that turns, with a wrist and a head that twist, which positions alone would not tell."""
    clip = resample(perform("walk", seconds=3.0, fps=50.0, seed=2), 25.0)
    rotations = clip.rotations.clone()
    swing = torch.sin(torch.arange(clip.frames) / 8)[:, None]
    for name, axis in (("l_wrist", (1.0, 0, 0)), ("r_elbow", (0.7, 0, 0)), ("head", (0, 0.6, 0))):
        joint = clip.skeleton.index(name)
        rotations[:, joint] = rotations[:, joint] @ rotvec_to_rotmat(swing * torch.tensor(axis))
    return replace(clip, rotations=rotations)


def bone(clip: Motion, start: str, end: str) -> torch.Tensor:
    places = clip.points().positions
    one, other = clip.skeleton.indices((start, end))
    return torch.nn.functional.normalize(places[..., other, :] - places[..., one, :], dim=-1)


def bones_agree(one: Motion, other: Motion, least: float = 0.9999) -> None:
    for start, end in LIMBS:
        assert float((bone(one, start, end) * bone(other, start, end)).sum(-1).min()) > least, (start, end)


def sole_height(clip: Motion) -> torch.Tensor:
    return clip.points().positions[:, clip.skeleton.indices(("l_toe", "r_toe")), 1].amin()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_is_known_by_its_names(walk: Motion, family: str) -> None:
    """Each of the joints of kinema24 finds its namesake, in both directions, and the motion comes back whole."""
    clip = named(walk, family)
    pairing = pair_joints(clip.skeleton, walk.skeleton)
    plain = dict(zip(walk.skeleton.joints, clip.skeleton.joints, strict=True))
    turning = [name for name in walk.skeleton.joints if not name.endswith(("head_end", "hand_end"))]
    assert {ours: pairing.matched.get(ours) for ours in turning} == {ours: plain[ours] for ours in turning}
    assert (pairing.shared, pairing.resting) == ((), ())
    assert all("Middle" in name or "middle" in name for name in pairing.lost)  # the tips of fingers
    back = retarget(retarget(walk, clip), walk)
    torch.testing.assert_close(back.points().positions, walk.points().positions, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["cmu38", "h36m32", "smpl24", "smplh52", "lafan22", "bandai21", "canon17"])
def test_bones_point_as_they_did_on_bodies_of_the_catalogue(walk: Motion, name: str) -> None:
    there = retarget(walk, skeleton(name))
    bones_agree(there, walk)
    assert float((facing(there) - facing(walk)).abs().max()) < 0.1
    ratio = leg_length(there.skeleton) / leg_length(walk.skeleton)
    way, expected = ((clip.root[-1] - clip.root[0])[[0, 2]].norm() for clip in (there, walk))
    assert float(way) == pytest.approx(float(expected) * ratio, rel=0.03)
    if "l_toe" in there.skeleton.aliases:
        assert float(sole_height(there) - ratio * sole_height(walk)) == pytest.approx(0.0, abs=0.01)


def test_a_twist_comes_along(walk: Motion) -> None:
    """What the directions of bones cannot tell: the wrist's and the head's own turn."""
    there = retarget(walk, skeleton("smpl24"))
    for ours, theirs in (("l_wrist", "left_wrist"), ("head", "head"), ("r_elbow", "right_elbow")):
        before = walk.global_rotations()[:, walk.skeleton.index(ours)]
        after = there.global_rotations()[:, there.skeleton.index(theirs)]
        swing = angle_between(before.mT @ after, (before.mT @ after)[:1].expand_as(before))
        assert float(swing.max()) < 1e-3
        assert float(angle_between(before[1:], before[:1].expand_as(before[1:])).max()) > 0.3


def test_arms_that_slant_at_rest_make_no_difference(walk: Motion) -> None:
    slant = named(slanting(walk), "unreal")
    assert stands_at_rest(slant.skeleton)
    torch.testing.assert_close(slant.points().positions, walk.points().positions, atol=1e-5, rtol=0)
    here = retarget(walk, slant.skeleton)
    torch.testing.assert_close(here.points().positions, walk.points().positions, atol=1e-3, rtol=0)
    back = retarget(slant, walk.skeleton)
    torch.testing.assert_close(back.points().positions, walk.points().positions, atol=1e-3, rtol=0)


def test_bones_along_any_axes_are_read_from_the_clip(walk: Motion) -> None:
    odd = named(along_x(walk), "soma")
    assert not stands_at_rest(odd.skeleton)
    back = retarget(odd, walk.skeleton)
    bones_agree(back, walk, 0.999)
    gap = (back.points().positions - walk.points().positions).norm(dim=-1)
    assert float(gap.max()) < 0.06  # a trunk's own shape is guessed
    there = retarget(walk, odd)
    bones_agree(there, walk, 0.999)
    assert float((facing(there) - facing(walk)).abs().max()) < 0.1


def test_such_a_body_without_a_clip_still_moves(walk: Motion) -> None:
    there = retarget(walk, named(along_x(walk), "soma").skeleton)
    bones_agree(there, walk, 0.999)


def test_a_body_that_faces_elsewhere_at_rest(walk: Motion) -> None:
    quarter = rotvec_to_rotmat(torch.tensor([0.0, 1.5, 0.0]))
    body = walk.skeleton
    aside = Skeleton("aside", body.joints, body.parents, body.offsets @ quarter.mT, aliases=dict(body.aliases))
    there = retarget(walk, aside)
    torch.testing.assert_close(there.points().positions, walk.points().positions, atol=1e-3, rtol=0)


def test_the_neutral_pose_is_a_t(walk: Motion) -> None:
    for clip in (walk, named(slanting(walk), "unreal"), named(along_x(walk), "soma"), rest_pose(skeleton("h36m32"))):
        pose = neutral_pose(clip)
        for side, out in (("l", 1.0), ("r", -1.0)):
            assert bone(pose, f"{side}_shoulder", f"{side}_elbow")[0, 0] * out > 0.99
            assert bone(pose, f"{side}_hip", f"{side}_knee")[0, 1] < -0.99
        assert float(facing(pose)[0].abs()) < 0.1


def test_a_spine_of_more_parts_shares_the_turn(walk: Motion) -> None:
    there, pairing = retarget(walk, skeleton("smpl24")), pair_joints(walk.skeleton, skeleton("smpl24"))
    assert pairing.shared == ("spine2",)
    assert set(pairing.resting) == {"left_hand", "right_hand"}
    local = there.rotations[:, there.skeleton.index("spine2")]
    assert 0.001 < float(angle_between(local, torch.eye(3).expand_as(local)).max()) < 0.5


def test_what_turns_the_trunk_is_where_the_arms_branch_off() -> None:
    assert parts(skeleton("h36m32"))["chest"] == "Spine1"  # its alias "chest" is the point between the shoulders
    assert parts(skeleton("h36m32"))["head"] == "Head"  # Head_End turns nothing
    assert parts(skeleton("cmu38"))["pelvis"] == "Hips"


def test_a_root_above_the_pelvis_stays_at_rest(walk: Motion) -> None:
    body = named(walk, "unreal").skeleton
    joints, parents = ("root", *body.joints), (-1, *(parent + 1 for parent in body.parents))
    taller = Skeleton("manny", joints, parents, torch.cat((torch.zeros(1, 3), body.offsets)))
    there, pairing = retarget(walk, taller), pair_joints(walk.skeleton, taller)
    assert pairing.resting == ("root",)
    torch.testing.assert_close(there.points().positions[:, 1:], walk.points().positions, atol=1e-3, rtol=0)
    assert torch.equal(there.rotations[:, 0], torch.eye(3).expand(walk.frames, 3, 3))


def test_joints_of_the_same_name_follow_each_other(walk: Motion) -> None:
    def tailed(clip: Motion, stem: str) -> Motion:
        body = clip.skeleton
        grown = Skeleton(
            body.name,
            (*body.joints, f"{stem}1", f"{stem}2"),
            (*body.parents, 0, len(body)),
            torch.cat((body.offsets, torch.tensor([[0.0, 0, -0.2]]).repeat(2, 1))),
        )
        wag = rotvec_to_rotmat(torch.sin(torch.arange(clip.frames) / 5)[:, None] * torch.tensor([0.0, 0.5, 0.0]))
        return replace(clip, skeleton=grown, rotations=torch.cat((clip.rotations, *[wag[:, None]] * 2), 1))

    source, target = tailed(walk, "Tail"), tailed(named(walk, "mixamo"), "tail_")
    still = replace(target, rotations=target.rotations[:1].expand(walk.frames, -1, -1, -1))
    there, pairing = retarget(source, still), pair_joints(source.skeleton, still.skeleton)
    assert pairing.matched["tail_1"] == "Tail1"
    torch.testing.assert_close(there.points().positions, source.points().positions, atol=1e-3, rtol=0)


def test_batches_and_the_file_that_is_answered_in(walk: Motion) -> None:
    body = replace(named(slanting(walk), "unreal"), fps=50.0)
    pair = replace(walk, rotations=walk.rotations.expand(2, -1, -1, -1, -1), root=walk.root.expand(2, -1, -1))
    there = retarget(resample(pair, body.fps), body)
    assert there.rotations.shape[:2] == (2, 2 * walk.frames - 1)
    assert (there.fps, there.skeleton.joints) == (50.0, body.skeleton.joints)
    points = retarget(resample(as_motion(walk.points()), body.fps), body)
    bones_agree(resample(points, 25.0), walk, 0.999)
    assert as_motion(walk) is walk


def test_the_world_may_be_turned(walk: Motion) -> None:
    angle = torch.tensor(2.0)
    one, other = retarget(rotate(walk, angle), skeleton("cmu38")), rotate(retarget(walk, skeleton("cmu38")), angle)
    torch.testing.assert_close(one.points().positions, other.points().positions, atol=1e-3, rtol=0)


def test_bodies_with_nothing_in_common_are_told_of_the_map(walk: Motion) -> None:
    boxes = Skeleton(
        "boxes", tuple(f"Bone{i}" for i in range(24)), tuple(range(-1, 23)), walk.skeleton.offsets
    )  # a rope
    with pytest.raises(UsageError, match=r"at least 6 parts.*Bone0.*--map"):
        retarget(walk, boxes)


def test_clavicles_and_fingers_have_names_of_their_own() -> None:
    joints = (
        "LeftShoulder",
        "LeftArm",
        "LeftHandThumb1",
        "index_02_l",
        "r_pinky3",
        "Bip01 R Clavicle",
        "RightHandMid1",
    )
    found = canon_by_name(joints)
    finer = finer_by_name(joints, found.values())
    assert finer == {
        "l_clavicle": "LeftShoulder",
        "l_thumb1": "LeftHandThumb1",
        "l_index2": "index_02_l",
        "r_little3": "r_pinky3",
        "r_clavicle": "Bip01 R Clavicle",
        "r_middle1": "RightHandMid1",
    }
