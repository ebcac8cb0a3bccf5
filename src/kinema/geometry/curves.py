"""Cubic curves between two known values, and the slopes at a value with one on either side. All arguments broadcast."""

from __future__ import annotations

from torch import Tensor


def hermite(start: Tensor, end: Tensor, leaving: Tensor, arriving: Tensor, share: Tensor) -> Tensor:
    """The cubic from `start` (`share` 0) to `end` (1) with the given derivatives with respect to `share` at both ends.

    With u = share, v = 1 - u: v^2 (1 + 2 u) start + u^2 (1 + 2 v) end + u v (v leaving - u arriving).
    """
    u, v = share, 1 - share
    return v * v * (1 + 2 * u) * start + u * u * (1 + 2 * v) * end + u * v * (v * leaving - u * arriving)


def parabola_slope(before: Tensor, after: Tensor, gap_before: Tensor, gap_after: Tensor) -> Tensor:
    """The slope at the middle of three points of the parabola through them (Catmull-Rom for uneven times).

    `before` and `after` are the slopes of the lines on either side, the gaps their lengths in time.
    """
    return (before * gap_after + after * gap_before) / (gap_before + gap_after)
