"""Curves through numbers and through rotations (unit quaternions, xyzw) at irregular times.

Of numbers: hold, linear, cubic spline, PCHIP, vectorised over everything but time. Of rotations "linear" is slerp and
"cubic" the natural spline of the four numbers, put back on the sphere: linear in the quaternion, so it does not depend
on the frame of reference. "squad" and "pchip" are cubic Bezier curves on the sphere (Shoemake 1985, 1987) whose
derivatives are those of a parabola through three keys, and Fritsch and Butland's. Rotations are handled on planes,
[4, key, ...]: all x, then all y, and so on. Long runs of one number are several times as quick as many groups of four.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.geometry.curves import parabola_slope
from kinema.geometry.rotations import quat_xyzw_to_rotvec, rotvec_to_quat_xyzw


def curve(
    values: Float[Tensor, "key *rest"], keys: Float[Tensor, " key"], at: Float[Tensor, " time"], method: str
) -> Float[Tensor, "time *rest"]:
    """The curve through `values` at the times `keys` (rising), read at the times `at`; held beyond the ends.

    `method` is "hold", "linear", "cubic" (natural spline, twice continuously differentiable) or "pchip" (Fritsch and
    Butland 1984: never overshoots). One key is held; through two, every curve but "hold" is the straight line.
    """
    if len(keys) == 1:
        return values[:1].expand(len(at), *values.shape[1:]).clone()
    index, share = interval(keys, at)
    if method == "hold":
        return values[index + (share >= 1).long()]
    wide = share.reshape(-1, *[1] * (values.ndim - 1))
    start, end = values[index], values[index + 1]
    if method == "linear" or len(keys) == 2:
        return start + (end - start) * wide
    from scipy.interpolate import CubicSpline, PchipInterpolator  # a tenth of a second that only splines should take

    flat = values.double().flatten(1).numpy()
    spline = PchipInterpolator(keys, flat) if method == "pchip" else CubicSpline(keys, flat, bc_type="natural")
    read = torch.from_numpy(spline(at.clamp(keys[0], keys[-1]).numpy()))
    return read.to(values).reshape(len(at), *values.shape[1:])


def interval(keys: Float[Tensor, " key"], at: Float[Tensor, " time"]) -> tuple[Tensor, Tensor]:
    """For every time the index of the key before it (of at least two) and how far it is to the next one, in [0, 1]."""
    index = (place(keys, at, after=True) - 1).clamp(0, len(keys) - 2)
    share = (at - keys[index]) / (keys[index + 1] - keys[index])
    return index, share.clamp(0, 1)


def place(keys: Float[Tensor, " key"], at: Float[Tensor, " time"], *, after: bool = False) -> Int[Tensor, " time"]:
    """How many keys, which rise, are below each time, or `after` it: below or at it.

    numpy's search goes on from where it found the time before, which is quick where times rise, too.
    """
    found = np.searchsorted(keys.numpy(), at.numpy(), side="right" if after else "left")
    return torch.from_numpy(found)


def parabolic(slopes: Float[Tensor, "gap *rest"], steps: Float[Tensor, " gap"]) -> Float[Tensor, "key *rest"]:
    """Derivatives of the parabola through each key and its neighbours (Catmull-Rom for uneven times)."""
    wide = steps.reshape(-1, *[1] * (slopes.ndim - 1))
    inner = parabola_slope(slopes[:-1], slopes[1:], wide[:-1], wide[1:])
    # At the ends the curve is straight (no second derivative), which swings less than a parabola.
    first, last = (3 * slopes[:1] - inner[:1]) / 2, (3 * slopes[-1:] - inner[-1:]) / 2
    return torch.cat((first, inner, last))


def limited(slopes: Float[Tensor, "gap *rest"], steps: Float[Tensor, " gap"]) -> Float[Tensor, "key *rest"]:
    """Fritsch and Butland's derivatives, zero at a turning point, of a curve with these slopes between its keys."""
    from scipy.interpolate import PchipInterpolator

    rises = slopes * steps.reshape(-1, *[1] * (slopes.ndim - 1))
    keys, values = (torch.cat((each[:1] * 0, each)).cumsum(0).numpy() for each in (steps, rises))
    return torch.from_numpy(PchipInterpolator(keys, values).derivative()(keys)).to(slopes)


def rotation_curve(
    quats: Float[Tensor, "key *rest 4"], keys: Float[Tensor, " key"], at: Float[Tensor, " time"], method: str
) -> Float[Tensor, "time *rest 4"]:
    """Unit quaternions at the times `at` of the curve through `quats` at the times `keys`; held beyond the ends.

    `method` is "hold", "linear", "cubic", "pchip" or "squad". Signs of the given quaternions do not matter.
    """
    planes = _on_one_side(quats.movedim(-1, 0).contiguous())
    return _curve(planes, keys, at, method).movedim(0, -1)


