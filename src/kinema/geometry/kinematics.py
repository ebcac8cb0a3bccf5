"""Forward kinematics: from local rotations to joint positions.

Column vectors: R_j = R_parent @ L_j and p_j = p_parent + R_parent @ offset_j. A plain loop over the joints is fastest
at the sizes of a human body (gathering whole levels of the tree at once is slower), where the arrays are taken apart
once: indexed joint by joint, the backward pass would fill an array of all joints for each of them. Bones are turned all
together, when the turns of all joints are known.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import torch
from jaxtyping import Float
from torch import Tensor


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
    """The positions of `forward_kinematics`, without the turns of joints that no bone leaves."""
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


def global_to_local(rotations: Float[Tensor, "*b joint 3 3"], parents: Sequence[int]) -> Float[Tensor, "*b joint 3 3"]:
    """Local rotations of global ones: L_j = R_parent^T @ R_j; the root's stay."""
    above = rotations[..., [max(parent, 0) for parent in parents], :, :].transpose(-1, -2)
    local = above @ rotations
    return torch.cat((rotations[..., :1, :, :], local[..., 1:, :, :]), -3)
