"""Feet that neither slide nor sink: `clean_feet` corrects the body's path, then the feet (`lock_feet`), then the floor.

`lock_feet` keeps feet that stand where they stand: two-bone inverse kinematics of the legs, eased in and out. Of each
contact the heel, the toe, or both have one position (the anchor). The foot is moved there, and rotated about its heel
where both are down; thigh and shin follow in the plane in which the knee was bent, so knees keep their side. Hips come
down where a leg would be too short. Between contacts the correction fades.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import normalize

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import forward_kinematics
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat, shortest_arc
from kinema.motion.constraints.easing import away_from, minimum_jerk, smooth_above, smoothed
from kinema.motion.constraints.kinds import Ground
from kinema.motion.constraints.solver import meet
from kinema.motion.damage import runs
from kinema.motion.edit import carrier, part_of, with_part
from kinema.motion.feet.contacts import LOW, contact_joints, contact_points, foot_contacts, heights, support
from kinema.motion.motion import Clip, Motion, stack
from kinema.motion.skeleton import has_joint

_FADE = 0.15  # seconds before and after a contact in which its correction grows and fades
_SHORTEST = 0.07  # seconds: a contact that is shorter is a touch, a gap that is shorter is jitter
_REACH = 0.995  # of the leg's length: a straight knee has no side to bend to
_STRAIGHT = 0.02  # metres between the knee and the line from hip to ankle, within which a leg counts as straight
SETTLED = 0.015  # metres from its usual place within which a part of the foot has come down
_EVEN = 0.1  # seconds over which the velocity of the carrying foot is averaged
_SURE = 0.05  # how surely a foot must stand for half of its velocity to be taken from the body
_SETTLED = 0.04  # metres: `SETTLED` of a model's answer, whose feet do not slide on purpose
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
    (`lock_feet`), and what is under `floor` is lifted. `floor` (metres) defaults to `floor_of` the
    clip, `contacts` to those found in it. `fixed` frames come back bit for bit, and changes fade towards them. A clip
    whose feet `cannot_clean` comes back as it is.
    """
    if cannot_clean(motion) or motion.frames < 2:
        return motion
    if motion.batch_shape:
        each = [motion.map(lambda values, _, at=at: values[at]) for at in range(motion.batch_shape[0])]
        return stack([clean_feet(one, floor=floor, contacts=contacts, fixed=fixed) for one in each])
    if joint := carrier(motion):
        part = clean_feet(part_of(motion, joint), floor=floor, contacts=contacts, fixed=fixed)
        return with_part(motion, part, joint)
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
        thigh, shin = (normalize(bone, dim=-1) for bone in (knee - hip, ankle - knee))
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


@dataclass(frozen=True)
class _Leg:
    """The four joints of a leg: hip, knee, heel (the ankle) and toe."""

    hip: int
    knee: int
    heel: int
    toe: int


def settled_contacts(
    motion: Motion, contacts: Bool[Tensor, "frame 4"] | None = None, settled: float = SETTLED
) -> Bool[Tensor, "frame 4"]:
    """In which frames heels and toes will be locked: contacts without jitter, without the frames in which a part of
    the foot still comes down or lifts off, and without those that slide on purpose. Arguments as `lock_feet`."""
    legs = _legs(motion)
    contacts = foot_contacts(motion) if contacts is None else contacts
    least = max(1, round(_SHORTEST * motion.fps))
    places = motion.points().positions
    feet = [joint for leg in legs for joint in (leg.heel, leg.toe)]
    parts = [_settled(contacts[:, part], places[:, joint], least, settled) for part, joint in enumerate(feet)]
    return torch.stack(parts, -1)


@dataclass(frozen=True)
class _Body:
    """A clip in the world: positions and rotations of all joints."""

    places: Float[Tensor, "frame joint 3"]
    global_rotations: Float[Tensor, "frame joint 3 3"]
    parents: tuple[int, ...]


