"""`Judging`: how far off observations probably are, and so what they count, by how far they are from what others say.

It looks twice: what seems wrong at first no longer speaks against the others. What it says is a Laplace distribution of
each error (after Kendall & Gal 2017), and an observation counts by the inverse square of how wide that is.
Legend: B window, T frame, S source (what is right or wrong by itself), F feature.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from kinema.models.render_in_between.observations import OTHERS, Observed

_LEAST = 1e-3  # metres, or radians: a distance that is as good as none
_MOST = 6.0  # by what power of e what an observation counts may be changed
_CURVES = 1 + len(OTHERS)


class Judging(nn.Module):
    """Two looks; and what wrongness in general is, for each source."""

    def __init__(self, source: Int64[Tensor, " F"], usual: float) -> None:
        super().__init__()
        sources = int(source.max()) + 1
        self.register_buffer("source", source, persistent=False)
        self.looks = nn.ModuleList(_Look(sources) for _ in range(2))
        self.wide = nn.Parameter(torch.full((sources,), math.log(usual)))

    source: Tensor

    def forward(self, observed: Observed) -> tuple[Float[Tensor, "B T S"], list[Float[Tensor, "B T F"]]]:
        """What each observation counts beside the square of its trust (log); and how far it is from the others, as
        these counted at the last look."""
        change, offs = torch.zeros_like(observed.confidence), list[Tensor]()
        for look in self.looks:
            offs = observed.offs(self.counting(observed, change))
            change = change + look(self._sizes(offs), observed.confidence, observed.known)
        return change, offs

    @staticmethod
    def counting(observed: Observed, change: Float[Tensor, "B T S"]) -> Float[Tensor, "B T S"]:
        """What observations count; exact keys as they are."""
        weight = observed.confidence.square()
        return torch.where(observed.exact, weight, weight * (_MOST * torch.tanh(change / _MOST)).exp())

    def spread(self, observed: Observed, change: Float[Tensor, "B T S"]) -> Float[Tensor, "B T S"]:
        """How far off observations probably are (log; metres or radians): the mean of the worst of their features."""
        return self.wide - self.counting(observed, change).clamp(min=1e-6).log() / 2

    def unlikely(
        self, observed: Observed, change: Float[Tensor, "B T S"], truth: Float[Tensor, "B T F"]
    ) -> Float[Tensor, "B T S"]:
        """How unlikely the errors of observations are, by their features (minus log likelihood)."""
        spread = self.spread(observed, change)
        index = self.source.expand(*spread.shape[:2], -1)
        worst = torch.zeros_like(spread).scatter_reduce(-1, index, (observed.values - truth).abs(), "amax")
        return worst * (-spread).exp() + spread

    def _sizes(self, offs: list[Float[Tensor, "B T F"]]) -> Float[Tensor, "B T S curve"]:
        """The logarithm of distances, from 0 on."""
        with torch.autocast(offs[0].device.type, enabled=False):
            none = offs[0].new_zeros(*offs[0].shape[:2], len(self.wide))
            count = none[0, 0].index_add(0, self.source, torch.ones_like(offs[0][0, 0]))
            square = torch.stack([none.index_add(-1, self.source, off.square()) / count for off in offs], -1)
            return (square / _LEAST**2 + 1).log() / 2


class _Look(nn.Module):
    """One network for all sources, which differ by what is added to it. It says nothing to begin with."""

    def __init__(self, sources: int, hidden: int = 32) -> None:
        super().__init__()
        self.enter = nn.Linear(2 * _CURVES + 2, hidden)
        self.whose = nn.Parameter(torch.zeros(sources, hidden))
        self.between = nn.Linear(hidden, hidden)
        self.leave = nn.Linear(hidden, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self, sizes: Float[Tensor, "B T S curve"], confidence: Float[Tensor, "B T S"], known: Bool[Tensor, "B T S"]
    ) -> Float[Tensor, "B T S"]:
        there, given = known[..., None], confidence[..., None]
        usual = torch.where(there, sizes, 0.0).sum(1, keepdim=True) / there.sum(1, keepdim=True).clamp(min=1)
        inputs = torch.cat((sizes - 3, sizes - usual, given, given.clamp(min=1e-2).log()), -1)
        hidden = functional.gelu(self.enter(inputs) + self.whose)
        return self.leave(functional.gelu(self.between(hidden)))[..., 0].float()
