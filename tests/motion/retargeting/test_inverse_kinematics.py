"""Inverse kinematics: positions to rotations."""

import math

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import angle_between, rotvec_to_rotmat
from kinema.motion.edit import rest_pose
from kinema.motion.motion import Motion, Points
from kinema.motion.retargeting.inverse_kinematics import fit_rotations, match_joints
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import SKELETONS, skeleton

ROTATABLE = sorted(set(SKELETONS) - {"coco17", "body25"})


def lively(body: Skeleton, frames: int = 12, *, seed: int = 0, batch: tuple[int, ...] = ()) -> Motion:
    """Moderate turns of every joint, a large one of the root."""
    generator = torch.Generator().manual_seed(seed)
    axes = torch.randn(*batch, 1, len(body), 3, generator=generator) * 0.4
    axes[..., 0, :] *= 4
    time = torch.linspace(0, 2, frames)[:, None, None]
    turns = rotvec_to_rotmat(axes * torch.sin(time + axes.sum(-1, keepdim=True)))
    return Motion(body, turns, torch.randn(*batch, frames, 3, generator=generator), 30.0)


def bone(points: Points, start: str, end: str) -> torch.Tensor:
    both = points.positions[..., points.skeleton.indices((start, end)), :]
    return torch.nn.functional.normalize(both[..., 1, :] - both[..., 0, :], dim=-1)


@pytest.mark.parametrize("name", ROTATABLE)
def test_positions_are_met_where_all_joints_are_known(name):
    clip = lively(skeleton(name), batch=(2,))
    for reference in (clip, None):
        found = fit_rotations(clip.points(), clip.skeleton, reference=reference)
        assert found.rotations.shape == clip.rotations.shape
        error = (found.points().positions - clip.points().positions).norm(dim=-1)
        assert error.max() < 1e-3
        identity = found.rotations @ found.rotations.transpose(-1, -2)
        torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=1e-4, rtol=0)


def test_a_static_twist_is_kept():
    body = skeleton("kinema24")
    twist = torch.zeros(len(body), 3)
    for joint, axis in (("l_elbow", 0), ("r_knee", 1), ("head", 1), ("l_wrist", 0)):
        twist[body.index(joint), axis] = 0.8
    pose = rotvec_to_rotmat(twist).expand(5, -1, -1, -1)
    clip = Motion(body, pose, torch.zeros(5, 3), 30.0)
    found = fit_rotations(clip.points(), body, reference=clip)
    assert angle_between(found.rotations, clip.rotations).max() < 2e-3
    plain = fit_rotations(clip.points(), body)
    assert angle_between(plain.rotations, clip.rotations).max() > 0.5


def test_the_reference_is_its_last_frame():
    clip = lively(skeleton("kinema24"))
    found = fit_rotations(clip.points(), clip.skeleton, reference=clip)
    assert angle_between(found.rotations[-1], clip.rotations[-1]).max() < 0.02


def test_an_arm_raised_past_the_opposite_of_its_reference_does_not_flip():
    body = skeleton("kinema24")
    frames, shoulder = 60, body.index("l_shoulder")
    swing = torch.zeros(frames, len(body), 3)
    # From hanging (-z by a quarter turn) forwards and up until it points up and a little past it.
    angle = torch.linspace(0, math.pi + 0.2, frames)
    hang = rotvec_to_rotmat(torch.tensor([0.0, 0.0, -math.pi / 2]))
    turns = rotvec_to_rotmat(swing)
    turns[:, shoulder] = rotvec_to_rotmat(torch.stack((-angle, 0.05 * angle, 0 * angle), -1)) @ hang
    clip = Motion(body, turns, torch.zeros(frames, 3), 30.0)
    found = fit_rotations(clip.points(), body, reference=clip[:1])
    steps = angle_between(found.rotations[1:, shoulder], found.rotations[:-1, shoulder])
    assert steps.max() < 3 * (math.pi + 0.2) / frames
    assert angle_between(found.rotations[:1, shoulder], clip.rotations[:1, shoulder]).max() < 5e-3


