"""The measures of stochastic forecasting: errors and variety of many sampled futures.

A pose is one vector of all joints but the root, metres, and a distance is its L2 norm, not divided by the number of
joints (0.35 is not 35 cm), except in the motion distance, which is per joint. Most are
DLow's (Yuan and Kitani, ECCV 2020); APDE and the cumulative motion distance are BeLFusion's (ICCV 2023), limb stretch
and jitter SkeletonDiffusion's (CVPR 2025). Legend: feat is 3 joints; a mode is one of the futures that a pose may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import UsageError

Convention = Literal["all-windows", "singletons-dropped", "singletons-nan"]
CONVENTIONS: dict[Convention, str] = {
    "all-windows": "every window counts (DLow, HumanMAC, BeLFusion, SkeletonDiffusion)",
    "singletons-dropped": "windows without another mode than their own are dropped from every metric (GSPS)",
    "singletons-nan": "such windows are left out of MMADE and MMFDE only (CoMusion)",
}
"""Three ways of counting windows whose only mode is their own future; their values are not comparable."""
BUDGET = 256 * 2**20
"""Bytes that a temporary array may take."""


def apd(samples: Float[Tensor, "sample window frame feat"]) -> Float[Tensor, " window"]:
    """Average pairwise distance: the mean over pairs of samples of the L2 distance between whole futures.

    One sample has no pairs and a diversity of 0.
    """
    count = samples.shape[0]
    if count < 2:
        return samples.new_zeros(samples.shape[1])
    flat = samples.transpose(0, 1).flatten(2)
    pieces = flat.split(_rows(flat.shape[1] * (flat.shape[2] + count)))
    return torch.cat([_pair_sum(piece) for piece in pieces]) / (count * (count - 1))


def _pair_sum(points: Float[Tensor, "*b sample feat"]) -> Float[Tensor, " *b"]:
    """Sum of the distances over ordered pairs."""
    # What all have in common would only cost digits.
    centred = points - points.mean(-2, keepdim=True)
    distances = torch.cdist(centred, centred)
    return (distances - torch.diag_embed(distances.diagonal(dim1=-2, dim2=-1))).sum((-2, -1))


def best_of(
    samples: Float[Tensor, "sample window frame feat"], ground_truth: Float[Tensor, "window frame feat"]
) -> tuple[Float[Tensor, " window"], Float[Tensor, " window"]]:
    """ADE and FDE: the least mean distance over frames, and the least distance at the last frame, over the samples.

    The best sample may differ between the two.
    """
    mean = samples.new_full((ground_truth.shape[0],), torch.inf)
    last = mean.clone()
    for some in samples.split(_rows(ground_truth.numel())):
        distance = torch.linalg.vector_norm(some - ground_truth, dim=-1)
        mean = torch.minimum(mean, distance.mean(-1).amin(0))
        last = torch.minimum(last, distance[..., -1].amin(0))
    return mean, last


def best_of_modes(
    samples: Float[Tensor, "sample frame feat"], modes: Float[Tensor, "mode frame feat"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """MMADE and MMFDE of one window: ADE and FDE to each of the futures that it may have, averaged over them."""
    mean, last = samples.new_zeros(()), samples.new_zeros(())
    for some in modes.split(_rows(samples.shape[0] * samples.shape[1])):
        centre = some.mean(0, keepdim=True)
        distance = torch.cdist((samples - centre).transpose(0, 1), (some - centre).transpose(0, 1))
        mean = mean + distance.mean(0).amin(0).sum()
        last = last + distance[-1].amin(0).sum()
    return mean / len(modes), last / len(modes)


def modes_of(poses: Float[Tensor, "window feat"], threshold: float) -> tuple[Int[Tensor, " _"], ...]:
    """For each window the windows whose last observed pose is nearer than `threshold` metres, itself among them.

    Their futures are possible futures. Raises UsageError unless the threshold is positive and poses are finite.
    """
    if not threshold > 0 or not bool(poses.isfinite().all()):
        raise UsageError(
            expected="finite poses and a positive threshold in metres",
            got=f"a threshold of {threshold}, {int((~poses.isfinite()).any(-1).sum())} poses that are not finite",
            cure="Fill gaps with `kinema repair`, and give a threshold such as 0.5.",
        )
    found: list[Tensor] = []
    for some in poses.split(_rows(len(poses))):
        # Without the matrix product: a pose is then at distance 0 from itself, to the last digit.
        near = torch.cdist(some, poses, compute_mode="donot_use_mm_for_euclid_dist") < threshold
        found += [row.nonzero()[:, 0] for row in near]
    return tuple(found)


def apd_of_modes(
    futures: Float[Tensor, "window frame feat"], modes: Sequence[Int[Tensor, " _"]]
) -> Float[Tensor, " window"]:
    """APD of the futures that each window may have; 0 where its own is the only one.

    Distances are found once for all windows, a block of rows at a time, and never gathered.
    """
    windows = len(futures)
    flat = futures.flatten(1)
    flat = flat - flat.mean(0)
    near = torch.zeros(windows, windows, dtype=torch.bool)
    for window, those in enumerate(modes):
        near[window, those] = True
    total = flat.new_zeros(windows)
    rows = torch.arange(windows).split(_rows(2 * windows))
    for some in rows:
        distances = torch.cdist(flat[some], flat)
        distances[torch.arange(len(some)), some] = 0
        for others in rows:
            among = near[others].to(flat)
            total[others] += ((among @ distances.T) * among[:, some]).sum(1)
    count = near.sum(1).to(flat)
    return torch.where(count > 1, total / (count * (count - 1)).clamp_min(1), 0.0)


def apde(
    sampled: Float[Tensor, " window"], true: Float[Tensor, " window"], several: Bool[Tensor, " window"]
) -> float | None:
    """Mean error of the diversity, |APD - APD of the modes|, over the windows that have several; None without any."""
    return float((sampled - true).abs()[several].mean()) if bool(several.any()) else None


def joint_steps(positions: Float[Tensor, "*b frame joint 3"]) -> Float[Tensor, "*b step"]:
    """Movement of joints from each frame to the next, metres, mean over joints."""
    return torch.linalg.vector_norm(positions.diff(dim=-3), dim=-1).mean(-1)


def motion_distance(
    steps: Float[Tensor, "group step"], usual: Float[Tensor, " group"], windows: Float[Tensor, " group"]
) -> float:
    """Cumulative motion distance: difference of the amount of motion from the usual one of its group (action, set).

    `steps` are the `joint_steps` of the samples of each group, averaged; `usual` the same over the frames of the
    test recordings; F - 1 steps count F - 1, F - 2 ... 1 times; groups count by their `windows`.
    """
    weights = torch.arange(steps.shape[1], 0, -1).to(steps)
    each = ((steps - usual[:, None]).abs() * weights).sum(1)
    return float((each * windows / windows.sum()).sum())


def limb_lengths(positions: Float[Tensor, "*b joint 3"], limbs: Sequence[tuple[int, int]]) -> Float[Tensor, "*b limb"]:
    """Distance between the two joints of each limb, metres."""
    start, end = ([limb[side] for limb in limbs] for side in (0, 1))
    return torch.linalg.vector_norm(positions[..., end, :] - positions[..., start, :], dim=-1)


def limb_errors(
    positions: Float[Tensor, "sample window frame joint 3"],
    limbs: Sequence[tuple[int, int]],
    true: Float[Tensor, "window limb"],
) -> dict[str, Float[Tensor, " window"]]:
    """Changes of limb length over all limbs, samples and frames, relative to the true lengths `true` (metres).

    "stretch" is the mean of |length - true length|, "jitter" of |length - length one frame before|; "stretch_squared"
    and "jitter_squared" are the means of their squares.
    """
    lengths = limb_lengths(positions, limbs) / true[:, None]
    stretch, jitter = (lengths - 1).abs(), lengths.diff(dim=2).abs()
    if not jitter.numel():  # a future of one frame does not jitter
        jitter = torch.zeros_like(stretch)
    parts = {"stretch": stretch, "stretch_squared": stretch**2, "jitter": jitter, "jitter_squared": jitter**2}
    return {name: part.mean((0, 2, 3)) for name, part in parts.items()}


def _rows(numbers: int) -> int:
    """How many rows of that many numbers fit into the budget; at least one."""
    return max(1, BUDGET // (4 * max(1, numbers)))
