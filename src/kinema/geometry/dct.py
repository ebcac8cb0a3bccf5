"""The orthonormal discrete cosine transform (type II) as a matrix: X = D @ x over time, x = D^T @ X."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


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


def idct(coefficients: Float[Tensor, "*b coef feat"], frames: int) -> Float[Tensor, "*b frame feat"]:
    """The signal of `frames` frames whose first coefficients these are, the others zero."""
    matrix = dct_matrix(frames, dtype=coefficients.dtype).to(coefficients.device)
    return matrix[: coefficients.shape[-2]].T @ coefficients
