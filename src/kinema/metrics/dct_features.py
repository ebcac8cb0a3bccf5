"""Features of a future without a learnt network: its slow frequencies. Fixed, the same for every model, not published.

The usual FID of this benchmark takes the features of a classifier whose recurrent state is drawn anew at every call, so
that the number is itself random. These are deterministic; no published FID is comparable with theirs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.dct import dct

COEFFICIENTS = 10
DIMS = 30
_BLOCK = 1024  # futures at a time


@dataclass(frozen=True, eq=False)
class DctFeatures:
    """The first DCT coefficients of every coordinate, standardised and brought to `DIMS` principal components."""

    mean: Float[Tensor, " coef"]
    std: Float[Tensor, " coef"]
    axes: Float[Tensor, "coef dim"]

    @classmethod
    def fit(cls, futures: Float[Tensor, "window frame feat"]) -> DctFeatures:
        """Standardisation and components from the futures that happened. Float64; nothing is drawn."""
        slow = _slow(futures)
        mean, std = slow.mean(0), slow.std(0) if len(slow) > 1 else torch.ones_like(slow[0])
        std = torch.where(std > 1e-9, std, torch.ones_like(std))
        white = (slow - mean) / std
        values, vectors = torch.linalg.eigh(white.T @ white)
        order = values.argsort(descending=True)[:DIMS]
        return cls(mean, std, vectors[:, order])

    def of(self, futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window dim"]:
        """The features of futures."""
        return (_slow(futures) - self.mean) / self.std @ self.axes


def _slow(futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window coef"]:
    """The first coefficients of every coordinate as one vector."""
    return torch.cat([dct(some.double(), COEFFICIENTS).flatten(1) for some in futures.split(_BLOCK)])
