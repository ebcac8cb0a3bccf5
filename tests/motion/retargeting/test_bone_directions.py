"""Motion on another body, and a forecast that goes on from an observed motion."""

import math

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion.edit import facing, mirror, resample, rest_pose, rotate
from kinema.motion.motion import Motion, Points, concatenate
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.bone_directions import leg_length, retarget_pose
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton
from kinema.representations.base import root_free
from kinema.representations.positions import RootPositions

FEET = ("l_ankle", "r_ankle", "l_toe", "r_toe")


@pytest.fixture(scope="module")
def walk() -> Motion:
    return resample(perform("walk", seconds=4.0, fps=50.0, seed=2), 25.0)


def bone(clip: Motion, start: str, end: str) -> torch.Tensor:
    points = clip.points().positions
    both = clip.skeleton.indices((start, end))
    return torch.nn.functional.normalize(points[..., both[1], :] - points[..., both[0], :], dim=-1)


def knee_bend(clip: Motion) -> torch.Tensor:
    """How far the shins point behind the thighs: positive where knees bend as knees do."""
    forward = torch.stack((facing(clip).sin(), torch.zeros(clip.frames), facing(clip).cos()), -1)
    return torch.stack(
        [
            ((bone(clip, f"{s}_hip", f"{s}_knee") - bone(clip, f"{s}_knee", f"{s}_ankle")) * forward).sum(-1)
            for s in "lr"
        ]
    )


# retarget


def test_the_same_body_gives_the_motion_back(walk):
    same = retarget(walk, walk.skeleton, by="directions")
    assert same.rotations is walk.rotations


@pytest.mark.parametrize("name", ["cmu38", "h36m32", "h36m17", "smpl24", "smplx55", "lafan22", "bandai21", "canon17"])
def test_there_and_back(walk, name):
    there = retarget(walk, skeleton(name), by="directions")
    back = retarget(there, walk.skeleton, by="directions")
    for start, end in (("l_hip", "l_knee"), ("r_knee", "r_ankle"), ("l_shoulder", "l_elbow"), ("r_elbow", "r_wrist")):
        assert (bone(there, start, end) * bone(walk, start, end)).sum(-1).min() > 0.999
        assert (bone(back, start, end) * bone(walk, start, end)).sum(-1).min() > 0.999
    assert (facing(there) - facing(walk)).abs().max() < 0.15
    assert knee_bend(there).min() > -0.1
    assert knee_bend(there).max() > 0.5
    ratio = leg_length(skeleton(name)) / leg_length(walk.skeleton)
    way, expected = (there.root[-1] - there.root[0]).norm(), (walk.root[-1] - walk.root[0]).norm() * ratio
    assert float(way) == pytest.approx(float(expected), rel=0.05)
    # Mid-hips come back to where they were, so feet that stood still stand.
    hips = walk.skeleton.indices(("l_hip", "r_hip"))
    gap = (back.points().positions - walk.points().positions)[:, hips].mean(1)
    assert gap.norm(dim=-1).max() < 1e-3


def test_left_stays_left(walk):
    cmu = skeleton("cmu38")
    one, other = retarget(mirror(walk), cmu, by="directions"), mirror(retarget(walk, cmu, by="directions"))
    for start, end in (("l_shoulder", "l_elbow"), ("r_knee", "r_ankle")):
        assert (bone(one, start, end) * bone(other, start, end)).sum(-1).min() > 0.99


def test_a_joint_above_the_pelvis_does_no_harm(walk):
    body = walk.skeleton
    joints, parents = ("World", *body.joints), (-1, *(parent + 1 for parent in body.parents))
    offsets = torch.cat((torch.zeros(1, 3), body.offsets))
    taller = Skeleton("world", joints, parents, offsets, aliases=dict(body.aliases))
    there = retarget(walk, taller, by="directions")
    assert (there.points().positions[:, 1:] - walk.points().positions).norm(dim=-1).max() < 5e-3


def test_too_few_common_joints_are_named(walk):
    chain = Skeleton("chain", ("a", "b"), (-1, 0), torch.tensor([[0.0, 0, 0], [0, 1, 0]]))
    with pytest.raises(UsageError, match="chain"):
        retarget(walk, chain, by="directions")
    with pytest.raises(UsageError, match="knees"):
        leg_length(chain)


# carry


def continued(clip: Motion, start: int, frames: int, body: Skeleton) -> tuple[Motion, Motion, Motion]:
    """The past, the truth after it, and what `retarget_pose` makes of the true poses as seen on another body."""
    model_body = retarget(clip[start : start + frames], body, by="directions")
    representation = RootPositions(body, clip.fps, body.joints)
    pose = representation.decode(representation.encode(model_body))
    return clip[:start], clip[start : start + frames], retarget_pose(pose, clip[:start])


