"""Bodies with another root, helpers beside the body, split pelvises, missing and extra limbs: retargeted or refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import CheckFailedError, UsageError
from kinema.data.synthetic import perform
from kinema.io.formats import load_clip
from kinema.motion.motion import Motion, Points
from kinema.motion.orientation import body_height, find_up
from kinema.motion.retargeting import as_motion, direction_errors, pair_joints, retarget
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton
from kinema.viz.figure import figure_of

CASES = Path(__file__).parents[1] / "cases"
ROOTS = ("head", "neck", "spine2", "left_foot", "right_hand")


@pytest.fixture(scope="module")
def walk() -> Motion:
    return retarget(perform("walk", seconds=1.0, fps=30.0, seed=1), skeleton("smpl24"))


def rooted(walk: Motion, root: str) -> tuple[Motion, list[int]]:
    """The walk on the same body hung on another joint, and the joints' numbers there."""
    body, order = walk.skeleton.hung_on(walk.skeleton.joints.index(root))
    return as_motion(Points(body, walk.points().positions[..., order, :], walk.fps)), order


@pytest.mark.parametrize("root", ROOTS)
def test_limbs_point_as_they_did_whatever_the_root_of_source_or_target_is(walk: Motion, root: str) -> None:
    other, order = rooted(walk, root)
    # Where a joint of several bones bends, the least squares of the bones leave a few millimetres.
    assert float((other.points().positions - walk.points().positions[:, order]).norm(dim=-1).max()) < 0.015
    assert find_up(other).axis == "y"
    assert body_height(other) == pytest.approx(body_height(walk), rel=1e-3)
    for by in ("rotations", "directions"):
        for source, target in ((other, skeleton("kinema24")), (walk, other.skeleton), (other, walk.skeleton)):
            moved = retarget(source, target, by=by)
            assert max(direction_errors(source, moved).values()) < 0.1  # degrees, float32
    assert not pair_joints(other.skeleton, walk.skeleton).unmatched_limbs
    hips = retarget(other, walk.skeleton).positions_of([0])
    assert float((hips - walk.positions_of([0])).norm(dim=-1).max()) < 0.02


@pytest.mark.parametrize("root", ROOTS)
def test_a_picture_has_every_limb_whatever_the_root_is(walk: Motion, root: str) -> None:
    other, order = rooted(walk, root)
    usual, found = figure_of(walk.points()), figure_of(other.points())
    ends = {frozenset((order[bone.parent], order[bone.joint])) for bone in found.bones}
    assert ends == {frozenset((bone.parent, bone.joint)) for bone in usual.bones}
    assert found.trunk is not None
    assert found.head is not None
    assert order[found.pelvis] == usual.pelvis
    assert np.isclose(found.stature, usual.stature, rtol=1e-3)


@pytest.mark.parametrize("case", ["daz_g8_bend_twist", "mmd_utf8", "unreal_ik_bones", "rigify_metarig"])
def test_split_pelvises_and_helper_bones_keep_the_directions_of_limbs(case: str) -> None:
    clip = load_clip(CASES / f"{case}.bvh")
    for name in ("smpl24", "kinema24"):
        there = retarget(clip, skeleton(name))
        assert max(direction_errors(clip, there).values()) < 0.1
        back = retarget(there, clip)
        assert max(direction_errors(there, back).values()) < 0.1
        assert max(direction_errors(clip, retarget(clip, skeleton(name), by="directions")).values()) < 0.1


def with_more(clip: Motion, rows: list[tuple[str, str, tuple[float, float, float]]]) -> Motion:
    """The clip with more joints, each (name, parent, offset)."""
    body = clip.skeleton
    joints = (*body.joints, *(name for name, _, _ in rows))
    parents = (*body.parents, *(joints.index(parent) for _, parent, _ in rows))
    offsets = torch.cat((body.offsets, torch.tensor([offset for _, _, offset in rows])))
    rotations = torch.eye(3).expand(clip.frames, len(joints), 3, 3).clone()
    rotations[:, : len(body)] = clip.rotations
    return replace(clip, skeleton=Skeleton("more", joints, parents, offsets), rotations=rotations)


