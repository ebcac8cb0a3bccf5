"""Representations: what goes in comes out, and a mirror is a mirror."""

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.edit import mirror, resample
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton
from kinema.representations.base import Representation, Statistics, root_free
from kinema.representations.positions import RootPositionsConfig
from kinema.representations.rotations import RotationVectorsConfig


def bone_along_x() -> Skeleton:
    """A rig whose bones lie along the joints' own x, as some exporters write them."""
    offsets = torch.tensor([[0, 0, 0], [0.1, 0, 0.2], [0.4, 0, 0], [0.1, 0, -0.2], [0.4, 0, 0], [0.5, 0, 0]])
    return Skeleton("x-rig", ("hip", "l_arm", "l_hand", "r_arm", "r_hand", "head"), (-1, 0, 1, 0, 3, 0), offsets)


def noise(body: Skeleton, frames: int = 7) -> Motion:
    generator = torch.Generator().manual_seed(1)
    turned = rotvec_to_rotmat(0.8 * torch.randn(frames, len(body), 3, generator=generator))
    return Motion(body, turned, torch.randn(frames, 3, generator=generator), 30.0)


@pytest.mark.parametrize("config", [RootPositionsConfig(fps=30.0), RotationVectorsConfig(fps=30.0)])
def test_decode_undoes_encode(config: RootPositionsConfig | RotationVectorsConfig) -> None:
    clip = perform("walk", seconds=1.0, fps=30.0, seed=0)
    representation = config.build(clip.skeleton)
    features = representation.encode(clip)
    assert features.shape == (clip.frames, representation.width) == (clip.frames, 3 * len(clip.skeleton))
    again = representation.decode(features)
    if isinstance(again, Motion):
        assert torch.allclose(again.rotations, clip.rotations, atol=1e-5)
    else:
        assert torch.allclose(again.positions, root_free(clip).points().positions, atol=1e-5)


def test_joints_that_are_not_chosen_are_copied_or_rest() -> None:
    body = skeleton("cmu38")
    clip = noise(body)
    config = RootPositionsConfig(fps=30.0, joints=("LeftLeg", "RightLeg", "Spine1"), copies=(("Neck", "Spine1"),))
    representation = config.build(body)
    points = representation.decode(representation.encode(clip))
    assert isinstance(points, Points)
    assert torch.equal(points.positions[:, body.index("Neck")], points.positions[:, body.index("Spine1")])
    assert torch.equal(points.positions[0, body.index("LeftUpLeg")], points.positions[-1, body.index("LeftUpLeg")])


@pytest.mark.parametrize(
    ("body", "config"),
    [
        (skeleton("kinema24"), RootPositionsConfig(fps=30.0)),
        (skeleton("kinema24"), RotationVectorsConfig(fps=30.0)),
        (skeleton("smpl24"), RotationVectorsConfig(fps=30.0)),
        (bone_along_x(), RotationVectorsConfig(fps=30.0)),
    ],
)
def test_features_mirror_as_clips_do(body: Skeleton, config: RootPositionsConfig | RotationVectorsConfig) -> None:
    clip = noise(body)
    if isinstance(config, RootPositionsConfig):
        clip = root_free(clip)  # the mirror is across the root's own x, which is the world's when it is not turned
    representation: Representation = config.build(body)
    features = representation.encode(clip)
    mirrored = representation.mirror(features)
    expected = representation.encode(mirror(clip))
    assert float(_apart(mirrored, expected)) < 2e-3
    assert float(_apart(representation.mirror(mirrored), features)) < 2e-3


def _apart(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Rotation vectors of nearly half a turn have two forms: compare the rotations."""
    return (rotvec_to_rotmat(a.unflatten(-1, (-1, 3))) - rotvec_to_rotmat(b.unflatten(-1, (-1, 3)))).abs().max()


def test_a_choice_without_the_other_side_is_refused() -> None:
    with pytest.raises(UsageError, match="mirror"):
        RootPositionsConfig(fps=30.0, joints=("l_knee",)).build(skeleton("kinema24"))


def test_another_body_or_rate_is_refused() -> None:
    clip = perform("walk", seconds=1.0, fps=30.0, seed=0)
    with pytest.raises(UsageError, match="skeleton"):
        RootPositionsConfig(fps=30.0).build(skeleton("smpl24")).encode(clip)
    with pytest.raises(UsageError, match="frames per second"):
        RootPositionsConfig(fps=30.0).build(clip.skeleton).encode(resample(clip, 25.0))


def test_standardised_features_have_mean_0_and_deviation_1() -> None:
    representation = RotationVectorsConfig(fps=30.0).build(skeleton("kinema24"))
    features = representation.encode(noise(representation.skeleton, frames=500))
    features[:, 5] = 0.25  # a feature that never moves keeps its scale
    representation.statistics = Statistics.of(features)
    standard = representation.standardise(features)
    assert torch.allclose(standard.mean(0), torch.zeros(representation.width), atol=1e-4)
    assert torch.allclose(standard.std(0)[:5], torch.ones(5), atol=1e-4)
    assert torch.equal(standard[:, 5], torch.zeros(500))
    assert torch.allclose(representation.restore(standard), features, atol=1e-5)
