"""`clean_feet`: feet of an answer that neither slide nor sink: the body's path, then the feet, then the floor."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.constraints.easing import away_from, minimum_jerk, smoothed
from kinema.motion.constraints.kinds import Ground
from kinema.motion.constraints.solver import meet
from kinema.motion.feet.contacts import LOW, contact_points, foot_contacts, heights, support
from kinema.motion.feet.lock import lock_feet
from kinema.motion.motion import Clip, Motion, stack
from kinema.motion.skeleton import has_joint

_EVEN = 0.1  # seconds over which the velocity of the carrying foot is averaged
_SURE = 0.05  # how surely a foot must stand for half of its velocity to be taken from the body
_SETTLED = 0.04  # metres: `lock.SETTLED` of a model's answer, whose feet do not slide on purpose
_STILL = 1e-4  # metres: a root that never moves farther has no path
_SOLE = 0.12  # metres above the floor at which the lower of ankle and toe may rest
_BELOW = 0.005  # metres under the level of the feet that are not worth a change


def cannot_clean(clip: Clip) -> str:
    """Why the feet of a clip cannot be cleaned, or nothing."""
    if not isinstance(clip, Motion):
        return "feet are left: the answer has positions and no joint rotations"
    needed = [f"{side}_{part}" for side in "lr" for part in ("hip", "knee", "ankle")]
    if not has_joint(clip.skeleton, *needed):
        return f"feet are left: {clip.skeleton.name} has no hips, knees and ankles of known names"
    return ""


def clean_feet(
    motion: Motion,
    *,
    floor: float | None = None,
    contacts: Bool[Tensor, "frame 4"] | None = None,
    fixed: Bool[Tensor, " frame"] | None = None,
) -> Motion:
    """The clip with feet that stand where they stand, above the floor; any batch axes.

    The body moves on so that the foot that carries it stays (`contacts.support`), what is left the legs take
    (`lock.lock_feet`), and what is under `floor` is lifted. `floor` (metres) defaults to `floor_of` the
    clip, `contacts` to those found in it. `fixed` frames come back bit for bit, and changes fade towards them. A clip
    whose feet `cannot_clean` comes back as it is.
    """
    if cannot_clean(motion) or motion.frames < 2:
        return motion
    if motion.batch_shape:
        each = [motion.map(lambda values, _, at=at: values[at]) for at in range(motion.batch_shape[0])]
        return stack([clean_feet(one, floor=floor, contacts=contacts, fixed=fixed) for one in each])
    if floor is None:
        floor = floor_of(motion)
    fixed = torch.zeros(motion.frames, dtype=torch.bool) if fixed is None else fixed
    moved = replace(motion, root=motion.root + _shift(motion, fixed))
    return meet(lock_feet(moved, contacts, settled=_SETTLED, fixed=fixed), [Ground(floor)], fixed=fixed).motion


def clean_retargeted(moved: Motion, source: Clip) -> Motion:
    """A retargeted clip with clean feet: those stand that stand in the source, where that has feet of known names."""
    known = not source.batch_shape and contact_points(source) is not None
    return clean_feet(moved, contacts=foot_contacts(source) if known else None)


def fastest_knee(motion: Motion) -> float:
    """The largest angular speed of a knee, radians per second; recordings have up to about 16."""
    places, fastest = motion.points().positions, 0.0
    for side in "lr":
        names = [f"{side}_{part}" for part in ("hip", "knee", "ankle")]
        hip, knee, ankle = places[:, motion.skeleton.indices(names)].unbind(1)
        thigh, shin = (torch.nn.functional.normalize(bone, dim=-1) for bone in (knee - hip, ankle - knee))
        angle = torch.atan2(torch.linalg.cross(thigh, shin, dim=-1).norm(dim=-1), (thigh * shin).sum(-1))
        fastest = max(fastest, float(angle.diff().abs().amax()) * motion.fps)
    return fastest


def floor_of(motion: Motion) -> float:
    """The height of the floor, metres: 0 where feet at rest are up to a hand's breadth above it, else their level."""
    feet = contact_points(motion)
    assert feet is not None
    level = float((feet[..., 1] - heights(feet)).nan_to_num(torch.inf).amin())
    return 0.0 if 0 <= level <= _SOLE else level - _BELOW


def lowest_of(motion: Motion) -> float:
    """How low a foot ever gets, with all that hangs on it, metres."""
    ankles = motion.skeleton.indices(("l_ankle", "r_ankle"))
    below = sorted({joint for ankle in ankles for joint in motion.skeleton.below(ankle)})
    return float(motion.points().positions[..., below, 1].amin())


def _shift(motion: Motion, fixed: Bool[Tensor, " frame"]) -> Float[Tensor, "frame 3"]:
    """How far the root moves so that the foot that carries the body stays where it is."""
    feet = contact_points(motion)
    path = motion.root[:, [0, 2]]
    if feet is None or float((path - path[:1]).abs().amax()) < _STILL:
        return torch.zeros_like(motion.root)
    window = max(1, round(_EVEN * motion.fps))
    sure = ((1 - heights(feet) / LOW[1]).clamp(0, 1)).amax(-1, keepdim=True)
    velocity = smoothed(support(feet, motion.fps) * sure, window) / (smoothed(sure, window) + _SURE)
    velocity = velocity * away_from(fixed, window)[:, None]
    shift = -(velocity[:-1] + velocity[1:]).cumsum(0) / (2 * motion.fps)
    shift = torch.cat((torch.zeros_like(shift[:1]), shift))
    known = fixed.nonzero()[:, 0].tolist()
    if not known:
        return shift
    # Back to where the fixed frames are, along a smooth curve in each gap; after the last one nothing holds the body.
    shift = shift - shift[known[0]]
    for first, last in pairwise(known):
        if last == first + 1:
            continue
        way = minimum_jerk(torch.arange(last - first + 1) / (last - first))[1:, None] * shift[last]
        shift[first + 1 : last + 1] = shift[first + 1 : last + 1] - way
        shift[last + 1 :] = shift[last + 1 :] - way[-1]
    return torch.where(fixed[:, None], 0.0, shift)
