"""Numbers in terms of their principal directions, each of deviation one, as measured before training.

Poses are many numbers that mean nearly the same: in these terms a network learns them many times faster. Directions
are not learnt, and are kept with the weights.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

_FLOOR = 1e-3  # of the largest deviation: what moves less is not blown up any further
_NONE = 1e-5  # of the largest deviation: what moves less is rounding of float32


class Whitening(nn.Module):
    """`width` numbers -> the `kept` directions in which they differ most from their mean.

    Before `measure` these are the first numbers as they are.
    """

    mean: Tensor
    down: Tensor

    def __init__(self, width: int, kept: int) -> None:
        super().__init__()
        self.kept = min(width, kept)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("down", torch.eye(width, self.kept))

    @torch.no_grad()
    def measure(self, samples: Float[Tensor, "sample width"]) -> None:
        """Take mean and directions of samples. Where there are none, nothing changes."""
        if len(samples):
            self.mean.copy_(samples.mean(0))
            # Each number counts alike here: metres and turns are not to be compared.
            own = _floored((samples - self.mean).double().square().mean(0).sqrt())
            axes, deviation = _directions((samples - self.mean) / own, self.kept)
            self.down.copy_(axes / deviation / own[:, None])

    def forward(self, numbers: Float[Tensor, "*b width"]) -> Float[Tensor, "*b kept"]:
        """Numbers of no unit, of deviation about one; float32 also under autocast, for much of the sums cancels."""
        with torch.autocast(numbers.device.type, enabled=False):
            return (numbers.float() - self.mean) @ self.down


class Colouring(nn.Module):
    """The other way: `kept` numbers of deviation one -> `width` numbers that differ from nought as was measured."""

    up: Tensor

    def __init__(self, width: int, kept: int) -> None:
        super().__init__()
        self.kept = min(width, kept)
        self.register_buffer("up", torch.eye(self.kept, width))

    @torch.no_grad()
    def measure(self, samples: Float[Tensor, "sample width"]) -> None:
        """Take directions of samples. Where there are none, nothing changes."""
        if len(samples):
            axes, deviation = _directions(samples, self.kept)
            self.up.copy_((axes * deviation).T)

    def forward(self, terms: Float[Tensor, "*b kept"]) -> Float[Tensor, "*b width"]:
        """In float32, also under autocast."""
        with torch.autocast(terms.device.type, enabled=False):
            return terms.float() @ self.up


def _directions(off: Float[Tensor, "sample width"], kept: int) -> tuple[Tensor, Tensor]:
    """The directions [width, kept] in which samples differ most from nought, and how far along each.

    Zeros stand for directions in which no sample differs.
    """
    # Not by the eigenvectors of off^T off, which has half as many digits.
    _, values, rows = torch.linalg.svd(off.double() / len(off) ** 0.5, full_matrices=False)
    axes, deviation = off.new_zeros(off.shape[1], kept, dtype=torch.float64), values.new_zeros(kept)
    count = min(kept, int((values > _NONE * values[0]).sum()))
    # Either sign of a direction is right, and which one comes depends on the linear algebra of this machine. So do
    # directions in which nothing differs, where there are fewer samples than directions.
    rows = rows[:count]
    largest = rows.gather(1, rows.abs().argmax(1, keepdim=True))
    axes[:, :count], deviation[:count] = (rows * largest.sign()).T, values[:count]
    return axes, _floored(deviation)


def _floored(deviation: Tensor) -> Tensor:
    return deviation.clamp(min=_FLOOR * float(deviation.max()) + 1e-12)