def test_props_cameras_and_third_arms_change_nothing(walk: Motion) -> None:
    more = with_more(
        walk,
        [
            ("Camera", "pelvis", (0.0, 3.0, 50.0)),
            ("sword", "right_wrist", (0.0, -1.2, 0.0)),
            ("sword_end", "sword", (0.0, -0.2, 0.0)),
            ("third_upper", "spine3", (0.0, 0.1, -0.2)),
            ("third_lower", "third_upper", (0.0, 0.0, -0.3)),
            ("tail", "pelvis", (0.0, 0.0, -0.2)),
        ],
    )
    assert body_height(more) == pytest.approx(body_height(walk), rel=1e-6)
    assert {part: more.skeleton.aliases[part] for part in walk.skeleton.aliases} == dict(walk.skeleton.aliases)
    for target in (skeleton("kinema24"), more):
        assert max(direction_errors(more, retarget(more, target)).values()) < 0.1
    drawn = {more.skeleton.joints[bone.joint] for bone in figure_of(more.points()).bones}
    assert "third_lower" in drawn
    assert "Camera" not in drawn


def without(clip: Motion, *gone: str) -> Motion:
    """The clip without some joints and all that they carry."""
    body = clip.skeleton
    lost = set[int]().union(*(body.below(body.joints.index(name)) for name in gone))
    kept = [joint for joint in range(len(body)) if joint not in lost]
    parents = tuple(-1 if joint == 0 else kept.index(body.parents[joint]) for joint in kept)
    part = Skeleton("part", tuple(body.joints[joint] for joint in kept), parents, body.offsets[kept])
    return replace(clip, skeleton=part, rotations=clip.rotations[:, kept])


def test_a_body_with_one_leg_is_retargeted_if_allowed_and_refused_by_models(walk: Motion) -> None:
    part = without(walk, "left_hip")
    pairing = pair_joints(part.skeleton, walk.skeleton)
    assert pairing.unmatched_limbs == ("left thigh (left_hip to left_knee)", "left shin (left_knee to left_ankle)")
    with pytest.raises(CheckFailedError, match=r"left thigh.*--allow-unmatched"):
        pairing.require_limbs()
    moved = retarget(part, walk.skeleton)
    assert len(direction_errors(part, moved)) == 6
    assert max(direction_errors(part, moved).values()) < 0.1
    with pytest.raises(UsageError, match="no left leg"):
        retarget(part, walk.skeleton, by="directions")
    assert figure_of(part.points()).bones


@pytest.mark.parametrize(
    ("gone", "word"),
    [(("left_hip", "right_hip"), "no left leg, no right leg"), (("spine1",), "no left arm, no right arm")],
)
def test_half_a_body_is_refused_by_models_with_the_limbs_that_it_lacks(
    walk: Motion, gone: tuple[str, ...], word: str
) -> None:
    with pytest.raises(UsageError, match=f"{word}.*--map"):
        retarget(without(walk, *gone), skeleton("canon17"), by="directions")


def test_four_legs_are_refused_by_models_and_drawn(walk: Motion) -> None:
    human = walk.skeleton
    spots = human.rest_positions
    dog = spots[:, [0, 2, 1]].clone()  # the trunk along z, limbs to be hung
    for limbs, top in ((("left_hip", "right_hip"), 0.0), (("left_shoulder", "right_shoulder"), 0.0)):
        for name in limbs:
            first = human.joints.index(name)
            for joint in sorted(human.below(first) - {first}):
                length = float((spots[joint] - spots[human.parents[joint]]).norm())
                dog[joint] = dog[human.parents[joint]] - torch.tensor([0.0, length, top])
    offsets = dog - dog[[max(parent, 0) for parent in human.parents]]
    body = Skeleton("dog", human.joints, human.parents, offsets)
    clip = replace(walk, skeleton=body)
    with pytest.raises(UsageError, match=r"four legs.*--method pchip"):
        retarget(clip, skeleton("canon17"), by="directions")
    assert len(figure_of(clip.points()).bones) > 15


def test_inverse_kinematics_asks_for_a_common_joint_above_all(walk: Motion) -> None:
    arms = without(walk, "left_hip", "right_hip").points()
    own = arms.skeleton
    names = tuple(name if "_" in name else f"x{joint}" for joint, name in enumerate(own.joints))
    lost = Skeleton("arms", names, own.parents, own.offsets)
    with pytest.raises(UsageError, match="root or pelvis"):
        fit_rotations(replace(arms, skeleton=lost), skeleton("kinema24"))
