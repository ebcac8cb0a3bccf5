"""Rotations: one name per conversion, always `source_to_target`, over roma.

Column vectors: a rotation matrix R takes v to R @ v. Angles in radians. Quaternions are xyzw, and the name says so.
Euler angles are intrinsic, in the order of the letters, as BVH channels are: "ZXY" means R = Rz(a) @ Rx(b) @ Ry(c).
"""

from __future__ import annotations

from typing import Literal, cast

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError

EulerOrder = Literal[
    "XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "XYX", "XZX", "YXY", "YZY", "ZXZ", "ZYZ"
]  # fmt: skip
EULER_ORDERS: tuple[str, ...] = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "XYX", "XZX", "YXY", "YZY", "ZXZ", "ZYZ")
_CYCLIC = {"XYZ", "YZX", "ZXY"}
_NEAR_HALF_TURN = 2.8  # radians


def identity_rotmat(shape: tuple[int, ...] = (), *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "*shape 3 3"]:
    """Identity matrices of the leading `shape`."""
    return torch.eye(3, dtype=dtype).expand(*shape, 3, 3).clone()


def rotvec_to_rotmat(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Exponential map; finite gradient at 0 (Grassia 1998)."""
    return roma.rotvec_to_rotmat(rotvec)


def rotmat_to_rotvec(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Logarithm, of norm at most pi; finite gradient at 0 and at pi."""
    if rotmat.requires_grad:
        return roma.rotmat_to_rotvec(rotmat)
    # Well away from half a turn the antisymmetric part, 2 sin(angle) axis, says it all, in a third of the time.
    skew = rotmat - rotmat.mT
    twice = torch.stack((skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]), -1)
    length = torch.linalg.vector_norm(twice, dim=-1, keepdim=True)
    angle = torch.atan2(length, rotmat.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) - 1)
    rotvec, away = twice * (angle / length.clamp_min(1e-30)), angle < _NEAR_HALF_TURN
    return rotvec if bool(away.all()) else torch.where(away, rotvec, roma.rotmat_to_rotvec(rotmat))


