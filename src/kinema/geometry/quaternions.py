"""Products of unit quaternions (x, y, z, w), for code that turns many joints many times: half the work of matrices."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import quat_xyzw_to_rotvec


def product(first: Float[Tensor, "*#b 4"], second: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*b 4"]:
    """The rotation `second`, then `first`: that of the matrix product of the two."""
    a, c, b, d = first[..., :3], first[..., 3:], second[..., :3], second[..., 3:]
    vector = c * b + d * a + torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=-1)
    return torch.cat((vector, c * d - (a * b).sum(-1, keepdim=True)), -1)


def inverse(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The rotation back."""
    return quat * quat.new_tensor([-1.0, -1.0, -1.0, 1.0])


def difference(first: Float[Tensor, "*#b 4"], second: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*b 3"]:
    """The rotation vector, radians, of the shorter rotation from `first` to `second`, in the frame of `first`."""
    return quat_xyzw_to_rotvec(product(inverse(first), second))


def sixd(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 6"]:
    """The first two columns of the rotation matrix, one after the other (Zhou et al. 2019)."""
    x, y, z, w = quat.unbind(-1)
    first = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    second = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w))
    return torch.stack((*first, *second), -1)
