"""Inverse kinematics of a whole body: joint positions to joint rotations on a skeleton whose bones keep their length.

From the root outwards, every joint is rotated so that the bones that leave it point where the positions say: one bone
by the shortest arc, several by the rotation of least squares (Kabsch 1976). What positions do not show, the twist of a
bone about itself and joints without a position, is taken from a reference pose. Frames, batch axes and the
joints of one depth are solved at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import joint_positions
from kinema.geometry.rotations import arc_by_way, identity_rotmat, nearest_rotation
from kinema.motion.motion import Motion, Points
from kinema.motion.names import CANON17, EXTREMITIES
from kinema.motion.skeleton import Skeleton, has_joint

_SHORT = 2e-3  # metres: a bone shorter than this has no direction
_LOOSE = 0.01  # weight of a bone that hangs on a joint of its own at this place (CMU's LowerBack at its Hips)
_PRIOR = 1e-6  # weight of the reference where the bones leave a turn open
_HOME = 0.25  # weight of the reference's direction beside the mean of the clip's, see `_arc`
_HUB = 0.08  # of the longest way along the bones, from a split pelvis to the joint that carries it and the trunk
_MIDDLES = {"pelvis": ("l_hip", "r_hip"), "chest": ("l_shoulder", "r_shoulder")}


@dataclass(frozen=True)
class Match:
    """Which joints of two skeletons are the same.

    `sources` maps a joint of the target to the joint of the source, or to the two of them that it stands midway
    between; `unmatched` names the target's joints without a counterpart.
    """

    sources: dict[int, tuple[int, ...]]
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class _Bone:
    """A bone that leaves a joint: to which joint, along what in the joint's own frame, and past joints at its foot?"""

    to: int
    along: Tensor
    loose: bool


class _Target(NamedTuple):
    """A direction in a joint's own frame, the world direction that it should have, and its weight."""

    along: Tensor
    end: Tensor
    weight: float


def match_joints(source: Skeleton, target: Skeleton) -> Match:
    """Joints by their own names where the trees agree, else by canonical name (`CANON17`, `EXTREMITIES`).

    Where the source has no pelvis or chest (COCO), the middle of its hips or shoulders stands for it.
    """
    if source.same_tree(target):
        return Match({joint: (joint,) for joint in range(len(target))}, ())
    sources: dict[int, tuple[int, ...]] = {}
    for canon in (*CANON17, *EXTREMITIES):
        if not has_joint(target, canon):
            continue
        middle = _MIDDLES.get(canon, ())
        if has_joint(source, canon):
            sources[target.canonical(canon)] = (source.canonical(canon),)
        elif middle and has_joint(source, *middle):
            sources[target.canonical(canon)] = tuple(source.canonical(name) for name in middle)
    _with_top(sources, target)
    missing = tuple(name for joint, name in enumerate(target.joints) if joint not in sources)
    return Match(sources, missing)


def _with_top(sources: dict[int, tuple[int, ...]], target: Skeleton) -> None:
    """Adds the joint from which all matched ones hang: the hub of a split pelvis, or a root in the middle of a trunk.

    It stands for the pelvis where that hangs close below it (Daz, MMD), else midway between its matched neighbours.
    """
    if not sources:
        return
    lines = [target.ancestors(joint) for joint in sources]
    top = next(joint for joint in lines[0] if all(joint in line for line in lines))
    if top in sources:
        return
    first = {next(joint for joint in reversed(line[: line.index(top)]) if joint in sources): line for line in lines}
    pelvis = target.canonical("pelvis") if has_joint(target, "pelvis") else -1
    if pelvis in first:
        apart = (target.rest_positions[pelvis] - target.rest_positions[top]).norm()
        if float(apart) < _HUB * target.height:
            sources[top] = sources.pop(pelvis)
            return
    near = list(first)[:2]
    sources[top] = (sources[near[0]][0], sources[near[-1]][0])


