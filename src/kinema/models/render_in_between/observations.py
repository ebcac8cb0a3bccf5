"""`Observed`: what is known of windows, made ready: in the window's own frame, with the curves through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from kinema.core.query import Query
from kinema.models.base import Frame
from kinema.models.render_in_between.keyframes import FAR, Keyframes, Reaches

REACHES = (0.06, 0.12, 0.24, 0.5)  # seconds: over how much of their surroundings local lines are fitted
LEADING = 1  # of these
OTHERS = (0.24, 0.5, 1.0)  # seconds: likewise, of lines through all observations but the frame's own
Lines = tuple[Tensor, ...]
"""Local lines through the observations, over each of `REACHES`."""


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
