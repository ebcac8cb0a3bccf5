"""Inverse kinematics of a whole body: joint positions to joint rotations on a skeleton whose bones keep their length.

From the root outwards, every joint is turned so that the bones that leave it point where the positions say: one bone
by the shortest arc, several by the rotation of least squares (Kabsch 1976). What positions cannot tell, the twist of a
bone about itself and joints that the positions do not know, is taken from a reference pose. Frames and batch axes are
solved at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import roma
import torch
from torch import Tensor

from kinema.errors import UsageError
from kinema.geometry.kinematics import forward_kinematics
from kinema.geometry.rotations import identity_rotmat, shortest_arc
from kinema.motion.motion import Motion, Points
from kinema.motion.names import CANON17, EXTREMITIES
from kinema.motion.skeleton import Skeleton

_SHORT = 2e-3  # metres: a bone shorter than this has no direction
_LOOSE = 0.01  # weight of a bone that hangs on a joint of its own at this place (CMU's LowerBack at its Hips)
_PRIOR = 1e-6  # weight of the reference where the bones leave a turn open
_HOME = 0.25  # weight of the reference's direction beside the mean of the clip's, see `_arc`
_MIDDLES = {"pelvis": ("l_hip", "r_hip"), "chest": ("l_shoulder", "r_shoulder")}


@dataclass(frozen=True)
class Match:
    """Which joints of two skeletons are the same.

    `sources` maps a joint of the target to the joint of the source, or to the two of them that it stands midway
    between; `unmatched` names the target's joints that found nobody.
    """

    sources: dict[int, tuple[int, ...]]
    unmatched: tuple[str, ...]


@dataclass(frozen=True)
class _Bone:
    """A bone that leaves a joint: to which joint, along what in the joint's own frame, and past joints at its foot?"""

    to: int
    along: Tensor
    loose: bool


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
            sources[_canonical(target, canon)] = (_canonical(source, canon),)
        elif middle and all(has_joint(source, name) for name in middle):
            sources[_canonical(target, canon)] = tuple(_canonical(source, name) for name in middle)
    missing = tuple(name for joint, name in enumerate(target.joints) if joint not in sources)
    return Match(sources, missing)


def has_joint(skeleton: Skeleton, name: str) -> bool:
    """Whether a skeleton has a joint of that name or alias."""
    return name in skeleton.aliases or name in skeleton.joints


def fit_rotations(points: Points, skeleton: Skeleton, *, reference: Motion | None = None) -> Motion:
    """The motion of `skeleton` whose joints come as near to `points` as its bones allow.

    `points` may be of another skeleton: joints are matched by `match_joints`, and bones then follow directions only.
    Twist, and the turns of joints that nothing is known of, come from the last frame of `reference` (default: the rest
    pose), whose batch shape must be that of `points` or broadcast to it. The root stands so that the pelvis, or in its
    absence the middle of the hips, is in its place. Raises UsageError where points are not 3-D, where too few joints
    match, or where the reference is of another skeleton.
    """
    match = match_joints(points.skeleton, skeleton)
    _check(points, skeleton, match, reference)
    where = {joint: points.positions[..., list(of), :].mean(-2) for joint, of in match.sources.items()}
    frames = points.positions.shape[:-2]
    home = _home(skeleton, reference).to(points.positions).expand(*frames, -1, -1, -1)
    same_tree = points.skeleton.same_tree(skeleton)
    turned: list[Tensor] = []
    solved: list[Tensor] = []
    for joint, parent in enumerate(skeleton.parents):
        local = home[..., joint, :, :]
        if joint in where:
            bones = _bones_of(joint, skeleton, where, home)
            wanted = _wanted(joint, bones, skeleton, where, same_tree=same_tree)
            local = _turn(local, wanted, turned[parent] if parent >= 0 else None)
        solved.append(local)
        turned.append(local if parent < 0 else turned[parent] @ local)
    rotations = torch.stack(solved, -3)
    root = _root(rotations, skeleton, points, match)
    return Motion(skeleton, rotations, root, points.fps, points.action, points.identity)


def _bones_of(joint: int, skeleton: Skeleton, where: dict[int, Tensor], home: Tensor) -> list[_Bone]:
    """The bones to the nearest known joints below; joints between, unknown or at the same place, keep their turn."""
    found: list[_Bone] = []
    offsets = skeleton.offsets.to(home)
    start = torch.zeros_like(home[..., 0, :, 0])
    frame = torch.eye(3).to(home).expand_as(home[..., 0, :, :])
    pending = [(child, start, frame, False) for child in skeleton.children[joint]]
    while pending:
        child, foot, frame, loose = pending.pop(0)
        along = foot + (frame @ offsets[child])
        if child in where and float(along.norm(dim=-1).amax()) > _SHORT:
            found.append(_Bone(child, along, loose))
            continue
        below = frame @ home[..., child, :, :]
        pending += [(further, along, below, True) for further in skeleton.children[child]]
    return found


