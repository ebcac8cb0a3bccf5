"""Smooth curves over time: eases, monotone interpolation through key values, slow noise, and envelopes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def ease(u: Array) -> Array:
    """The minimum-jerk step: 0 before 0, 1 after 1, without velocity or acceleration at both ends (Flash and Hogan)."""
    u = np.clip(u, 0.0, 1.0)
    return u * u * u * (10 + u * (6 * u - 15))


def glide(u: Array, rise: float, fall: float) -> Array:
    """From 0 at 0 to 1 at 1 at a constant speed between a soft start over `rise` and an even slowing over `fall`.

    The speed begins without acceleration, so that what lifts off does not jerk; the slowing ends at rest.
    """
    u = np.clip(u, 0.0, 1.0)
    start, end = np.minimum(u / rise, 1.0), np.clip((u - 1 + fall) / fall, 0.0, 1.0)
    gone = rise * start**3 * (1 - start / 2) + np.clip(u - rise, 0.0, 1 - rise - fall) + fall * end * (1 - end / 2)
    return gone / (1 - rise / 2 - fall / 2)


def bump(u: Array, peak: float = 0.5) -> Array:
    """A hill of height 1 at `peak`, 0 with zero slope at 0 and at 1."""
    u = np.clip(u, 0.0, 1.0)
    a, b = (2.0 * peak / (1 - peak), 2.0) if peak > 0.5 else (2.0, 2.0 * (1 - peak) / peak)
    return (u / peak) ** a * ((1 - u) / (1 - peak)) ** b


def through(times: Sequence[float] | Array, values: Array, t: Array) -> Array:
    """The monotone cubic (Fritsch and Butland 1984) through key values: no overshoot, flat where two keys agree.

    `values` is (key,) or (key, channel); before the first key and after the last the value is held.
    """
    from scipy.interpolate import CubicHermiteSpline, PchipInterpolator  # here: its import takes longer than a clip

    x = np.asarray(times, dtype=np.float64)
    if len(x) == 1:
        return np.repeat(values, len(t), 0)
    slopes = np.zeros_like(values)
    if len(x) > 2:
        slopes[1:-1] = PchipInterpolator(x, values)(x[1:-1], 1)  # it leaves the ends with a slope; here they are flat
    return np.asarray(CubicHermiteSpline(x, values, slopes)(np.clip(t, x[0], x[-1])))


def wander(rng: np.random.Generator, t: Array, count: int, slow: float = 0.11, fast: float = 0.55) -> Array:
    """Slow noise of about unit size, (frame, count): a few sines whose rates lie between `slow` and `fast` hertz."""
    waves = 4
    rate = rng.uniform(slow, fast, (1, count, waves))
    phase = rng.uniform(0, 2 * math.pi, (1, count, waves))
    return np.sin(2 * math.pi * rate * t[:, None, None] + phase).sum(-1) / math.sqrt(waves / 2)


def smoothed(values: Array, width: float, rate: float) -> Array:
    """A Hann-weighted mean over `width` seconds, along the first axis."""
    from scipy.ndimage import convolve1d

    half = max(1, round(width * rate / 2))
    window = np.hanning(2 * half + 3)[1:-1]
    return np.asarray(convolve1d(values, window / window.sum(), 0, mode="nearest"))


def below(values: Array, width: float, rate: float) -> Array:
    """A smooth curve that never lies above `values`: the sliding minimum, averaged over the same window."""
    from scipy.ndimage import minimum_filter1d

    half = max(1, round(width * rate / 2))
    return smoothed(minimum_filter1d(values, 2 * half + 1, mode="nearest"), width, rate)
