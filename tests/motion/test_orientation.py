"""Up and height are found from the body; what lies, crawls or stands on its hands is not taken for a z-up file."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.io.formats import load_clip
from kinema.motion.motion import Motion, Points
from kinema.motion.orientation import AXES, body_height, body_joints, find_up, from_up, rests_along, with_up
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton

CASES = Path(__file__).parent / "cases"
BODIES = ("kinema24", "smpl24", "lafan22", "cmu38", "h36m17", "bandai21")


def standing(name: str = "kinema24", *, frames: int = 8) -> Motion:
    """A body that walks without a change of pose, with its feet on the floor, along its front (+z)."""
    body = skeleton(name)
    root = torch.zeros(frames, 3)
    root[:, 1] = -float(body.rest_positions[:, 1].min())
    root[:, 2] = torch.linspace(0, 0.5, frames)
    return Motion(body, torch.eye(3).expand(frames, len(body), 3, 3).clone(), root, 30.0)


def lying(along: str = "x", *, frames: int = 8) -> Motion:
    """The same body on its back on the floor y = 0, its head along an axis; its rest pose stands along y."""
    clip = standing(frames=frames)
    turn = axis_angle_to_rotmat("X", torch.tensor(math.pi / 2))
    if along == "x":
        turn = axis_angle_to_rotmat("Y", torch.tensor(math.pi / 2)) @ turn
    rotations = clip.rotations.clone()
    rotations[:, 0] = turn
    root = torch.tensor([0.0, 0.1, 0.0]).expand(frames, 3)
    low = float(replace(clip, rotations=rotations, root=root).points().positions[..., 1].min())
    return replace(clip, rotations=rotations, root=root - torch.tensor([0.0, low, 0.0]))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", BODIES)
def test_up_is_found_whatever_the_axis_and_the_way_back_is_exact(name: str, axis: str) -> None:
    clip = standing(name)
    turned = from_up(clip, axis, rest=True)
    assert rests_along(turned.skeleton, axis)
    found = find_up(turned)
    assert (found.axis, found.clear) == (axis, True), found
    again = with_up(turned, axis)
    assert torch.equal(again.points().positions, clip.points().positions)
    assert torch.equal(again.skeleton.offsets, clip.skeleton.offsets)
    points = find_up(turned.points())
    assert (points.axis, points.clear) == (axis, True)


def test_a_file_whose_root_alone_is_turned_keeps_its_rest_pose() -> None:
    clip = standing()
    turned = from_up(clip, "z")
    assert torch.equal(turned.skeleton.offsets, clip.skeleton.offsets)
    assert find_up(turned).axis == "z"
    assert torch.allclose(with_up(turned, "z").points().positions, clip.points().positions, atol=1e-6)


@pytest.mark.parametrize("along", ["x", "z"])
def test_a_clip_that_lies_from_start_to_end_is_not_turned(along: str) -> None:
    found = find_up(lying(along))
    assert (found.axis, found.clear) == ("y", False)
    assert "lies" in found.reason


def test_a_body_that_crawls_along_its_long_axis_is_not_turned() -> None:
    clip = lying("z")
    root = clip.root + torch.linspace(0, 2.0, clip.frames)[:, None] * torch.tensor([0.0, 0.0, 1.0])
    assert not find_up(replace(clip, root=root + torch.tensor([0.0, 1.0, 0.0]))).clear


def quadruped() -> Points:
    """A dog 1 m long, y up, walking along x; names as on a human body."""
    names = ("pelvis", "spine", "chest", "neck", "head", *(f"{s}_{p}" for s in "lr" for p in _LEGS))
    places = [(0.0, 0.5, 0.0), (0.3, 0.52, 0.0), (0.7, 0.5, 0.0), (0.85, 0.6, 0.0), (1.0, 0.62, 0.0)]
    for side in (-0.1, 0.1):
        places += [(0.0, 0.48, side), (0.05, 0.25, side), (0.0, 0.0, side)]
        places += [(0.7, 0.48, side), (0.65, 0.25, side), (0.7, 0.0, side)]
    parents = (-1, 0, 1, 2, 3, 0, 5, 6, 2, 8, 9, 0, 11, 12, 2, 14, 15)
    spots = torch.tensor(places)
    body = Skeleton("dog", names, parents, spots - spots[[max(parent, 0) for parent in parents]])
    walk = torch.linspace(0, 3, 20)[:, None, None] * torch.tensor([1.0, 0.0, 0.0])
    return Points(body, spots + walk, 30.0)


_LEGS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")


def test_four_legs_and_a_long_level_trunk_are_y_up() -> None:
    dog = quadruped()
    assert (find_up(dog).axis, find_up(dog).clear) == ("y", True)
    nameless = replace(dog.skeleton, joints=tuple(f"b{i}" for i in range(17)), aliases={}, mirror=tuple(range(17)))
    assert find_up(replace(dog, skeleton=nameless)).axis == "y"
    assert find_up(from_up(dog, "z")).axis == "z"


def test_a_camera_far_away_changes_neither_height_nor_body() -> None:
    clip = standing("smpl24")
    body = clip.skeleton
    tall = body_height(clip)
    assert tall == pytest.approx(1.72, abs=0.08)
    far = Skeleton(
        "with camera",
        (*body.joints, "Camera", "prop"),
        (*body.parents, 0, 20),
        torch.cat((body.offsets, torch.tensor([[0.0, 4.0, 300.0], [5.0, 0.0, 0.0]]))),
    )
    rotations = torch.eye(3).expand(clip.frames, len(far), 3, 3).clone()
    seen = replace(clip, skeleton=far, rotations=rotations)
    assert body_height(seen) == pytest.approx(tall, rel=1e-6)
    assert set(body_joints(far)) == set(range(len(body)))
    assert find_up(seen).axis == "y"


@pytest.mark.parametrize("name", ["z_up.bvh", "zup.bvh"])
def test_z_up_files_are_seen_as_such(name: str) -> None:
    clip = load_clip(CASES / name, up="keep")
    found = find_up(clip)
    assert (found.axis, found.clear) == ("z", True)
    up = with_up(clip, "z").points().positions
    head = up[:, clip.skeleton.canonical("head"), 1]
    assert bool((head > up[:, clip.skeleton.index("l_ankle"), 1] + 1.0).all())


def test_a_body_on_a_bed_is_not_turned_and_a_centred_one_with_y_down_is() -> None:
    clip = lying("z")
    bed = replace(clip, root=clip.root + torch.tensor([0.0, 0.5, 1.3]))
    assert not find_up(bed).clear
    down = from_up(standing("h36m17"), "-y", rest=True).points()
    centred = replace(down, positions=down.positions - down.positions[:, :1])
    assert (find_up(centred).axis, find_up(centred).clear) == ("-y", True)
