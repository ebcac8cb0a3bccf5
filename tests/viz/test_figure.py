"""What is drawn of a skeleton: sides, limbs, head, trunk, for every body of the catalogue."""

import numpy as np
import pytest
import torch

from kinema.geometry.kinematics import forward_kinematics
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import SKELETONS, skeleton
from kinema.viz.figure import figure_of, sides_of, space


def rest(body: Skeleton, *, scale: float = 1.0) -> Points:
    still = torch.eye(3).expand(len(body), 3, 3)
    places, _ = forward_kinematics(still, torch.zeros(3), body.offsets * scale, body.parents)
    return Points(body, places[None].repeat(2, 1, 1), 25.0)


@pytest.mark.parametrize("name", SKELETONS)
def test_every_body_has_four_limbs_and_a_head(name: str) -> None:
    figure = figure_of(rest(skeleton(name)))
    sides = [chain.side for chain in figure.chains]
    assert sides.count("left") >= 2
    assert sides.count("right") >= 2
    assert figure.head is not None
    assert figure.trunk is not None
    assert 1.3 < figure.stature < 2.2
    assert all(0 < bone.radius_joint < 0.04 * figure.stature for bone in figure.bones)


@pytest.mark.parametrize("name", ["smplh52", "smplx55"])
def test_fingers_do_not_clutter_the_hand(name: str) -> None:
    body = skeleton(name)
    drawn = {body.joints[bone.joint] for bone in figure_of(rest(body)).bones}
    fingers = {joint for joint in drawn if any(part in joint for part in ("thumb", "index", "ring", "pinky", "middle"))}
    assert len(fingers) <= 2
    assert not any("eye" in joint or "jaw" in joint for joint in drawn)


def test_a_root_on_the_floor_is_not_a_leg() -> None:
    body = skeleton("bandai21")
    figure = figure_of(rest(body))
    assert body.joints[figure.pelvis] == "Hips"
    assert figure.pelvis not in {bone.joint for bone in figure.bones}


def test_what_is_drawn_grows_with_the_body() -> None:
    body = skeleton("kinema24")
    small, large = figure_of(rest(body)), figure_of(rest(body, scale=100.0))
    assert large.stature == pytest.approx(100 * small.stature, rel=1e-4)
    assert large.bones[3].radius_joint == pytest.approx(100 * small.bones[3].radius_joint, rel=1e-4)


def test_the_head_stands_above_the_neck() -> None:
    for name in ("kinema24", "smpl24", "h36m17", "canon17"):
        points = rest(skeleton(name))
        figure = figure_of(points)
        assert figure.head is not None
        pose = space(points)[0, 0]
        shoulder = pose[points.skeleton.index("l_shoulder")]
        assert figure.head.centre(pose)[1] > shoulder[1] + 0.5 * figure.head.radius


def test_a_body_without_names_is_all_spine() -> None:
    body = Skeleton("worm", ("a", "b", "c"), (-1, 0, 1), torch.tensor([[0.0, 0, 0], [0, 1, 0], [0, 1, 0]]))
    figure = figure_of(rest(body))
    assert sides_of(body) == ("spine", "spine", "spine")
    assert [chain.side for chain in figure.chains] == ["spine"]
    assert figure.head is None


def test_flat_points_stand_upright() -> None:
    body = skeleton("canon17")
    flat = Points(body, torch.ones(4, 17, 2), 25.0)
    assert space(flat).shape == (1, 4, 17, 3)
    assert np.allclose(space(flat)[..., 1], -1)
    assert np.allclose(space(flat)[..., 2], 0)