def lock_feet(
    motion: Motion,
    contacts: Bool[Tensor, "frame 4"] | None = None,
    *,
    settled: float = SETTLED,
    fixed: Bool[Tensor, " frame"] | None = None,
) -> Motion:
    """The clip with feet that stand kept in place; skeleton, rate and length stay.

    `contacts` are those of `contacts.foot_contacts` (left heel, left toe, right heel, right toe), found in the clip
    itself where they are not given; changes shorter than 0.07 s are ignored. The correction grows and fades within
    0.15 s. A foot slides on purpose, and is left, if it is farther than `settled` metres from its usual place
    for half of a contact. `fixed` frames stay, bit for bit, and the feet stand where those have them. Raises UsageError
    for a batch of clips, and where the skeleton has no legs.
    """
    legs = _legs(motion)
    down = settled_contacts(motion, contacts, settled)
    parents = motion.skeleton.parents
    places, global_rotations = forward_kinematics(motion.rotations, motion.root, motion.bones, parents)
    fixed = torch.zeros(motion.frames, dtype=torch.bool) if fixed is None else fixed
    feet = (_foot(places, down[:, 2 * i : 2 * i + 2], leg, fixed) for i, leg in enumerate(legs))
    moves, twists = zip(*feet, strict=True)
    frames = max(1, round(_FADE * motion.fps))
    masks = [down[:, 2 * i : 2 * i + 2].any(-1) for i in range(2)]
    free = away_from(fixed, frames)
    moves = [free[:, None] * _faded(move, mask, frames) for move, mask in zip(moves, masks, strict=True)]
    turns = [free[:, None] * _faded(twist, mask, frames) for twist, mask in zip(twists, masks, strict=True)]
    twists = [rotvec_to_rotmat(turn) for turn in turns]
    drop = free * _drop(places, legs, moves, frames)
    up = motion.root.new_tensor([0.0, 1.0, 0.0])
    rotations = motion.rotations.clone()
    lowered = _Body(places - drop[:, None, None] * up, global_rotations, parents)
    across = places[:, legs[0].hip] - places[:, legs[1].hip]
    for leg, move, twist in zip(legs, moves, twists, strict=True):
        _bend(rotations, lowered, leg, across, places[:, leg.heel] + move, twist)
    rotations = torch.where(fixed[:, None, None, None], motion.rotations, rotations)
    return replace(motion, rotations=rotations, root=motion.root - drop[:, None] * up)


def _legs(motion: Motion) -> tuple[_Leg, _Leg]:
    feet = contact_joints(motion.skeleton)
    needed = [f"{side}_{part}" for side in "lr" for part in ("hip", "knee")]
    if feet is None or motion.batch_shape or not has_joint(motion.skeleton, *needed):
        raise UsageError(
            expected="one clip of a body with hips, knees and ankles of known names",
            got=f"{motion.skeleton.name}, batch shape {tuple(motion.batch_shape)}",
            cure="Leave the lock out, or say which joints they are in a joint map (--map FILE.toml).",
        )
    hips, knees = (motion.skeleton.indices((f"l_{part}", f"r_{part}")) for part in ("hip", "knee"))
    return _Leg(hips[0], knees[0], feet[0], feet[1]), _Leg(hips[1], knees[1], feet[2], feet[3])


def _evened(mask: Bool[Tensor, " frame"], least: int) -> Bool[Tensor, " frame"]:
    """The mask without gaps, then without runs, shorter than `least` frames; what touches an end is kept."""
    mask = mask.clone()
    for value in (False, True):
        for start, stop in runs(mask == value):
            if stop - start < least and start > 0 and stop < len(mask):
                mask[start:stop] = not value
    return mask


def _settled(
    down: Bool[Tensor, " frame"], place: Float[Tensor, "frame 3"], least: int, settled: float
) -> Bool[Tensor, " frame"]:
    """Contacts of one part of a foot, without the frames in which it comes down or lifts off, and without slides."""
    down = _evened(down, least)
    kept = torch.zeros_like(down)
    for start, stop in runs(down):
        here = place[start:stop]
        near = ((here - here.median(0).values).norm(dim=-1) < settled).nonzero()[:, 0]
        if 2 * len(near) > stop - start:  # else it slides on purpose
            kept[start + int(near[0]) : start + int(near[-1]) + 1] = True
    return kept


