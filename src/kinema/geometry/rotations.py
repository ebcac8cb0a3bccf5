"""Rotations: one name per conversion, always `source_to_target`.

Column vectors: a rotation matrix R takes v to R @ v. Angles in radians. Quaternions are xyzw, and the name says so.
Euler angles are intrinsic, in the order of the letters, as BVH channels are: "ZXY" means R = Rz(a) @ Rx(b) @ Ry(c).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError

EULER_ORDERS: tuple[str, ...] = ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX", "XYX", "XZX", "YXY", "YZY", "ZXZ", "ZYZ")
_CYCLIC = {"XYZ", "YZX", "ZXY"}
_NEAR_HALF_TURN = 2.8  # radians
_BENT = 0.02  # how far R transposed R may be from 1: rotations that were rounded to two decimals
_LOCKED = 1e-7  # radians from gimbal lock at which the third Euler angle is 0
_AMBIGUOUS = 1e-6  # below it, two rotations are nearly as near, and the closed form loses digits
_NEWTON_STEPS = 40  # enough for a double root, which halves the error with each step


def identity_rotmat(shape: tuple[int, ...] = ()) -> Float[Tensor, "*shape 3 3"]:
    """Identity matrices of the leading `shape`."""
    return torch.eye(3).expand(*shape, 3, 3).clone()


def rotvec_to_rotmat(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """Exponential map (Rodrigues): R = I + sinc(t) [v] + sinc(t/2)^2 / 2 [v]^2, t = |v|; smooth at 0, gradient too."""
    x, y, z = rotvec.unbind(-1)
    square = x * x + y * y + z * z
    small = square < 1e-8  # the next term of either series is below 1e-17 there
    angle = torch.where(small, 1.0, square).sqrt()
    half = (angle / 2).sin() / angle
    first = torch.where(small, 1 - square / 6, angle.sin() / angle)
    second = torch.where(small, 0.5 - square / 24, 2 * half * half)
    sx, sy, sz = first * x, first * y, first * z
    tx, ty, tz = second * x, second * y, second * z
    xx, yy, zz, xy, xz, yz = tx * x, ty * y, tz * z, tx * y, tx * z, ty * z
    entries = (1 - yy - zz, xy - sz, xz + sy, xy + sz, 1 - xx - zz, yz - sx, xz - sy, yz + sx, 1 - xx - yy)
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def rotmat_to_rotvec(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3"]:
    """Logarithm, of norm at most pi; finite gradient at 0 and at pi."""
    if rotmat.requires_grad:
        return quat_xyzw_to_rotvec(rotmat_to_quat_xyzw(rotmat))
    # Well away from half a turn the antisymmetric part, 2 sin(angle) axis, is enough, in a third of the time.
    skew = rotmat - rotmat.mT
    twice = torch.stack((skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]), -1)
    length = torch.linalg.vector_norm(twice, dim=-1, keepdim=True)
    angle = torch.atan2(length, rotmat.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True) - 1)
    rotvec, away = twice * (angle / length.clamp_min(1e-30)), angle < _NEAR_HALF_TURN
    if bool(away.all()):
        return rotvec
    return torch.where(away, rotvec, quat_xyzw_to_rotvec(rotmat_to_quat_xyzw(rotmat)))


def quat_xyzw_to_rotmat(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3 3"]:
    """Rotation matrix of a unit quaternion."""
    x, y, z, w = quat.unbind(-1)
    xx, yy, zz, ww = x * x, y * y, z * z, w * w
    xy, xz, yz, xw, yw, zw = x * y, x * z, y * z, x * w, y * w, z * w
    entries = (
        xx - yy - zz + ww, 2 * (xy - zw), 2 * (xz + yw),
        2 * (xy + zw), -xx + yy - zz + ww, 2 * (yz - xw),
        2 * (xz - yw), 2 * (yz + xw), -xx - yy + zz + ww,
    )  # fmt: skip
    return torch.stack(entries, -1).unflatten(-1, (3, 3))


def rotmat_to_quat_xyzw(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 4"]:
    """One of the two unit quaternions of a rotation matrix; of unit length also where that is not exactly
    orthonormal."""
    return torch.stack(_quaternion(rotmat), -1)


def _quaternion(rotmat: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """x, y, z and w: the row of 4 q q^T that has the largest diagonal entry, normalised (Markley 2008)."""
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotmat.unbind(-2))
    bd, cg, fh, hf, cf, db = d + b, c + g, f + h, h - f, c - g, d - b
    rows = ((1 + a - e - i, bd, cg, hf), (bd, 1 + e - i - a, fh, cf), (cg, fh, 1 + i - a - e, db))
    last = (hf, cf, db, 1 + a + e + i)
    second, fourth = rows[1][1] > rows[0][0], last[3] > rows[2][2]
    low = [torch.where(second, other, one) for one, other in zip(rows[0], rows[1], strict=True)]
    high = [torch.where(fourth, other, one) for one, other in zip(rows[2], last, strict=True)]
    upper = torch.where(fourth, last[3], rows[2][2]) > torch.where(second, rows[1][1], rows[0][0])
    x, y, z, w = (torch.where(upper, other, one) for one, other in zip(low, high, strict=True))
    length = (x * x + y * y + z * z + w * w).sqrt()
    return x / length, y / length, z / length, w / length


def rotvec_to_quat_xyzw(rotvec: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 4"]:
    """Unit quaternion of a rotation vector; smooth at 0, gradient too."""
    square = rotvec.square().sum(-1, keepdim=True)
    small = square < 1e-8  # the next term of either series is below 1e-17 there
    half = torch.where(small, 1.0, square).sqrt() / 2
    scale = torch.where(small, 0.5 - square / 48, half.sin() / (2 * half))
    return torch.cat((scale * rotvec, torch.where(small, 1 - square / 8, half.cos())), -1)


def quat_xyzw_to_rotvec(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 3"]:
    """Rotation vector, of norm at most pi, of a unit quaternion; finite gradient everywhere."""
    vector, w = quat[..., :3], quat[..., 3:]
    sign = torch.where(w > 0, 1.0, -1.0).to(quat)
    vector, w = vector * sign, w * sign
    square = vector.square().sum(-1, keepdim=True)
    small = square < 1e-12  # 2 atan(s / w) / s with s / w below 1e-6: the next term of the series is below 1e-24
    length = torch.where(small, 1.0, square).sqrt()
    return vector * torch.where(small, 2 / torch.where(small, w, 1.0), 2 * torch.atan2(length, w) / length)


def rotmat_to_sixd(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 6"]:
    """The first two columns, one after the other (Zhou et al. 2019)."""
    return torch.cat((rotmat[..., 0], rotmat[..., 1]), -1)


def sixd_to_rotmat(sixd: Float[Tensor, "*b 6"]) -> Float[Tensor, "*b 3 3"]:
    """Gram-Schmidt on two columns; any six numbers give a rotation (Zhou et al. 2019)."""
    x, y = sixd[..., :3], sixd[..., 3:]
    x = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    y = y - (x * y).sum(-1, keepdim=True) * x
    y = y / torch.linalg.vector_norm(y, dim=-1, keepdim=True)
    return torch.stack((x, y, torch.linalg.cross(x, y, dim=-1)), -1)


def euler_to_rotmat(angles: Float[Tensor, "*b 3"], order: str) -> Float[Tensor, "*b 3 3"]:
    """Matrix of intrinsic Euler angles in any of the twelve orders; `angles` stand in the order of the letters.

    Raises UsageError where `order` is not one of `EULER_ORDERS`.
    """
    _check_order(order)
    if len(set(order)) < 3:
        first, second, third = (axis_angle_to_rotmat(axis, angles[..., i]) for i, axis in enumerate(order))
        return first @ second @ third
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
    """Intrinsic Euler angles in the order of the letters, in [-pi, pi]; at gimbal lock the third is 0.

    By way of the quaternion (Bernardes and Viollet 2022): half the sum and half the difference of the outer angles are
    well known even where the angles themselves are not.

    Raises UsageError where `order` is not one of `EULER_ORDERS`.
    """
    _check_order(order)
    i, j, k = ("XYZ".index(letter) for letter in reversed(order))
    proper = i == k
    k = 3 - i - j if proper else k
    sign = (i - j) * (j - k) * (k - i) // 2
    *vector, w = _quaternion(rotmat)
    if proper:
        a, b, c, d = w, vector[i], vector[j], sign * vector[k]
    else:
        last = sign * vector[k]
        a, b, c, d = w - vector[j], vector[i] + last, vector[j] + w, last - vector[i]
    middle = 2 * torch.atan2(torch.hypot(c, d), torch.hypot(a, b))
    total, apart = torch.atan2(b, a), torch.atan2(d, c)
    none, half = middle.abs() <= _LOCKED, (middle - math.pi).abs() <= _LOCKED
    first = torch.where(none, 2 * total, torch.where(half, 2 * apart, total + apart))
    third = torch.where(none | half, 0.0, total - apart)
    if not proper:
        first, middle = sign * first, middle - math.pi / 2
    return torch.stack([_near_zero(angle) for angle in (first, middle, third)], -1)


def _near_zero(angle: Tensor) -> Tensor:
    """An angle within a turn and a half of 0 as one in [-pi, pi]."""
    return angle + 2 * math.pi * ((angle < -math.pi).to(angle) - (angle > math.pi).to(angle))


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
    return start @ rotvec_to_rotmat(step * weight[..., None])


def shortest_arc(start: Float[Tensor, "*#b 3"], end: Float[Tensor, "*#b 3"]) -> Float[Tensor, "*b 3 3"]:
    """The smallest rotation that turns direction `start` to direction `end`; opposite directions turn about any normal.

    Vectors need not have unit length; a zero vector gives the identity.
    """
    a, b = torch.broadcast_tensors(_direction(start), _direction(end))
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


def _direction(vector: Tensor) -> Tensor:
    """The vector with length 1, however short it is; zero stays zero."""
    largest = vector.abs().amax(-1, keepdim=True)
    return torch.nn.functional.normalize(vector / torch.where(largest > 0, largest, 1.0), dim=-1)


def _normal(vector: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3"]:
    """A unit vector at a right angle to one of length 1 or 0."""
    other = torch.where(vector[..., :1].abs() < 0.9, vector.new_tensor([1.0, 0, 0]), vector.new_tensor([0, 1.0, 0]))
    return torch.nn.functional.normalize(torch.linalg.cross(vector, other) + 1e-9 * other, dim=-1)  # of 0: any


def is_rotation(rotmat: Float[Tensor, "*b 3 3"]) -> Bool[Tensor, "*b"]:
    """Whether each matrix is a rotation, as far as one that was rounded to two decimals is."""
    turned = rotmat.double()
    bent = (turned.mT @ turned - torch.eye(3, dtype=torch.float64)).abs().amax((-2, -1))
    return (bent <= _BENT) & (torch.linalg.det(turned) > 0)


def nearest_rotation(rotmat: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b 3 3"]:
    """The rotation of least squares (Kabsch 1976, Procrustes): the one nearest to a sum or a mean of rotations."""
    few = rotmat.shape[:-2].numel() < 128  # for many, the closed form is faster
    if few and not rotmat.requires_grad and bool(rotmat.isfinite().all()):
        return _procrustes(rotmat)
    quat, sure = _horn(rotmat.double())
    found = quat_xyzw_to_rotmat(quat).to(rotmat)
    odd = sure < _AMBIGUOUS
    return found.index_put((odd,), _procrustes(rotmat[odd].detach())) if bool(odd.any()) else found


def _procrustes(rotmat: Tensor) -> Tensor:
    left, _, right = torch.linalg.svd(rotmat)
    x, y, z = (left @ right).unbind(-2)
    proper = (torch.linalg.cross(x, y) * z).sum(-1)[..., None, None]  # the determinant
    return torch.cat((left[..., :2], proper * left[..., 2:]), -1) @ right


def _horn(rotmat: Tensor) -> tuple[Tensor, Tensor]:
    """The unit quaternion of greatest q^T K q (Horn 1987), an eigenvector of K; and how far it is from ambiguous.

    The largest root of K's characteristic polynomial is found by Newton's method from above, where it cannot miss; the
    eigenvector is a column of the adjugate of K - root I. Gradients flow through the last step, which is exact there.
    """
    size = torch.linalg.matrix_norm(rotmat, keepdim=True)
    rotmat = rotmat / torch.where(size > 0, size, 1.0)
    (a, b, c), (d, e, f), (g, h, i) = (row.unbind(-1) for row in rotmat.unbind(-2))
    entries = (
        a - e - i, b + d, c + g, h - f,
        b + d, e - a - i, f + h, c - g,
        c + g, f + h, i - a - e, d - b,
        h - f, c - g, d - b, a + e + i,
    )  # fmt: skip
    matrix = torch.stack(entries, -1).unflatten(-1, (4, 4))
    two = -2 * rotmat.square().sum((-1, -2))
    one = -8 * (a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))
    zero = _determinant(matrix)

    def step(root: Tensor) -> Tensor:
        value = ((root * root + two) * root + one) * root + zero
        slope = (4 * root * root + 2 * two) * root + one
        return root - value / torch.where(slope.abs() > 1e-30, slope, 1.0)

    with torch.no_grad():
        root = torch.full_like(two, math.sqrt(3.0))  # the sum of three singular values is not above sqrt(3) their norm
        for _ in range(_NEWTON_STEPS):
            before, root = root, step(root)
            if not bool(((before - root).abs() > 1e-15).any()):
                break
    vector, _ = _eigenvector(matrix, step(root))
    # The quotient of a vector that is nearly right is right to twice as many digits.
    better = (vector * (matrix @ vector[..., None])[..., 0]).sum(-1)
    return _eigenvector(matrix, better)


def _eigenvector(matrix: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """The largest column of the adjugate of matrix - root I, brought to length 1, and the length that it had."""
    less = matrix - root[..., None, None] * torch.eye(4).to(matrix)
    rows = [[n for n in range(4) if n != out] for out in range(4)]
    columns = [
        [(-1) ** (row + column) * _minor(less, rows[row], rows[column]) for row in range(4)] for column in range(4)
    ]
    adjugate = torch.stack([torch.stack(column, -1) for column in columns], -2)
    largest = adjugate.diagonal(dim1=-2, dim2=-1).abs().argmax(-1)
    vector = adjugate.gather(-2, largest[..., None, None].expand(*largest.shape, 1, 4))[..., 0, :]
    length = torch.linalg.vector_norm(vector, dim=-1, keepdim=True)
    return vector / torch.where(length == 0, 1.0, length), length[..., 0]


def _minor(matrix: Tensor, rows: list[int], columns: list[int]) -> Tensor:
    (a, b, c), (d, e, f), (g, h, i) = ([matrix[..., row, column] for column in columns] for row in rows)
    return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)


def _determinant(matrix: Tensor) -> Tensor:
    """Of four by four, along the first row."""
    others = [[n for n in range(4) if n != out] for out in range(4)]
    parts = [(-1) ** out * matrix[..., 0, out] * _minor(matrix, [1, 2, 3], others[out]) for out in range(4)]
    return torch.stack(parts).sum(0)


def angle_between(a: Float[Tensor, "*b 3 3"], b: Float[Tensor, "*b 3 3"]) -> Float[Tensor, "*b"]:
    """Geodesic distance in radians, in [0, pi]: |A - B| = 2 sqrt(2) sin(angle / 2)."""
    return 2 * torch.asin((torch.linalg.matrix_norm(b - a) / math.sqrt(8.0)).clamp_max(1.0))


def quat_product(first: Float[Tensor, "*#b 4"], second: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*b 4"]:
    """The rotation `second`, then `first`, as one unit quaternion: half the work of a matrix product."""
    a, c, b, d = first[..., :3], first[..., 3:], second[..., :3], second[..., 3:]
    vector = c * b + d * a + torch.linalg.cross(*torch.broadcast_tensors(a, b), dim=-1)
    return torch.cat((vector, c * d - (a * b).sum(-1, keepdim=True)), -1)


def quat_inverse(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 4"]:
    """The opposite rotation of a unit quaternion."""
    return quat * quat.new_tensor([-1.0, -1.0, -1.0, 1.0])


def quat_difference(first: Float[Tensor, "*#b 4"], second: Float[Tensor, "*#b 4"]) -> Float[Tensor, "*b 3"]:
    """The rotation vector, radians, of the shorter rotation from `first` to `second`, in the frame of `first`."""
    return quat_xyzw_to_rotvec(quat_product(quat_inverse(first), second))


def quat_to_sixd(quat: Float[Tensor, "*b 4"]) -> Float[Tensor, "*b 6"]:
    """The first two columns of the rotation matrix, one after the other (Zhou et al. 2019)."""
    x, y, z, w = quat.unbind(-1)
    first = (1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w))
    second = (2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w))
    return torch.stack((*first, *second), -1)


def _check_order(order: str) -> None:
    if order not in EULER_ORDERS:
        raise UsageError(
            expected=f"an Euler order among {', '.join(EULER_ORDERS)}", got=f"'{order}'", cure="Use capital letters."
        )
