"""`Motion` and `Points`: shapes, slices, batches."""

from dataclasses import replace

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.edit import rest_pose
from kinema.motion.motion import Motion, Points, concatenate, stack
from kinema.motion.skeletons import skeleton


@pytest.fixture
def clip() -> Motion:
    body = skeleton("kinema24")
    turns = torch.eye(3).expand(6, len(body), 3, 3)
    return Motion(body, turns, torch.arange(18.0).reshape(6, 3), 20.0, "walk", "set/one")


def test_frames_duration_and_slices(clip):
    assert (clip.frames, clip.duration, clip.batch_shape) == (6, 0.25, torch.Size())
    part = clip[2:5]
    assert part.frames == 3
    assert (part.action, part.identity) == ("walk", "set/one")
    torch.testing.assert_close(part.root, clip.root[2:5])
    assert clip.points()[-1:].frames == 1
    for bad in (slice(3, 3), slice(0, 6, 2)):
        with pytest.raises(UsageError, match="resample"):
            _ = clip[bad]


def test_a_clip_is_shown_in_one_line(clip):
    assert repr(clip) == "<Motion 'set/one': 6 frames at 20 per second, 24 joints of kinema24>"
    assert "batch (2,)" in repr(stack([clip, clip]).points())
    assert repr(clip.skeleton).startswith("<Skeleton 'kinema24': pelvis, ")


def test_points_are_forward_kinematics(clip):
    points = clip.points()
    torch.testing.assert_close(points.positions[:, 0], clip.root)
    bones = points.positions[:, 1:] - points.positions[:, list(clip.skeleton.parents[1:])]
    torch.testing.assert_close(bones.norm(dim=-1), clip.skeleton.bone_lengths[1:].expand(6, -1))
    assert points.points() is points
    assert (points.action, points.identity, points.fps) == ("walk", "set/one", 20.0)


def test_places_are_the_points_of_some_joints(clip):
    turned = rotvec_to_rotmat(torch.linspace(-2, 2, clip.rotations[..., 0].numel()).reshape(6, -1, 3))
    moving = clip.skeleton.offsets + torch.arange(6.0)[:, None, None]
    for motion in (replace(clip, rotations=turned), replace(clip, rotations=turned, offsets=moving)):
        for joints in ([0], [5, 3], clip.skeleton.indices(("r_toe", "l_hip", "r_toe")), range(len(clip.skeleton))):
            wanted = motion.points().positions[..., list(joints), :]
            torch.testing.assert_close(motion.positions_of(joints), wanted, rtol=0, atol=0)


def test_batches_come_apart_and_together(clip):
    both = stack([clip, clip])
    assert both.batch_shape == (2,)
    torch.testing.assert_close(both.points().positions[1], clip.points().positions)
    torch.testing.assert_close(both.one(1).root, clip.root)
    assert both[1:3].root.shape == (2, 2, 3)
    assert both.points().one(0).frames == 6


def test_every_array_follows_a_map(clip):
    moving = replace(clip, offsets=clip.skeleton.offsets + torch.arange(6.0)[:, None, None])
    back = moving.map(lambda values, axis: values.flip(axis))
    torch.testing.assert_close(back.points().positions, moving.points().positions.flip(0))
    some = torch.tensor([[0, 1, 2], [3, 4, 5]])
    windows = moving[some]
    assert (windows.batch_shape, windows.frames) == ((2,), 3)
    torch.testing.assert_close(windows.points().positions, moving.points().positions[some])
    assert windows[some[:, :2] % 3].batch_shape == (2, 2)
    many = moving.expand(4)
    assert (many.batch_shape, many.frames) == ((4,), 6)
    torch.testing.assert_close(many.one(3).points().positions, moving.points().positions)
    sure = Points(clip.skeleton, torch.zeros(6, 24, 2), 20.0, confidence=torch.arange(144.0).reshape(6, 24))
    assert sure[torch.tensor([4])].confidence[0, 0] == 96
    assert stack([sure, sure]).confidence.shape == (2, 6, 24)
    assert stack([moving, clip]).offsets is None  # what one of them lacks


def test_concatenation_wants_one_skeleton_and_one_rate(clip):
    assert concatenate(clip, clip[:2]).frames == 8
    with pytest.raises(UsageError, match="fps"):
        concatenate(clip, rest_pose(clip.skeleton, 30.0))
    with pytest.raises(UsageError, match="cmu38"):
        concatenate(clip, rest_pose(skeleton("cmu38"), 20.0))


@pytest.mark.usefixtures("unchecked")
def test_shapes_that_do_not_fit_are_refused(clip):
    with pytest.raises(UsageError, match="24 joints"):
        Points(clip.skeleton, torch.zeros(5, 23, 3), 30.0)
    with pytest.raises(UsageError, match="root positions"):
        Motion(clip.skeleton, clip.rotations, clip.root[:-1], 30.0)
    with pytest.raises(UsageError, match="at least one"):
        Points(clip.skeleton, torch.zeros(0, 24, 3), 30.0)
    with pytest.raises(UsageError, match="positive frame rate"):
        Points(clip.skeleton, torch.zeros(5, 24, 3), 0.0)
