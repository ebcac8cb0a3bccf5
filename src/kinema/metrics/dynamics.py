"""Whether generated motion moves as real motion does: speed, jerk, the spread of steps, feet that slide.

Features of a recogniser and distances between poses do not notice motion that has frozen; these do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError

_QUANTILES = 2001
_GROUND = 0.05  # metres above its lowest level within which a foot should stand
_LOWEST = 0.05  # the share of frames that lie below that level


@dataclass(frozen=True)
class Dynamics:
    """Generated against real: `speed` and `jerk` as ratios (1 is right), `steps` in metres per second (0 is right).

    `steps` is the Wasserstein distance between the two distributions of joint speeds.
    """

    speed: float
    jerk: float
    steps: float


def dynamics(
    generated: Float[Tensor, "clip frame joint dim"], real: Float[Tensor, "other rframe joint dim"], fps: float
) -> Dynamics:
    """Compare two sets of clips of joint positions (metres). Raises UsageError for clips of fewer than four frames."""
    frames = min(generated.shape[1], real.shape[1])
    if frames < 4:
        raise UsageError(expected="clips of at least 4 frames", got=f"{frames}", cure="Ask for longer motion.")
    speeds = [speed(clips, fps) for clips in (generated, real)]
    jerks = [float(clips.double().diff(n=3, dim=1).norm(dim=-1).mean()) * fps**3 for clips in (generated, real)]
    return Dynamics(float(speeds[0].mean() / speeds[1].mean()), jerks[0] / jerks[1], wasserstein(speeds[0], speeds[1]))


def speed(clips: Float[Tensor, "clip frame joint dim"], fps: float) -> Float[Tensor, "clip step joint"]:
    """How fast every joint is from each frame to the next, metres per second."""
    return clips.double().diff(dim=1).norm(dim=-1) * fps


def wasserstein(first: Float[Tensor, "..."], second: Float[Tensor, "..."]) -> float:
    """The Wasserstein-1 distance between the distributions of two sets of numbers: mean distance of their quantiles."""
    at = torch.linspace(0, 1, _QUANTILES, dtype=torch.float64)
    return float((_quantiles(first, at) - _quantiles(second, at)).abs().mean())


def foot_skate(feet: Float[Tensor, "*batch frame foot 3"], fps: float) -> float | None:
    """Mean horizontal speed, metres per second, of feet while they should stand (y is up).

    `feet` are points of one kind: ankles, or toes. One should stand while it is within 5 cm of the lowest level (the
    5th percentile of the clip, all feet together); the nearer, the more it counts: weight 2 - 2^(height / 5 cm). None
    for clips of one frame.
    """
    if feet.shape[-3] < 2:
        return None
    feet = feet.double()
    level = torch.quantile(feet[..., 1].flatten(-2), _LOWEST, dim=-1)
    height = (feet[..., 1:, :, 1] - level[..., None, None]).clamp_min(0)
    weight = (2 - 2 ** (height / _GROUND)).clamp_min(0)
    sliding = feet[..., [0, 2]].diff(dim=-3).norm(dim=-1) * fps
    total = float(weight.sum())
    return float((weight * sliding).sum()) / total if total > 0 else None


def _quantiles(values: Tensor, at: Float[Tensor, " share"]) -> Float[Tensor, " share"]:
    ranked = values.double().flatten().sort().values
    place = at * (len(ranked) - 1)
    below = place.long().clamp(max=len(ranked) - 1)
    above = (below + 1).clamp(max=len(ranked) - 1)
    return torch.lerp(ranked[below], ranked[above], place - below)
