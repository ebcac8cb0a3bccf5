"""`meet`: constraints hold to a tenth of a millimetre on any skeleton and rate, and nothing else changes."""

from __future__ import annotations

import itertools
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion.constraints.easing import spread
from kinema.motion.constraints.kinds import Constraint, Ground, Loop, Pin, Plant, Pose, RootPath
from kinema.motion.constraints.solver import meet
from kinema.motion.edit import resample
from kinema.motion.motion import Motion
from kinema.motion.retargeting import retarget
from kinema.motion.skeletons import skeleton

WALK = perform("walk", seconds=2.0, fps=30.0, seed=0)
NAMES = ("cmu38", "smpl24", "smplx55", "bandai21", "lafan22", "kinema24")


def body(name: str, fps: float = 30.0) -> Motion:
    clip = WALK if name == "kinema24" else retarget(WALK, skeleton(name))
    return resample(clip, fps)


def place(clip: Motion, joint: str, frame: int, by: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> tuple[float, ...]:
    return tuple((clip.points().positions[frame, clip.skeleton.index(joint)] + torch.tensor(by)).tolist())


def pin(clip: Motion, joint: str, frame: int, *by: float) -> Pin:
    return Pin(joint, (frame,), (place(clip, joint, frame, by),))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fps", [24.0, 60.0, 120.0])
def test_pins_plants_and_paths_hold_on_every_body_and_rate(name: str, fps: float) -> None:
    clip = body(name, fps)
    half, end = clip.frames // 2, clip.frames - 1
    x, _, z = clip.root[half].tolist()
    path = RootPath((0, half, end), ((0.0, 0.0), (x + 0.2, z), (x + 0.4, 1.2 * z)))
    for wanted in (
        [pin(clip, "r_wrist", half, 0.08, 0.1, 0.05), pin(clip, "l_wrist", half - 4, 0.05, -0.05, 0.08)],
        [Plant("left", half, half + round(0.2 * fps))],
        [path],
        [pin(clip, "head", half, 0.0, -0.06, 0.04)],
    ):
        met = meet(clip, wanted)
        assert met.met, [str(each) for each in met.residuals]
        assert torch.isfinite(met.motion.rotations).all()


@pytest.mark.parametrize("seed", range(12))
def test_random_pins_within_reach_hold(seed: int) -> None:
    draw = random.Random(seed)
    clip = body(draw.choice(NAMES))
    joints = draw.sample(["l_wrist", "r_wrist", "head"], draw.randint(1, 3))
    pins = [pin(clip, joint, draw.randint(6, 53), *(0.12 * (draw.random() - 0.5) for _ in "xyz")) for joint in joints]
    met = meet(clip, pins)
    assert met.met, [str(each) for each in met.residuals]


def test_what_is_out_of_reach_is_met_as_far_as_it_goes() -> None:
    met = meet(WALK, [pin(WALK, "r_wrist", 30, 2.0, 0.0, 0.0)])
    assert not met.met
    assert 0.3 < met.residuals[0].residual < 2.0
    assert met.residuals[0].moved > 0.2


def test_without_constraints_the_motion_comes_back() -> None:
    assert meet(WALK, []).motion is WALK


def test_frames_out_of_reach_and_fixed_frames_do_not_change() -> None:
    fixed = torch.zeros(WALK.frames, dtype=torch.bool)
    fixed[:10] = fixed[-10:] = True
    done = meet(WALK, [pin(WALK, "r_wrist", 30, 0.1, 0.1, 0.0), Plant("left", 20, 26)], fixed=fixed).motion
    assert torch.equal(done.rotations[fixed], WALK.rotations[fixed])
    assert torch.equal(done.root[fixed], WALK.root[fixed])
    long = perform("walk", seconds=6.0, fps=30.0, seed=0)
    done = meet(long, [pin(long, "r_wrist", 30, 0.1, 0.1, 0.0)]).motion
    assert torch.equal(done.rotations[90:], long.rotations[90:])
    assert not torch.equal(done.rotations[30], long.rotations[30])


def test_a_batch_is_met_clip_by_clip() -> None:
    other = perform("walk", seconds=2.0, fps=30.0, seed=1)
    both = Motion(
        WALK.skeleton, torch.stack((WALK.rotations, other.rotations)), torch.stack((WALK.root, other.root)), 30.0
    )
    wanted = [pin(WALK, "r_wrist", 30, 0.1, 0.1, 0.0), Plant("left", 40, 46)]
    met = meet(both, wanted)
    assert met.met, [str(each) for each in met.residuals]
    hands = met.motion.points().positions[:, 30, WALK.skeleton.index("r_wrist")]
    assert (hands[0] - hands[1]).norm() < 3e-4


def test_a_held_pin_holds_between_its_frames() -> None:
    here = place(WALK, "r_wrist", 25, (0.1, 0.1, 0.1))
    held = Pin("r_wrist", (25, 40), (here, here), hold=True)  # type: ignore[arg-type]
    done = meet(
        WALK, [held, RootPath((25, 40), tuple((float(WALK.root[25, 0]), float(WALK.root[25, 2])) for _ in "ab"))]
    )
    hands = done.motion.points().positions[25:41, WALK.skeleton.index("r_wrist")]
    assert (hands - torch.tensor(here)).norm(dim=-1).max() < 1.5e-4


def test_pinned_rotations_are_met() -> None:
    quaternion = (0.0, math.sin(0.5), 0.0, math.cos(0.5))
    one = Pin("r_wrist", (30,), (place(WALK, "r_wrist", 30, (0.05, 0.1, 0.0)),), rotations=(quaternion,))  # type: ignore[arg-type]
    done = meet(WALK, [one]).motion
    found = done.global_rotations()[30, WALK.skeleton.index("r_wrist")]
    about = torch.tensor([[math.cos(1), 0, math.sin(1)], [0, 1, 0], [-math.sin(1), 0, math.cos(1)]])
    assert (found - about).abs().max() < 1e-4


def test_a_path_turns_the_body_with_it() -> None:
    from kinema.motion.edit import facing

    end = WALK.frames - 1
    length = float(WALK.root[end, 2] - WALK.root[0, 2])
    straight, aside = ((0.0, 0.0), (0.0, length)), ((0.0, 0.0), (length, 0.0))
    ahead = facing(meet(WALK, [RootPath((0, end), straight)]).motion)[end // 2]
    across = facing(meet(WALK, [RootPath((0, end), aside)]).motion)[end // 2]
    assert abs(float(across - ahead) - math.pi / 2) < 0.6  # the walk sways, and turns are smoothed over a second


def test_headings_are_met() -> None:
    from kinema.motion.edit import facing

    end = WALK.frames - 1
    points = tuple((float(WALK.root[frame, 0]), float(WALK.root[frame, 2])) for frame in (0, 30, end))
    done = meet(WALK, [RootPath((0, 30, end), points, (0.0, 1.0, -1.0))]).motion
    assert (facing(done)[[0, 30, end]] - torch.tensor([0.0, 1.0, -1.0])).abs().max() < 0.02


def test_nothing_goes_through_the_ground() -> None:
    met = meet(WALK, [Ground(0.04)])
    assert met.met, [str(each) for each in met.residuals]
    hilly = Ground(points=((0.0, 0.0, 0.0), (0.0, 2.0, 0.1)))
    assert meet(WALK, [hilly]).met


@pytest.mark.parametrize("in_place", [False, True])
def test_a_loop_has_no_seam(in_place: bool) -> None:
    clip = perform("walk", seconds=1.7, fps=30.0, seed=0)
    met = meet(clip, [Loop(in_place=in_place)])
    assert met.met, [str(each) for each in met.residuals]
    done = met.motion
    assert abs(float(done.root[0, 1] - done.root[-1, 1])) < 1e-4
    speed = done.rotations.diff(dim=0).flatten(1).norm(dim=-1)
    kink = abs(float(speed[0] - speed[-1]))
    assert kink < 2 * float(speed.diff().abs().max())
    if in_place:
        assert (done.root[0] - done.root[-1]).norm() < 1e-4


def test_a_pose_is_met_and_its_parts_are() -> None:
    squat = perform("squat", seconds=2.0, fps=30.0, seed=0)[30:31]
    whole = meet(WALK, [Pose(30, squat)])
    assert whole.met, [str(each) for each in whole.residuals]
    part = meet(WALK, [Pose(30, squat, joints=("l_shoulder", "l_elbow"))])
    assert part.met
    legs = WALK.skeleton.indices(["l_hip", "l_knee"])
    assert torch.allclose(part.motion.rotations[:, legs], WALK.rotations[:, legs], atol=1e-6)
    named = meet(WALK, [Pose(30, squat, joints=("left_arm", "head"))])
    arm = WALK.skeleton.indices(["l_shoulder", "l_elbow", "l_wrist", "head"])
    assert named.met
    torch.testing.assert_close(named.motion.rotations[30, arm], squat.rotations[0, arm], atol=1e-5, rtol=0)
    others = [joint for joint in range(len(WALK.skeleton)) if joint not in arm]
    assert torch.allclose(named.motion.rotations[:, others], WALK.rotations[:, others], atol=1e-6)
    with pytest.raises(UsageError, match="left_arm"):
        meet(WALK, [Pose(30, squat, joints=("left_arms",))])


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Pin("rwrist", (3,), ((0, 0, 0),)), "joint"),
        (Pin("r_wrist", (300,), ((0, 0, 0),)), "frames of the clip"),
        (Pin("r_wrist", (3,), ((0, math.nan, 0),)), "finite"),
        (RootPath((3,), ((0, 0),)), "two points"),
        (Ground(math.nan), "finite"),
        (Plant("middle", 3, 9), "foot"),
        (Plant("left", 3, 900), "frames of the clip"),
    ],
)
def test_a_constraint_that_cannot_be_is_one_clear_line(wrong: Constraint, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        meet(WALK, [wrong])


def test_a_loop_of_two_frames_and_two_pins_that_contradict_each_other() -> None:
    with pytest.raises(UsageError, match="at least 8 frames"):
        meet(WALK[:2], [Loop()])
    with pytest.raises(UsageError, match=r"pin of r_wrist at frame 30.*pin of r_wrist at frame 30"):
        meet(WALK, [pin(WALK, "r_wrist", 30, 0.1, 0, 0), pin(WALK, "r_wrist", 30, 0.2, 0, 0)])
    fixed = torch.zeros(WALK.frames, dtype=torch.bool)
    fixed[30] = True
    with pytest.raises(UsageError, match="which is a key"):
        meet(WALK, [pin(WALK, "r_wrist", 30, 0.1, 0, 0)], fixed=fixed)


@given(st.lists(st.integers(0, 199), min_size=1, max_size=6, unique=True).map(sorted), st.integers(3, 40))
def test_spread_is_one_at_its_knots_and_zero_far_away(knots: list[int], reach: int) -> None:
    share = spread(200, knots, reach)
    assert torch.equal(share[knots], torch.eye(len(knots), dtype=torch.float64))
    joined = [range(first, last) for first, last in itertools.pairwise(knots) if last - first <= 2 * reach]
    near = {frame for knot in knots for frame in range(knot - reach + 1, knot + reach)}.union(*joined)
    far = [frame for frame in range(200) if frame not in near]
    assert not share[far].any()


@pytest.mark.parametrize("knots", [[1, 120], [1, 60, 119], [10, 12, 100], [0, 60, 120]])
def test_no_frame_takes_much_more_than_a_knot_however_uneven_they_are(knots: list[int]) -> None:
    # A path from the first frame of a forecast on: the last observed frame, which is fixed, is one frame before it.
    fixed = [frame for frame in (0,) if frame not in knots]
    share = spread(121, knots, 60, fixed, lasting=True)
    assert float(share.abs().max()) < 1.5
    assert torch.equal(share[knots], torch.eye(len(knots), dtype=share.dtype))
    assert not share[fixed].any()
