"""Where a body goes when only its pose is known: feet on the ground push it along, gravity brings it down.

A forecast in the frame of the root says how legs move, not where they carry the body. The trajectory is found frame by
frame: a foot that stands is the lowest and the slowest, and it stays where it is; the floor pushes but never pulls, so
a body whose feet leave the ground flies on with the speed that it had.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import axis_angle_to_rotmat, nearest_rotation, rotmat_to_rotvec, slerp
from kinema.motion.motion import Motion
from kinema.motion.skeleton import has_joint

Array = npt.NDArray[np.floating]

GRAVITY = 9.81  # metres per second squared
_FEET = (("l_ankle", "r_ankle"), ("l_toe", "r_toe"))
_LOW = 0.015  # metres above the lowest foot at which another is no longer thought to stand
_SLOW = 0.4  # metres per second at which a foot is no longer thought to stand
_CONTACT = 0.03  # metres between foot and floor at which the ground no longer leads the body
_SETTLE = 0.3  # seconds in which a foot that was observed above its floor comes down to it
_INERTIA = 0.025  # seconds in which feet that stand bring a body from its old speed to theirs (a forecast jumps)
_PUSH = 0.1  # seconds in which feet on the ground change the body's momentum
_TURN = 0.4  # seconds in which the observed angular velocity and the sway of the stride fade


def steady_heading(
    observed: Float[Tensor, "*batch past 3 3"], fps: float, frames: int
) -> Float[Tensor, "*batch frame 3 3"]:
    """The root's global rotation in the `frames` to come: from the last observed one towards the mean of the last
    second.

    The angular velocity about y continues and fades with a time constant of 0.4 s.
    """
    recent = observed[..., -(round(fps) + 1) :, :, :]
    ages = torch.arange(recent.shape[-3] - 1, -1, -1).to(recent) / fps
    rate = _turning_rate(recent, ages)
    now = axis_angle_to_rotmat("Y", rate[..., None] * ages) @ recent  # each rotated to the present
    mean = nearest_rotation(now.mean(-3))
    time = torch.arange(1, frames + 1).to(recent) / fps
    fade = 1 - torch.exp(-time / _TURN)
    steady = slerp(recent[..., -1:, :, :], mean[..., None, :, :], fade)
    return axis_angle_to_rotmat("Y", rate[..., None] * _TURN * fade) @ steady


def root_trajectory(past: Motion, ahead: Motion) -> Float[Tensor, "*batch frame 3"]:
    """The root's position in every frame of `ahead`, whose rotations are global and whose root is at the origin."""
    feet_before, floor = _observed(past)
    feet = _feet(ahead)
    batch = torch.broadcast_shapes(feet.shape[:-3], past.batch_shape)
    place = past.root[..., -1, :].expand(*batch, 3)
    step = 1 / ahead.fps
    speed = _speed(past).expand(*batch, 3)
    if feet.shape[-2] == 0:
        time = step * torch.arange(1, ahead.frames + 1).to(place)[:, None]
        return place[..., None, :] + speed[..., None, :] * time * speed.new_tensor([1.0, 0.0, 1.0])
    feet = torch.cat((feet_before[..., -1:, :, :].expand(*batch, -1, -1, 3), feet.expand(*batch, -1, -1, 3)), -3)
    height = feet[..., 1:, :, 1] - floor[..., None, :]
    lowest = height.amin(-1)
    # How far the lowest foot is above its floor now: a slip of the estimate, or a flight.
    gap = (place[..., 1:2] + feet[..., 0, :, 1] - floor).amin(-1)
    settling = torch.where(gap < 2 * _CONTACT, gap, torch.zeros_like(gap))
    time = step * torch.arange(1, ahead.frames + 1).to(place)
    level = -lowest + settling[..., None] * torch.exp(-time / _SETTLE)
    raised = (height - lowest[..., None]) / _LOW
    return _followed(place, speed, feet.diff(dim=-3) / step, raised, level, step)


