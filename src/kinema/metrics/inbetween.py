"""Errors of motion that was filled in: L2Q, L2P and NPSS as the LaFAN1 benchmark defines them, and what else counts.

Harvey et al., "Robust Motion In-betweening", 2020, and its evaluation code; NPSS from Gopalakrishnan et al. 2019 in the
form of that code: the real part of the spectrum squared, not its magnitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import quat_product, rotmat_to_quat_xyzw
from kinema.metrics.dynamics import ground_speed, slides
from kinema.motion.interpolation.curves import continuous
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import has_joint

_FEET = (("l_ankle", "l_toe"), ("r_ankle", "r_toe"))


def l2q(
    predicted: Float[Tensor, "*window frame joint 4"], ground_truth: Float[Tensor, "*window frame joint 4"]
) -> Float[Tensor, "*window frame"]:
    """Distance of global quaternions, taken as one vector over all joints. Signs count: see `toward`, `unbroken`."""
    return (predicted - ground_truth).flatten(-2).norm(dim=-1)


def l2p(
    predicted: Float[Tensor, "*window frame joint 3"],
    ground_truth: Float[Tensor, "*window frame joint 3"],
    mean: Float[Tensor, "joint 3"],
    std: Float[Tensor, "joint 3"],
) -> Float[Tensor, "*window frame"]:
    """Distance of global positions in units of the training windows' deviation, as one vector over all joints.

    `mean` cancels in the difference; the benchmark's definition has it.
    """
    return ((predicted - mean) / std - (ground_truth - mean) / std).flatten(-2).norm(dim=-1)


def npss(predicted: Float[Tensor, "window frame feat"], ground_truth: Float[Tensor, "window frame feat"]) -> float:
    """Normalised power spectrum similarity: the earth mover's distance of spectra, weighted by the power of the ground
    truth.

    Per window and feature P = Re(FFT)^2 over time, made to sum to 1, summed up from the lowest bin, and compared by
    absolute differences summed over the bins. A feature without any power has no distribution; its sum stays 0, where
    the original divides 0 by 0.
    """
    shares: list[Tensor] = []
    power = torch.empty(0)
    for values in (predicted, ground_truth):
        spectrum = torch.fft.fft(values.double(), dim=1).real.square()
        power = spectrum.sum(1)
        shares.append((spectrum / torch.where(power > 0, power, 1.0)[:, None]).cumsum(1))
    distance = (shares[0] - shares[1]).abs().sum(1)
    return float((distance * power).sum() / power.sum().clamp_min(1e-300))


def position_statistics(
    batches: Iterable[Float[Tensor, "window frame joint 3"]],
) -> tuple[Float[Tensor, "joint 3"], Float[Tensor, "joint 3"]]:
    """Mean and deviation (dividing by the count) over windows and frames, in float64; a constant gets deviation 1.

    Raises UsageError where there is no window at all.
    """
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        rows = batch.double().flatten(0, 1)
        count += len(rows)
        total, squares = total + rows.sum(0), squares + rows.square().sum(0)
    if not count:
        raise UsageError(
            expected="training windows to normalise by",
            got="none",
            cure="Add the training files to the folder of --data.",
        )
    mean = total / count
    std = (squares / count - mean.square()).clamp_min(0).sqrt()
    return mean, torch.where(std > 1e-6, std, 1.0)


def local_quats(motion: Motion) -> Float[Tensor, "*batch frame joint 4"]:
    """Local quaternions (xyzw, float64) whose signs do not jump from a frame to the next; the first have w >= 0."""
    quats = rotmat_to_quat_xyzw(motion.rotations.double())
    return unbroken(quats, torch.tensor([0.0, 0, 0, 1], dtype=torch.float64).expand_as(quats[..., 0, :, :]))


def unbroken(
    quats: Float[Tensor, "*window frame joint 4"], start: Float[Tensor, "*window joint 4"]
) -> Float[Tensor, "*window frame joint 4"]:
    """The quaternions with signs that follow on from `start` without a jump (the benchmark's strict way)."""
    first = start.to(quats)[..., None, :, :]
    rows = torch.cat((first, quats), -3).movedim(-3, 0)
    return continuous(rows).movedim(0, -3)[..., 1:, :, :]


def toward(
    quats: Float[Tensor, "*window frame joint 4"], reference: Float[Tensor, "*window joint 4"]
) -> Float[Tensor, "*window frame joint 4"]:
    """The quaternions with signs nearest to one pose (delta-interpolator: the last known frame)."""
    near = (quats * reference.to(quats)[..., None, :, :]).sum(-1, keepdim=True)
    return torch.where(near < 0, -quats, quats)


def global_quats(local: Float[Tensor, "*batch joint 4"], parents: Sequence[int]) -> Float[Tensor, "*batch joint 4"]:
    """Global quaternions as products down the tree, which keeps the signs of the local ones."""
    rotated = [local[..., 0, :]]
    for joint, parent in enumerate(parents[1:], start=1):
        rotated.append(quat_product(rotated[parent], local[..., joint, :]))
    return torch.stack(rotated, -2)


def acceleration_error(
    predicted: Float[Tensor, "*batch frame joint dim"], ground_truth: Float[Tensor, "*batch frame joint dim"]
) -> Float[Tensor, "*batch"]:
    """Mean distance of second differences, in units per frame squared (the "Accel" of DeciWatch and SmoothNet)."""
    return (predicted.diff(n=2, dim=-3) - ground_truth.diff(n=2, dim=-3)).norm(dim=-1).mean((-1, -2))


def aligned_errors(
    predicted: Float[Tensor, "clip frame joint dim"], ground_truth: Float[Tensor, "clip frame joint dim"], root: int
) -> dict[str, float]:
    """Errors by coordinate after each sequence is moved so that its own first-frame root is the origin.

    "mse" is the mean square, "mae" the mean absolute value, "max" the mean over clips of the largest: the three numbers
    of Render-In-Between. Units are those of the input; its evaluator prints percentages, a hundred times the numbers.
    """
    own, true = (each - each[:, :1, root : root + 1] for each in (predicted, ground_truth))
    error = (own - true).abs()
    found = {"mse": error.square(), "mae": error, "max": error.flatten(1).amax(1)}
    return {metric: float(values.mean()) for metric, values in found.items()}


def pck(
    predicted: Float[Tensor, "*batch frame joint 2"], ground_truth: Float[Tensor, "*batch frame joint 2"], share: float
) -> Float[Tensor, "*batch frame"]:
    """Share of joints within `share` of the longer side of the true pose's box."""
    side = (ground_truth.amax(-2) - ground_truth.amin(-2)).amax(-1)
    return ((predicted - ground_truth).norm(dim=-1) <= share * side[..., None]).to(ground_truth.dtype).mean(-1)


def foot_height(points: Points) -> Float[Tensor, "*batch"]:
    """How low an ankle or a toe ever gets, in metres: the floor, where one stands on it. 0 where there are no feet."""
    there = [name for names in _FEET for name in names if has_joint(points.skeleton, name)]
    if not there:
        return points.positions.new_zeros(points.batch_shape)
    return points.positions[..., points.skeleton.indices(there), 1].amin((-1, -2))


def skate_share(points: Points, floor: Float[Tensor, "*batch"]) -> Float[Tensor, "*batch"]:
    """Share of steps from frame to frame in which a foot slides (`dynamics.slides`); 0 where there are no feet."""
    skeleton = points.skeleton
    sliding: Bool[Tensor, "..."] = torch.zeros(points.positions[..., 1:, 0, 0].shape, dtype=torch.bool)
    for names in _FEET:
        if not has_joint(points.skeleton, *names):
            continue
        foot = points.positions[..., skeleton.indices(names), :]
        height = foot[..., 1:, :, 1] - floor.to(foot)[..., None, None]
        sliding = sliding | slides(height, ground_speed(foot, points.fps))
    return sliding.to(points.positions.dtype).mean(-1)
