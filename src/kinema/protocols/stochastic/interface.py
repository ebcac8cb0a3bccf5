"""What a stochastic protocol asks of a model: many futures of the same past."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from kinema.motion.motion import Points


@runtime_checkable
class Sampler(Protocol):
    """A model that says several ways in which a motion may go on.

    `sample` takes the observed clips (batch shape (window,), at the protocol's rate and on its skeleton) and gives the
    `frames` after them, batch shape (sample, window): places relative to the root, the world's axes kept. The same
    `seed` gives the same futures. A `deterministic` model has one answer and is asked for one.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for what was not trained."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether all its samples are one."""
        ...

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of `frames` frames. Raises UsageError where it cannot answer on that skeleton or rate."""
        ...