def _curve(quats: Tensor, keys: Tensor, at: Tensor, method: str) -> Tensor:
    if method == "hold" or len(keys) == 1:
        return curve(quats.transpose(0, 1), keys, at, "hold").transpose(0, 1)
    if method == "cubic" and len(keys) > 2:
        read = curve(quats.transpose(0, 1), keys, at, "cubic").transpose(0, 1)
        return torch.nn.functional.normalize(read, dim=0)
    index, share = interval(keys, at)
    weight = share.reshape(-1, *[1] * (quats.ndim - 2))
    if method == "linear" or len(keys) == 2:
        return _unit(_slerp(quats.index_select(1, index), quats.index_select(1, index + 1), weight))
    steps = keys[1:] - keys[:-1]
    wide = steps.reshape(-1, *[1] * (quats.ndim - 2))
    # The angular velocity between two keys; as it is its own axis, it is the same in the frames of both.
    back = torch.cat((-quats[:3, :-1], quats[3:, :-1]))
    rates = quat_xyzw_to_rotvec(_product(back, quats[:, 1:]).movedim(0, -1)).movedim(-1, 0) / wide
    slopes = (limited if method == "pchip" else parabolic)(rates.transpose(0, 1), steps).transpose(0, 1)
    leaving = _product(quats[:, :-1], _quat(slopes[:, :-1] * (wide / 3)))
    arriving = _product(quats[:, 1:], _quat(slopes[:, 1:] * (-wide / 3)))
    # De Casteljau's construction, with slerp for the straight line; the arcs of its first step are those of the gaps.
    corners = (quats[:, :-1], leaving, arriving, quats[:, 1:])
    points = [_along(one, other, _arc(one, other), index, weight) for one, other in pairwise(corners)]
    while len(points) > 1:
        points = [_slerp(one, other, weight) for one, other in pairwise(points)]
    return _unit(points[0])


def continuous(quats: Float[Tensor, "frame *rest 4"]) -> Float[Tensor, "frame *rest 4"]:
    """The same rotations with signs such that each quaternion is the nearer one to the one before it."""
    return _on_one_side(quats.movedim(-1, 0)).movedim(0, -1)


def _on_one_side(quats: Tensor) -> Tensor:
    flips = torch.where((quats[:, 1:] * quats[:, :-1]).sum(0) < 0, -1.0, 1.0).to(quats)
    return torch.cat((quats[:, :1], quats[:, 1:] * flips.cumprod(0)), 1)


def _product(left: Tensor, right: Tensor) -> Tensor:
    (a, b, c, d), (x, y, z, w) = left, right
    return torch.stack((
        d * x + a * w + b * z - c * y,
        d * y + b * w + c * x - a * z,
        d * z + c * w + a * y - b * x,
        d * w - a * x - b * y - c * z,
    ))  # fmt: skip


def _quat(rotvec: Tensor) -> Tensor:
    return rotvec_to_quat_xyzw(rotvec.movedim(0, -1)).movedim(-1, 0).contiguous()


def _unit(quat: Tensor) -> Tensor:
    return quat / quat.square().sum(0).sqrt()


def _arc(start: Tensor, end: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Angle and sine of the shorter arc between unit quaternions, and the sign that `end` has on it.

    Half the difference and half the sum keep their digits near 0, where arccos loses half of them.
    """
    apart, along = (end - start).square().sum(0).sqrt(), (end + start).square().sum(0).sqrt()
    angle = 2 * torch.atan2(torch.minimum(apart, along), torch.maximum(apart, along))
    return angle, apart * along / 2, torch.where(apart > along, -1.0, 1.0).to(angle)


def _slerp(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """Spherical interpolation along the shorter arc, without the last rounding to unit length."""
    return _mixed(start, end, _arc(start, end), weight)


def _along(start: Tensor, end: Tensor, arc: tuple[Tensor, Tensor, Tensor], index: Tensor, weight: Tensor) -> Tensor:
    """The same between those of many pairs that `index` names, of which the arcs are known."""
    angle, sine, sign = (each[index] for each in arc)
    return _mixed(start.index_select(1, index), end.index_select(1, index), (angle, sine, sign), weight)


def _mixed(start: Tensor, end: Tensor, arc: tuple[Tensor, Tensor, Tensor], weight: Tensor) -> Tensor:
    # sin(w a) / sin(a) tends to w: below a billionth that is what it is, to the last digit.
    angle, sine, sign = arc[0].clamp_min(1e-9), arc[1].clamp_min(1e-9), arc[2]
    low = ((1 - weight) * angle).sin() / sine
    high = (weight * angle).sin() / sine * sign
    return torch.addcmul(start * low, end, high)
