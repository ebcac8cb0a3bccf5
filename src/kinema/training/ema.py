"""The exponential moving average of a model's weights: what is validated, saved and evaluated."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import torch
from torch import Tensor, nn


class Average:
    """A running mean of the weights: average <- d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)).

    n counts the updates so far; by the second term the average forgets the random start quickly. With `copied` steps
    the average is instead a copy of the weights for that many updates, and d = decay from then on. Numbers that are not
    floating point (counters) are copied. Without a `decay` the average is the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float | None, copied: int = 0) -> None:
        self.decay, self.copied = decay, copied
        self._model = model
        self.tensors = {} if decay is None else {name: value.clone() for name, value in _state(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after step `step` (the first is 0)."""
        if self.decay is None:
            return
        if self.copied:
            weight = 1.0 if step < self.copied else 1 - self.decay
        else:
            weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, now in _state(self._model).items():
            mean = self.tensors[name]
            if mean.is_floating_point():
                mean.lerp_(now, weight)
            else:
                mean.copy_(now)

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights; the model's own where nothing is averaged."""
        return self.tensors if self.decay is not None else _state(self._model)

    @contextlib.contextmanager
    def applied(self) -> Generator[nn.Module]:
        """The model in evaluation mode with the averaged weights, for as long as the block lasts."""
        own = {name: value.clone() for name, value in _state(self._model).items()} if self.tensors else {}
        was_training = self._model.training
        self._model.load_state_dict(self.weights())
        self._model.eval()
        try:
            yield self._model
        finally:
            if own:
                self._model.load_state_dict(own)
            self._model.train(was_training)


def _state(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.state_dict().items()}
