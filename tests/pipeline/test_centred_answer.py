"""A model of positions about the root answers about anybody's recording: it says itself where the body faces."""

from __future__ import annotations

import math

import pytest
import torch

from kinema.data.synthetic import Synthetic
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.models.baselines import ConstantVelocity, ZeroVelocity
from kinema.motion import skeletons as catalog
from kinema.motion.edit import facing
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.bone_directions import retarget_pose
from kinema.pipeline.pipeline import Pipeline
from kinema.representations.positions import CentredPositionsConfig


def walk(skeleton: str) -> Motion:
    source = Synthetic(clips_per_action=1, seconds=4.0, fps=60.0, actions=("walk",))
    return retarget(next(iter(source.clips("train"))), catalog.skeleton(skeleton), by="directions")[:100]


def run(model: type[ZeroVelocity | ConstantVelocity]) -> Pipeline:
    representation = CentredPositionsConfig(50.0).build(catalog.skeleton("canon17"))
    return Pipeline.of("still", model(), representation, observed=25, trained=100)


@pytest.mark.parametrize("skeleton", ["kinema24", "cmu38", "smpl24"])
def test_a_body_that_is_forecast_to_stand_still_stands_as_it_was_last_seen(skeleton: str) -> None:
    clip = walk(skeleton)
    answer = run(ZeroVelocity).forecast(clip, seconds=1.0, feet="keep").samples.one(0)
    assert answer.frames == 60
    turned = answer.rotations.transpose(-1, -2) @ clip.rotations[-1:]
    torch.testing.assert_close(turned, torch.eye(3).expand_as(turned), atol=1e-4, rtol=0)


@pytest.mark.parametrize("skeleton", ["kinema24", "cmu38"])
def test_a_turn_that_the_model_forecasts_is_made(skeleton: str) -> None:
    clip = walk(skeleton)
    canon = catalog.skeleton("canon17")
    observed = retarget(clip, canon, by="directions")
    last = CentredPositionsConfig(60.0).build(canon)
    angles = torch.linspace(0, math.pi / 2, 31)[1:]
    still = last.decode(last.encode(observed[-1:])).positions
    turning = still @ axis_angle_to_rotmat("Y", angles).transpose(-1, -2)
    ahead = retarget_pose(type(observed.points())(canon, turning, 60.0), clip, turned=True)
    made = torch.remainder(facing(ahead) - facing(clip[-1:]) + math.pi, 2 * math.pi) - math.pi
    torch.testing.assert_close(made, angles, atol=0.02, rtol=0)


def test_samples_have_the_users_rate_and_skeleton() -> None:
    clip = walk("cmu38")
    answer = run(ConstantVelocity).forecast(clip, seconds=0.5, samples=3)
    assert answer.samples.rotations.shape == (3, 30, 38, 3, 3)
    assert answer.samples.fps == clip.fps
    assert torch.isfinite(answer.samples.points().positions).all()
