"""Which parts of the feet stand on the ground, and how fast standing feet slide.

A part (heel or toe) stands where it is low and slow. Low is measured from the floor that the clip itself shows, slow
against the part that carries the body: the feet of a body that slides as a whole stand and slide. Both have hysteresis.
Movement is measured over several frames: the noise of a recording moves a planted foot by millimetres per frame.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.motion import Clip
from kinema.motion.skeleton import Skeleton

LOW = (0.03, 0.05)  # metres above the floor: a contact has a frame below the first, and all below the second
SLOW = (0.3, 0.6)  # metres per second, likewise
FASTEST_SLIDE = 1.0  # metres per second: a foot that slides faster does not stand
_LOWEST = 0.05  # the share of frames that lie below the level of the floor
_MOVES = 1 / 15  # seconds over which a part moves, to find contacts
_SLIDES = 0.1  # seconds over which a standing foot slides, to measure it


def contact_joints(skeleton: Skeleton) -> tuple[int, int, int, int] | None:
    """Joints standing for left heel, left toe, right heel, right toe; None where the ankles are not known by name.

    A heel is the ankle; a toe is what hangs on it nearest to the ankle (the ankle itself where nothing does).
    """
    if not {"l_ankle", "r_ankle"} <= set(skeleton.aliases):
        return None
    left, right = skeleton.index("l_ankle"), skeleton.index("r_ankle")
    left_toe, right_toe = ((skeleton.children[ankle] or (ankle,))[0] for ankle in (left, right))
    return left, left_toe, right, right_toe


def contact_points(clip: Clip) -> Float[Tensor, "*batch frame 4 3"] | None:
    """Positions of left heel, left toe, right heel, right toe; None in two dimensions, and where they have no names."""
    joints, positions = contact_joints(clip.skeleton), clip.points().positions
    return None if joints is None or positions.shape[-1] != 3 else positions[..., list(joints), :]


def foot_contacts(clip: Clip) -> Bool[Tensor, "*batch frame 4"]:
    """True where a heel or toe stands (`standing`). All False where the skeleton has no ankles."""
    feet = contact_points(clip)
    if feet is None:
        return torch.zeros(*clip.batch_shape, clip.frames, 4, dtype=torch.bool)
    return standing(feet, clip.fps)


def standing(feet: Float[Tensor, "*batch frame 4 3"], fps: float) -> Bool[Tensor, "*batch frame 4"]:
    """True where left heel, left toe, right heel or right toe stands; y is up, metres.

    It is within `LOW` of the floor, and within `SLOW` of the velocity of the slowest low part (`support`).
    """
    height = heights(feet)
    speed = (velocities(feet, fps) - support(feet, fps)[..., None, :]).norm(dim=-1)
    return _begun((height < LOW[1]) & (speed < SLOW[1]), (height < LOW[0]) & (speed < SLOW[0]))


def support(feet: Float[Tensor, "*batch frame 4 3"], fps: float) -> Float[Tensor, "*batch frame 3"]:
    """The horizontal velocity of the part that carries the body: the slowest low one, 0 above `FASTEST_SLIDE`."""
    level = velocities(feet, fps) * feet.new_tensor([1.0, 0.0, 1.0])
    speed = torch.where(heights(feet) < LOW[1], level.norm(dim=-1), torch.inf)
    slowest, part = speed.nan_to_num(torch.inf, torch.inf).min(-1)
    carried = level.gather(-2, part[..., None, None].expand(*part.shape, 1, 3))[..., 0, :]
    return torch.where((slowest < FASTEST_SLIDE)[..., None], carried, torch.zeros_like(carried))


def heights(feet: Float[Tensor, "*batch frame 4 3"]) -> Float[Tensor, "*batch frame 4"]:
    """Heights above the floor, metres: heels and toes each above the 5th percentile of both sides over the clip.

    So a foot that never comes down never stands.
    """
    sides = feet[..., 1].unflatten(-1, (2, 2))  # frame, side, heel or toe
    level = torch.nanquantile(sides.flatten(-3, -2), _LOWEST, dim=-2)
    return (sides - level[..., None, None, :]).flatten(-2)


def velocities(feet: Float[Tensor, "*batch frame part 3"], fps: float) -> Float[Tensor, "*batch frame part 3"]:
    """Metres per second around each frame, over a fifteenth of a second; 0 for one frame."""
    count = feet.shape[-3]
    frames = torch.arange(count)
    span = max(1, round(min(_MOVES * fps, count)))  # a damaged file may give any rate
    first, last = (frames - (span + 1) // 2).clamp(min=0), (frames + span // 2).clamp(max=count - 1)
    last = torch.maximum(last, first + 1).clamp(max=count - 1)
    seconds = (last - first).clamp(min=1) / fps
    return (feet[..., last, :, :] - feet[..., first, :, :]) / seconds.to(feet)[:, None, None]


def slide(feet: Float[Tensor, "*batch frame 4 3"], fps: float) -> float | None:
    """How fast standing feet slide over the floor, metres per second: 0 is right, recordings have 0.05 to 0.2.

    The mean over feet and frames of the distance that the slower of heel and toe covers in a tenth of a second in which
    it stands all the time. None where no foot does.
    """
    span = max(1, round(_SLIDES * fps))
    if feet.shape[-3] <= span:
        return None
    stands = standing(feet, fps).unfold(-2, span + 1, 1).all(-1)
    step = (feet[..., span:, :, :] - feet[..., :-span, :, :])[..., [0, 2]].norm(dim=-1) * fps / span
    slower = torch.where(stands, step, torch.inf).unflatten(-1, (2, 2)).amin(-1)
    return float(slower[slower.isfinite()].double().mean()) if bool(slower.isfinite().any()) else None


def _begun(weak: Bool[Tensor, "*batch frame 4"], strong: Bool[Tensor, "*batch frame 4"]) -> Bool[Tensor, "*b frame 4"]:
    """The runs of `weak` frames that have a `strong` one."""
    runs = weak.movedim(-2, -1)
    begins = runs & ~torch.nn.functional.pad(runs, (1, 0))[..., :-1]
    number = begins.long().cumsum(-1)
    found = torch.zeros(*runs.shape[:-1], runs.shape[-1] + 1, dtype=torch.long)
    found.scatter_add_(-1, number, (strong & weak).movedim(-2, -1).long())
    return (runs & (found.gather(-1, number) > 0)).movedim(-1, -2)