def fit_rotations(points: Points, skeleton: Skeleton, *, reference: Motion | None = None) -> Motion:
    """The motion of `skeleton` whose joints come as near to `points` as its bones allow.

    `points` may be of another skeleton: joints are matched by `match_joints`, and bones then follow directions only.
    Twist, and the rotations of joints without a position, come from the last frame of `reference` (default: the rest
    pose), whose batch shape must be that of `points` or broadcast to it. The root stands so that the pelvis, or in its
    absence the middle of the hips, is in its position. Raises UsageError where points are not 3-D, where too few joints
    match, or where the reference is of another skeleton.
    """
    match = match_joints(points.skeleton, skeleton)
    _check(points, skeleton, match, reference)
    places = points.positions.unbind(-2)
    where = {joint: (places[of[0]] + places[of[-1]]) / 2 for joint, of in match.sources.items()}
    home = identity_rotmat((1, len(skeleton))) if reference is None else reference.rotations[..., -1:, :, :, :]
    home = home.to(points.positions)
    same_tree = points.skeleton.same_tree(skeleton)
    offsets, lengths = skeleton.offsets.to(home), skeleton.bone_lengths.tolist()
    targets: dict[int, list[_Target]] = {}
    leads = {*where}  # joints at or below which something is known
    for joint in reversed(range(len(skeleton))):
        leads |= {skeleton.parents[joint]} if joint in leads else set()
    for joint in where:
        if bones := _bones_of(joint, skeleton, where, leads, home, offsets, lengths):
            targets[joint] = _targets(joint, bones, skeleton, where, same_tree=same_tree)
    rotations = _solved(skeleton, targets, home, points.positions.shape[:-2])
    root = _root(rotations, skeleton, points, match)
    return Motion(skeleton, rotations, root, points.fps, points.action, points.identity)


def _bones_of(
    joint: int,
    skeleton: Skeleton,
    where: dict[int, Tensor],
    leads: set[int],
    home: Tensor,
    offsets: Float[Tensor, "joint 3"],
    lengths: list[float],
) -> list[_Bone]:
    """The bones to the nearest known joints below; joints between, unknown or at the same position, keep their
    rotation."""
    found: list[_Bone] = []
    # With each joint where its bone begins, and its rotation there; None as long as that is the joint's own frame.
    pending: list[tuple[int, tuple[Tensor, Tensor] | None]] = [(child, None) for child in skeleton.children[joint]]
    while pending:
        child, between = pending.pop(0)
        if child not in leads:
            continue
        along = offsets[child] if between is None else between[0] + between[1] @ offsets[child]
        length = lengths[child] if between is None else float(along.norm(dim=-1).amax())
        if child in where and length > _SHORT:
            found.append(_Bone(child, along, between is not None))
        elif skeleton.children[child]:
            turn = home[..., child, :, :] if between is None else between[1] @ home[..., child, :, :]
            pending += [(further, (along, turn)) for further in skeleton.children[child]]
    return found


def _targets(
    joint: int, bones: list[_Bone], skeleton: Skeleton, where: dict[int, Tensor], *, same_tree: bool
) -> list[_Target]:
    """The directions that the bones from a joint should have.

    Between different bodies a pair of sides gives only its line across: hips and shoulders branch off at other heights
    in every scheme, which would tilt the trunk. Hips are firm; shoulders rise with the arms and show only where
    the chest faces.
    """
    ends = {bone.to for bone in bones}
    pairs = [bone for bone in bones if skeleton.mirror[bone.to] in ends - {bone.to}]
    targets: list[_Target] = []
    for bone in bones:
        if same_tree or bone not in pairs:
            loose = same_tree and bone.loose and bone not in pairs
            targets.append(_Target(bone.along, where[bone.to] - where[joint], _LOOSE if loose else 1.0))
    if same_tree or not pairs:
        return targets
    hips = set(skeleton.indices(_MIDDLES["pelvis"])) if has_joint(skeleton, *_MIDDLES["pelvis"]) else set[int]()
    for left in pairs:
        right = next(bone for bone in pairs if bone.to == skeleton.mirror[left.to])
        if left.to < right.to:
            firm = 1.0 if {left.to, right.to} == hips else _LOOSE
            targets.append(_Target(left.along - right.along, where[left.to] - where[right.to], firm))
    if len(bones) == len(pairs):  # nothing on the middle line: the middle of the pair has to do
        middle = torch.stack([where[bone.to] for bone in pairs]).mean(0) - where[joint]
        targets.append(_Target(torch.stack([bone.along for bone in pairs]).mean(0), middle, 1.0))
    return targets


def _solved(skeleton: Skeleton, targets: dict[int, list[_Target]], home: Tensor, frames: torch.Size) -> Tensor:
    """The local rotations [*frames, joint, 3, 3] nearest to `home` that meet the targets, from the root outwards."""
    targets = _in_parents_frame(targets, home)
    solved = list(home.expand(*frames, -1, -1, -1).unbind(-3))
    turned = {-1: torch.eye(3).to(home).expand_as(solved[0])}  # global rotations; the root hangs on the world
    for level in skeleton.levels:
        one = [joint for joint in level if len(targets.get(joint, ())) == 1]
        more = [joint for joint in level if len(targets.get(joint, ())) > 1]
        for joints, turn in ((one, _arcs), (more, _least_squares)):
            if joints:
                above = torch.stack([turned[skeleton.parents[joint]] for joint in joints], -3)
                local = turn([targets[joint] for joint in joints], above) @ home[..., joints, :, :]
                for joint, each in zip(joints, local.unbind(-3), strict=True):
                    solved[joint] = each
        if inner := [joint for joint in level if skeleton.children[joint]]:
            above = torch.stack([turned[skeleton.parents[joint]] for joint in inner], -3)
            turned |= zip(inner, (above @ torch.stack([solved[joint] for joint in inner], -3)).unbind(-3), strict=True)
    return torch.stack(solved, -3)


