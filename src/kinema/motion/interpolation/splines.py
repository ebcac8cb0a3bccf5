"""Curves through numbers at irregular times: hold, linear, cubic spline, PCHIP. Vectorised over everything but time."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.geometry.curves import parabola_slope


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
