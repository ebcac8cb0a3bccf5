"""Evaluators: classifiers in whose feature space generated motion is compared with recordings."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor


@runtime_checkable
class Evaluator(Protocol):
    """A classifier of clips, with the layer before its logits."""

    @property
    def digest(self) -> str:
        """A hash of its weights: two reports with the same one can be compared."""
        ...

    def look(
        self, clips: Float[Tensor, "clip frame feat"]
    ) -> tuple[Float[Tensor, "clip dim"], Float[Tensor, "clip class"]]:
        """Features and logits of clips."""
        ...


@runtime_checkable
class EvaluatorTrainer(Protocol):
    """Trains evaluators: the same clips, steps and seed give the same one."""

    def train(
        self, clips: Float[Tensor, "clip frame feat"], labels: Float[Tensor, "clip class"], *, steps: int, keep: bool
    ) -> Evaluator:
        """An evaluator that is trained on these clips; one to `keep` may be read back where it was trained before."""
        ...