def _followed(
    place: Float[Tensor, "*batch 3"],
    speed: Float[Tensor, "*batch 3"],
    swing: Float[Tensor, "*batch frame foot 3"],
    raised: Float[Tensor, "*batch frame foot"],
    level: Float[Tensor, "*batch frame"],
    step: float,
) -> Float[Tensor, "*batch frame 3"]:
    """Where the root goes, frame after frame.

    `swing` is the feet's velocity relative to the root, `raised` how far each is above the lowest, in units of _LOW,
    `level` the root's height with the lowest foot on the floor. In numpy: these are hundreds of operations on a few
    numbers each, which take torch several times as long.
    """
    here, going = place.numpy(force=True), speed.numpy(force=True)
    swings, lows, levels = (
        each.movedim(axis, 0).numpy(force=True) for each, axis in ((swing, -3), (-raised, -2), (level, -1))
    )
    hold, push = 1 - math.exp(-step / _INERTIA), 1 - math.exp(-step / _PUSH)
    path: list[Array] = []
    for foot, low, ground in zip(swings, lows, levels, strict=True):
        over = going[..., None, :] + foot  # at the body's old speed
        score = low - np.hypot(over[..., 0], over[..., 2]) / _SLOW
        stands = np.exp(score - score.max(-1, keepdims=True))
        stands /= stands.sum(-1, keepdims=True)
        flying = here[..., 1] + going[..., 1] * step - GRAVITY * step**2
        up = np.maximum(ground, flying)
        grip = hold * np.exp((ground - up) / _CONTACT)[..., None]
        planted = -(stands[..., None] * foot).sum(-2)
        along = grip * planted + (1 - grip) * going
        moved = here + along * step
        moved[..., 1] = up
        # A glimpse of speed is not momentum: the ground changes it over some frames, the air does not.
        going = going + push * (along - going)
        going[..., 1] = (up - here[..., 1]) / step
        here = moved
        path.append(here)
    return torch.from_numpy(np.stack(path, -2)).to(place)


def _observed(past: Motion) -> tuple[Tensor, Tensor]:
    """The feet relative to the root, and for each foot joint the height at which it rests on the floor."""
    feet = _feet(past)
    if feet.shape[-2] == 0:
        return feet, feet[..., 0, :, 1]
    floor = (feet[..., 1] + past.root[..., 1:2]).amin(-2)
    # What the one side touches the other one would: a single frame shows only one foot on the ground.
    sides = floor.unflatten(-1, (-1, 2)).amin(-1, keepdim=True)
    return feet, sides.expand(*sides.shape[:-1], 2).flatten(-2)


def _feet(motion: Motion) -> Tensor:
    """Ankles and toes, as far as the skeleton has them in pairs, relative to the root."""
    pairs = [pair for pair in _FEET if has_joint(motion.skeleton, *pair)]
    joints = [motion.skeleton.index(name) for pair in pairs for name in pair]
    return motion.positions_of(joints) - motion.root[..., None, :]


def _speed(past: Motion) -> Tensor:
    """The body's velocity at the end, over the last tenth of a second. (Above some pelvises stands a fixed joint.)"""
    joint = past.skeleton.index("pelvis") if has_joint(past.skeleton, "pelvis") else 0
    body = past.positions_of([joint])[..., 0, :]
    frames = min(past.frames - 1, max(1, round(past.fps / 10)))
    if frames < 1:
        return torch.zeros_like(body[..., -1, :])
    speed = (body[..., -1, :] - body[..., -1 - frames, :]) * past.fps / frames
    # Upwards it changes too fast for a mean.
    return torch.stack((speed[..., 0], (body[..., -1, 1] - body[..., -2, 1]) * past.fps, speed[..., 2]), -1)


def _turning_rate(rotations: Tensor, ages: Tensor) -> Tensor:
    """Radians per second about the world's y axis, averaged over the frames."""
    if rotations.shape[-3] < 2:
        return torch.zeros_like(rotations[..., 0, 0, 0])
    steps = rotations[..., 1:, :, :] @ rotations[..., :-1, :, :].transpose(-1, -2)
    return rotmat_to_rotvec(steps)[..., 1].sum(-1) / (ages[0] - ages[-1])
