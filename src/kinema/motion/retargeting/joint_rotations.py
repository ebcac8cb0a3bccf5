"""Retargeting: a motion on another body, joint by joint, by the difference of their rest poses.

Each matched joint is rotated away from the neutral pose (`rest_poses`) as its counterpart is: R_t = R_s N_s^T N_t, with
N the joint's rotation in the neutral pose. So bones point as they did, and wrists, heads and feet keep their twist,
which directions of bones alone (`bone_directions`, what models read) lose. The root trajectory is scaled by the legs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import CheckFailedError, UsageError, some
from kinema.geometry.kinematics import global_to_local
from kinema.geometry.rotations import slerp
from kinema.motion.anatomy import meeting, way
from kinema.motion.edit import t_pose
from kinema.motion.motion import Clip, Motion
from kinema.motion.names import CANON17, finer_by_name, is_end_point, side_and_stem
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.rest_poses import neutral_pose
from kinema.motion.skeleton import Skeleton, has_joint

_TOES = ("l_toe", "r_toe")
_HIPS, _SHOULDERS = ("l_hip", "r_hip"), ("l_shoulder", "r_shoulder")
_NAMED = 6  # joints that a sentence names: fingers alone are thirty
_FEWEST = 6  # joints that must match: the pelvis and, say, two legs


LIMB_ENDS: dict[str, tuple[str, str]] = {
    f"{name} {limb}": (f"{side}_{top}", f"{side}_{end}")
    for side, name in (("l", "left"), ("r", "right"))
    for limb, top, end in (
        ("upper arm", "shoulder", "elbow"),
        ("forearm", "elbow", "wrist"),
        ("thigh", "hip", "knee"),
        ("shin", "knee", "ankle"),
    )
}
"""The joints at the ends of each limb."""


@dataclass(frozen=True)
class Pairing:
    """Which joint of the target follows which of the source, by their own names.

    `shared` are joints of the target without a counterpart that share the rotation between two that have one (a spine
    of more parts); `resting` keep the angle to their parent that they have at rest; `lost` are joints of the source
    that nothing follows; `unmatched_limbs` are upper arms, forearms, thighs and shins of either body that match
    nothing.
    """

    matched: dict[str, str]
    shared: tuple[str, ...]
    resting: tuple[str, ...]
    lost: tuple[str, ...]
    unmatched_limbs: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Sentences about what did not match."""
        lines = [f"{len(self.matched)} joints follow their counterparts"]
        for names, fate in (
            (self.shared, "no counterpart, share the rotation of their neighbours"),
            (self.resting, "no counterpart, keep their rest rotation and follow their parent"),
            (self.lost, "joints of the source that nothing follows"),
        ):
            if names:
                lines.append(f"{fate}: {some(names, _NAMED)}")
        return lines

    def require_limbs(self) -> None:
        """Raises CheckFailedError where a limb has no counterpart."""
        if self.unmatched_limbs:
            raise CheckFailedError(
                expected="a counterpart for every limb",
                got=f"none for {', '.join(self.unmatched_limbs)}",
                cure="Name their joints in a joint map (kinema info FILE --write-map map.toml, then --map map.toml), "
                "or give --allow-unmatched: they then keep their rest rotation.",
            )


def direction_errors(clip: Clip, moved: Motion) -> dict[str, float]:
    """How far the limbs of `moved` point away from those of `clip`, limb -> mean over the frames in degrees.

    Limbs that one of the bodies lacks are left out.
    """
    found: dict[str, float] = {}
    there, here = clip.points(), moved.points()
    for limb, ends in LIMB_ENDS.items():
        if has_joint(clip.skeleton, *ends) and has_joint(moved.skeleton, *ends):
            bones = [points.positions[..., points.skeleton.indices(ends), :].diff(dim=-2) for points in (there, here)]
            source, target = (torch.nn.functional.normalize(bone[..., 0, :].double(), dim=-1) for bone in bones)
            apart = 2 * torch.asin(((source - target).norm(dim=-1) / 2).clamp(max=1))
            found[limb] = round(math.degrees(float(apart.nanmean())), 2)
    return found