def quat_xyzw_to_rotmat(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrix of a unit quaternion."""
    return roma.unitquat_to_rotmat(quat)


def rotmat_to_quat_xyzw(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """One of the two unit quaternions of a rotation matrix."""
    return roma.rotmat_to_unitquat(rotmat)


def rotvec_to_quat_xyzw(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternion of a rotation vector."""
    return roma.rotvec_to_unitquat(rotvec)


def quat_xyzw_to_rotvec(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3"]:
    """Rotation vector, of norm at most pi, of a unit quaternion."""
    return roma.unitquat_to_rotvec(quat)


def rotmat_to_sixd(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns, one after the other (Zhou et al. 2019)."""
    return torch.cat((rotmat[..., 0], rotmat[..., 1]), -1)


def sixd_to_rotmat(sixd: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Gram-Schmidt on two columns; any six numbers give a rotation (Zhou et al. 2019)."""
    return roma.special_gramschmidt(torch.stack((sixd[..., :3], sixd[..., 3:]), -1))


def euler_to_rotmat(angles: Float[Tensor, "*b 3"], order: str) -> Float[Tensor, "*b 3 3"]:
    """Matrix of intrinsic Euler angles in any of the twelve orders; `angles` stand in the order of the letters.

    Raises UsageError where `order` is not one of `EULER_ORDERS`.
    """
    _check_order(order)
    if len(set(order)) < 3:
        return roma.euler_to_rotmat(order, angles)
    # The product of three axis rotations written out: several times faster than going through quaternions.
    sign = 1.0 if order in _CYCLIC else -1.0
    i, j, k = ("XYZ".index(letter) for letter in order)
    (ca, cb, cc), (sa, sb, sc) = angles.cos().unbind(-1), (sign * angles.sin()).unbind(-1)
    out = angles.new_empty((*angles.shape[:-1], 3, 3))
    out[..., i, i], out[..., i, j], out[..., i, k] = cb * cc, -cb * sc, sb
    out[..., j, i], out[..., j, j], out[..., j, k] = ca * sc + sa * sb * cc, ca * cc - sa * sb * sc, -sa * cb
    out[..., k, i], out[..., k, j], out[..., k, k] = sa * sc - ca * sb * cc, sa * cc + ca * sb * sc, ca * cb
    return out


def rotmat_to_euler(rotmat: Float[Tensor, "*b 3 3"], order: str) -> Float[Tensor, "*b 3"]:
    """Intrinsic Euler angles in the order of the letters; at gimbal lock one of the two free angles is 0.

    Raises UsageError where `order` is not one of `EULER_ORDERS`.
    """
    _check_order(order)
    return cast("Tensor", roma.rotmat_to_euler(order, rotmat))


def axis_angle_to_rotmat(axis: str, angle: Float[Tensor, "*b"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation about one of the axes "X", "Y", "Z"."""
    about = "XYZ".index(axis)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros_like(angle)
    rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, torch.ones_like(angle)]]  # about Z; the others follow
    places = [(place - about - 1) % 3 for place in range(3)]
    return torch.stack([rows[row][column] for row in places for column in places], -1).unflatten(-1, (3, 3))


def slerp(
    start: Float[Tensor, "*#b 3 3"], end: Float[Tensor, "*#b 3 3"], weight: Float[Tensor, "*#b"]
) -> Float[Tensor, "*b 3 3"]:
    """The rotation at `weight` of the shortest way from `start` (0) to `end` (1); the three broadcast."""
    step = rotmat_to_rotvec(start.transpose(-1, -2) @ end)
    return start @ roma.rotvec_to_rotmat(step * weight[..., None])


def shortest_arc(start: Float[Tensor, "*#b 3"], end: Float[Tensor, "*#b 3"]) -> Float[Tensor, "*b 3 3"]:
    """The smallest rotation that turns direction `start` to direction `end`; opposite directions turn about any normal.

    Vectors need not have unit length; a zero vector gives the identity.
    """
    a, b = torch.broadcast_tensors(
        torch.nn.functional.normalize(start, dim=-1), torch.nn.functional.normalize(end, dim=-1)
    )
    # The product of two reflections, in the half-way direction and in `a`: a third of the operations of a quaternion.
    half = a + b
    apart, near = (a - b).square().sum(-1), half.square().sum(-1)
    scale = (2 / near.clamp_min(1e-12))[..., None, None]
    eye = torch.eye(3).to(a)
    turn = eye + 2 * b[..., :, None] * a[..., None, :] - scale * half[..., :, None] * half[..., None, :]
    odd = (near < 2e-6) | (near + apart < 3)  # half a turn, or no direction
    if not bool(odd.any()):
        return turn
    axis = _normal(a)  # half a turn: any axis across will do
    flip = 2 * axis[..., :, None] * axis[..., None, :] - eye
    turn = torch.where((near < 2e-6)[..., None, None], flip, turn)
    return torch.where((near + apart < 3)[..., None, None], eye, turn)


def arc_by_way(
    start: Float[Tensor, "*#b 3"], middle: Float[Tensor, "*#b 3"], end: Float[Tensor, "*#b 3"]
) -> Float[Tensor, "*b 3 3"]:
    """The shortest arc from `start` to `middle` and then that from `middle` to `end`.

    `middle` has length 1, the others too, or 0 where there is no arc to it. An arc is two reflections, in one of its
    ends and half-way. Of the four, those in `middle` cancel each other.
    """
    starts, ends = torch.broadcast_tensors(start + middle, middle + end)
    half = torch.stack((starts, ends))
    length = torch.linalg.vector_norm(half, dim=-1, keepdim=True)
    if bool((length < 1.4e-3).any()):  # half a turn: any normal will do
        half = torch.where(length < 1.4e-3, _normal(middle), half / length)
    else:
        half = half / length
    first, second = torch.eye(3).to(half) - 2 * half[..., :, None] * half[..., None, :]
    return second @ first


def _normal(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """A unit vector at a right angle to one of length 1 or 0."""
    other = torch.where(vector[..., :1].abs() < 0.9, vector.new_tensor([1.0, 0, 0]), vector.new_tensor([0, 1.0, 0]))
    return torch.nn.functional.normalize(torch.linalg.cross(vector, other) + 1e-9 * other, dim=-1)  # of 0: any


def nearest_rotation(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation of least squares (Kabsch 1976, Procrustes): the one nearest to a sum or a mean of rotations."""
    few = rotmat.shape[:-2].numel() < 128  # for many, the closed form is faster
    if not few or rotmat.requires_grad or not bool(rotmat.isfinite().all()):
        return cast("Tensor", roma.special_procrustes(rotmat))
    left, _, right = torch.linalg.svd(rotmat)
    x, y, z = (left @ right).unbind(-2)
    proper = (torch.linalg.cross(x, y) * z).sum(-1)[..., None, None]  # the determinant
    return torch.cat((left[..., :2], proper * left[..., 2:]), -1) @ right


def angle_between(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Geodesic distance in radians, in [0, pi]."""
    return roma.rotmat_geodesic_distance(a, b)


def _check_order(order: str) -> None:
    if order not in EULER_ORDERS:
        raise UsageError(
            expected=f"an Euler order among {', '.join(EULER_ORDERS)}", got=f"'{order}'", cure="Use capital letters."
        )
