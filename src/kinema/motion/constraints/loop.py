"""Loops: the end of a clip continues into its start.

The difference between the two is taken into the first frames and fades there, position and velocity at once
("inertialisation", Bollo 2018): the seam then has neither a step nor a kink.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import rotate_root
from kinema.geometry.rotations import axis_angle_to_rotmat, rotmat_to_rotvec, rotvec_to_rotmat
from kinema.motion.edit import carrier, facing, part_of, with_part
from kinema.motion.motion import Motion

_FADE = 0.5  # seconds in which the difference fades


def best_cycle(motion: Motion, *, shortest: float = 0.5) -> tuple[int, int]:
    """The frames, first and last, between which the motion comes back most nearly to the pose and speed it had.

    Poses are compared without place and heading; `shortest` is the least length in seconds. Of cycles that are nearly
    as good the longest is taken. Raises UsageError for a batch and for a clip that is shorter.
    """
    least = max(8, round(shortest * motion.fps))
    if motion.batch_shape or motion.frames <= least:
        raise UsageError(
            expected=f"one clip of more than {least} frames",
            got=f"{motion.frames} frames, batch shape {tuple(motion.batch_shape)}",
            cure="Loop a longer clip, or a shorter cycle: --seconds 0.3.",
        )
    poses = without_travel(part_of(motion, carrier(motion))).points().positions
    speed = torch.cat((poses[1:] - poses[:-1], poses[-1:] - poses[-2:-1])) * motion.fps * 0.1
    code = torch.cat((poses, speed), -1).flatten(1)
    step = max(1, motion.frames // 600)
    code = code[::step]
    apart = torch.cdist(code, code) / len(motion.skeleton) ** 0.5
    gap = torch.arange(len(code))[None] - torch.arange(len(code))[:, None]
    apart = torch.where(gap * step >= least, apart, torch.inf)
    good = (apart <= 1.1 * apart.min() + 1e-3).nonzero()
    first, last = good[(good[:, 1] - good[:, 0]).argmax()].tolist()
    return first * step, last * step


def without_travel(motion: Motion) -> Motion:
    """Every pose at the origin of the floor, facing +z."""
    back = axis_angle_to_rotmat("Y", -facing(motion))
    root = motion.root * motion.root.new_tensor([0.0, 1.0, 0.0])
    return replace(motion, rotations=rotate_root(motion.rotations, back), root=root)


def looped(motion: Motion, *, in_place: bool = False) -> Motion:
    """The clip with a first frame that is its last frame, moved back by one cycle, and no kink there.

    Pose, height and velocity agree at the seam; place on the floor and heading go on from cycle to cycle, unless
    `in_place`, which takes the travel out evenly. Only the first half second (at most half the clip) changes, but for
    travel that is taken out. A root that never moves stays (`edit.carrier`). One clip or a batch.
    """
    joint = carrier(motion)
    return with_part(motion, _looped(part_of(motion, joint), in_place=in_place), joint)


def _looped(motion: Motion, *, in_place: bool) -> Motion:
    count = min(motion.frames // 2, max(3, round(_FADE * motion.fps)))
    turn = facing(motion[-1:])[..., 0] - facing(motion[:1])[..., 0]
    back = axis_angle_to_rotmat("Y", turn).mT[..., None, :, :]
    end = motion[-2:]  # seen with the heading of the first frame
    goal, before = rotate_root(end.rotations, back), (back @ end.root[..., None])[..., 0]
    here = motion.rotations[..., 0, :, :, :]
    ahead = motion.rotations[..., 1, :, :, :]
    gap = rotmat_to_rotvec(goal[..., 1, :, :, :] @ here.mT)
    rate = rotmat_to_rotvec(goal[..., 1, :, :, :] @ goal[..., 0, :, :, :].mT) - rotmat_to_rotvec(ahead @ here.mT)
    fades, kink = _decay(count)
    rotations = motion.rotations.clone()
    change = gap[..., None, :, :] * fades[:, None, None] + rate[..., None, :, :] * kink[:, None, None]
    rotations[..., :count, :, :, :] = rotvec_to_rotmat(change) @ motion.rotations[..., :count, :, :, :]
    root = motion.root.clone()
    height = motion.root[..., -1, 1] - motion.root[..., 0, 1]
    step = (before[..., 1, :] - before[..., 0, :]) - (motion.root[..., 1, :] - motion.root[..., 0, :])
    root[..., :count, :] += step[..., None, :] * kink[:, None]
    root[..., :count, 1] += height[..., None] * fades
    offsets = None if motion.offsets is None else motion.offsets.clone()
    if offsets is not None:
        step = offsets[..., -1, :, :] - offsets[..., -2, :, :] - (offsets[..., 1, :, :] - offsets[..., 0, :, :])
        apart = (offsets[..., -1, :, :] - offsets[..., 0, :, :])[..., None, :, :] * fades[:, None, None]
        offsets[..., :count, :, :] += apart + step[..., None, :, :] * kink[:, None, None]
    whole = replace(motion, rotations=rotations, root=root, offsets=offsets)
    return _in_place(whole, turn) if in_place else whole


def _decay(count: int) -> tuple[Float[Tensor, " frame"], Float[Tensor, " frame"]]:
    """Quintic curves over `count` frames that end in 0 without velocity: from value 1, and from velocity 1 a frame."""
    t = torch.arange(count) / count
    still = 1 - t**3 * (10 - 15 * t + 6 * t**2)
    moving = count * (t - 6 * t**3 + 8 * t**4 - 3 * t**5)
    return still, moving


def _in_place(motion: Motion, turn: Float[Tensor, "*batch"]) -> Motion:
    """The clip without the travel of a cycle, taken out evenly over its frames."""
    share = torch.linspace(0, 1, motion.frames)
    back = axis_angle_to_rotmat("Y", -turn[..., None] * share)
    rotations = rotate_root(motion.rotations, back)
    start = motion.root[..., :1, :]
    root = start + (back @ (motion.root - start)[..., None])[..., 0]
    travel = root[..., -1:, :] - root[..., :1, :]
    travel = travel * travel.new_tensor([1.0, 0.0, 1.0])
    return replace(motion, rotations=rotations, root=root - travel * share[:, None])
