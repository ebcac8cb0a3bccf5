"""What is known of windows, made ready, and how far off each observation probably is.

`Observed`: observations in the window's own frame, with the curves through them. `Judging` looks twice at how far they
are from what others say: what seems wrong at first no longer speaks against the others. It gives a Laplace distribution
of each error (after Kendall & Gal 2017), and an observation counts by the inverse square of its width.
Legend: B window, T frame, S source (what is right or wrong by itself), F feature.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.query import Query
from kinema.models.base import Frame
from kinema.models.render_in_between.keyframes import FAR, Keyframes, Reaches

REACHES = (0.06, 0.12, 0.24, 0.5)  # seconds: over how much of their surroundings local lines are fitted
LEADING = 1  # of these
OTHERS = (0.24, 0.5, 1.0)  # seconds: likewise, of lines through all observations but the frame's own
Lines = tuple[Tensor, ...]
"""Local lines through the observations, over each of `REACHES`."""
_LEAST = 1e-3  # metres, or radians: a distance that is as good as none
_MOST = 6.0  # by what power of e what an observation counts may be changed
_CURVES = 1 + len(OTHERS)


@dataclass(frozen=True, eq=False)
class Observed:
    """Values of known sources (0 elsewhere), their trust, which are known and which exactly; straight lines and a
    cubic through them; `frame` is the windows' own frame of reference."""

    values: Float[Tensor, "B T F"]
    confidence: Float[Tensor, "B T S"]
    known: Bool[Tensor, "B T S"]
    exact: Bool[Tensor, "B T S"]
    line: Float[Tensor, "B T F"]
    cubic: Float[Tensor, "B T F"]
    keys: Keyframes
    exact_keys: Keyframes
    frame: Frame | None

    @classmethod
    def of(
        cls,
        query: Query,
        token: Int64[Tensor, " S"],
        source: Int64[Tensor, " F"],
        framed: Callable[[Tensor, Tensor], Frame | None] | None,
    ) -> Observed:
        """Of a question. `token` is that of each source, `source` that of each feature; see `FeatureShape.frame`."""
        with torch.autocast(query.observed.device.type, enabled=False):
            given = query.confidence.float() * query.valid[..., None]
            confidence = given[..., token]
            known, exact = confidence > 0, confidence >= 1
            observed = torch.where(known[..., source], query.observed.float(), 0.0)
            frame = framed(observed, given) if framed else None
            values = observed if frame is None else torch.where(known[..., source], frame.into(observed), 0.0)
            time = (query.time - query.time[:, :1]).float()
            keys = Keyframes(known, time, source)
            line, cubic = keys.linear(values), keys.cubic(values)
            exact_keys = Keyframes(exact, time, source)
            return cls(values, confidence, known, exact, line, cubic, keys, exact_keys, frame)

    @cached_property
    def sure(self) -> Bool[Tensor, "B 1 S"]:
        """What is known exactly or not at all, and is known somewhere: the curves through it are not doubted."""
        return (self.exact | ~self.known).all(1, keepdim=True) & self.keys.known_at_all

    def lines(self, weight: Float[Tensor, "B T S"]) -> Lines:
        """Local lines through the observations, each of which counts by its weight."""
        return self._local(weight, tuple((reach, True) for reach in REACHES))

    def leading(self, weight: Float[Tensor, "B T S"]) -> Float[Tensor, "B T F"]:
        """The leading ones of `lines`."""
        return self._local(weight, ((REACHES[LEADING], True),))[0]

    def offs(self, weight: Float[Tensor, "B T S"]) -> list[Float[Tensor, "B T F"]]:
        """How far each observation is from the leading line, and from what the others say."""
        asked = ((REACHES[LEADING], True), *((reach, False) for reach in OTHERS))
        return [self._off(line) for line in self._local(weight, asked)]

    def _local(self, weight: Float[Tensor, "B T S"], reaches: Reaches) -> Lines:
        with torch.autocast(weight.device.type, enabled=False):  # sums of products that cancel
            return self.keys.local_lines(self.values, weight, reaches, self.line)

    def of_known(self, lines: Lines, offs: list[Float[Tensor, "B T F"]]) -> Float[Tensor, "B T known"]:
        """The features of known frames."""
        return torch.cat((self.values, *offs, *_apart(lines)[1], self.confidence, self.exact.float()), -1)

    def of_any(self, lines: Lines, first: Float[Tensor, "B T F"]) -> Float[Tensor, "B T any"]:
        """The features of every frame; `first` is the smooth curve before observations were weighed."""
        leading, others = _apart(lines)
        apart = self.keys.distances() / FAR
        curves = (leading, self.line - leading, self.cubic - leading, *others)
        return torch.cat((*curves, self._off(first), self.confidence, apart.sqrt(), (-8 * apart).exp()), -1)

    def _off(self, curve: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """How far each observation is from the smooth curve."""
        return torch.where(self.known[..., self.keys.owner], self.values - curve, 0.0)


def _apart(lines: Lines) -> tuple[Tensor, list[Tensor]]:
    """The leading lines, and how far the others are from them."""
    leading = lines[LEADING]
    return leading, [each - leading for each in lines if each is not leading]


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
