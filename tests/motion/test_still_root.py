"""Files of game engines have a root above the hips that never moves: verbs answer as on a body without it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import kinema as kn
from kinema.motion.constraints.loop import best_cycle, looped
from kinema.motion.constraints.solver import meet
from kinema.motion.damage import find_damage
from kinema.motion.edit import carrier, keep_root, part_of, resample, rotate, shift, with_part
from kinema.motion.feet.clean import clean_feet
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeleton import Skeleton
from kinema.pipeline.clip_files import pair, transition
from kinema.pipeline.pipeline import open as open_pipeline

NEAR = 2e-5  # metres: float32 in a room of some metres


@pytest.fixture(scope="module")
def walk() -> Motion:
    """Two seconds of a recorded walk at 30 per second: the hips are the root."""
    clip = kn.sample("walk")
    assert isinstance(clip, Motion)
    return resample(clip, 30.0)[30:90]


def under_a_root(clip: Motion) -> Motion:
    """The same movement under a root that stands at the origin, with a camera beside the hips."""
    body = clip.skeleton
    parents = (-1, *(parent + 1 for parent in body.parents), 0)
    zero = torch.zeros(1, 3)
    offsets = torch.cat((zero, body.offsets, zero + 1))
    rigged = Skeleton("rigged", ("reference", *body.joints, "camera"), parents, offsets)
    frames, eye = clip.frames, torch.eye(3).expand(clip.frames, 1, 3, 3)
    moving = offsets.expand(frames, -1, -1).clone()
    moving[:, 1] = clip.root
    rotations = torch.cat((eye, clip.rotations, eye), 1)
    return Motion(rigged, rotations, torch.zeros(frames, 3), clip.fps, offsets=moving)


def away(rigged: Motion, plain: Motion) -> float:
    """How far the body is from where it is without the root, metres; the root and the camera have to stand."""
    assert torch.equal(rigged.root, torch.zeros_like(rigged.root))
    places = rigged.points().positions
    assert float((places[:, -1] - 1).abs().max()) < NEAR
    return float((places[:, 1:-1] - plain.points().positions).norm(dim=-1).max())


def test_the_joint_that_carries_the_body_is_found(walk: Motion) -> None:
    rigged = under_a_root(walk)
    assert (carrier(walk), carrier(rigged), carrier(rigged[:1])) == (0, 1, 0)
    assert carrier(replace(rigged, root=walk.root)) == 0


def test_a_part_goes_back_bit_for_bit(walk: Motion) -> None:
    rigged = under_a_root(walk)
    back = with_part(rigged, part_of(rigged, 1), 1)
    assert torch.equal(back.rotations, rigged.rotations)
    assert back.offsets is not None
    assert rigged.offsets is not None
    assert torch.equal(back.offsets, rigged.offsets)


def test_the_root_stands_where_a_clip_ended(walk: Motion) -> None:
    rigged, by = under_a_root(walk), torch.tensor([1.0, 0.0, 2.0])
    moved = keep_root(shift(rotate(rigged, torch.tensor(0.5)), by), rigged)
    assert away(moved, shift(rotate(walk, torch.tensor(0.5)), by)) < NEAR


@pytest.mark.parametrize("in_place", [False, True])
def test_a_cycle_is_that_of_the_body(walk: Motion, in_place: bool) -> None:
    rigged = under_a_root(walk)
    first, last = best_cycle(walk)
    assert best_cycle(rigged) == (first, last)
    plain = looped(walk[first : last + 1], in_place=in_place)
    assert away(looped(rigged[first : last + 1], in_place=in_place), plain) < NEAR


def test_constraints_move_the_body(walk: Motion) -> None:
    start, end = (walk.root[frame, [0, 2]] for frame in (0, -1))
    path = kn.RootPath((0, 59), ((float(start[0]), float(start[1])), (float(end[0]) + 1, float(end[1]))))
    wanted = [path, kn.Pin("r_wrist", (30,), ((0.3, 1.2, 1.5),)), kn.Pose(45, walk[:1])]
    plain, rigged = meet(walk, wanted), meet(under_a_root(walk), wanted)
    assert away(rigged.motion, plain.motion) < 1e-3  # limbs are solved to a tenth of a millimetre, in many steps
    assert [each.met for each in rigged.residuals] == [each.met for each in plain.residuals]


def test_clean_feet_carry_the_body_on(walk: Motion) -> None:
    slow = replace(walk, root=walk.root * torch.tensor([0.8, 1.0, 0.8]))  # feet slide
    assert away(clean_feet(under_a_root(slow)), clean_feet(slow)) < 1e-3


def test_a_clip_is_joined_to_where_the_body_ends(walk: Motion) -> None:
    turned = rotate(walk, torch.tensor(2.0))
    after, frames = transition(*pair(walk, turned, align=True), None)
    there, count = transition(*pair(under_a_root(walk), under_a_root(turned), align=True), None)
    assert count == frames
    assert away(there, after) < NEAR


def test_a_forecast_leaves_the_root(walk: Motion) -> None:
    pipeline = open_pipeline("simlpe-cmu")
    plain, rigged = (pipeline.forecast(clip, seconds=0.4) for clip in (walk, under_a_root(walk)))
    # The model reads the body by the hips, which the root of the plain body is and that of the rigged one is not.
    assert away(rigged.samples.one(0), plain.samples.one(0)) < 5e-3


def test_a_gap_that_a_model_fills_leaves_the_root(walk: Motion) -> None:
    pipeline = open_pipeline("render-in-between")
    keys = [*range(20), *range(40, 60)]
    plain, rigged = (pipeline.inbetween(clip, keys=keys) for clip in (walk, under_a_root(walk)))
    assert isinstance(plain.motion, Motion)
    assert isinstance(rigged.motion, Motion)
    assert away(rigged.motion, plain.motion) < 1e-3


def test_damage_to_the_path_is_found(walk: Motion) -> None:
    root = walk.root.clone()
    root[20:22, 1] += 0.4
    root[40:, 0] += 0.6
    broken = replace(walk, root=root)
    assert torch.equal(find_damage(under_a_root(broken)).joints[:, 1], find_damage(broken).joints[:, 0])
    assert find_damage(broken).joints[:, 0].nonzero()[:, 0].tolist() == [20, 21, 39, 40]


def test_a_retargeted_motion_leaves_the_root(walk: Motion, recwarn: pytest.WarningsRecorder) -> None:
    assert away(retarget(walk, under_a_root(walk)), walk) < 1e-3  # bones of float32, by way of a neutral pose
    assert not recwarn


def test_an_animated_bone_has_no_step_at_the_seam(walk: Motion) -> None:
    rigged = under_a_root(walk)
    assert rigged.offsets is not None
    offsets = rigged.offsets.clone()
    offsets[:, 5, 1] += torch.linspace(0, 0.1, rigged.frames)  # the neck grows by 10 cm
    closed = looped(replace(rigged, offsets=offsets))
    assert closed.offsets is not None
    assert float((closed.offsets[-1, 5] - closed.offsets[0, 5]).abs().max()) < 1e-6
