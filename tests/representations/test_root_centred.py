"""`CentredPositions`: the root's path is taken out, the axes of the world stay."""

from __future__ import annotations

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.geometry.rotations import axis_angle_to_rotmat, rotvec_to_rotmat
from kinema.motion import skeletons as catalog
from kinema.motion.edit import mirror
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.recipes import codec
from kinema.representations.positions import CentredPositionsConfig, RootPositionsConfig

FPS = 50.0


def body() -> Skeleton:
    return catalog.skeleton("canon17")


def motion() -> Motion:
    generator = torch.Generator().manual_seed(3)
    rotations = rotvec_to_rotmat(0.4 * torch.randn(5, 17, 3, generator=generator))
    return Motion(body(), rotations, torch.randn(5, 3, generator=generator), FPS)


def test_positions_come_back_about_a_root_at_the_origin() -> None:
    representation, clip = CentredPositionsConfig(FPS).build(body()), motion()
    features = representation.encode(clip)
    assert features.shape == (5, 48)
    assert representation.width == 48
    assert representation.tokens == 16
    places = clip.points().positions
    torch.testing.assert_close(representation.decode(features).positions, places - places[:, :1])
    torch.testing.assert_close(representation.encode(clip.points()), features)


def test_a_walk_elsewhere_is_the_same_but_a_turn_is_seen() -> None:
    representation, clip = CentredPositionsConfig(FPS).build(body()), motion()
    places = clip.points().positions
    moved = Points(body(), places + torch.tensor([3.0, 1.0, -2.0]), FPS)
    torch.testing.assert_close(representation.encode(moved), representation.encode(clip), atol=1e-5, rtol=0)
    turn = axis_angle_to_rotmat("Y", torch.tensor(1.0))
    turned = representation.encode(Points(body(), places @ turn.T, FPS))
    assert float((turned - representation.encode(clip)).abs().max()) > 0.1


def test_mirrored_features_are_the_features_of_the_mirrored_motion() -> None:
    representation, clip = CentredPositionsConfig(FPS).build(body()), motion()
    expected = representation.encode(mirror(clip.points()))
    torch.testing.assert_close(representation.mirror(representation.encode(clip)), expected)


def test_a_joint_that_is_not_chosen_hangs_on_its_parent() -> None:
    names = [name for name in body().joints if name != "head"]
    representation = CentredPositionsConfig(FPS, joints=tuple(names)).build(body())
    decoded = representation.decode(representation.encode(motion())).positions
    head, neck = body().indices(("head", "neck"))
    torch.testing.assert_close(decoded[:, head] - decoded[:, neck], body().offsets[head].expand(5, 3))


@pytest.mark.parametrize("joints", [("pelvis",), ("pelvis", "l_wrist")])
def test_a_choice_without_mirror_or_joints_is_refused(joints: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="mirror"):
        CentredPositionsConfig(FPS, joints=joints).build(body())


def test_pictures_and_other_rates_are_refused() -> None:
    representation = CentredPositionsConfig(FPS).build(body())
    with pytest.raises(UsageError, match="three"):
        representation.encode(Points(body(), torch.zeros(4, 17, 2), FPS))
    with pytest.raises(UsageError, match="50"):
        representation.encode(Points(body(), torch.zeros(4, 17, 3), 60.0))


def test_rotations_cannot_be_read_off_positions() -> None:
    with pytest.raises(UsageError, match="positions only"):
        RootPositionsConfig(FPS).build(body()).encode(motion().points())


def test_it_is_data() -> None:
    config = CentredPositionsConfig(FPS, joints=("l_hip", "r_hip"), standardise=True)
    assert codec.from_json(codec.to_json(config), CentredPositionsConfig) == config