@pytest.mark.parametrize("name", ["kinema24", "cmu38", "smpl24"])
@pytest.mark.parametrize("start", [40, 48, 55])
def test_a_walk_walks_on(walk, name, start):
    past, truth, ahead = continued(walk, start, 25, skeleton(name))
    assert ahead.skeleton is walk.skeleton
    assert ahead.frames == 25
    speed, expected = ((clip.root[-1] - past.root[-1])[[0, 2]].norm() for clip in (ahead, truth))
    assert float(speed) == pytest.approx(float(expected), rel=0.3)
    across = (ahead.root[-1] - truth.root[-1])[[0, 2]].norm()
    assert across < 0.4 * expected
    # The path is continuous, upwards as well.
    whole = concatenate(past[-3:], ahead)
    steps = whole.root.diff(dim=0)
    true_steps = concatenate(past[-3:], truth).root.diff(dim=0)
    assert steps[:, 1].abs().max() < 1.3 * true_steps[:, 1].abs().max()
    assert steps.diff(dim=0).norm(dim=-1).max() < 0.03
    joints = whole.points().positions.diff(dim=0).norm(dim=-1)
    assert joints[2].max() < 1.2 * max(joints[1].max(), joints[3].max()) + 0.005
    assert (ahead.root - truth.root)[:, 1].abs().max() < 0.02


@pytest.mark.parametrize("start", [40, 48, 55])
def test_feet_that_stand_do_not_slide(walk, start):
    past, truth, ahead = continued(walk, start, 25, skeleton("cmu38"))
    feet = ahead.skeleton.indices(FEET)
    floor = past.points().positions[:, feet, 1].unflatten(-1, (2, 2)).amin((0, 2)).repeat_interleave(2)
    place = ahead.points().positions[:, feet]
    above = place[..., 1] - floor
    assert above.amin(-1).abs().max() < 0.01  # some foot is always on the floor, and none is below it
    moved = place.diff(dim=0)[..., [0, 2]].norm(dim=-1)
    still = moved.amin(-1)
    assert still.max() < 0.01
    assert truth.frames == 25


def test_someone_who_stands_stays(walk):
    rest = rest_pose(walk.skeleton, 25.0)
    still = Motion(rest.skeleton, rest.rotations.expand(30, -1, -1, -1), rest.root.expand(30, 3), 25.0)
    past, _, ahead = continued(rotate(still, torch.tensor(2.0)), 10, 20, skeleton("cmu38"))
    gap = ahead.points().positions - past.points().positions[-1]
    assert gap.norm(dim=-1).max() < 1e-3


def test_a_leap_flies_on_and_lands():
    rest = rest_pose(skeleton("kinema24"), 50.0)
    time = torch.arange(60) / 50.0
    # Ballistic from frame 10: up at 2.5 m/s, forwards at 2 m/s; then on the ground.
    height = (2.5 * (time - 0.2) - 0.5 * 9.81 * (time - 0.2) ** 2).clamp(min=0) * (time > 0.2)
    root = rest.root + torch.stack((0 * time, height, 2.0 * time.clamp(max=0.71)), -1)
    leap = Motion(rest.skeleton, rest.rotations.expand(60, -1, -1, -1), root, 50.0)
    past, truth, ahead = continued(leap, 20, 40, skeleton("kinema24"))
    assert past.root[-1, 1] > rest.root[0, 1] + 0.2
    flight = truth.root[:, 1] > rest.root[0, 1] + 0.05
    assert (ahead.root - truth.root)[flight].abs().max() < 0.06
    assert float(ahead.root[-1, 1]) == pytest.approx(float(rest.root[0, 1]), abs=0.01)


def test_samples_are_a_batch(walk):
    past, _, alone = continued(walk, 40, 25, skeleton("cmu38"))
    model_body = retarget(walk[40:65], skeleton("cmu38"), by="directions")
    pose = root_free(model_body).points()
    samples = Points(pose.skeleton, pose.positions.expand(3, -1, -1, -1), pose.fps)
    ahead = retarget_pose(samples, past)
    assert ahead.rotations.shape == (3, 25, 24, 3, 3)
    torch.testing.assert_close(ahead.root[2], alone.root, atol=1e-4, rtol=0)
    assert retarget_pose(root_free(model_body), past).root.shape == (25, 3)


def test_one_observed_frame_is_enough(walk):
    pose = root_free(retarget(walk[41:60], skeleton("cmu38"), by="directions")).points()
    ahead = retarget_pose(pose, walk[40:41])
    assert torch.isfinite(ahead.root).all()
    assert (ahead.root[0] - walk.root[40]).norm() < 0.1


def test_the_world_may_be_turned(walk):
    pose = root_free(retarget(walk[40:65], skeleton("cmu38"), by="directions")).points()
    here = retarget_pose(pose, walk[:40])
    there = retarget_pose(pose, rotate(walk[:40], torch.tensor(math.pi / 3)))
    torch.testing.assert_close(rotate(here, torch.tensor(math.pi / 3)).root, there.root, atol=1e-3, rtol=0)


def test_rates_must_agree(walk):
    with pytest.raises(UsageError, match="25 frames per second"):
        retarget_pose(resample(walk.points(), 50.0), walk)
