"""Errors of forecasts: the distance of joints, and the Euler-angle error of the forecasting benchmarks.

The Euler error (Martinez et al. 2017; Li et al. 2018) depends on the choice of angles, is singular at gimbal lock, does
not unwrap 2 pi and sums over joints. Published tables use it; `mpjpe` is the better measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def joint_distances(
    predicted: Float[Tensor, "*batch frame joint dim"], ground_truth: Float[Tensor, "*#batch frame joint dim"]
) -> Float[Tensor, "*batch frame joint"]:
    """Euclidean distance of every joint in every frame: d_tj = ||p_tj - q_tj||, in double precision."""
    return (predicted.double() - ground_truth.double()).norm(dim=-1)


def mpjpe(
    predicted: Float[Tensor, "*batch frame joint dim"],
    ground_truth: Float[Tensor, "*#batch frame joint dim"],
    joints: Sequence[int] | None = None,
) -> Float[Tensor, "*batch frame"]:
    """Mean per-joint position error of every frame: e_t = 1/J sum_j ||p_tj - q_tj||.

    `joints` selects joints (default: all). The error is that *at* frame t, not the mean up to it.
    """
    distances = joint_distances(predicted, ground_truth)
    return (distances if joints is None else distances[..., list(joints)]).mean(-1)


def benchmark_euler(rotations: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 3"]:
    """The angles (E1, E2, E3) of the benchmark, in radians and double precision.

    `rotations` are ours (column vectors): R = Rz(E3) Ry(E2) Rx(E1). The published code takes them from M = R^T, the
    exponential of what stands in the benchmark's files: E2 = -asin(M02), E1 = atan2(M12 / cos E2, M22 / cos E2),
    E3 = atan2(M01 / cos E2, M00 / cos E2). At gimbal lock (M02 = +-1) E3 = 0 and E1 = atan2(M01, M02), as published.
    """
    m = rotations.double().transpose(-1, -2)
    sine = m[..., 0, 2].clamp(-1, 1)
    e2 = -sine.asin()
    cosine = e2.cos()
    e1 = torch.atan2(m[..., 1, 2] / cosine, m[..., 2, 2] / cosine)
    e3 = torch.atan2(m[..., 0, 1] / cosine, m[..., 0, 0] / cosine)
    locked = sine.abs() == 1
    e1 = torch.where(locked, torch.atan2(m[..., 0, 1], sine), e1)
    e2 = torch.where(locked, -math.pi / 2 * sine, e2)
    return torch.stack((e1, e2, torch.where(locked, torch.zeros_like(e3), e3)), -1)


def euler_error(
    predicted: Float[Tensor, "window frame joint 3"],
    whole: Float[Tensor, "window all joint 3"],
    joints: Sequence[int] | None = None,
) -> Float[Tensor, "window frame"]:
    """L2 distance of `benchmark_euler` angles: e_t = ||m * (whole_t - predicted_t)|| over joints and angles.

    `whole` is the ground truth of the window, observed frames first; its last frames are predicted, and m keeps angles
    whose standard deviation over the window is above 1e-4. Joint 0, the root, is not scored; `joints` selects others
    (default: all). Radians. The error of a benchmark is its mean over windows.
    """
    scored = [joint for joint in (range(whole.shape[-2]) if joints is None else joints) if joint != 0]
    ground_truth, answer = whole[..., scored, :].flatten(-2), predicted[..., scored, :].flatten(-2)
    moving = ground_truth.std(-2, correction=0, keepdim=True) > 1e-4
    return ((ground_truth[..., -answer.shape[-2] :, :] - answer) * moving).norm(dim=-1)
