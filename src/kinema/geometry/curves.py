"""Functions of time: cubic curves between known values, and the orthonormal discrete cosine transform (type II).

The transform is a matrix: X = D @ x over time, x = D^T @ X. The arguments of the curves broadcast.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
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


def dct_matrix(frames: int, *, dtype: torch.dtype = torch.float32) -> Float[Tensor, "coef frame"]:
    """D[k, n] = s_k sqrt(2/N) cos(pi k (2n + 1) / 2N) with s_0 = 1/sqrt 2; rows are orthonormal."""
    k = torch.arange(frames, dtype=torch.float64)[:, None]
    n = torch.arange(frames, dtype=torch.float64)[None]
    matrix = math.sqrt(2 / frames) * torch.cos(math.pi * k * (2 * n + 1) / (2 * frames))
    matrix[0] /= math.sqrt(2)
    return matrix.to(dtype)


def dct(signal: Float[Tensor, "*b frame feat"], coefficients: int | None = None) -> Float[Tensor, "*b coef feat"]:
    """The first `coefficients` (default: all) of the transform over the frame axis."""
    matrix = dct_matrix(signal.shape[-2], dtype=signal.dtype).to(signal.device)
    return matrix[:coefficients] @ signal
