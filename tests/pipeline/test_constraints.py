"""Futures of which something is known: held parts stay, ends are met without a leap, and the rest still varies."""

from __future__ import annotations

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion import skeletons as catalog
from kinema.motion.edit import facing, rotate
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.pipeline.forecasting import ENDING, PARTS, ForecastConstraints
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.train import Means, train
from kinema.recipes import recipe


@pytest.fixture(scope="module")
def smrnet(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    small = recipe("smrnet").tiny().with_steps(4)
    return open_pipeline(train(small, tmp_path_factory.mktemp("runs") / "run", means=Means(device="cpu")))


def clip(action: str = "walk", seed: int = 1) -> Motion:
    return perform(action, seconds=1.6, fps=30.0, seed=seed)


def about_the_root(motion: Motion, joints: tuple[str, ...]) -> torch.Tensor:
    positions = motion.points().positions
    return positions[..., motion.skeleton.indices(joints), :] - positions[..., :1, :]


def test_every_part_names_joints_of_the_canonical_body() -> None:
    body = catalog.skeleton("canon17")
    assert {joint for part in PARTS.values() for joint in part} == set(body.joints) - {"pelvis"}
    assert set(PARTS["lower"]).isdisjoint(PARTS["upper"])


def test_a_held_arm_keeps_its_bones_directions_and_the_rest_moves(smrnet: Pipeline) -> None:
    past = clip()
    free = smrnet.forecast(past, seconds=1.0, samples=4, seed=3).samples
    held = smrnet.forecast(past, seconds=1.0, samples=4, seed=3, hold=("left_arm",)).samples

    def forearm(motion: Motion) -> torch.Tensor:
        places = about_the_root(motion, ("l_elbow", "l_wrist"))
        return torch.nn.functional.normalize(places[..., 1, :] - places[..., 0, :], dim=-1)

    last = forearm(past[-1:])
    moved = (forearm(held) - last).norm(dim=-1).max()
    assert moved < 0.01
    assert (forearm(free) - last).norm(dim=-1).max() > 2 * moved
    assert about_the_root(held, ("r_wrist",)).std(0).max() > 1e-4


def test_all_futures_end_in_the_pose_and_do_not_leap_into_it(smrnet: Pipeline) -> None:
    past, end = clip(), rotate(clip("wave", 2), torch.tensor(2.0))
    found = smrnet.forecast(past, seconds=1.0, samples=4, seed=3, end=end).samples
    joints = ("l_knee", "r_ankle", "l_wrist", "r_wrist", "head")
    pose = rotate(end[-1:], (facing(past[-1:]) - facing(end[-1:]))[0])
    expected = about_the_root(retarget(pose, past.skeleton, by="directions"), joints)
    stays = round(ENDING * found.fps) - 2
    reached = about_the_root(found, joints)[:, -stays:]
    torch.testing.assert_close(reached, expected.expand_as(reached), atol=0.03, rtol=0)
    steps = about_the_root(found, joints).diff(dim=1).norm(dim=-1)
    into = steps[:, -stays - 4 :].max()
    assert into < 2 * steps[:, : -stays - 4].max()
    assert about_the_root(found, joints)[:, 10].std(0).max() > 1e-4


def test_no_wish_is_the_plain_answer(smrnet: Pipeline) -> None:
    plain = smrnet.forecast(clip(), seconds=0.5, samples=2, seed=5).samples
    wished = smrnet.forecast(clip(), seconds=0.5, samples=2, seed=5, hold=()).samples
    assert torch.equal(plain.rotations, wished.rotations)


@pytest.mark.parametrize("model", ["zero-velocity", "simlpe-cmu"])
def test_models_that_go_on_from_the_past_alone_refuse(model: str) -> None:
    with pytest.raises(UsageError, match="constraints on the future") as refused:
        open_pipeline(model).forecast(clip(), hold=("torso",))
    assert model in str(refused.value)


def test_an_unknown_part_is_answered_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="left_arm"):
        ForecastConstraints(hold=("left_arn",))