def parts(skeleton: Skeleton) -> dict[str, str]:
    """Which joint moves which part of a body: canonical name, or "l_clavicle", "r_index2", -> own name.

    Trunk and pelvis are the joints from which both arms and both legs branch off, whatever they are called; a head that
    is an end point is moved by the joint below it. Names that a joint map added are kept.
    """
    found: dict[str, int] = {}
    aliases = {part: skeleton.joints.index(own) for part, own in skeleton.aliases.items()}

    def take(part: str, joint: int) -> None:
        if joint not in found.values():
            found.setdefault(part, joint)

    parents, known = skeleton.parents, {joint for part, joint in aliases.items() if part[1:2] == "_"}
    for part, pair, other in (("pelvis", _HIPS, _SHOULDERS), ("chest", _SHOULDERS, _HIPS)):
        if has_joint(skeleton, *pair):
            left, right = skeleton.indices(pair)
            fork = meeting(parents, left, right, aliases.get(other[0], 0))
            if fork in known:  # a tree of keypoints, whose legs hang on the arms
                fork = meeting(parents, left, right, 0)
            # Legs below a pelvis beside the trunk (Daz): the fork of the legs is the pelvis.
            split = part == "pelvis" and aliases.get(part) in way(parents, left, right)
            take(part, aliases[part] if split else fork)
        elif has_joint(skeleton, part):
            take(part, skeleton.index(part))
    if has_joint(skeleton, "head"):
        head = skeleton.canonical("head")
        take("head", skeleton.parents[head] if is_end_point(skeleton.joints[head]) and head else head)
    limbs = [name for name in CANON17 if "_" in name]
    for part in (*limbs, *_TOES, "neck", "spine", *skeleton.aliases):
        if has_joint(skeleton, part) and not part.endswith(("_end", "_site")):
            take(part, skeleton.canonical(part))
    names = {part: skeleton.joints[joint] for part, joint in found.items()}
    return names | finer_by_name(skeleton.joints, set(names.values()))


def pair_joints(source: Skeleton, target: Skeleton) -> Pairing:
    """Joints by the part that they move (`parts`), then by the same name. Raises UsageError where too few match."""
    theirs, ours = parts(source), parts(target)
    if _upside_down(theirs, source) != _upside_down(ours, target):
        # Bones of the trunk hang on their other ends: pelvis, chest and head carry over, what lies between shares.
        ours = {part: own for part, own in ours.items() if part not in ("spine", "neck")}
    matched = {ours[part]: theirs[part] for part in ours if part in theirs}
    named = {side_and_stem(name): name for name in source.joints if name not in theirs.values()}
    for name in target.joints:
        if name not in ours.values() and (same := named.get(side_and_stem(name))):
            matched[name] = same
    if len(matched) < _FEWEST or not {"pelvis"} <= set(theirs) & set(ours):
        raise UsageError(
            expected=f"bodies with at least {_FEWEST} parts in common, the pelvis among them",
            got=f"{len(matched)} of {', '.join(target.joints[:6])} ... ({target.name}) "
            f"and {', '.join(source.joints[:6])} ... ({source.name})",
            cure="Say which joint is which in a joint map: --map FILE.toml (docs/retarget.md).",
        )
    between = set(_between(target, matched))
    rest = [name for name in target.joints if name not in matched and name not in between]
    lost = tuple(name for name in source.joints if name not in matched.values() and not is_end_point(name))
    resting = tuple(name for name in rest if not is_end_point(name))
    return Pairing(matched, tuple(between), resting, lost, _unmatched_limbs(source, target, matched))


def _unmatched_limbs(source: Skeleton, target: Skeleton, matched: dict[str, str]) -> tuple[str, ...]:
    """Limbs that one of the bodies has, and whose joints do not follow those of the other."""
    found: list[str] = []
    for limb, ends in LIMB_ENDS.items():
        there, here = ([body.aliases.get(end, "") for end in ends] for body in (source, target))
        whole = [all(names) for names in (there, here)]
        if any(whole) and [matched.get(name) for name in here] != there:
            found.append(f"{limb} ({' to '.join(here if whole[1] else there)})")
    return tuple(found)


def _upside_down(own: dict[str, str], skeleton: Skeleton) -> bool:
    """Whether the pelvis hangs on the chest: the root is a head or a hand."""
    ends = [skeleton.joints.index(own[part]) for part in ("pelvis", "chest") if part in own]
    return len(ends) == 2 and ends[0] not in skeleton.ancestors(ends[1])


def hangs_on_limb(skeleton: Skeleton) -> bool:
    """Whether the root is a hand or a foot: the joints of that limb move other bones than in other bodies."""
    ends = [skeleton.indices(names) for names in LIMB_ENDS.values() if has_joint(skeleton, *names)]
    return any(end in skeleton.ancestors(start) for start, end in ends)


