"""How a change at some frames spreads to the frames around them: splines of limited reach."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from scipy.interpolate import BPoly, make_interp_spline
from torch import Tensor

_MOST = 1.5  # of a knot's change: with evenly spread knots no frame takes more than 1.2, with uneven ones 100 and more


def spread(
    frames: int, knots: Sequence[int], reach: int, fixed: Sequence[int] = (), *, lasting: bool = False
) -> Float[Tensor, "frame knot"]:
    """The share of each knot's change that each frame takes: 1 at the knot, 0 at other knots and at `fixed` frames.

    `knots` and `fixed` rise. Frames farther than `reach` from every knot take none. Changes of knots that are near each
    other join. The curve is a quintic spline, so position, velocity and acceleration stay continuous (for one knot it
    is the minimum-jerk curve). With `lasting` the change of the first knot holds before it and that of the last knot
    after it, as far as no frame is fixed: a body that was moved stays moved.
    """
    out = np.zeros((frames, len(knots)))
    for run in _runs(knots, reach, fixed):
        first, last = run[0], run[-1]
        before = max((frame for frame in fixed if frame < first), default=None)
        after = min((frame for frame in fixed if frame > last), default=None)
        rows = [(knot, knots.index(knot)) for knot in run]
        if lasting and before is None and first == knots[0]:
            out[:first, rows[0][1]] = 1.0
        else:
            rows.insert(0, (max(first - reach, first - reach if before is None else before), -1))
        if lasting and after is None and last == knots[-1]:
            out[last + 1 :, rows[-1][1]] = 1.0
        else:
            rows.append((min(last + reach, last + reach if after is None else after), -1))
        times = [time for time, _ in rows]
        values = np.stack([np.eye(len(knots) + 1)[column, :-1] for _, column in rows])
        inside = np.arange(max(0, times[0]), min(frames - 1, times[-1]) + 1)
        still = [(order, np.zeros(len(knots))) for order in (1, 2)]  # no speed, no acceleration at the ends
        if len(times) == 1:
            out[inside] = values[0]
            continue
        shares = make_interp_spline(times, values, k=5, bc_type=(still, still))(inside)
        out[inside] = shares if np.abs(shares).max() < _MOST else _calm(times, values)(inside)
    out[np.abs(out) < 1e-12] = 0.0
    out[list(knots)] = np.eye(len(knots))  # exact, whatever the spline rounds
    return torch.from_numpy(out)


def _calm(times: Sequence[int], values: NDArray[np.float64]) -> BPoly:
    """Quintic pieces that swing out little however uneven the knots are: a spline goes on as steeply as a short gap.

    The speed at a knot is the mean one between its neighbours, the acceleration 0.
    """
    at, moves = np.array(times, float), np.zeros((len(values), 3, values.shape[1]))
    moves[:, 0] = values
    moves[1:-1, 1] = (values[2:] - values[:-2]) / (at[2:] - at[:-2])[:, None]
    return BPoly.from_derivatives(at, moves)


def _runs(knots: Sequence[int], reach: int, fixed: Sequence[int]) -> list[list[int]]:
    """Groups of knots whose changes join: nearer than twice the reach, with no fixed frame between them."""
    runs: list[list[int]] = []
    for knot in knots:
        last = runs[-1][-1] if runs else None
        if last is None or knot - last > 2 * reach or any(last < frame < knot for frame in fixed):
            runs.append([])
        runs[-1].append(knot)
    return runs


def smoothed(values: Float[Tensor, "*batch frame dim"], window: int) -> Float[Tensor, "*batch frame dim"]:
    """A Hann-weighted mean over about `window` frames on either side; ends are repeated."""
    kernel = torch.hann_window(2 * window + 3, periodic=False, dtype=values.dtype)[1:-1]
    flat = values.movedim(-2, -1).reshape(-1, 1, values.shape[-2])
    padded = torch.nn.functional.pad(flat, (window, window), mode="replicate")
    out = torch.nn.functional.conv1d(padded, (kernel / kernel.sum())[None, None])
    return out.reshape(*values.movedim(-2, -1).shape).movedim(-1, -2)


def smooth_above(needed: Float[Tensor, "*batch frame"], reach: int) -> Float[Tensor, "*batch frame"]:
    """A smooth curve that is nowhere below `needed`: the greatest of a window, then a mean over a window as wide."""
    flat = needed.reshape(-1, 1, needed.shape[-1])
    wide = torch.nn.functional.max_pool1d(flat, 2 * reach + 1, 1, reach)
    return smoothed(wide.reshape(needed.shape)[..., None], reach)[..., 0]


def minimum_jerk(share: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """From 0 at 0 to 1 at 1 without speed and acceleration at both ends."""
    share = share.clamp(0, 1)
    return share**3 * (10 - 15 * share + 6 * share**2)


def away_from(fixed: Bool[Tensor, " frame"], frames: int) -> Float[Tensor, " frame"]:
    """0 at fixed frames, rising to 1 at frames farther from them than `frames`."""
    if not bool(fixed.any()):
        return torch.ones(len(fixed))
    at, never = torch.arange(len(fixed)), 2 * len(fixed) + frames
    since = at - torch.where(fixed, at, -never).cummax(0).values
    until = torch.where(fixed, at, never).flip(0).cummin(0).values.flip(0) - at
    return minimum_jerk(torch.minimum(since, until) / (frames + 1))
