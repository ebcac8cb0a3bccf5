"""Retargeting: a motion on another body, joint by joint, by the difference of their rest poses.

Each matched joint is rotated away from the neutral pose (`rest_poses`) as its counterpart is: R_t = R_s N_s^T N_t, with
N the joint's rotation in the neutral pose. So bones point as they did, and wrists, heads and feet keep their twist,
which directions of bones alone (`bone_directions`, what models read) lose. The root trajectory is scaled by the legs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import global_to_local
from kinema.geometry.rotations import slerp
from kinema.motion.edit import t_pose
from kinema.motion.motion import Motion
from kinema.motion.names import CANON17, finer_by_name, is_end_point, side_and_stem
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.rest_poses import neutral_pose
from kinema.motion.skeleton import Skeleton, has_joint

_TOES = ("l_toe", "r_toe")
_HIPS, _SHOULDERS = ("l_hip", "r_hip"), ("l_shoulder", "r_shoulder")
_FEWEST = 6  # joints that must match: the pelvis and, say, two legs


@dataclass(frozen=True)
class Pairing:
    """Which joint of the target follows which of the source, by their own names.

    `shared` are joints of the target without a counterpart that share the rotation between two that have one (a spine
    of more parts); `resting` keep the angle to their parent that they have at rest; `lost` are joints of the source
    that nothing follows.
    """

    matched: dict[str, str]
    shared: tuple[str, ...]
    resting: tuple[str, ...]
    lost: tuple[str, ...]

    def lines(self) -> list[str]:
        """Sentences about what did not match."""
        told = [f"{len(self.matched)} joints follow their counterparts"]
        for names, fate in (
            (self.shared, "no counterpart, share the rotation of their neighbours"),
            (self.resting, "no counterpart, keep their rest rotation and follow their parent"),
            (self.lost, "joints of the source that nothing follows"),
        ):
            if names:
                told.append(f"{fate}: {', '.join(names)}")
        return told


def parts(skeleton: Skeleton) -> dict[str, str]:
    """Which joint moves which part of a body: canonical name, or "l_clavicle", "r_index2", -> own name.

    Trunk and pelvis are the joints from which both arms and both legs branch off, whatever they are called; a head that
    is an end point is moved by the joint below it. Names that a joint map added are kept.
    """
    found: dict[str, int] = {}

    def take(part: str, joint: int) -> None:
        if joint not in found.values():
            found.setdefault(part, joint)

    for part, pair in (("pelvis", _HIPS), ("chest", _SHOULDERS)):
        if has_joint(skeleton, *pair):
            take(part, _meeting(skeleton, *skeleton.indices(pair)))
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
    return Pairing(matched, tuple(between), tuple(name for name in rest if not is_end_point(name)), lost)


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
        chain, bottom = skeleton.ancestors(skeleton.joints.index(high)), skeleton.joints.index(low)
        if bottom not in chain:
            continue
        chain = chain[: chain.index(bottom) + 1]
        lengths = skeleton.bone_lengths[chain[:-1]].flip(0).cumsum(0)
        for joint, way in zip(reversed(chain[1:-1]), lengths.tolist(), strict=False):
            if (name := skeleton.joints[joint]) not in matched:
                found[name] = (low, high, way / max(float(lengths[-1]), 1e-6))
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


def _meeting(skeleton: Skeleton, one: int, other: int) -> int:
    """The joint from which both hang."""
    above = skeleton.ancestors(one)
    return next(joint for joint in skeleton.ancestors(other) if joint in above)
