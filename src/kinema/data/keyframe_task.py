"""`Keys`: some frames of a window are known, evenly, in runs, or almost all; the rest is asked for.

One task for upsampling, in-betweening, filling of gaps and cleaning: they differ in which frames are known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.data.corruption import Corruption, ReleasedCorruption
from kinema.data.tasks import Task, known_frames
from kinema.representations.base import Representation

PATTERNS = ("even", "runs", "drops", "all", "gap")
_AROUND = 14  # frames: the most that are known on either side of a single gap


@dataclass(frozen=True)
class _EveryNth(Task):
    """As a plain question every `rate`-th frame of a window is known exactly."""

    frames_in_window: int = 64
    rate: int = 8

    @property
    def frames(self) -> int:
        """Length of a training window."""
        return self.frames_in_window

    def query(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Query:
        """Every `rate`-th frame, known exactly."""
        known = torch.arange(window.shape[1]) % self.rate == 0
        return known_frames(window, known.expand(window.shape[:2]), representation)


@dataclass(frozen=True)
class Keys(_EveryNth):
    """What is known of windows of `frames_in_window` frames.

    In training each window draws a pattern with the chances `mix` ("even": every r-th frame, r from `rates`, small ones
    more often; "runs": short runs of known frames and gaps between, of up to `longest_gap` frames, a gap of n frames
    with a chance of 1 / n; "drops": single frames are missing; "all": every frame is there, none can be relied upon;
    "gap": nothing but one gap, of any length up to `longest_gap`, with a few frames or one on either side) and, with
    the chance `noisy` (always for "all"), the corruption. Exact keys have trust 1, the others their confidence. A share
    `shortened` of windows ends early (padding). With `together` all windows of a batch have the pattern of the first:
    their gaps can then be answered together. As a plain question (`query`) every `rate`-th frame is known exactly.
    Raises UsageError for values that cannot be.
    """

    rates: tuple[int, int] = (2, 32)
    longest_gap: int = 45
    mix: tuple[float, float, float, float, float] = (0.35, 0.25, 0.15, 0.15, 0.1)
    noisy: float = 0.5
    shortened: float = 0.1
    together: bool = False
    corruption: Corruption = field(default_factory=Corruption)

    def __post_init__(self) -> None:
        good = self.frames_in_window >= 2 and self.rate >= 1 and 1 <= self.rates[0] <= self.rates[1]
        if not good or self.longest_gap < 1 or min(self.mix) < 0 or sum(self.mix) <= 0:
            raise UsageError(
                expected="at least 2 frames, rates and gaps of at least 1, a mix of chances",
                got=f"{self}",
                cure="Change these values in the recipe: `kinema recipes NAME` prints it.",
            )

    def draw(
        self,
        window: Float[Tensor, "batch frame feat"],
        representation: Representation,
        seeds: Int64[Tensor, " batch"],
        length: Int64[Tensor, " batch"] | None = None,
    ) -> Batch:
        """A pattern and perhaps a corruption for each window, by its seed."""
        del length
        query = self.query(window, representation)
        owner = torch.tensor(representation.token_of_feature)
        rows: list[tuple[Tensor, Tensor, Tensor]] = []
        for one, seed in zip(window, seeds, strict=True):
            own = torch.Generator().manual_seed(int(seed))
            layout = torch.Generator().manual_seed(int(seeds[0])) if self.together else own
            rows.append(self._row(one, owner, representation, layout, own))
        observed, confidence, valid = (torch.stack(part) for part in zip(*rows, strict=True))
        target = torch.where(valid[..., None], window, 0.0)
        return Batch(replace(query, observed=observed, confidence=confidence, valid=valid), target)

    def _row(
        self,
        window: Tensor,
        owner: Tensor,
        representation: Representation,
        layout: torch.Generator,
        generator: torch.Generator,
    ) -> tuple[Tensor, Tensor, Tensor]:
        frames = len(window)
        pattern = PATTERNS[int(torch.multinomial(torch.tensor(self.mix, dtype=torch.float32), 1, generator=layout))]
        noisy = pattern == "all" or float(torch.rand((), generator=layout)) < self.noisy
        known = self._pattern(pattern, frames, layout)
        length = frames
        if float(torch.rand((), generator=layout)) < self.shortened:
            length = int(torch.randint(min(8, frames), frames + 1, (), generator=layout))
        valid = torch.arange(frames) < length
        tokens = (known & valid)[:, None].expand(-1, representation.tokens)
        if noisy:
            observed, confidence = self.corruption.apply(window, tokens, representation, generator)
        else:
            observed, confidence = torch.where(tokens[:, owner], window, 0.0), tokens.float()
        return observed, confidence, valid

    def _pattern(self, pattern: str, frames: int, generator: torch.Generator) -> Bool[Tensor, " frame"]:
        def uniform() -> float:
            return float(torch.rand((), generator=generator))

        def steep(low: int, high: int) -> int:  # a chance of about 1 / n for n
            return min(high, int(low * math.exp(uniform() * math.log((high + 1) / low))))

        place = torch.arange(frames)
        if pattern == "even":
            rate = steep(*self.rates)
            return place % rate == (0 if uniform() < 0.5 else int(uniform() * min(rate, frames)))
        if pattern == "runs":
            known, at = torch.zeros(frames, dtype=torch.bool), 0
            while at < frames:
                run = 1 if uniform() < 0.5 else steep(1, 10)
                known[at : at + run] = True
                at += run + steep(1, self.longest_gap)
            return known
        if pattern == "gap":
            before, gap, after = (
                1 if uniform() < single else 1 + int(uniform() * longest)
                for single, longest in ((0.2, _AROUND), (0.0, self.longest_gap), (0.6, _AROUND))
            )
            start = place - int(uniform() * max(1, frames - before - gap - after))
            return (start >= 0) & (start < before) | (start >= before + gap) & (start < before + gap + after)
        if pattern == "drops":
            return torch.rand(frames, generator=generator) > 0.1 + 0.6 * uniform()
        return torch.ones(frames, dtype=torch.bool)


@dataclass(frozen=True)
class ReleasedKeys(_EveryNth):
    """Render-In-Between's own question: every `rate`-th frame of a window, corrupted in training, trust 0.5.

    Clips of at least `shortest` frames that are shorter than the window are padded: of n frames the first that end with
    a key, floor((n - 1) / rate) rate + 1, are there.
    """

    frames_in_window: int = 321
    shortest: int = 1
    corruption: ReleasedCorruption = field(default_factory=ReleasedCorruption)

    def query(self, window: Float[Tensor, "batch frame feat"], representation: Representation) -> Query:
        """Every `rate`-th frame, as it is; nobody says how sure it is."""
        query = super().query(window, representation)
        return replace(query, confidence=0.5 * query.confidence)

    def draw(
        self,
        window: Float[Tensor, "batch frame feat"],
        representation: Representation,
        seeds: Int64[Tensor, " batch"],
        length: Int64[Tensor, " batch"] | None = None,
    ) -> Batch:
        """The same keys, corrupted before they are standardised."""
        query = self.query(window, representation)
        if length is not None:
            there = torch.arange(window.shape[1]) < ((length - 1) // self.rate * self.rate + 1)[:, None]
            window = torch.where(there[..., None], window, 0.0)
            query = replace(query, confidence=query.confidence * there[..., None], valid=there)
        raw = representation.restore(window)
        rows = [
            self.corruption.apply(one, known > 0, torch.Generator().manual_seed(int(seed)))[0]
            for one, known, seed in zip(raw, query.confidence, seeds, strict=True)
        ]
        observed = torch.where(query.observed_frames()[..., None], representation.standardise(torch.stack(rows)), 0.0)
        return Batch(replace(query, observed=observed), window)