def _wanted(
    joint: int, bones: list[_Bone], skeleton: Skeleton, where: dict[int, Tensor], *, same_tree: bool
) -> list[tuple[Tensor, Tensor, float]]:
    """Pairs of a direction in the joint's frame and the world's direction that it should have, each with a weight.

    Between different bodies a pair of sides tells its line across only: hips and shoulders branch off at other heights
    in every scheme, which would tilt the trunk. Hips are firm; shoulders rise with the arms and say little but where
    the chest faces.
    """
    ends = {bone.to for bone in bones}
    pairs = [bone for bone in bones if skeleton.mirror[bone.to] in ends - {bone.to}]
    wanted: list[tuple[Tensor, Tensor, float]] = []
    for bone in bones:
        if same_tree or bone not in pairs:
            loose = same_tree and bone.loose and bone not in pairs
            wanted.append((bone.along, where[bone.to] - where[joint], _LOOSE if loose else 1.0))
    if same_tree or not pairs:
        return wanted
    for left in pairs:
        right = next(bone for bone in pairs if bone.to == skeleton.mirror[left.to])
        if left.to < right.to:
            firm = 1.0 if joint == min(where) else _LOOSE
            wanted.append((left.along - right.along, where[left.to] - where[right.to], firm))
    if len(bones) == len(pairs):  # nothing on the middle line: the middle of the pair has to do
        middle = torch.stack([where[bone.to] for bone in pairs]).mean(0) - where[joint]
        wanted.append((torch.stack([bone.along for bone in pairs]).mean(0), middle, 1.0))
    return wanted


def _turn(home: Tensor, wanted: list[tuple[Tensor, Tensor, float]], above: Tensor | None) -> Tensor:
    """The local rotation nearest to `home` that gives the wanted directions; `above` is the parent's global turn."""
    if not wanted:
        return home
    starts = [torch.nn.functional.normalize((home @ along[..., None])[..., 0], dim=-1) for along, _, _ in wanted]
    ends = [end if above is None else (above.transpose(-1, -2) @ end[..., None])[..., 0] for _, end, _ in wanted]
    ends = [torch.nn.functional.normalize(end, dim=-1) for end in ends]
    if len(wanted) == 1:
        return _arc(starts[0], ends[0]) @ home
    correlation = _PRIOR * torch.eye(3, dtype=torch.float64, device=home.device)
    for start, end, (_, _, weight) in zip(starts, ends, wanted, strict=True):
        correlation = correlation + weight * end.double()[..., :, None] * start.double()[..., None, :]
    return cast(Tensor, roma.special_procrustes(correlation)).to(home) @ home


def _arc(start: Tensor, end: Tensor) -> Tensor:
    """Turns `start` to `end` without twist, by way of the clip's mean direction.

    The shortest arc flips where a limb passes the opposite of its reference direction, and an arm that hangs in the
    reference may well be raised. By way of the mean, what must not be passed is the opposite of the mean.
    """
    middle = torch.nn.functional.normalize(end.mean(-2, keepdim=True) + _HOME * start, dim=-1)
    middle = torch.where(middle.norm(dim=-1, keepdim=True) > 0.5, middle, start)
    return shortest_arc(middle, end) @ shortest_arc(start, middle)


def _root(rotations: Tensor, skeleton: Skeleton, points: Points, match: Match) -> Tensor:
    """Where the root must stand so that the topmost matched joint, or the middle of the hips, is in its place."""
    top = min(match.sources)
    wanted = points.positions[..., list(match.sources[top]), :].mean(-2)
    if top == 0 and len(match.sources[top]) == 1:
        return wanted
    origin = torch.zeros_like(rotations[..., 0, :, 0])
    placed, _ = forward_kinematics(rotations, origin, skeleton.offsets.to(origin), skeleton.parents)
    middle = len(match.sources[top]) == 2  # the source has no pelvis, but it has hips
    return wanted - placed[..., skeleton.indices(_MIDDLES["pelvis"]) if middle else [top], :].mean(-2)


def _home(skeleton: Skeleton, reference: Motion | None) -> Tensor:
    if reference is None:
        return identity_rotmat((1, len(skeleton)))
    return reference.rotations[..., -1:, :, :, :]


def _trunk(skeleton: Skeleton) -> list[int]:
    """The root and the joints after it down to the first that branches: some files put a joint above the pelvis."""
    found = [0]
    while len(skeleton.children[found[-1]]) == 1:
        found.append(skeleton.children[found[-1]][0])
    return found


def _canonical(skeleton: Skeleton, canon: str) -> int:
    """A canonical name means the alias first: another scheme's own "spine" or "neck" may be another joint."""
    return skeleton.joints.index(skeleton.aliases.get(canon, canon))


def _check(points: Points, skeleton: Skeleton, match: Match, reference: Motion | None) -> None:
    if points.positions.shape[-1] != 3:
        raise UsageError(
            expected="points in three dimensions",
            got=f"{points.positions.shape[-1]}",
            cure="Rotations cannot be found from a picture alone; lift the points first.",
        )
    if len(match.sources) < 4 or min(match.sources) not in _trunk(skeleton):
        raise UsageError(
            expected=f"at least four joints of {skeleton.name} that match by name, its root or pelvis among them",
            got=f"{len(match.sources)} matches with {points.skeleton.name}",
            cure="Say which joint is which in a joint map: --map FILE.toml (docs/retarget.md).",
        )
    if reference is not None and not reference.skeleton.same_tree(skeleton):
        raise UsageError(
            expected=f"a reference of skeleton {skeleton.name}",
            got=reference.skeleton.name,
            cure="Retarget the reference first (kinema.motion.retarget.to_skeleton).",
        )
