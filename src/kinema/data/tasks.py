"""`Task`: which frames and joints are observed, and how the observed ones are corrupted.

Window of features -> `Batch(query, target)`. A model's `predict` is only given the `Query`, so it cannot read the
target.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from kinema.core.query import Batch, Query, even_time
from kinema.representations.base import Representation


class Task(ABC):
    """What is known of a window of `frames` frames.

    Where `labelled`, the action of a window is known, too: the loader then fills `Query.action`, one class per action
    of the source. Shorter clips are skipped; with `shortest` above 0, those of at least that many frames are padded.
    """

    labelled: bool = False
    shortest: int = 0

    @property
    @abstractmethod
    def frames(self) -> int:
        """Length of a training window."""

    @abstractmethod
    def query(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Query:
        """What a model may know of a window of standardised features."""

    def batch(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Batch:
        """Query and target."""
        return Batch(self.query(window, representation), window)

    def draw(
        self,
        window: Float[Tensor, "batch frame feat"],
        representation: Representation,
        seeds: Int64[Tensor, " batch"],
        length: Int64[Tensor, " batch"] | None = None,
    ) -> Batch:
        """Query and target for training; everything random about a window comes from its seed.

        `length` is the number of frames of each window that exist (None: all), for tasks that take shorter clips.
        """
        del seeds, length
        return self.batch(window, representation)


@dataclass(frozen=True)
class Forecast(Task):
    """A prefix of `observed` frames is known, and the `predicted` frames after it are the target."""

    observed: int
    predicted: int
    labelled: bool = False

    @property
    def frames(self) -> int:
        """Observed and predicted together."""
        return self.observed + self.predicted

    def query(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Query:
        """The first `observed` frames, known exactly."""
        known = torch.arange(window.shape[1]) < self.observed
        return known_frames(window, known.expand(window.shape[:2]), representation)


@dataclass(frozen=True)
class Generate(Task):
    """Nothing is known but the action; all `length` frames are the target."""

    length: int
    labelled: bool = True

    @property
    def frames(self) -> int:
        """`length`."""
        return self.length

    def query(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Query:
        """A window of which no frame is known."""
        return known_frames(window, torch.zeros(window.shape[:2], dtype=torch.bool), representation)


def known_frames(window: Float[Tensor, "batch frame feat"], known: Tensor, representation: Representation) -> Query:
    """The query in which whole frames are known exactly (`known` is True) or not at all."""
    batch, frames, _ = window.shape
    known = known.to(window.device)
    return Query(
        observed=torch.where(known[..., None], window, torch.zeros_like(window)),
        confidence=known[..., None].to(window.dtype).expand(batch, frames, representation.tokens).contiguous(),
        time=even_time(frames, representation.fps, batch).to(window.device),
        valid=torch.ones(batch, frames, dtype=torch.bool, device=window.device),
        action=window.new_zeros(batch, 0),
    )
