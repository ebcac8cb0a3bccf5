"""Curves through numbers at irregular times: hold, linear, cubic spline, PCHIP. Vectorised over everything but time."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.geometry.curves import harmonic_slope, hermite, parabola_slope


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
    slopes = tangents(values, keys, method)
    length = (keys[1:] - keys[:-1])[index].reshape(wide.shape)
    return hermite(start, end, slopes[index] * length, slopes[index + 1] * length, wide)


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


def tangents(values: Float[Tensor, "key *rest"], keys: Float[Tensor, " key"], method: str) -> Tensor:
    """Derivatives at the keys (three or more) of the curve that `method` names."""
    steps = keys[1:] - keys[:-1]
    slopes = (values[1:] - values[:-1]) / steps.reshape(-1, *[1] * (values.ndim - 1))
    return limited(slopes, steps) if method == "pchip" else natural(slopes, steps)


def natural(slopes: Float[Tensor, "gap *rest"], steps: Float[Tensor, " gap"]) -> Float[Tensor, "key *rest"]:
    """Derivatives of the natural cubic spline, from a tridiagonal system."""
    from scipy.linalg import solve_banded  # a tenth of a second that only splines should take

    inverse = 1 / steps.double().numpy()
    flat = slopes.double().flatten(1).numpy()
    bands = np.zeros((3, len(inverse) + 1))
    bands[0, 1:] = bands[2, :-1] = inverse
    bands[1, :-1] += 2 * inverse
    bands[1, 1:] += 2 * inverse
    right = np.zeros((len(inverse) + 1, flat.shape[1]))
    right[:-1] += 3 * inverse[:, None] * flat
    right[1:] += 3 * inverse[:, None] * flat
    solved = solve_banded((1, 1), bands, right, overwrite_b=True, check_finite=False)
    return torch.from_numpy(np.ascontiguousarray(solved)).to(slopes).reshape(-1, *slopes.shape[1:])


def parabolic(slopes: Float[Tensor, "gap *rest"], steps: Float[Tensor, " gap"]) -> Float[Tensor, "key *rest"]:
    """Derivatives of the parabola through each key and its neighbours (Catmull-Rom for uneven times)."""
    wide = steps.reshape(-1, *[1] * (slopes.ndim - 1))
    inner = parabola_slope(slopes[:-1], slopes[1:], wide[:-1], wide[1:])
    # At the ends the curve is straight (no second derivative), which swings less than a parabola.
    first, last = (3 * slopes[:1] - inner[:1]) / 2, (3 * slopes[-1:] - inner[-1:]) / 2
    return torch.cat((first, inner, last))


def limited(slopes: Float[Tensor, "gap *rest"], steps: Float[Tensor, " gap"]) -> Float[Tensor, "key *rest"]:
    """Fritsch and Butland's derivatives: a weighted harmonic mean, zero at a turning point."""
    wide = steps.reshape(-1, *[1] * (slopes.ndim - 1))
    inner = harmonic_slope(slopes[:-1], slopes[1:], wide[:-1], wide[1:])
    ends: list[Tensor] = []
    for near, far in ((0, 1), (-1, -2)):
        end = ((2 * wide[near] + wide[far]) * slopes[near] - wide[near] * slopes[far]) / (wide[near] + wide[far])
        end = torch.where(end * slopes[near] > 0, end, 0.0)
        swings = (slopes[near] * slopes[far] < 0) & (end.abs() > 3 * slopes[near].abs())
        ends.append(torch.where(swings, 3 * slopes[near], end))
    return torch.cat((ends[0][None], inner, ends[1][None]))