def _in_parents_frame(targets: dict[int, list[_Target]], home: Tensor) -> dict[int, list[_Target]]:
    """The same targets with unit vectors, and `along` as the home pose has it in the frame of the joint's parent."""
    flat = [(joint, target) for joint, wanted in targets.items() for target in wanted]
    if not flat:
        return {}
    along = torch.stack([target.along.expand(*home.shape[:-3], 3) for _, target in flat], -2)
    starts = _unit((home[..., [joint for joint, _ in flat], :, :] @ along[..., None])[..., 0])
    ends = _unit(torch.stack([target.end for _, target in flat], -2))
    found: dict[int, list[_Target]] = {joint: [] for joint in targets}
    for (joint, target), start, end in zip(flat, starts.unbind(-2), ends.unbind(-2), strict=True):
        found[joint].append(_Target(start, end, target.weight))
    return found


def _arcs(targets: list[list[_Target]], above: Tensor) -> Tensor:
    """Rotations [*b, frame, joint, 3, 3] of joints with one target, without twist, by way of the clip's mean direction.

    The shortest arc flips where a limb passes the opposite of its reference direction, and an arm that hangs in the
    reference may well be raised. By way of the mean, what must not be passed is the opposite of the mean.
    """
    end = torch.stack([target.end for (target,) in targets], -2)
    end = (above.transpose(-1, -2) @ end[..., None])[..., 0]
    start = torch.stack([target.along for (target,) in targets], -2)
    middle = end.mean(-3, keepdim=True) + _HOME * start
    length = torch.linalg.vector_norm(middle, dim=-1, keepdim=True).clamp_min(1e-12)
    return arc_by_way(start, torch.where(length > 1e-12, middle / length, start), end)


def _least_squares(targets: list[list[_Target]], above: Tensor) -> Tensor:
    """Rotations [*b, frame, joint, 3, 3] of joints with several targets."""
    into = above.transpose(-1, -2).double().unbind(-3)
    correlations: list[Tensor] = []
    for wanted, turn in zip(targets, into, strict=True):
        ends = torch.stack([target.weight * target.end for target in wanted], -1).double()
        starts = torch.stack([target.along for target in wanted], -2).double()
        correlations.append(turn @ (ends @ starts))
    together = torch.stack(correlations, -3) + _PRIOR * torch.eye(3).to(correlations[0])
    return nearest_rotation(together).to(above)


def _unit(vector: Tensor) -> Tensor:
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp_min(1e-12)


def _root(rotations: Tensor, skeleton: Skeleton, points: Points, match: Match) -> Tensor:
    """Where the root must stand so that the topmost matched joint, or the middle of the hips, is in its position."""
    top = min(match.sources)
    wanted = points.positions[..., list(match.sources[top]), :].mean(-2)
    if top == 0 and len(match.sources[top]) == 1:
        return wanted
    origin = torch.zeros_like(rotations[..., 0, :, 0])
    placed = joint_positions(rotations, origin, skeleton.offsets.to(origin), skeleton.parents)
    middle = len(match.sources[top]) == 2  # the source has no pelvis, but it has hips
    return wanted - placed[..., skeleton.indices(_MIDDLES["pelvis"]) if middle else [top], :].mean(-2)


def _check(points: Points, skeleton: Skeleton, match: Match, reference: Motion | None) -> None:
    if points.positions.shape[-1] != 3:
        raise UsageError(
            expected="points in three dimensions",
            got=f"{points.positions.shape[-1]}",
            cure="Rotations cannot be found from a picture alone; lift the points first.",
        )
    top = min(match.sources, default=0)
    low = skeleton.ancestors(skeleton.canonical("pelvis")) if has_joint(skeleton, "pelvis") else [top]
    if len(match.sources) < 4 or not match.sources.keys() & set(low) or not match.sources.keys() <= skeleton.below(top):
        raise UsageError(
            expected=f"at least four joints of {skeleton.name} that match by name, its root or pelvis among them",
            got=f"{len(match.sources)} matches with {points.skeleton.name}",
            cure="Say which joint is which in a joint map: --map FILE.toml (docs/retarget.md).",
        )
    if reference is not None and not reference.skeleton.same_tree(skeleton):
        raise UsageError(
            expected=f"a reference of skeleton {skeleton.name}",
            got=reference.skeleton.name,
            cure="Retarget the reference first: kinema.motion.retargeting.retarget(reference, skeleton).",
        )
