"""Which parts of the feet are on the ground: a threshold on height and one on speed."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from kinema.motion.motion import Clip
from kinema.motion.skeleton import Skeleton

CONTACT_NAMES: tuple[str, ...] = ("left heel", "left toe", "right heel", "right toe")


def contact_joints(skeleton: Skeleton) -> tuple[int, int, int, int] | None:
    """Joints standing for left heel, left toe, right heel, right toe; None where the ankles are not known by name.

    A heel is the ankle; a toe is what hangs on it nearest to the ankle (the ankle itself where nothing does).
    """
    if not {"l_ankle", "r_ankle"} <= set(skeleton.aliases):
        return None
    left, right = skeleton.index("l_ankle"), skeleton.index("r_ankle")
    left_toe, right_toe = ((skeleton.children[ankle] or (ankle,))[0] for ankle in (left, right))
    return left, left_toe, right, right_toe


def foot_contacts(clip: Clip, *, height: float = 0.05, speed: float = 0.5) -> Bool[Tensor, "*batch frame 4"]:
    """True where a heel or toe is within `height` metres of its lowest level and slower than `speed` metres per second.

    The lowest level is the 5th percentile over the clip, taken for both heels together and for both toes together: a
    foot that never comes down is never in contact. y is up. All False where the skeleton has no ankles.
    """
    joints = contact_joints(clip.skeleton)
    if joints is None:
        return torch.zeros(*clip.batch_shape, clip.frames, 4, dtype=torch.bool)
    feet = clip.points().positions[..., list(joints), :]
    if clip.frames > 1:
        step = (feet[..., 1:, :, :] - feet[..., :-1, :, :]).norm(dim=-1) * clip.fps
        step = torch.cat((step[..., :1, :], step), -2)
    else:
        step = torch.zeros(feet.shape[:-1])
    sides = feet[..., 1].unflatten(-1, (2, 2))  # frame, side, heel or toe
    level = torch.quantile(sides.flatten(-3, -2), 0.05, dim=-2)
    low = sides < level[..., None, None, :] + height
    return low.flatten(-2) & (step < speed)
