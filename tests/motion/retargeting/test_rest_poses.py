"""Another rest pose says the same motion; a T-pose is found for bodies whose files call something else rest."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.edit import rest_pose
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.retargeting.rest_poses import has_t_pose, in_t_pose, resting, with_rest
from kinema.motion.skeletons import skeleton

# Metres: float32 keeps 2.4e-7 m of a place up to 4 m away. Measured: 7e-7 over twelve walks, on three instruction sets.
ROUNDING = 2e-6


def turned(body: Motion, seed: int = 1) -> Motion:
    """A pose in which every joint is turned somehow."""
    random = torch.Generator().manual_seed(seed)
    rotations = rotvec_to_rotmat(torch.randn(1, len(body.skeleton), 3, generator=random))
    return replace(rest_pose(body.skeleton), rotations=rotations)


def along_x() -> Motion:
    """A walk in a file whose bones lie along their own axes at rest, as many exporters write them."""
    walk = perform("walk", seconds=2.0, fps=30.0, seed=3)
    odd = with_rest(walk, turned(walk))
    assert not has_t_pose(odd)
    return odd


def test_joints_stay_where_they_are() -> None:
    walk = perform("walk", seconds=1.0, fps=30.0, seed=3)
    other = with_rest(walk, turned(walk))
    torch.testing.assert_close(other.points().positions, walk.points().positions, atol=ROUNDING, rtol=0)
    torch.testing.assert_close(other.skeleton.bone_lengths, walk.skeleton.bone_lengths, atol=1e-6, rtol=0)
    # The new rest pose is the pose that was asked for.
    here, there = (clip.points().positions[0] for clip in (rest_pose(other.skeleton), turned(walk)))
    torch.testing.assert_close(here - here[0], there - there[0], atol=ROUNDING, rtol=0)


def test_animated_offsets_turn_along() -> None:
    walk = perform("walk", seconds=1.0, fps=30.0, seed=3)
    offsets = walk.skeleton.offsets * torch.linspace(0.9, 1.2, walk.frames)[:, None, None]
    walk = replace(walk, offsets=offsets)
    other = with_rest(walk, turned(walk))
    torch.testing.assert_close(other.points().positions, walk.points().positions, atol=ROUNDING, rtol=0)


def test_a_t_pose_is_found_where_the_rest_pose_says_nothing() -> None:
    odd = along_x()
    found = in_t_pose(odd)
    assert has_t_pose(found)
    torch.testing.assert_close(found.points().positions, odd.points().positions, atol=ROUNDING, rtol=0)
    places, body = rest_pose(found.skeleton).points().positions[0], found.skeleton
    across = places[body.index("l_wrist")] - places[body.index("r_wrist")]
    assert float(across[0]) > 0.99 * float(across.norm())  # it faces +z
    assert float(places[body.index("l_toe"), 2]) > float(places[body.index("l_ankle"), 2]) + 0.02


def test_a_t_pose_is_left_as_it_is() -> None:
    walk = perform("walk", seconds=1.0, fps=30.0, seed=3)
    assert in_t_pose(walk) is walk
    assert has_t_pose(rest_pose(skeleton("smpl24")))
    arms_up = rest_pose(skeleton("h36m32"))
    assert not has_t_pose(arms_up)
    assert has_t_pose(in_t_pose(arms_up))


def test_who_keeps_the_rest_pose() -> None:
    odd = along_x()
    assert resting(odd, "source", has_own=False) is odd
    assert resting(odd, "auto", has_own=True) is odd
    assert has_t_pose(resting(odd, "auto", has_own=False))
    assert has_t_pose(resting(odd, "tpose", has_own=True))
    names = tuple(f"bone{joint}" for joint in range(len(odd.skeleton)))
    nobody = replace(odd, skeleton=replace(odd.skeleton, joints=names, aliases={"pelvis": "bone0"}, mirror=()))
    assert resting(nobody, "auto", has_own=False) is nobody
    with pytest.raises(UsageError, match="four joints"):
        resting(nobody, "tpose", has_own=False)


def test_the_layout_of_the_file_stays_and_other_bodies_are_refused() -> None:
    odd = along_x()
    channels = tuple(() for _ in odd.skeleton.joints)
    layout = FileLayout(odd.skeleton.joints, channels, 0.01, "0.0333333")
    assert in_t_pose(replace(odd, layout=layout)).layout is layout
    with pytest.raises(UsageError, match="a rest pose of"):
        with_rest(odd, rest_pose(skeleton("smpl24")))
