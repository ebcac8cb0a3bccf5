"""Dynamics: speed, jerk, distribution of speeds, sliding feet; also relative to real motion.

These measures detect frozen motion, which distances between poses and features of classifiers do not.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError

FOOT_HEIGHTS = (0.15, 0.10)  # metres: ankle, toe (StableMotion, 2025)
SKATE_SPEED = 0.10  # metres per second (StableMotion, 2025)
_QUANTILES = 2001


def dynamics(
    generated: Float[Tensor, "clip frame joint dim"], real: Float[Tensor, "other rframe joint dim"], fps: float
) -> dict[str, float]:
    """Compare two sets of clips of joint positions (metres). Raises UsageError for clips of fewer than four frames.

    "speed" and "jerk" are ratios of generated to real (1 is right); "steps" is the Wasserstein distance between the two
    distributions of joint speeds, metres per second (0 is right).
    """
    frames = min(generated.shape[1], real.shape[1])
    if frames < 4:
        raise UsageError(
            expected="clips of at least 4 frames", got=f"{frames}", cure="Generate longer motion, as with --seconds 2."
        )
    speeds = [speed(clips, fps) for clips in (generated, real)]
    jerks = [float(mean_jerk(clips.double(), fps).mean()) for clips in (generated, real)]
    pace = float(speeds[0].mean() / speeds[1].mean())
    return {"speed": pace, "jerk": jerks[0] / jerks[1], "steps": wasserstein(speeds[0], speeds[1])}


def speed(clips: Float[Tensor, "clip frame joint dim"], fps: float) -> Float[Tensor, "clip step joint"]:
    """Speed of every joint from each frame to the next, metres per second."""
    return clips.double().diff(dim=1).norm(dim=-1) * fps


def jerk(positions: Float[Tensor, "*batch frame joint dim"], fps: float) -> Float[Tensor, "*batch step joint"]:
    """Length of the third derivative, |p_t+3 - 3 p_t+2 + 3 p_t+1 - p_t| fps^3, in units per second cubed."""
    return positions.diff(n=3, dim=-3).norm(dim=-1) * fps**3


def mean_jerk(positions: Float[Tensor, "*batch frame joint dim"], fps: float) -> Float[Tensor, "*batch"]:
    """`jerk`, mean over joints and time; 0 for fewer than four frames."""
    if positions.shape[-3] < 4:
        return positions.new_zeros(positions.shape[:-3])
    return jerk(positions, fps).mean((-1, -2))


def wasserstein(first: Float[Tensor, "..."], second: Float[Tensor, "..."]) -> float:
    """The Wasserstein-1 distance between the distributions of two sets of numbers: mean distance of their quantiles."""
    shares = np.linspace(0, 1, _QUANTILES)
    one, other = (np.quantile(numbers.double().numpy(force=True), shares) for numbers in (first, second))
    return float(np.abs(one - other).mean())


def ground_speed(feet: Float[Tensor, "*batch frame foot 3"], fps: float) -> Float[Tensor, "*batch step foot"]:
    """Horizontal speed from each frame to the next, metres per second (y is up)."""
    return feet[..., [0, 2]].diff(dim=-3).norm(dim=-1) * fps


def slides(height: Float[Tensor, "*b part"], moving: Float[Tensor, "*b part"]) -> Bool[Tensor, "*b"]:
    """True if a foot slides: ankle and toe lower than `FOOT_HEIGHTS`, and both faster than `SKATE_SPEED`.

    `part` is ankle, toe; `height` in metres above the floor, `moving` their `ground_speed`.
    """
    return ((height < height.new_tensor(FOOT_HEIGHTS)) & (moving > SKATE_SPEED)).all(-1)
