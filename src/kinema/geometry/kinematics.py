"""Forward kinematics: from local rotations to joint positions.

Column vectors: R_j = R_parent @ L_j and p_j = p_parent + R_parent @ offset_j. A plain loop over the joints is fastest
at the sizes of a human body (gathering whole levels of the tree at once is slower), where the arrays are taken apart
once: indexed joint by joint, the backward pass would fill an array of all joints for each of them. Bones are rotated
all together, when the rotations of all joints are known.

Of many frames without gradients, positions are found on planes [3, 3, frame] instead: products of long rows of
numbers are several times as quick as many products of 3 x 3 matrices. A thousand frames at a time stay in the cache.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.progress import pieces

_MANY = 256  # frames from which planes are quicker
_PIECE = 1024


@dataclass(frozen=True, eq=False)
class BodyTree:
    """A body whose joints ("tokens") are given by how they are rotated away from its neutral pose. Metres.

    Such rotations mean the same on every body, and joint positions are linear in them.

    `parents` and `partners` are tokens: the one above (-1 for the root), the one on the other side. `neutral` are the
    tokens' global rotations in the neutral pose. Where token k is rotated by G_k away from it, in the world's axes,
    joint j stands at hips + sum_k G_k `arms`[j, k]; "hips" is the middle of the hips, which is `hips` in the root's own
    frame. The lines `across` (left joint, right joint) tell the heading; without any, the root tells it.
    """

    parents: tuple[int, ...]
    partners: tuple[int, ...]
    neutral: Float[Tensor, "token 3 3"]
    arms: Float[Tensor, "joint token 3"]
    hips: Float[Tensor, " 3"]
    across: tuple[tuple[int, int], ...]


def forward_kinematics(
    rotations: Float[Tensor, "*b joint 3 3"],
    root: Float[Tensor, "*b 3"],
    offsets: Float[Tensor, "*#b joint 3"],
    parents: Sequence[int],
) -> tuple[Float[Tensor, "*b joint 3"], Float[Tensor, "*b joint 3 3"]]:
    """Positions (in the unit of the offsets) and global rotations; `parents[j] < j`, `parents[0] == -1`.

    The root stands at `root`; its own offset is not used.
    """
    turned = _turned(rotations, parents, range(len(parents)))
    return _placed(turned, root, offsets, parents), torch.stack(list(turned.values()), -3)


def joint_positions(
    rotations: Float[Tensor, "*b joint 3 3"],
    root: Float[Tensor, "*b 3"],
    offsets: Float[Tensor, "*#b joint 3"],
    parents: Sequence[int],
) -> Float[Tensor, "*b joint 3"]:
    """The positions of `forward_kinematics`, without the rotations of joints that no bone leaves."""
    grad = torch.is_grad_enabled() and any(each.requires_grad for each in (rotations, root, offsets))
    if not grad and root.shape[:-1].numel() >= _MANY:
        return _placed_in_planes(rotations, root, offsets, parents)
    return _placed(_turned(rotations, parents, {0, *parents}), root, offsets, parents)


def global_rotations(rotations: Float[Tensor, "*b joint 3 3"], parents: Sequence[int]) -> Float[Tensor, "*b joint 3 3"]:
    """The global rotations of `forward_kinematics` alone."""
    return torch.stack(list(_turned(rotations, parents, range(len(parents))).values()), -3)


def _turned(rotations: Tensor, parents: Sequence[int], needed: Container[int]) -> dict[int, Tensor]:
    local = rotations.unbind(-3)
    turned = {0: local[0]}
    for joint, parent in enumerate(parents[1:], start=1):
        if joint in needed:
            turned[joint] = turned[parent] @ local[joint]
    return turned


def _placed(turned: dict[int, Tensor], root: Tensor, offsets: Tensor, parents: Sequence[int]) -> Tensor:
    positions = [root]
    if len(parents) > 1:
        above = torch.stack([turned[parent] for parent in parents[1:]], -3)
        bones = (above @ offsets[..., 1:, :, None])[..., 0].unbind(-2)
        for bone, parent in zip(bones, parents[1:], strict=True):
            positions.append(positions[parent] + bone)
    return torch.stack(positions, -2)


def _placed_in_planes(rotations: Tensor, root: Tensor, offsets: Tensor, parents: Sequence[int]) -> Tensor:
    batch = rotations.shape[:-3]
    still = offsets.ndim == 2
    local, roots = rotations.flatten(0, -4), root.reshape(-1, 3)
    bones = offsets if still else offsets.expand(*batch, -1, -1).flatten(0, -3)
    out = roots.new_empty(len(roots), len(parents), 3)
    for span in pieces(len(roots), _PIECE):
        turned, places = local[span].permute(1, 2, 3, 0).contiguous(), [roots[span].T]
        bone = bones[..., None] if still else bones[span].permute(1, 2, 0)
        for joint, parent in enumerate(parents[1:], start=1):
            above, (x, y, z) = turned[parent], bone[joint]
            place = torch.addcmul(places[parent], above[:, 0], x).addcmul_(above[:, 1], y).addcmul_(above[:, 2], z)
            places.append(place)
            if joint in parents:
                rows = turned[joint]
                first = above[:, 0, None] * rows[0]
                turned[joint] = first.addcmul_(above[:, 1, None], rows[1]).addcmul_(above[:, 2, None], rows[2])
        out[span] = torch.stack(places).permute(2, 0, 1)
    return out.reshape(*batch, len(parents), 3)


def global_to_local(rotations: Float[Tensor, "*b joint 3 3"], parents: Sequence[int]) -> Float[Tensor, "*b joint 3 3"]:
    """Local rotations of global ones: L_j = R_parent^T @ R_j; the root's stay."""
    above = rotations[..., [max(parent, 0) for parent in parents], :, :].transpose(-1, -2)
    local = above @ rotations
    return torch.cat((rotations[..., :1, :, :], local[..., 1:, :, :]), -3)


def rotate_root(
    rotations: Float[Tensor, "*b joint 3 3"], by: Float[Tensor, "*#b 3 3"]
) -> Float[Tensor, "*b joint 3 3"]:
    """Local rotations of the body rotated as a whole, in the world's axes."""
    return torch.cat(((by @ rotations[..., 0, :, :])[..., None, :, :], rotations[..., 1:, :, :]), -3)
