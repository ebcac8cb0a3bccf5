"""Curves through rotations at irregular times, on unit quaternions (xyzw).

"linear" is slerp. "cubic" is the natural spline of the four numbers, put back on the sphere: linear in the quaternion,
so it does not depend on the frame that rotations are told in. "squad" and "pchip" are cubic Bezier curves on the sphere
(Shoemake 1985, 1987) whose derivatives are those of a parabola through three keys, and Fritsch and Butland's.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import quat_xyzw_to_rotvec, rotvec_to_quat_xyzw
from kinema.motion.interpolation.splines import curve, limited, parabolic, place


def rotation_curve(
    quats: Float[Tensor, "key *rest 4"], keys: Float[Tensor, " key"], at: Float[Tensor, " time"], method: str
) -> Float[Tensor, "time *rest 4"]:
    """Unit quaternions at the times `at` of the curve through `quats` at the times `keys`; held beyond the ends.

    `method` is "hold", "linear", "cubic", "pchip" or "squad". Signs of the given quaternions do not matter.
    """
    quats = continuous(quats)
    if method == "hold" or len(keys) == 1:
        return curve(quats, keys, at, "hold")
    if method == "cubic" and len(keys) > 2:
        return torch.nn.functional.normalize(curve(quats, keys, at, "cubic"), dim=-1)
    index, share = place(keys, at)
    weight = share.reshape(-1, *[1] * (quats.ndim - 1))
    start, end = quats[index], quats[index + 1]
    if method == "linear" or len(keys) == 2:
        return slerp_quat_xyzw(start, end, weight)
    steps = keys[1:] - keys[:-1]
    wide = steps.reshape(-1, *[1] * (quats.ndim - 1))
    # The rate of turn between two keys; as it is its own axis, it is the same in the frames of both.
    rates = quat_xyzw_to_rotvec(quat_product(conjugate(quats[:-1]), quats[1:])) / wide
    speeds = limited(rates, steps) if method == "pchip" else parabolic(rates, steps)
    third = wide[index] / 3
    leaving = quat_product(start, rotvec_to_quat_xyzw(speeds[index] * third))
    arriving = quat_product(end, rotvec_to_quat_xyzw(-speeds[index + 1] * third))
    return _bezier([start, leaving, arriving, end], weight)


def continuous(quats: Float[Tensor, "frame *rest 4"]) -> Float[Tensor, "frame *rest 4"]:
    """The same rotations with signs such that each quaternion is the nearer one to the one before it."""
    if len(quats) < 2:
        return quats
    flips = torch.where((quats[1:] * quats[:-1]).sum(-1, keepdim=True) < 0, -1.0, 1.0).to(quats)
    return torch.cat((quats[:1], quats[1:] * flips.cumprod(0)))


def slerp_quat_xyzw(
    start: Float[Tensor, "*b 4"], end: Float[Tensor, "*b 4"], weight: Float[Tensor, "*#b 1"]
) -> Float[Tensor, "*b 4"]:
    """Spherical interpolation along the shorter arc."""
    cosine = (start * end).sum(-1, keepdim=True)
    end = torch.where(cosine < 0, -end, end)
    # atan2 of half the sum and difference keeps its digits near 0, where arccos loses half of them.
    angle = 2 * torch.atan2((end - start).norm(dim=-1, keepdim=True), (end + start).norm(dim=-1, keepdim=True))
    small = angle < 1e-6
    sine = torch.where(small, 1.0, angle.sin())
    low = torch.where(small, 1 - weight, ((1 - weight) * angle).sin() / sine)
    high = torch.where(small, weight, (weight * angle).sin() / sine)
    return torch.nn.functional.normalize(start * low + end * high, dim=-1)


def quat_product(left: Float[Tensor, "*b 4"], right: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The quaternion (xyzw) of "first `right`, then `left`"."""
    u, a = left[..., :3], left[..., 3:]
    v, b = right[..., :3], right[..., 3:]
    vector = a * v + b * u + torch.linalg.cross(u, v)
    return torch.cat((vector, a * b - (u * v).sum(-1, keepdim=True)), -1)


def conjugate(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The inverse of a unit quaternion (xyzw)."""
    return quat * quat.new_tensor([-1.0, -1.0, -1.0, 1.0])


def _bezier(points: list[Tensor], weight: Tensor) -> Tensor:
    """De Casteljau's construction, with slerp for the straight line."""
    while len(points) > 1:
        points = [slerp_quat_xyzw(a, b, weight) for a, b in pairwise(points)]
    return points[0]