def _foot(
    places: Tensor, down: Bool[Tensor, "frame 2"], leg: _Leg, fixed: Bool[Tensor, " frame"]
) -> tuple[Float[Tensor, "frame 3"], Float[Tensor, "frame 3"]]:
    """How far the ankle is moved and the foot rotated (rotation vector), in the frames of contact; else 0."""
    heel, toe = places[:, leg.heel], places[:, leg.toe]
    move, twist = torch.zeros_like(heel), torch.zeros_like(heel)
    for start, stop in runs(down.any(-1)):
        on_heel, on_toe = down[start:stop, 0], down[start:stop, 1]
        here, there, held = heel[start:stop], toe[start:stop], fixed[start:stop]
        if leg.heel == leg.toe or not bool(on_toe.any()) or not bool(on_heel.any()):
            place, mask = (here, on_heel) if bool(on_heel.any()) else (there, on_toe)
            move[start:stop] = place[_anchors(mask, held)].mean(0) - place
            continue
        both = on_heel & on_toe
        if not bool(both.any()):  # the one right after the other: where they meet counts as both
            both = on_heel & torch.nn.functional.max_pool1d(on_toe.float()[None], 3, 1, 1)[0].bool()
        sole = there - here
        anchor = here[_anchors(on_heel, held)].mean(0)
        flat = normalize(sole[both].mean(0), dim=-1) * sole[both].norm(dim=-1).mean()
        arc = rotmat_to_rotvec(shortest_arc(sole[both], flat))
        # The rotation of frames in which both are down fades into those in which one is.
        turned = torch.zeros_like(sole)
        turned[both] = arc
        turned = _faded(turned, both, max(1, len(both) // 3))
        twist[start:stop] = turned
        moved = (rotvec_to_rotmat(turned) @ sole[..., None])[..., 0]
        move[start:stop] = torch.where(on_heel[:, None], anchor - here, anchor + flat - here - moved)
    return move, twist


def _anchors(mask: Bool[Tensor, " frame"], held: Bool[Tensor, " frame"]) -> Bool[Tensor, " frame"]:
    """The frames of a contact that say where the foot stands: the fixed ones, where there are any."""
    return mask & held if bool((mask & held).any()) else mask


def _faded(values: Float[Tensor, "frame 3"], mask: Bool[Tensor, " frame"], frames: int) -> Float[Tensor, "frame 3"]:
    """The values where the mask is; outside it the nearest ones on both sides, fading within so many frames."""
    out = values * mask[:, None]
    for start, stop in runs(~mask):
        reach = min(frames, stop - start) + 1
        step = torch.arange(1, stop - start + 1).to(values)
        if start > 0:
            out[start:stop] += _ease(1 - step / reach)[:, None] * values[start - 1]
        if stop < len(mask):
            out[start:stop] += _ease(1 - step.flip(0) / reach)[:, None] * values[stop]
    return out


def _ease(share: Tensor) -> Tensor:
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)


def _drop(places: Tensor, legs: tuple[_Leg, _Leg], moves: list[Tensor], frames: int) -> Float[Tensor, " frame"]:
    """How far the hips must come down for both feet to be in reach; smooth, and never less than needed."""
    needed = torch.zeros(len(places))
    for leg, move in zip(legs, moves, strict=True):
        hip, goal = places[:, leg.hip], places[:, leg.heel] + move
        longest = _length(places, leg.hip, leg.knee) + _length(places, leg.knee, leg.heel)
        # A leg that was straighter before may stay so.
        reach = torch.maximum(_REACH * longest, _length(places, leg.hip, leg.heel))
        level = (goal - hip)[:, [0, 2]].norm(dim=-1)
        high = (reach.square() - level.square()).clamp(min=0).sqrt()
        short = (hip[:, 1] - goal[:, 1] - high).clamp(min=0) * (move != 0).any(-1)
        needed = torch.maximum(needed, short)
    if not bool(needed.any()):
        return needed
    return smooth_above(needed, frames)


def _bend(rotations: Tensor, body: _Body, leg: _Leg, across: Tensor, goal: Tensor, twist: Tensor) -> None:
    """Writes the local rotations of hip, knee and ankle with which the ankle stands at the goal."""
    places, global_rotations = body.places, body.global_rotations
    hip, knee, heel = (places[:, joint] for joint in (leg.hip, leg.knee, leg.heel))
    thigh, shin = (knee - hip).norm(dim=-1), (heel - knee).norm(dim=-1)
    way = goal - hip
    far = torch.minimum(way.norm(dim=-1), (thigh + shin) * (1 - 1e-6)).clamp(min=1e-4)
    along = normalize(way, dim=-1)
    aside = _pole(knee - hip, heel - hip, across, along)
    cosine = ((thigh.square() + far.square() - shin.square()) / (2 * thigh * far)).clamp(-1, 1)
    sine = (1 - cosine.square()).clamp(min=0).sqrt()
    bent = hip + thigh[:, None] * (cosine[:, None] * along + sine[:, None] * aside)
    upper = shortest_arc(knee - hip, bent - hip)
    lower = shortest_arc(heel - knee, hip + far[:, None] * along - bent)
    world = torch.eye(3).to(global_rotations).expand(len(places), 3, 3)
    for joint, own, above in ((leg.hip, upper, world), (leg.knee, lower, upper), (leg.heel, twist, lower)):
        parent = body.parents[joint]
        frame = global_rotations[:, parent] if parent >= 0 else world
        rotations[:, joint] = frame.mT @ above.mT @ own @ global_rotations[:, joint]


def _pole(knee: Tensor, heel: Tensor, across: Tensor, along: Tensor) -> Float[Tensor, "frame 3"]:
    """Where the knee points to: where it did, and forwards where the leg is straight or was bent back a little."""
    line = normalize(heel, dim=-1)
    out = knee - (knee * line).sum(-1, keepdim=True) * line
    ahead = normalize(torch.linalg.cross(across, -along, dim=-1), dim=-1)
    straight = torch.exp(-out.square().sum(-1, keepdim=True) / _STRAIGHT**2)
    back = (out * ahead).sum(-1, keepdim=True).clamp(max=0)
    pole = out + straight * (_STRAIGHT - 2 * back) * ahead
    return normalize(pole - (pole * along).sum(-1, keepdim=True) * along, dim=-1)


def _length(places: Tensor, start: int, end: int) -> Tensor:
    return (places[:, end] - places[:, start]).norm(dim=-1)
