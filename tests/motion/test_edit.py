"""Editing clips: rate, mirror, heading, length, floor."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation, Slerp

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion import edit
from kinema.motion.motion import FileLayout, Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import SKELETONS, skeleton

SYMMETRIC = sorted(set(SKELETONS) - {"cmu38", "h36m32"})


def wild(body: Skeleton, frames: int = 9, fps: float = 30.0, *, seed: int = 0, batch: tuple[int, ...] = ()) -> Motion:
    """Every joint turns smoothly about an axis of its own."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(*batch, 1, len(body), 3, generator=generator)
    time = torch.arange(frames)[:, None, None] / fps
    turns = rotvec_to_rotmat(axes * torch.sin(3 * time + axes.sum(-1, keepdim=True)))
    root = torch.randn(*batch, 1, 3, generator=generator) + time[:, 0] * torch.randn(*batch, 1, 3, generator=generator)
    return Motion(body, turns, root, fps)


def limb_frames() -> Skeleton:
    """Bones along local axes, right limbs the left ones inverted, as in Bandai's files."""
    joints = ("Hips", "Spine", "Shoulder_L", "Arm_L", "Shoulder_R", "Arm_R", "Thigh_L", "Shin_L", "Thigh_R", "Shin_R")
    offsets = [
        [0, 0, 0], [0.2, 0, 0], [0.2, 0, 0.1], [0.3, 0.01, 0.02], [0.2, 0, -0.1], [-0.3, -0.01, -0.02],
        [-0.02, -0.1, 0], [0.4, 0, 0], [-0.02, 0.1, 0], [-0.4, 0, 0],
    ]  # fmt: skip
    return Skeleton("limbs", joints, (-1, 0, 1, 2, 1, 4, 0, 6, 0, 8), torch.tensor(offsets))


# Resampling


def test_the_same_rate_is_the_same_clip():
    clip = wild(skeleton("canon17"))
    assert edit.resample(clip, 30.0) is clip


@pytest.mark.parametrize(("old", "new"), [(120.0, 60.0), (120.0, 25.0), (60.0, 24.0), (30.0, 120.0), (29.97, 30.0)])
@pytest.mark.parametrize("frames", [1, 2, 50, 121])
def test_duration_is_kept_and_common_times_are_exact(old, new, frames):
    clip = wild(skeleton("canon17"), frames, old)
    out = edit.resample(clip, new)
    assert out.fps == new
    assert out.duration <= clip.duration + 1e-6 < out.duration + 1 / new + 2e-6
    times = torch.arange(out.frames, dtype=torch.float64) / new * old
    common = [(i, round(float(t))) for i, t in enumerate(times) if abs(float(t) - round(float(t))) < 1e-7]
    assert (0, 0) in common
    for there, here in common:
        assert torch.equal(out.rotations[there], clip.rotations[here])
        assert torch.equal(out.root[there], clip.root[here])


