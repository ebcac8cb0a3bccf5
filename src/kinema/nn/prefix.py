"""Forecasting from a prefix: the frames before the first unknown one, and rolling out.

Rows of a batch may have prefixes of different lengths; a prefix that is too short is extended backwards by its first
frame.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.query import Batch, Query

Step = Callable[[Float[Tensor, "batch past feat"]], Float[Tensor, "batch next feat"]]


def prefix_length(query: Query) -> Int[Tensor, " batch"]:
    """The number of leading frames before the first frame without any known value."""
    return query.observed_frames().long().cumprod(1).sum(1)


def last_frames(query: Query, count: int) -> Float[Tensor, "batch count feat"]:
    """The last `count` frames of every prefix."""
    end = prefix_length(query)[:, None]
    index = (end - count + torch.arange(count, device=end.device)).clamp(min=0)
    return _take(query.observed, index)


def future_frames(batch: Batch, count: int) -> Float[Tensor, "batch count feat"]:
    """The `count` true frames after every prefix; the last frame stands in where a window ends earlier."""
    start = prefix_length(batch.query)[:, None]
    index = (start + torch.arange(count, device=start.device)).clamp(max=batch.target.shape[1] - 1)
    return _take(batch.target, index)


def roll_out(step: Step, query: Query, past: int) -> Float[Tensor, "batch frame feat"]:
    """Fill a window by calling `step` on the last `past` frames, answers included, as often as needed.

    Observed frames, also after the first gap, are returned unchanged.
    """
    length = prefix_length(query)
    frames = query.observed.shape[1]
    needed = frames - int(length.min()) if len(query) else 0
    known = last_frames(query, past)
    while known.shape[1] - past < needed:
        known = torch.cat((known, step(known[:, -past:])), 1)
    index = torch.arange(frames, device=length.device) - length[:, None] + past
    filled = _take(known, index.clamp(0, known.shape[1] - 1))
    return torch.where(query.observed_frames()[..., None], query.observed, filled)


def _take(values: Float[Tensor, "batch frame feat"], index: Int[Tensor, "batch count"]) -> Tensor:
    return values.gather(1, index[..., None].expand(-1, -1, values.shape[2]))
