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


def ease_rate(u: Array) -> Array:
    """The derivative of `ease`."""
    u = np.clip(u, 0.0, 1.0)
    return 30 * u * u * (1 - u) * (1 - u)


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
    x = np.asarray(times, dtype=np.float64)
    y = values if values.ndim == 2 else values[:, None]
    if len(x) == 1:
        held = np.repeat(y, len(t), 0)
        return held if values.ndim == 2 else held[:, 0]
    width = np.diff(x)[:, None]
    slope = np.diff(y, axis=0) / width
    tangent = np.zeros_like(y)
    if len(x) > 2:
        before, after, w0, w1 = slope[:-1], slope[1:], width[:-1], width[1:]
        same = before * after > 0
        # The weighted harmonic mean of the two slopes; 0 at a turning point.
        mean = (w0 + 2 * w1) / np.where(same, before, 1.0) + (2 * w0 + w1) / np.where(same, after, 1.0)
        tangent[1:-1] = np.where(same, 3 * (w0 + w1) / np.where(same, mean, 1.0), 0.0)
    cell = np.clip(np.searchsorted(x, t, side="right") - 1, 0, len(x) - 2)
    h = width[cell]
    u = np.clip((t - x[cell])[:, None] / h, 0.0, 1.0)
    v = 1 - u
    out = (1 + 2 * u) * v * v * y[cell] + u * v * v * h * tangent[cell]
    out += u * u * (3 - 2 * u) * y[cell + 1] - u * u * v * h * tangent[cell + 1]
    return out if values.ndim == 2 else out[:, 0]


def wander(rng: np.random.Generator, t: Array, count: int, slow: float = 0.11, fast: float = 0.55) -> Array:
    """Slow noise of about unit size, (frame, count): a few sines whose rates lie between `slow` and `fast` hertz."""
    waves = 4
    rate = rng.uniform(slow, fast, (1, count, waves))
    phase = rng.uniform(0, 2 * math.pi, (1, count, waves))
    return np.sin(2 * math.pi * rate * t[:, None, None] + phase).sum(-1) / math.sqrt(waves / 2)


def smoothed(values: Array, width: float, rate: float) -> Array:
    """A Hann-weighted mean over `width` seconds, along the first axis of a (frame, channel) array."""
    half = max(1, round(width * rate / 2))
    window = np.hanning(2 * half + 3)[1:-1]
    window /= window.sum()
    padded = np.pad(values, ((half, half), (0, 0)), mode="edge")
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, 0) @ window


def below(values: Array, width: float, rate: float) -> Array:
    """A smooth curve that never lies above `values`: the sliding minimum, averaged over the same window."""
    half = max(1, round(width * rate / 2))
    padded = np.pad(values, half, mode="edge")
    lowest = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1).min(-1)
    return smoothed(lowest[:, None], width, rate)[:, 0]
