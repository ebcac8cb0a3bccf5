"""Feet that stand stay: less than a millimetre in contact, knees forwards, no jump where the lock takes and lets go."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion.edit import facing, resample, rest_pose
from kinema.motion.feet.clean import lock_feet, settled_contacts
from kinema.motion.feet.contacts import contact_joints, foot_contacts
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

KNEES = ("l_knee", "r_knee")


@pytest.fixture(scope="module")
def sliding() -> tuple[Motion, torch.Tensor]:
    """A walk on another body whose hips sway and bob, so that feet slide; and when they should stand."""
    walk = resample(perform("walk", seconds=4.0, fps=60.0, seed=3), 60.0)
    there = retarget(walk, skeleton("smpl24"))
    time = torch.arange(walk.frames) / 60.0
    sway = torch.stack((0.01 * torch.sin(5 * time), 0.004 * torch.sin(9 * time), 0.01 * torch.cos(4 * time)), -1)
    return replace(there, root=there.root + sway), foot_contacts(walk)


def runs(mask: torch.Tensor) -> list[slice]:
    edges = torch.nn.functional.pad(mask.int(), (1, 1)).diff().nonzero()[:, 0].tolist()
    return [slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def worst_slide(clip: Motion, contacts: torch.Tensor) -> float:
    """How far a heel or toe is from its mean place in a contact, metres."""
    joints = contact_joints(clip.skeleton)
    assert joints is not None
    places = clip.points().positions
    return max(
        float((places[run, joint] - places[run, joint].mean(0)).norm(dim=-1).max())
        for part, joint in enumerate(joints)
        for run in runs(contacts[:, part])
    )


def knee_side(clip: Motion) -> torch.Tensor:
    """How far each knee stands before the line from hip to ankle, metres."""
    places = clip.points().positions
    ahead = torch.stack((facing(clip).sin(), torch.zeros(clip.frames), facing(clip).cos()), -1)[:, None]
    hips, knees, ankles = (
        places[:, clip.skeleton.indices((f"l_{part}", f"r_{part}"))] for part in ("hip", "knee", "ankle")
    )
    line = torch.nn.functional.normalize(ankles - hips, dim=-1)
    out = (knees - hips) - ((knees - hips) * line).sum(-1, keepdim=True) * line
    return (out * ahead).sum(-1)


def test_a_locked_foot_moves_less_than_a_millimetre(sliding: tuple[Motion, torch.Tensor]) -> None:
    clip, contacts = sliding
    locked, settled = lock_feet(clip, contacts), settled_contacts(clip, contacts)
    assert int(settled.sum()) > 0.7 * int(contacts.sum())
    assert worst_slide(clip, settled) > 0.008
    assert worst_slide(locked, settled) < 0.001
    assert (locked.frames, locked.fps, locked.skeleton) == (clip.frames, clip.fps, clip.skeleton)


def test_bones_keep_their_length_and_the_rest_of_the_body_its_turn(sliding: tuple[Motion, torch.Tensor]) -> None:
    clip, contacts = sliding
    locked = lock_feet(clip, contacts)
    legs = clip.skeleton.indices([f"{s}_{part}" for s in "lr" for part in ("hip", "knee", "ankle")])
    others = [joint for joint in range(len(clip.skeleton)) if joint not in legs]
    assert torch.equal(locked.rotations[:, others], clip.rotations[:, others])
    identity = locked.rotations @ locked.rotations.mT
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=1e-4, rtol=0)


def test_knees_never_bend_backwards(sliding: tuple[Motion, torch.Tensor]) -> None:
    clip, contacts = sliding
    assert float(knee_side(lock_feet(clip, contacts)).min()) > -0.002
    # Legs that are quite straight, and hips that drop: the knees have to choose, and choose forwards.
    pose = rest_pose(skeleton("smpl24"), 60.0)
    sink = torch.tensor([0.0, -0.025, 0.0]) * torch.linspace(0, 1, 90).sin().square()[:, None]
    still = Motion(pose.skeleton, pose.rotations.expand(90, -1, -1, -1), pose.root + sink, 60.0)
    standing = torch.ones(90, 4, dtype=torch.bool)
    locked = lock_feet(still, standing)
    assert bool(settled_contacts(still, standing).all())
    assert worst_slide(locked, standing) < 0.001
    assert float(knee_side(locked).min()) > -0.002
    assert float(knee_side(locked).max()) > 0.05


def test_nothing_jumps_where_the_lock_takes_and_lets_go(sliding: tuple[Motion, torch.Tensor]) -> None:
    clip, contacts = sliding
    locked = lock_feet(clip, contacts)
    joints = clip.skeleton.indices([f"{s}_{part}" for s in "lr" for part in ("knee", "ankle", "toe")])

    def jerk(motion: Motion) -> float:
        return float(motion.points().positions[:, joints].diff(n=2, dim=0).norm(dim=-1).max())

    moved = (locked.points().positions - clip.points().positions).norm(dim=-1)
    assert float(moved.max()) < 0.06
    assert float((locked.points().positions - clip.points().positions).diff(dim=0).norm(dim=-1).max()) < 0.015
    assert jerk(locked) < 1.3 * jerk(clip)


def test_what_does_not_slide_is_left_alone() -> None:
    pose = rest_pose(skeleton("kinema24"), 30.0)
    bent = pose.rotations.expand(30, -1, -1, -1)
    flying = Motion(pose.skeleton, bent, pose.root + torch.tensor([0.0, 0.5, 0.0]) + torch.zeros(30, 3), 30.0)
    locked = lock_feet(flying, torch.zeros(30, 4, dtype=torch.bool))
    torch.testing.assert_close(locked.points().positions, flying.points().positions, atol=1e-3, rtol=0)
    standing = Motion(pose.skeleton, bent, pose.root.expand(30, 3), 30.0)
    gap = (lock_feet(standing).points().positions - standing.points().positions).norm(dim=-1)
    assert float(gap.max()) < 0.006  # a leg that is quite straight is bent a little


def test_who_slides_on_purpose_may() -> None:
    pose = rest_pose(skeleton("kinema24"), 30.0)
    way = torch.tensor([0.0, 0.0, 0.4]) * torch.arange(60)[:, None] / 30
    skating = Motion(pose.skeleton, pose.rotations.expand(60, -1, -1, -1), pose.root + way, 30.0)
    assert bool(foot_contacts(skating).all())
    locked = lock_feet(skating)
    torch.testing.assert_close(locked.points().positions, skating.points().positions, atol=1e-3, rtol=0)


def test_contacts_are_found_where_they_are_not_given(sliding: tuple[Motion, torch.Tensor]) -> None:
    clip, _ = sliding
    assert worst_slide(lock_feet(clip), settled_contacts(clip)) < 0.001


def test_a_body_without_legs_is_told() -> None:
    chain = Skeleton("chain", ("a", "b"), (-1, 0), torch.tensor([[0.0, 0, 0], [0, 1, 0]]))
    with pytest.raises(UsageError, match=r"knees.*chain.*--map"):
        lock_feet(rest_pose(chain))
    walk = rest_pose(skeleton("kinema24"))
    with pytest.raises(UsageError, match="batch shape"):
        lock_feet(replace(walk, rotations=walk.rotations[None], root=walk.root[None]))
