"""The camera frames a clip by itself, and the layers keep time."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.viz.camera import VIEWS, Camera, shot_of
from kinema.viz.layers import Layer, Panel, layers_of_clip, panel_of


def test_axes_are_a_right_handed_frame() -> None:
    axes = Camera(np.zeros(3), 0.7, 0.3, 2.0).axes
    assert np.allclose(axes @ axes.T, np.eye(3))
    assert np.linalg.det(axes) == pytest.approx(1)


def test_projection_of_known_places() -> None:
    camera = Camera(np.array([0.0, 1.0, 0.0]), 0.0, 0.0, 2.0, math.radians(30))
    middle, up, right = camera.project(np.array([[0.0, 1, 0], [0, 2, 0], [1, 1, 0]]))
    assert middle == pytest.approx([0, 0, 0.5, camera.distance])
    assert up[:2] == pytest.approx([0, 0.5])
    assert right[:2] == pytest.approx([0.5, 0])
    near, far = camera.project(np.array([[0.0, 1, 1], [0, 1, -1]]))
    assert near[2] > middle[2] > far[2]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("projection", ["perspective", "orthographic"])
def test_every_pose_is_in_the_picture(walk: Points, view: str, projection: str) -> None:
    layers = layers_of_clip(walk)
    shot = shot_of(layers, view=view, aspect=1.0, projection=projection)
    for time in np.linspace(0, 2.3, 12):
        poses = layers[0].at(float(time))
        assert poses is not None
        observed = shot.at(float(time)).project(poses[0])
        assert np.abs(observed[:, :2]).max() < 0.5
        assert np.ptp(observed[:, 1]) > 0.5  # and it is not lost in it


def test_the_side_view_lets_the_body_walk_to_the_right(walk: Points) -> None:
    shot = shot_of(layers_of_clip(walk), view="side")
    travel = walk.positions[-1, 0] - walk.positions[0, 0]
    assert float(travel.norm()) > 1
    assert shot.camera.axes[0] @ travel.numpy() > 0.9 * float(travel.norm())


def test_framing_does_not_depend_on_place_or_heading(walk: Points) -> None:
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])  # a quarter about y
    moved = replace(walk, positions=walk.positions @ turn.T + torch.tensor([30.0, 2, -7]))
    first, second = (shot_of(layers_of_clip(clip)) for clip in (walk, moved))
    assert second.camera.height == pytest.approx(first.camera.height, rel=1e-3)
    assert second.floor == pytest.approx(first.floor + 2, abs=1e-4)
    assert (second.camera.azimuth - first.camera.azimuth) % (2 * math.pi) == pytest.approx(math.pi / 2, abs=1e-3)


def test_the_camera_stands_still_for_a_body_that_stays(walk: Points) -> None:
    still = replace(walk, positions=walk.positions - walk.positions[:, :1] * torch.tensor([1.0, 0, 1]))
    assert np.ptp(shot_of(layers_of_clip(still)).targets, axis=0).max() < 1e-9


def test_an_unknown_view_is_named(walk: Points) -> None:
    with pytest.raises(UsageError, match="Did you mean front"):
        shot_of(layers_of_clip(walk), view="frnt")


def test_a_layer_is_there_from_its_start_to_its_last_frame(walk: Points) -> None:
    layer = Layer("later", walk[:10], start=1.0)
    assert layer.at(0.99) is None
    assert layer.at(1.4) is None
    first, half = layer.at(1.0), layer.at(1.02)
    assert first is not None
    assert half is not None
    bodies = layer.bodies
    assert np.allclose(first, bodies[:, 0])
    assert np.allclose(half, (bodies[:, 0] + bodies[:, 1]) / 2)


def test_a_batch_becomes_one_forecast_and_ghosts(futures: Points) -> None:
    first, rest = panel_of(futures).layers
    assert (first.role, first.points.batch_shape) == ("forecast", torch.Size([]))
    assert (rest.role, rest.points.batch_shape) == ("ghost", torch.Size([3]))
    assert len(panel_of(replace(futures, positions=futures.positions[:1])).layers) == 1


def test_a_panel_needs_a_layer() -> None:
    with pytest.raises(UsageError, match="at least one layer"):
        Panel("empty", ())


def test_a_root_far_from_the_body_does_not_shrink_it() -> None:
    """Some exporters leave a root joint on the floor where the clip began; it is not drawn, and it frames nothing."""
    clip = perform("walk", seconds=2.0, fps=30.0, seed=0).points()
    body = clip.skeleton
    joints, parents = ("floor_root", *body.joints), (-1, *(parent + 1 for parent in body.parents))
    offsets = torch.cat((torch.zeros(1, 3), body.offsets))
    rooted = Skeleton("rooted", joints, parents, offsets, aliases=dict(body.aliases))
    far = clip.positions + torch.tensor([0.0, 0.0, 9.0])
    positions = torch.cat((torch.zeros(clip.frames, 1, 3), far), 1)
    usual = shot_of(panel_of(Points(body, far, 30.0)).layers, view="side", aspect=1.0)
    found = shot_of(panel_of(Points(rooted, positions, 30.0)).layers, view="side", aspect=1.0)
    assert found.camera.height < 1.3 * usual.camera.height
