"""Which way is up in a clip, how tall its body is, and the same clip with y up.

Files say neither. A standing body tells: head above feet, trunk and legs along one axis. A body that lies or crawls
along x looks the same for one frame, so the floor decides then: a body in a thin layer above y = 0 lies, whatever
its long axis is. Four legs that hang down from a level trunk point against up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.kinematics import rotate_root
from kinema.motion.motion import AnyClip, Clip, Points
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton, has_joint

AXES = ("x", "y", "z", "-x", "-y", "-z")
_ARMS = ("l_shoulder", "r_shoulder", "l_wrist", "r_wrist")
_LOOKED_AT = 256  # frames, spread over the clip
_ALONG = 0.8  # cosine: a part of the body points along an axis
_MOST = 0.7  # share of the frames that must agree
_LYING = 0.45  # of the body's height: a body that lies or crawls is no higher
_FLOOR = 0.06  # of the body's height: how far the lowest point may be from 0 on a floor, and how much it varies
_HEAD = 1.16  # standing height over the way from the ankles to the head's joint
_WAY = 0.72  # standing height over the longest way along the bones, from a hand to a foot
_FAR = 1.5  # of the longest limb: a bone without a limb that is longer carries a camera or a prop, not a body
# The axis that is up -> where x, y and z go when y becomes up: rows of a rotation.
_TURNS: dict[str, tuple[tuple[int, int, int], ...]] = {
    "y": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "z": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),
    "x": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
    "-y": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),
    "-z": ((1, 0, 0), (0, 0, -1), (0, 1, 0)),
    "-x": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
}


@dataclass(frozen=True)
class Up:
    """The axis that is up ("y", "-z" ...), whether the clip shows it clearly, and what shows it.

    Where it is not clear, `axis` is "y", kinema's own.
    """

    axis: str
    clear: bool
    reason: str


def find_up(clip: Clip) -> Up:
    """Which axis of a clip is up. Of a batch the first clip is looked at; a picture (2-D) shows nothing."""
    skeleton, positions = clip.skeleton, _frames(clip)
    if positions.shape[-1] != 3 or not len(positions):
        return Up("y", clear=False, reason="positions in a picture" if len(positions) else "no finite frame")
    size = body_height(clip)
    body = positions[:, body_joints(skeleton)]
    if has_joint(skeleton, "l_hip", "r_hip", "l_ankle", "r_ankle") and (top := _top(skeleton)) is not None:
        return _by_limbs(skeleton, positions, body, top, size)
    return _by_floor(body, size)


def body_height(clip: Clip) -> float:
    """The height of the body when it stands, in the unit of the clip, from its bones: its pose does not matter.

    With legs and a head: the way from the ankles to the head, and what is usual above and below. Else the longest way
    along the bones of the body, without the joints that `body_joints` leaves out. 0 where no frame is finite.
    """
    skeleton, positions = clip.skeleton, _frames(clip)
    if not len(positions):
        return 0.0
    top = _top(skeleton)
    if top is not None and has_joint(skeleton, *(f"{s}_{p}" for s in "lr" for p in ("hip", "knee", "ankle"))):
        hips = positions[:, skeleton.indices(("l_hip", "r_hip"))].mean(1)
        legs = skeleton.indices([f"{side}_{part}" for side in "lr" for part in ("hip", "knee", "ankle")])
        ways = positions[:, legs].unflatten(1, (2, 3)).diff(dim=2).norm(dim=-1).sum((1, 2)) / 2
        middle = [name for name in ("spine", "chest", "neck", "head") if has_joint(skeleton, name)]
        spots = [hips, *(positions[:, skeleton.canonical(name)] for name in middle)]
        if not middle:
            spots.append(positions[:, list(top)].mean(1))
        trunk = sum(float((b - a).norm(dim=-1).median()) for a, b in pairwise(spots))
        return _HEAD * (float(ways.median()) + trunk)
    parents = [max(parent, 0) for parent in skeleton.parents]
    bones = (positions - positions[:, parents]).norm(dim=-1).median(0).values
    lengths = torch.zeros_like(bones)
    kept = body_joints(skeleton)
    lengths[kept] = bones[kept]
    return _WAY * skeleton.longest_way(lengths.tolist())


def body_joints(skeleton: Skeleton) -> list[int]:
    """The joints that are the body: not the ones above it (world, reference), and no camera or prop beside it.

    A joint belongs where a canonical joint lies at or below it and below the meeting of all of them; a branch without
    one belongs where none of its bones is longer than 1.5 times the longest bone of a limb.
    """
    core = {skeleton.canonical(name) for name in CANON17 if has_joint(skeleton, name)}
    if len(core) < 4:
        return _without_far_branches(skeleton)
    lines = [skeleton.ancestors(joint)[::-1] for joint in core]
    meeting = max(joint for joint in lines[0] if all(joint in line for line in lines))
    kept = {joint for line in lines for joint in line[line.index(meeting) :]}
    lengths = skeleton.bone_lengths
    limit = _FAR * float(lengths[sorted(kept - {meeting})].max()) if len(kept) > 1 else 0.0
    for joint in range(meeting + 1, len(skeleton)):
        parent = skeleton.parents[joint]
        # Helpers that stand beside the body hang on the meeting or above it; fingers and toes hang on a limb.
        if joint not in kept and parent in kept and float(lengths[joint]) <= limit:
            kept.add(joint)
    return sorted(kept)


def with_up(clip: AnyClip, axis: str) -> AnyClip:
    """The clip turned so that its `axis` ("z", "-y" ...) becomes y. A rest pose that stands along `axis` turns too.

    `from_up` undoes it. Axis "y" gives the clip back.
    """
    return _turned(clip, torch.tensor(_TURNS[axis], dtype=torch.float32), axis)


def from_up(clip: AnyClip, axis: str, *, rest: bool = False) -> AnyClip:
    """A clip with y up turned back so that `axis` is up; `rest` says that its rest pose stands along y since `with_up`
    and has to go back as well."""
    turn = torch.tensor(_TURNS[axis], dtype=torch.float32).T
    return _turned(clip, turn, "y" if rest else "")


def rests_along(skeleton: Skeleton, axis: str) -> bool:
    """Whether the rest pose stands along an axis: `with_up` turns such a rest pose as well."""
    top = _top(skeleton)
    if top is None or not has_joint(skeleton, "l_ankle", "r_ankle"):
        return False
    places = skeleton.rest_positions
    way = places[list(top)].mean(0) - places[skeleton.indices(("l_ankle", "r_ankle"))].mean(0)
    return float(way @ _vector(axis)) > _ALONG * float(way.norm()) > 0


def _turned(clip: AnyClip, turn: Tensor, axis: str) -> AnyClip:
    if bool((turn == torch.eye(3)).all()):
        return clip
    if isinstance(clip, Points):
        return replace(clip, positions=clip.positions @ turn.T.to(clip.positions))
    skeleton, by = clip.skeleton, turn.to(clip.rotations)
    root = clip.root @ by.T
    if not axis or not rests_along(skeleton, axis):  # the joints' own axes stay: only the root turns
        return replace(clip, rotations=rotate_root(clip.rotations, by), root=root)
    offsets = None if clip.offsets is None else clip.offsets @ by.T
    body = replace(skeleton, offsets=skeleton.offsets @ turn.T)
    return replace(clip, skeleton=body, rotations=by @ clip.rotations @ by.T, root=root, offsets=offsets)


def _frames(clip: Clip) -> Float[Tensor, "frame joint dim"]:
    """Finite frames of the first clip of a batch, at most 256, spread evenly."""
    one = clip.one(*[0] * len(clip.batch_shape)) if clip.batch_shape else clip
    if one.frames > _LOOKED_AT:
        one = one[torch.linspace(0, one.frames - 1, _LOOKED_AT).long()]
    positions = one.points().positions
    return positions[positions.isfinite().all(-1).all(-1)]


def _top(skeleton: Skeleton) -> tuple[int, ...] | None:
    """The joint of the head, or what stands for it: the neck, or both shoulders."""
    for names in (("head",), ("neck",), ("l_shoulder", "r_shoulder"), ("chest",)):
        if has_joint(skeleton, *names):
            return tuple(skeleton.canonical(name) for name in names)
    return None


def _vector(axis: str) -> Tensor:
    sign = -1.0 if axis.startswith("-") else 1.0
    return torch.tensor([sign * (letter == axis[-1]) for letter in "xyz"])


def _share(ways: Float[Tensor, "frame 3"], axis: str) -> float:
    """In which share of the frames a direction points along an axis."""
    return float((torch.nn.functional.normalize(ways, dim=-1) @ _vector(axis).to(ways) > _ALONG).float().mean())


def _range(values: Tensor) -> tuple[float, float]:
    """The 2nd and the 98th percentile."""
    some = values[:: 1 + values.numel() // 10**6].float()
    low, high = torch.quantile(some, torch.tensor([0.02, 0.98])).tolist()
    return low, high


def _by_limbs(skeleton: Skeleton, positions: Tensor, body: Tensor, top: tuple[int, ...], size: float) -> Up:
    def middle(part: str) -> Tensor:
        return positions[:, skeleton.indices((f"l_{part}", f"r_{part}"))].mean(1)

    ends, feet = positions[:, list(top)].mean(1), middle("ankle")
    trunk, legs = ends - middle("hip"), middle("hip") - feet
    arms = middle("shoulder") - middle("wrist") if has_joint(skeleton, *_ARMS) else None
    stands = {axis: _share(trunk, axis) * _share(ends - feet, axis) for axis in AXES}
    axis = max(AXES, key=stands.__getitem__)
    if axis == "y" and stands["y"] >= _MOST:
        return Up("y", clear=True, reason="the head is above the feet along y")
    four = {axis: min(_share(legs, axis), _share(arms, axis)) for axis in AXES} if arms is not None else {"y": 0.0}
    hung = max(four, key=four.__getitem__)
    if four[hung] >= _MOST and _share(trunk, hung) < 1 - _MOST and float(trunk.norm(dim=-1).median()) > 0:
        return Up(hung, clear=True, reason=f"four limbs hang down from the trunk along {hung}")
    if stands[axis] < _MOST:
        return Up("y", clear=False, reason="the body lies, crawls or turns over")
    if stands["y"] > 0.05:
        return Up("y", clear=False, reason=f"the body stands along y in some frames, and along {axis} in most")
    if rests_along(skeleton, axis):
        return Up(axis, clear=True, reason=f"head above feet along {axis}, in the rest pose too")
    low, high = _range(body[..., 1].flatten())
    floor = abs(_range((body @ _vector(axis).to(body)).amin(1))[0]) < _FLOOR * size
    if high - low < _LYING * size and (low > -_FLOOR * size or not floor):
        return Up("y", clear=False, reason=f"the body lies along {axis}: all of it is within {high - low:.2g} along y")
    travel = middle("hip").amax(0) - middle("hip").amin(0)
    along = float(travel["xyz".index(axis[-1])])
    if along > size / 2 and along > float(travel.sum()) / 2:
        return Up("y", clear=False, reason=f"the body travels along {axis}, its own long axis")
    raised = arms is not None and float((((middle("wrist") - ends) @ _vector(axis)) > 0).float().mean()) > _MOST
    if axis == "-y" and raised:
        return Up("y", clear=False, reason="the body may stand on its hands")
    return Up(axis, clear=True, reason=f"the head is above the feet along {axis}")


def _by_floor(body: Tensor, size: float) -> Up:
    """Without limbs of known names: the axis with a floor at 0 that the body never leaves."""
    found: list[str] = []
    for axis in AXES:
        low = (body @ _vector(axis).to(body)).amin(1)
        near, far = _range(low)
        if abs(near) < _FLOOR * size and far - near < _FLOOR * size:
            found.append(axis)
    if len(found) == 1 or "y" in found:
        axis = "y" if "y" in found else found[0]
        return Up(axis, clear=True, reason=f"the body stays on a floor at {axis} = 0")
    return Up("y", clear=False, reason="no limbs of known names, and no axis with a floor of its own")


def _without_far_branches(skeleton: Skeleton) -> list[int]:
    """All joints but those beyond a bone far longer than the others: a tenth of the joints may be props."""
    lengths = skeleton.bone_lengths[1:]
    if not len(lengths):
        return [0]
    limit = 4 * float(torch.quantile(lengths, 0.9))
    kept = [0]
    for joint in range(1, len(skeleton)):
        if skeleton.parents[joint] in kept and float(skeleton.bone_lengths[joint]) <= limit:
            kept.append(joint)
    return kept