def by_rotations(motion: Motion, body: Motion) -> Motion:
    """The motion on the skeleton of another clip, by the difference of the two neutral poses.

    The frames of `body` serve where its rest pose does not stand (`neutral_pose`). Joints without a counterpart keep
    their angle at rest, or divide a rotation between their neighbours. The root trajectory is scaled about the world's
    origin by the ratio of the legs, then raised or lowered so that soles come as low as they did. Any leading batch
    axes. Raises UsageError where too few joints match.
    """
    pairing, home = pair_joints(motion.skeleton, body.skeleton), neutral_pose(body)
    before, after = neutral_pose(motion).global_rotations()[0], home.global_rotations()[0]
    away = motion.global_rotations() @ before.mT  # the rotation of each joint of the source away from the neutral pose
    turns = _turned(away, after, motion.skeleton, home, pairing)
    rotations = global_to_local(turns, body.skeleton.parents)
    posed = Motion(body.skeleton, rotations, motion.root, motion.fps, motion.action, motion.identity)
    return _placed(posed, motion)


def _turned(
    away: Tensor, home: Tensor, source: Skeleton, target: Motion, pairing: Pairing
) -> Float[Tensor, "*batch frame joint 3 3"]:
    """Global rotations of the target's joints."""
    skeleton, turns = target.skeleton, list[Tensor]()
    rest = t_pose(skeleton).rotations[0]
    top = min(skeleton.joints.index(name) for name in pairing.matched)
    gaps = _between(skeleton, pairing.matched)
    still = torch.eye(3).to(away).expand_as(away[..., 0, :, :])
    for joint, (name, parent) in enumerate(zip(skeleton.joints, skeleton.parents, strict=True)):
        above = still if parent < 0 else turns[parent]
        if name in pairing.matched:
            turn = away[..., source.joints.index(pairing.matched[name]), :, :] @ home[joint]
        elif name in gaps:
            below, over, share = gaps[name]
            low, high = (away[..., source.joints.index(pairing.matched[end]), :, :] for end in (below, over))
            turn = slerp(low, high, torch.tensor(share)) @ home[joint]
        else:
            turn = above @ (rest[joint] if joint < top else target.rotations[0, joint])
        turns.append(turn)
    return torch.stack(turns, -3)


def _between(skeleton: Skeleton, matched: dict[str, str]) -> dict[str, tuple[str, str, float]]:
    """Unmatched joints of the middle line between two matched ones: below, above, and how far up they stand."""
    own = parts(skeleton)
    found: dict[str, tuple[str, str, float]] = {}
    ends = [own[part] for part in ("pelvis", "spine", "chest", "neck", "head") if own.get(part) in matched]
    for low, high in pairwise(ends):
        chain = way(skeleton.parents, skeleton.joints.index(low), skeleton.joints.index(high))
        steps = skeleton.rest_positions[chain].diff(dim=0).norm(dim=-1).cumsum(0)
        for joint, far in zip(chain[1:-1], steps.tolist(), strict=False):
            if (name := skeleton.joints[joint]) not in matched:
                found[name] = (low, high, far / max(float(steps[-1]), 1e-6))
    return found


def _placed(posed: Motion, motion: Motion) -> Motion:
    """The root trajectory: hips where the source's are, scaled; then the soles come as low as the source's."""
    skeletons = (motion.skeleton, posed.skeleton)
    legs = all(has_joint(body, "l_knee", "l_ankle", "r_knee", "r_ankle") for body in skeletons)
    ratio = leg_length(posed.skeleton) / leg_length(motion.skeleton) if legs else 1.0
    pelvis = [[body.joints.index(parts(body)["pelvis"])] for body in skeletons]
    if all(has_joint(body, *_HIPS) for body in skeletons):
        pelvis = [body.indices(_HIPS) for body in skeletons]
    there, here = motion.points().positions, posed.points().positions
    root = posed.root - here[..., pelvis[1], :].mean(-2) + ratio * there[..., pelvis[0], :].mean(-2)
    feet = next((f for f in (_TOES, ("l_ankle", "r_ankle")) if all(has_joint(body, *f) for body in skeletons)), ())
    if not feet:
        return replace(posed, root=root)
    soles = [_lowest(there[..., motion.skeleton.indices(feet), 1]) * ratio]
    soles.append(_lowest((here - posed.root[..., None, :] + root[..., None, :])[..., posed.skeleton.indices(feet), 1]))
    lift = torch.zeros_like(root)
    lift[..., 1] = (soles[0] - soles[1])[..., None]
    return replace(posed, root=root + lift)


def _lowest(heights: Tensor) -> Tensor:
    """How low feet come, over the frames: the 5th percentile of the lower one."""
    return torch.quantile(heights.amin(-1), 0.05, dim=-1)