@pytest.mark.parametrize("action", ["walk", "wave", "squat"])
def test_synthetic_motion_turns_smoothly(action):
    clip = perform(action, seconds=2.0, fps=30.0, seed=1)
    found = fit_rotations(clip.points(), clip.skeleton, reference=clip)
    assert (found.points().positions - clip.points().positions).norm(dim=-1).max() < 1e-3
    truth = angle_between(clip.rotations[1:], clip.rotations[:-1]).max()
    assert angle_between(found.rotations[1:], found.rotations[:-1]).max() < truth + 0.15


def test_another_body_is_followed_by_the_directions_of_its_bones():
    clip = lively(skeleton("smpl24"), batch=(2, 2))
    found = fit_rotations(clip.points(), skeleton("kinema24"))
    assert found.rotations.shape == (2, 2, 12, 24, 3, 3)
    here, there = clip.points(), found.points()
    for start, end in (("l_knee", "l_ankle"), ("r_elbow", "r_wrist"), ("l_hip", "l_knee"), ("l_ankle", "l_toe")):
        directions = []
        for points in (here, there):
            bone = (
                points.positions[..., points.skeleton.index(end), :]
                - points.positions[..., points.skeleton.index(start), :]
            )
            directions.append(torch.nn.functional.normalize(bone, dim=-1))
        assert (directions[0] * directions[1]).sum(-1).min() > 0.9999
    torch.testing.assert_close(there.positions[..., 0, :], here.positions[..., 0, :])


def test_coco_has_no_pelvis_and_still_stands():
    pose = rest_pose(skeleton("kinema24"))
    source, coco = pose.points(), skeleton("coco17")
    named = [source.skeleton.index(name) for name in ("head", "head", "head", "head", "head")]
    limbs = [source.skeleton.index(f"{side}_{part}") for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in "lr"]  # fmt: skip  # noqa: E501
    points = Points(coco, source.positions[:, named + limbs], 30.0)
    found = fit_rotations(points, pose.skeleton)
    ours = [source.skeleton.index(f"{side}_{part}") for part in ("hip", "knee", "ankle", "wrist") for side in "lr"]
    assert (found.points().positions[:, ours] - source.positions[:, ours]).norm(dim=-1).max() < 0.02
    assert "head" in match_joints(coco, pose.skeleton).unmatched


def test_degenerate_points_give_finite_rotations():
    body = skeleton("kinema24")
    nothing = Points(body, torch.zeros(4, 24, 3), 30.0)
    assert torch.isfinite(fit_rotations(nothing, body).rotations).all()
    folded = lively(body).points()
    folded.positions[2:5, 8:11] = folded.positions[2:5, 7:8]
    assert torch.isfinite(fit_rotations(folded, body).rotations).all()
    one = lively(body, 1)
    assert fit_rotations(one.points(), body).frames == 1


def test_matching_is_by_tree_then_by_canonical_name():
    kin, cmu = skeleton("kinema24"), skeleton("cmu38")
    assert match_joints(kin, kin).unmatched == ()
    match = match_joints(cmu, kin)
    assert match.sources[kin.index("neck")] == (cmu.joints.index("Neck1"),)
    assert match.unmatched == ("l_clavicle", "r_clavicle")


def test_what_cannot_be_done_is_said():
    kin = skeleton("kinema24")
    with pytest.raises(UsageError, match="three dimensions"):
        fit_rotations(Points(kin, torch.zeros(2, 24, 2), 30.0), kin)
    chain = Skeleton("chain", ("a", "b"), (-1, 0), torch.tensor([[0.0, 0, 0], [0, 1, 0]]))
    with pytest.raises(UsageError, match="chain"):
        fit_rotations(rest_pose(chain).points(), kin)
    with pytest.raises(UsageError, match="Retarget the reference"):
        fit_rotations(rest_pose(kin).points(), kin, reference=rest_pose(skeleton("cmu38")))
