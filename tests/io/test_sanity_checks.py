"""What `kinema info` finds odd: each warning on a clip that has just that fault, and none on a sound one."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.io.summary import findings
from kinema.motion.edit import rest_pose, shift
from kinema.motion.motion import Motion
from kinema.motion.skeletons import skeleton


@pytest.fixture(scope="module")
def walk() -> Motion:
    return perform("walk", seconds=2.0, fps=30.0, seed=1)


def told(clip: Motion, height: float = 1.7) -> str:
    return "\n".join(findings(clip, "y", height))


def test_a_sound_clip_raises_none(walk: Motion) -> None:
    assert told(walk) == ""
    assert findings(perform("jump", seconds=2.0, fps=30.0, seed=1), "y", 1.7) == []


def test_unit_and_axis(walk: Motion) -> None:
    assert "a height of 170 m is unusual" in told(walk, 170.0)
    assert "0.01 (cm)" in told(walk, 170.0)
    assert "stands along z" in "\n".join(findings(walk, "z", 1.7))


def test_feet_in_the_floor_and_in_the_air(walk: Motion) -> None:
    assert "m below the floor" in told(shift(walk, torch.tensor([0.0, -0.2, 0.0])))
    assert "never come nearer to the floor (y = 0) than 0.4" in told(shift(walk, torch.tensor([0.0, 0.4, 0.0])))


def test_a_root_under_the_floor_is_no_foot(walk: Motion) -> None:
    body = walk.skeleton
    offsets = torch.cat((torch.zeros(1, 3), torch.tensor([[0.0, 1.2, 0.0]]), body.offsets[1:]))
    rooted = type(body)("rooted", ("root", *body.joints), (-1, *(parent + 1 for parent in body.parents)), offsets)
    turns = torch.cat((torch.eye(3).expand(walk.frames, 1, 3, 3), walk.rotations), 1)
    clip = replace(walk, skeleton=rooted, rotations=turns, root=walk.root - torch.tensor([0.0, 1.2, 0.0]))
    assert float(clip.points().positions[:, 0, 1].min()) < -0.2
    assert told(clip) == ""


def test_knees_that_bend_backwards() -> None:
    pose = rest_pose(skeleton("kinema24"))
    bend = torch.eye(3).repeat(20, 24, 1, 1)
    for side in "lr":
        bend[:, pose.skeleton.index(f"{side}_hip")] = rotvec_to_rotmat(torch.tensor([0.6, 0.0, 0.0]))
        bend[:, pose.skeleton.index(f"{side}_knee")] = rotvec_to_rotmat(torch.tensor([-1.2, 0.0, 0.0]))
    clip = Motion(pose.skeleton, bend, pose.root.expand(20, 3), 30.0)
    assert "knees bend backwards: l_knee in 20 frames, r_knee in 20 frames" in told(clip)
    forwards = replace(clip, rotations=bend.mT)
    assert "knees" not in told(forwards)


def test_a_body_that_is_suddenly_elsewhere(walk: Motion) -> None:
    cut = walk.root.clone()
    cut[20:] += torch.tensor([2.0, 0.0, 0.0])
    assert "jumps by 2.0" in told(replace(walk, root=cut))
    assert "at frame 20" in told(replace(walk, root=cut))
    cut[40:] += torch.tensor([0.0, 0.0, 3.0])
    assert "at frame 20 and in 1 more" in told(replace(walk, root=cut))


def test_a_flip(walk: Motion) -> None:
    turns = walk.rotations.clone()
    turns[30, 8] = turns[30, 8] @ rotvec_to_rotmat(torch.tensor([0.0, 2.0, 0.0]))
    assert "2 frames turn a joint by more than 1 rad" in told(replace(walk, rotations=turns))
    turns[31:, 8] = turns[31:, 8] @ rotvec_to_rotmat(torch.tensor([0.0, 2.0, 0.0]))
    assert "1 frame turns a joint by more than 1 rad" in told(replace(walk, rotations=turns))
