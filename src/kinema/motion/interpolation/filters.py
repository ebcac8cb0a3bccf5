"""Filters against jitter: Savitzky-Golay, One-Euro and Gaussian filters, and a weighted one for uneven evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import unknown_name
from kinema.core.progress import pieces
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.motion.interpolation.curves import continuous, place
from kinema.motion.motion import AnyClip, Points, concatenate

Smoother = Literal["savgol", "one-euro", "gaussian"]
_WINDOW = 31  # frames
_PIECE = 2048  # frames smoothed together
SMOOTHERS: tuple[str, ...] = get_args(Smoother)


def smooth(clip: AnyClip, method: str) -> AnyClip:
    """The clip, frame by frame, after a filter with SmoothNet's settings.

    Savitzky-Golay of order 2 over 31 frames; a Gaussian of deviation 3 frames; One-Euro with a lowest cutoff of 0.04
    and beta 0.7 (per frame, as there). Rotations are filtered as quaternions of continuous sign. Raises UsageError for
    an unknown method.
    """
    if method not in SMOOTHERS:
        raise unknown_name("filter", method, SMOOTHERS)
    return _over(clip, {"savgol": savitzky_golay, "gaussian": gaussian, "one-euro": one_euro}[method])


def soften(
    clip: AnyClip,
    times: Float[Tensor, " frame"],
    confidence: Float[Tensor, " frame"] | Float[Tensor, "frame joint"],
    *,
    reach: float,
) -> AnyClip:
    """Each frame by a straight line fitted to its neighbours, weighted by confidence and a Gaussian of `reach` seconds.

    A frame of confidence 1 that differs from its neighbours moves, too: everything is evidence here. Frames of
    confidence 0 do not count (they may be NaN) and get the value of the others.
    """
    table, times = (confidence if confidence.ndim == 2 else confidence[:, None]).double(), times.double()
    parts: list[AnyClip] = []
    size = max(_PIECE, _frames_within(times, 8 * reach))  # neighbours included, at most three pieces' worth
    for span in pieces(clip.frames, size, "smooth"):
        low = int(place(times, times[span.start, None] - 4 * reach))
        high = int(place(times, times[span.stop - 1, None] + 4 * reach))
        some = slice(low, high)

        def run(values: Tensor, some: slice = some) -> Tensor:
            weights = table[some] if values.shape[-2] == table.shape[1] else table[some, :1]
            return local_lines(values, times[some], weights, reach)

        parts.append(_over(clip[some], run)[span.start - low : span.stop - low])
    return concatenate(*parts)


def _frames_within(times: Tensor, seconds: float) -> int:
    return int((place(times, times + seconds) - torch.arange(len(times))).max())


def savitzky_golay(values: Float[Tensor, "frame *rest"]) -> Tensor:
    """Each value by the parabola through its neighbours; the ends by the parabola of the first and last window."""
    window = min(_WINDOW, len(values) - 1 + len(values) % 2) // 2 * 2 + 1
    window = window if window <= len(values) else window - 2
    if window < 3:
        return values.clone()
    from scipy.signal import savgol_filter

    return torch.from_numpy(savgol_filter(values.numpy(), window, 2, axis=0))


def gaussian(values: Float[Tensor, "frame *rest"], sigma: float = 3.0) -> Tensor:
    """A Gaussian of `sigma` frames, cut at five of them; the end values are repeated outwards."""
    from scipy.ndimage import gaussian_filter1d

    return torch.from_numpy(gaussian_filter1d(values.numpy(), sigma, axis=0, mode="nearest", truncate=5.0))


def one_euro(values: Float[Tensor, "frame *rest"]) -> Tensor:
    """The One-Euro filter (Casiez et al. 2012) with one frame as the unit of time: it looks back only, so it lags."""
    out, speed = [values[0]], torch.zeros_like(values[0])
    slow = _share(torch.ones(()))
    for value in values[1:]:
        speed = speed + slow * (value - out[-1] - speed)
        out.append(out[-1] + _share(0.04 + 0.7 * speed.abs()) * (value - out[-1]))
    return torch.stack(out)


def local_lines(
    values: Float[Tensor, "frame *rest"], times: Tensor, weights: Float[Tensor, "frame #joint"], reach: float
) -> Tensor:
    """Weighted local lines [frame, ..., joint, feat] at the frames' own times; see `soften`."""
    clean = torch.where(_beside(weights, values) > 0, values, 0.0)
    low, high = place(times, times - 4 * reach), place(times, times + 4 * reach)
    trusted = weights > 0

    def each() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The first neighbour of every frame, then the second ...: how far it is away, its weight, and which it is."""
        for step in range(int((high - low).max())):
            frame = low + step
            there, frame = frame < high, frame.clamp(max=len(times) - 1)
            away = times[frame] - times
            near = weights[frame] * torch.exp(-0.5 * (away / reach) ** 2)[:, None] + 1e-12 * trusted[frame]
            yield away[:, None], near * there[:, None], frame

    total, middle, spread = (torch.zeros_like(weights) for _ in range(3))
    for away, near, _ in each():
        total += near
        middle += near * away
    total = total.clamp(min=1e-12)
    middle /= total
    for away, near, _ in each():
        spread += near * (away - middle) ** 2
    # The weight of each neighbour in the fitted line, read at the frame's own time.
    slope = torch.where(spread > 1e-9 * total, -middle / spread.clamp(min=1e-18), 0.0)
    out = torch.zeros_like(clean)
    for away, near, frame in each():
        out += _beside(near * (1 / total + (away - middle) * slope), values) * clean[frame]
    return out


def _beside(weights: Tensor, values: Tensor) -> Tensor:
    """Weights [frame, joint] in a shape that goes with values [frame, ..., joint, feat]."""
    return weights[(slice(None), *[None] * (values.ndim - 3))][..., None]


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