def test_frames_between_are_slerp_and_straight_lines():
    clip = wild(skeleton("canon17"), 25, 60.0)
    out = edit.resample(clip, 25.0)
    joint, times = 4, torch.arange(out.frames) / 25.0
    slerp = Slerp(torch.arange(25).double().numpy() / 60.0, Rotation.from_matrix(clip.rotations[:, joint].numpy()))
    expected = torch.tensor(slerp(times.double().numpy().clip(0, 24 / 60)).as_matrix())
    torch.testing.assert_close(out.rotations[:, joint].double(), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(out.root[1], clip.root[2] * 0.6 + clip.root[3] * 0.4)


def test_a_rounded_frame_time_is_the_rate_that_it_means():
    clip = wild(skeleton("canon17"), 121, 1 / 0.008333)  # 120.0048
    assert torch.equal(edit.resample(clip, 60.0).root, clip.root[::2])
    near = edit.resample(clip, 120.0)
    assert near.fps == 120.0
    assert torch.equal(near.root, clip.root)


def test_points_batches_offsets_and_layout_follow():
    clip = wild(skeleton("kinema24"), 13, 60.0, batch=(2, 3))
    moving = clip.skeleton.offsets * torch.linspace(1, 2, 13)[:, None, None]
    layout = FileLayout(clip.skeleton.joints, ((),) * 24, 0.01, "0.0166667")
    clip = Motion(
        clip.skeleton, clip.rotations, clip.root, 60.0, offsets=moving.expand(2, 3, -1, -1, -1), layout=layout
    )
    out = edit.resample(clip, 30.0)
    assert out.rotations.shape == (2, 3, 7, 24, 3, 3)
    assert torch.equal(out.offsets, clip.offsets[:, :, ::2])
    assert float(out.layout.frame_time) == pytest.approx(1 / 30, rel=1e-6)
    points = edit.resample(clip.points(), 40.0)
    assert points.positions.shape == (2, 3, 9, 24, 3)
    middle = clip.points().positions[:, :, 1:3].mean(2)
    torch.testing.assert_close(points.positions[:, :, 1], middle)


def test_a_rate_that_is_none_is_refused():
    for fps in (0.0, -5.0, math.nan, math.inf):
        with pytest.raises(UsageError, match="positive frame rate"):
            edit.resample(wild(skeleton("canon17")), fps)


# Mirror


@pytest.mark.parametrize("body", [*map(skeleton, sorted(SKELETONS)), limb_frames()], ids=lambda body: body.name)
def test_mirror_twice_is_the_identity(body):
    clip = wild(body, batch=(2,))
    twice = edit.mirror(edit.mirror(clip))
    torch.testing.assert_close(twice.rotations, clip.rotations)
    torch.testing.assert_close(twice.root, clip.root)
    points = clip.points()
    torch.testing.assert_close(edit.mirror(edit.mirror(points)).positions, points.positions)


@pytest.mark.parametrize("body", [*map(skeleton, SYMMETRIC), limb_frames()], ids=lambda body: body.name)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_mirroring_rotations_is_mirroring_positions(body, seed):
    clip = wild(body, 3, seed=seed)
    mirrored = edit.mirror(clip)
    torch.testing.assert_close(torch.linalg.det(mirrored.rotations), torch.ones(3, len(body)))
    torch.testing.assert_close(mirrored.points().positions, edit.mirror(clip.points()).positions, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["cmu38", "h36m32"])
def test_real_bodies_are_not_quite_symmetric(name):
    clip = wild(skeleton(name), 3)
    gap = (edit.mirror(clip).points().positions - edit.mirror(clip.points()).positions).norm(dim=-1).max()
    assert gap < 0.08


def test_animated_offsets_are_mirrored_too():
    clip = wild(skeleton("kinema24"), 5)
    moving = clip.skeleton.offsets + 0.1 * torch.randn(5, 24, 3, generator=torch.Generator().manual_seed(1))
    clip = Motion(clip.skeleton, clip.rotations, clip.root, 30.0, offsets=moving)
    torch.testing.assert_close(
        edit.mirror(clip).points().positions, edit.mirror(clip.points()).positions, atol=1e-5, rtol=0
    )


def test_pictures_are_mirrored_across_the_middle():
    points = Points(skeleton("coco17"), torch.randn(2, 17, 2, generator=torch.Generator().manual_seed(0)), 30.0)
    mirrored = edit.mirror(points)
    left, right = points.skeleton.indices(("left_wrist", "right_wrist"))
    torch.testing.assert_close(mirrored.positions[:, left], points.positions[:, right] * torch.tensor([-1.0, 1.0]))


# Heading and place


@pytest.mark.parametrize("name", ["kinema24", "cmu38", "coco17", "humaneva15"])
def test_facing_is_the_angle_that_a_body_was_turned_by(name):
    rest = edit.rest_pose(skeleton(name))
    assert float(edit.facing(rest)[0]) == pytest.approx(0, abs=0.05)
    for angle in (-3.0, -1.0, 0.5, 2.0):
        turned = edit.rotate(rest, torch.tensor(angle))
        assert float(edit.facing(turned)[0] - edit.facing(rest)[0]) == pytest.approx(angle, abs=1e-4)
        assert float(edit.facing(turned.points())[0]) == pytest.approx(float(edit.facing(turned)[0]), abs=1e-5)


def test_a_body_that_faces_plus_x_has_a_quarter_turn():
    turned = edit.rotate(edit.rest_pose(skeleton("kinema24")), torch.tensor(math.pi / 2))
    toes = (
        turned.points().positions[0, turned.skeleton.index("l_toe")]
        - turned.points().positions[0, turned.skeleton.index("l_ankle")]
    )
    assert toes[0] > 0.15
    assert float(edit.facing(turned)[0]) == pytest.approx(math.pi / 2, abs=1e-5)


def test_a_skeleton_without_sides_has_no_front():
    chain = Skeleton("chain", ("a", "b"), (-1, 0), torch.tensor([[0.0, 0, 0], [0, 1, 0]]))
    with pytest.raises(UsageError, match="l_hip"):
        edit.facing(edit.rest_pose(chain))


def test_face_forward_turns_and_moves_but_changes_nothing_else():
    clip = wild(skeleton("kinema24"), batch=(3,))
    out = edit.face_forward(clip)
    torch.testing.assert_close(edit.facing(out)[:, 0], torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.root[:, 0, [0, 2]], torch.zeros(3, 2), atol=1e-6, rtol=0)
    torch.testing.assert_close(out.root[..., 1], clip.root[..., 1])
    torch.testing.assert_close(out.rotations[..., 1:, :, :], clip.rotations[..., 1:, :, :])
    steps, before = out.root.diff(dim=1).norm(dim=-1), clip.root.diff(dim=1).norm(dim=-1)
    torch.testing.assert_close(steps, before)
    torch.testing.assert_close(edit.face_forward(clip.points()).positions, out.points().positions, atol=1e-5, rtol=0)


def test_a_t_pose_has_its_arms_sideways():
    for name in ("h36m32", "kinema24", "cmu38"):
        body = skeleton(name)
        place = edit.t_pose(body).points().positions[0, body.indices(("l_wrist", "l_shoulder", "r_wrist"))]
        assert place[0, 0] > place[1, 0] + 0.4 > 0.4
        assert place[2, 0] < -0.6
        assert abs(float(place[0, 1] - place[1, 1])) < 0.01


def test_rest_pose_stands_on_the_floor():
    for name in SKELETONS:
        assert float(edit.rest_pose(skeleton(name)).points().positions[..., 1].min()) == pytest.approx(0, abs=1e-6)


# Length


def test_trim_keeps_the_frames_between_two_times():
    clip = wild(skeleton("canon17"), 31, 30.0)
    assert edit.trim(clip).frames == 31
    part = edit.trim(clip, 0.1, 0.5)
    assert torch.equal(part.root, clip.root[3:16])
    assert edit.trim(clip.points(), 0.99).frames == 1
    for start, end in ((0.5, 0.2), (-1.0, None), (5.0, None), (0.01, 0.02)):
        with pytest.raises(UsageError, match="inside the clip"):
            edit.trim(clip, start, end)
