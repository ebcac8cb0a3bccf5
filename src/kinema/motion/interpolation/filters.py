"""Taking the trembling out: Savitzky-Golay, One-Euro and Gaussian filters, and a weighted one for uneven evidence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import unknown_name
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.motion.interpolation.quaternions import continuous
from kinema.motion.motion import AnyClip, Points

Smoother = Literal["savgol", "one-euro", "gaussian"]
SMOOTHERS: tuple[str, ...] = get_args(Smoother)


def smooth(clip: AnyClip, method: str, *, window: int = 31) -> AnyClip:
    """The clip, frame by frame, after a filter of about `window` frames, with SmoothNet's settings at 31.

    Savitzky-Golay of order 2; a Gaussian of deviation `window`/10 frames; One-Euro with a lowest cutoff of 0.04 and
    beta 0.7 (per frame, as there; it knows no window). Rotations are filtered as quaternions of continuous sign.
    Raises UsageError for an unknown method.
    """
    if method not in SMOOTHERS:
        raise unknown_name("filter", method, SMOOTHERS)

    def run(values: Tensor) -> Tensor:
        if method == "savgol":
            return savitzky_golay(values, window)
        return gaussian(values, window / 31 * 3) if method == "gaussian" else one_euro(values)

    return _over(clip, run)


def soften(
    clip: AnyClip,
    times: Float[Tensor, " frame"],
    confidence: Float[Tensor, " frame"] | Float[Tensor, "frame joint"],
    *,
    reach: float,
) -> AnyClip:
    """Each frame by a straight line fitted to its neighbours, weighted by trust and by a Gaussian of `reach` seconds.

    A frame of trust 1 that differs from its neighbours moves, too: everything is evidence here. Frames of trust 0 have
    no say (they may be NaN) and get what the others say.
    """
    table = confidence if confidence.ndim == 2 else confidence[:, None]

    def run(values: Tensor) -> Tensor:
        weights = table if values.shape[-2] == table.shape[1] else table[:, :1]
        return local_lines(values, times.double(), weights.double(), reach)

    return _over(clip, run)


def savitzky_golay(values: Float[Tensor, "frame *rest"], window: int = 31, order: int = 2) -> Tensor:
    """Each value by the parabola through its neighbours; the ends by the parabola of the first and last window."""
    window = min(window, len(values) - 1 + len(values) % 2) // 2 * 2 + 1
    window = window if window <= len(values) else window - 2
    if window <= order:
        return values.clone()
    place = torch.linspace(-1, 1, window, dtype=torch.float64)
    design = place[:, None] ** torch.arange(order + 1)
    hat = (design @ torch.linalg.pinv(design)).to(values)  # row i: the weights that give the fit at place i
    half, flat = window // 2, values.flatten(1)
    middle = torch.einsum("w,nfw->nf", hat[half], flat.unfold(0, window, 1))
    fitted = torch.cat((hat[:half] @ flat[:window], middle, hat[half + 1 :] @ flat[-window:]))
    return fitted.reshape(values.shape)


def gaussian(values: Float[Tensor, "frame *rest"], sigma: float = 3.0) -> Tensor:
    """A Gaussian of `sigma` frames, cut at five of them; the end values are repeated outwards."""
    half = max(1, math.ceil(5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1, dtype=torch.float64) / sigma) ** 2).to(values)
    index = torch.arange(-half, len(values) + half).clamp(0, len(values) - 1)
    windows = values.flatten(1)[index].unfold(0, 2 * half + 1, 1)
    return torch.einsum("w,nfw->nf", kernel / kernel.sum(), windows).reshape(values.shape)


def one_euro(values: Float[Tensor, "frame *rest"], min_cutoff: float = 0.04, beta: float = 0.7) -> Tensor:
    """The One-Euro filter (Casiez et al. 2012) with one frame as the unit of time: it looks back only, so it lags."""
    out, speed = [values[0]], torch.zeros_like(values[0])
    slow = _share(torch.ones(()))
    for value in values[1:]:
        speed = speed + slow * (value - out[-1] - speed)
        out.append(out[-1] + _share(min_cutoff + beta * speed.abs()) * (value - out[-1]))
    return torch.stack(out)


def local_lines(
    values: Float[Tensor, "frame *rest"], times: Tensor, weights: Float[Tensor, "frame #joint"], reach: float
) -> Tensor:
    """Weighted local lines [frame, ..., joint, feat] at the frames' own times; see `soften`."""
    clean = torch.where(weights[(slice(None), *[None] * (values.ndim - 3))][..., None] > 0, values, 0.0)
    out: list[Tensor] = []
    for time in times:
        low, high = torch.searchsorted(times, torch.stack((time - 4 * reach, time + 4 * reach))).tolist()
        away = times[low:high] - time
        near = weights[low:high] * torch.exp(-0.5 * (away / reach) ** 2)[:, None] + 1e-12 * (weights[low:high] > 0)
        total = near.sum(0).clamp(min=1e-12)
        middle = (near * away[:, None]).sum(0) / total
        lever = away[:, None] - middle
        spread = (near * lever**2).sum(0)
        # The weight of each neighbour in the fitted line, read at the frame's own time.
        slope = torch.where(spread > 1e-9 * total, -middle / spread.clamp(min=1e-18), 0.0)
        share = near * (1 / total + lever * slope)
        out.append((share[(slice(None), *[None] * (values.ndim - 3))][..., None] * clean[low:high]).sum(0))
    return torch.stack(out)


def _share(cutoff: Tensor) -> Tensor:
    turn = 2 * math.pi * cutoff
    return turn / (turn + 1)


def _over(clip: AnyClip, run: Callable[[Tensor], Tensor]) -> AnyClip:
    """The clip with `run` applied to everything that moves, in float64, time first, joint last but one."""

    def along(values: Tensor) -> Tensor:
        return run(values.double().movedim(-3, 0)).movedim(0, -3)

    if isinstance(clip, Points):
        return replace(clip, positions=along(clip.positions).to(clip.positions))
    quats = continuous(rotmat_to_quat_xyzw(clip.rotations.double()).movedim(-3, 0)).movedim(0, -3)
    turned = quat_xyzw_to_rotmat(torch.nn.functional.normalize(along(quats), dim=-1))
    offsets = None if clip.offsets is None else along(clip.offsets).to(clip.offsets)
    root = along(clip.root[..., None, :])[..., 0, :].to(clip.root)
    return replace(clip, rotations=turned.to(clip.rotations), root=root, offsets=offsets)
