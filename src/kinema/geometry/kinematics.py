"""Forward kinematics: from local rotations to joint positions.

Column vectors: R_j = R_parent @ L_j and p_j = p_parent + R_parent @ offset_j. A plain loop over the joints is fastest
at the sizes of a human body (gathering whole levels of the tree at once is slower), where the arrays are taken apart
once: indexed joint by joint, the backward pass would fill an array of all joints for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    local, bones = rotations.unbind(-3), offsets[..., None].unbind(-3)
    positions, turned = [root], [local[0]]
    for joint, parent in enumerate(parents[1:], start=1):
        positions.append(positions[parent] + (turned[parent] @ bones[joint])[..., 0])
        turned.append(turned[parent] @ local[joint])
    return torch.stack(positions, -2), torch.stack(turned, -3)


def global_to_local(rotations: Float[Tensor, "*b joint 3 3"], parents: Sequence[int]) -> Float[Tensor, "*b joint 3 3"]:
    """Local rotations of global ones: L_j = R_parent^T @ R_j; the root's stay."""
    above = rotations[..., [max(parent, 0) for parent in parents], :, :].transpose(-1, -2)
    local = above @ rotations
    return torch.cat((rotations[..., :1, :, :], local[..., 1:, :, :]), -3)
