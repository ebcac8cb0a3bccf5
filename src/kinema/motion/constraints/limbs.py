"""Inverse kinematics of one limb: the smallest rotations that bring a joint to a position.

Damped least squares (Wampler 1986; Nakamura and Hanafusa 1986) over the joints between the limb's base and the joint,
in double precision, all frames and batch rows at once. Bones keep their lengths. Joints keep their twist, as far as the
position leaves them free.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.skeleton import Skeleton, has_joint

_EXTREMITIES = ("l_wrist", "r_wrist", "l_ankle", "r_ankle", "head")
_ROUNDS = 80
_CLOSE = 1e-6  # metres: solved
_LONGEST_STEP = 0.4  # radians in one round
_DAMPING = 0.05
_STIFFEST = 0.1  # share of the rotation that the shortest bone's joint takes
_STRAIGHT = 0.9999  # of the limb's length: it is straight
_FLAT = 0.08  # sine of the bend below which a limb has no plane of its own to bend in
_LONGEST_FOLD = 2.5  # radians


def chain_of(skeleton: Skeleton, joint: int, *, trunk: bool = False) -> list[int]:
    """The joints whose rotation moves `joint` alone, from the base of its limb to its parent.

    The base is the first joint that carries no other hand, foot or head. With `trunk` the chain begins above the root
    instead. Empty where only the root moves the joint.
    """
    line = skeleton.ancestors(joint)[::-1]
    ends = [skeleton.index(name) for name in _EXTREMITIES if has_joint(skeleton, name)]
    carried = {at: sum(end in skeleton.below(at) for end in ends) for at in line}
    own = carried[line[-1]] if len(ends) > 1 else 0
    if trunk or len(ends) < 2 or own > 1:
        return line[1:-1]
    return [at for at in line[1:-1] if carried[at] <= 1]


def bring(
    rotations: Float[Tensor, "*b chain 3 3"],
    above: Float[Tensor, "*b 3 3"],
    base: Float[Tensor, "*b 3"],
    bones: Float[Tensor, "*#b chain 3"],
    goals: Float[Tensor, "*b 3"],
    hint: Float[Tensor, "*b 3"],
) -> tuple[Float[Tensor, "*b chain 3 3"], Float[Tensor, "*b 3"]]:
    """The chain's local rotations that bring its end to the goals, or as near as it can be, and where the end then is.

    `above` is the global rotation of the chain's parent, `base` the position of its first joint, `bones` the offset
    from each joint of the chain to the next and at last to the end. A straight limb bends its end towards `hint`.
    Metres, double precision.
    """
    local, lengths = rotations, bones.norm(dim=-1)
    mean = lengths.reshape(-1, lengths.shape[-1]).mean(0)
    weight = (mean / mean.amax()).square().clamp(min=_STIFFEST)[:, None]  # collars and vertebrae give way last
    middle = middle_of(mean.tolist())
    if middle:
        local = _folded(local, above, base, bones, goals, hint, middle)
    best, place, error = local, goals, torch.full_like(goals[..., 0], torch.inf)
    for _ in range(_ROUNDS):
        turned, joints, end = _chain(local, above, base, bones)
        miss = goals - end
        far = miss.norm(dim=-1)
        better = far < error
        best = torch.where(better[..., None, None, None], local, best)
        place = torch.where(better[..., None], end, place)
        error = torch.where(better, far, error)
        if bool((far < _CLOSE).all()):
            break
        arms = end[..., None, :] - joints
        # J W J^T of rotations about the joints: sum of w (|r|^2 I - r r^T).
        square = (weight * arms.square()).sum((-1, -2))[..., None, None] * torch.eye(3).to(arms)
        square = square - (weight * arms).mT @ arms
        scale = lengths.sum(-1).square()[..., None, None] * torch.eye(3).to(arms)
        damped = (
            square + (_DAMPING * (far[..., None, None] / lengths.sum(-1)[..., None, None]).square() + 1e-12) * scale
        )
        pull = torch.linalg.solve(damped, miss[..., None])[..., 0]
        steps = weight * torch.linalg.cross(arms, pull[..., None, :].expand_as(arms), dim=-1)
        steps = steps * (_LONGEST_STEP / steps.norm(dim=-1, keepdim=True).clamp(min=_LONGEST_STEP))
        parents = torch.cat((above[..., None, :, :], turned[..., :-1, :, :]), -3)
        moved = parents.mT @ rotvec_to_rotmat(steps) @ parents @ local
        local = torch.where((far > _CLOSE)[..., None, None, None], moved, local)
    return best, place


def middle_of(lengths: list[float]) -> int:
    """The joint of the chain that halves the limb: its elbow or knee; 0 where the chain has none."""
    total, way = sum(lengths), 0.0
    halves = []
    for place, length in enumerate(lengths[:-1], start=1):
        way += length
        halves.append((abs(way - total / 2), place))
    return min(halves)[1] if halves and min(halves)[0] < 0.4 * total else 0


def _folded(
    local: Tensor, above: Tensor, base: Tensor, bones: Tensor, goals: Tensor, hint: Tensor, middle: int
) -> Tensor:
    """The chain with its elbow or knee bent so far that its end is as far from its base as the goal is.

    It bends on in its own plane; a straight one, which has none, bends its end towards the hint.
    """
    turned, joints, end = _chain(local, above, base, bones)
    upper, lower = joints[..., middle, :] - joints[..., 0, :], end - joints[..., middle, :]
    first, second = upper.norm(dim=-1), lower.norm(dim=-1)
    wanted = (goals - joints[..., 0, :]).norm(dim=-1)
    wanted = torch.minimum(torch.maximum(wanted, (first - second).abs() * 1.001), (first + second) * _STRAIGHT)
    cosine = ((first.square() + second.square() - wanted.square()) / (2 * first * second)).clamp(-1, 1)
    upper, lower = upper / first[..., None], lower / second[..., None]
    across = torch.linalg.cross(upper, lower, dim=-1)
    aside = torch.linalg.cross(lower, hint, dim=-1)
    weight = torch.exp(-(across.norm(dim=-1, keepdim=True) / _FLAT).square())
    axis = torch.nn.functional.normalize(across + _FLAT * weight * aside, dim=-1)
    now = torch.atan2(across.norm(dim=-1), (upper * lower).sum(-1))
    change = (torch.pi - torch.acos(cosine) - now).clamp(-_LONGEST_FOLD, _LONGEST_FOLD)
    # A limb that is straight already and must not get shorter stays as it is.
    change = torch.where(wanted >= (first + second) * _STRAIGHT, change.clamp(max=0), change)
    parent = turned[..., middle - 1, :, :]
    out = local.clone()
    out[..., middle, :, :] = parent.mT @ rotvec_to_rotmat(axis * change[..., None]) @ parent @ local[..., middle, :, :]
    return out


def _chain(local: Tensor, above: Tensor, base: Tensor, bones: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Global rotations and positions of the chain's joints, and the position of its end."""
    turned: list[Tensor] = []
    joints = [base]
    rotation = above
    for place in range(local.shape[-3]):
        rotation = rotation @ local[..., place, :, :]
        turned.append(rotation)
        joints.append(joints[-1] + (rotation @ bones[..., place, :, None])[..., 0])
    return torch.stack(turned, -3), torch.stack(joints[:-1], -2), joints[-1]
