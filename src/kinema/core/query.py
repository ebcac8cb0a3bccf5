"""`Query` and `Batch`: what a model is given, and what it is trained on.

Axis names: batch, frame, feat (one number of the representation), joint (one token of confidence), class.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Query:
    """All that a model may know when it predicts.

    `observed` is zero where nothing is known and may be noisy where something is. `confidence` tells them apart: 0
    unknown, 1 exact, between: evidence of that confidence. `time` is in seconds and need not be evenly spaced; `valid`
    is False on padding; `action` holds label weights (one-hot, k-hot, a mixture, or all zero for "no label"; zero
    classes where a representation has none). `action_frames` are label weights of every frame, where they change within
    the clip ("walk, then run"); None where `action` holds for all of it. A model that cannot follow them takes
    `action`, which is then their mean.
    """

    observed: Float[Tensor, "batch frame feat"]
    confidence: Float[Tensor, "batch frame joint"]
    time: Float[Tensor, "batch frame"]
    valid: Bool[Tensor, "batch frame"]
    action: Float[Tensor, "batch class"]
    action_frames: Float[Tensor, "batch frame class"] | None = None

    def map(self, function: Callable[[Tensor], Tensor]) -> Query:
        """A query with `function` applied to every tensor (to a device, a slice of the batch ...)."""
        plain = (self.observed, self.confidence, self.time, self.valid, self.action)
        frames = self.action_frames
        return Query(*map(function, plain), action_frames=None if frames is None else function(frames))

    def __len__(self) -> int:
        return self.observed.shape[0]

    def observed_frames(self) -> Bool[Tensor, "batch frame"]:
        """The frames of which anything at all is known."""
        return (self.confidence > 0).any(-1) & self.valid


@dataclass(frozen=True, eq=False)
class Batch:
    """A query and its ground truth, in the same standardised features."""

    query: Query
    target: Float[Tensor, "batch frame feat"]

    def map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        """A batch with `function` applied to every tensor."""
        return Batch(self.query.map(function), function(self.target))

    def __len__(self) -> int:
        return self.target.shape[0]


def even_time(frames: int, fps: float, batch: int) -> Float[Tensor, "batch frame"]:
    """Times in seconds of evenly spaced frames, the first at 0."""
    return (torch.arange(frames, dtype=torch.float32) / fps).expand(batch, frames).clone()
