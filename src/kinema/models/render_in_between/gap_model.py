"""`GapReader`: the first stage of Render-In-Between, mended. Between exact keys, what differs from the cubic curve.

By itself it completes windows whose keys are exact and whole. Legend: B batch, T frame, F feature, G gap.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.render_in_between.gap_network import GapReading, Gaps
from kinema.models.render_in_between.observations import whole_keys

_SHORT = 0.2  # seconds: shorter gaps are not worth the trouble of being exact


class GapReader(Model):
    """The network, with its training. Frames that are not wholly and exactly known are not looked at."""

    completes = True

    @dataclass(frozen=True)
    class Config:
        """About two million parameters.

        `terms` are the whitened numbers that stand for a gap and for its correction by `sines`, measured on `measured`
        batches. `velocity` and `space` weigh the losses beside the L1 of features; distances in space are those of
        `places` frames of each gap. `easy` is the error of a gap of a second that halves what it counts; see `loss`.
        """

        hidden: int = 384
        layers: int = 3
        dropout: float = 0.2
        sines: int = 10
        terms: tuple[int, int] = (320, 192)
        measured: int = 40
        velocity: float = 2.0
        space: float = 2.0
        places: int = 3
        easy: float = 0.1

        def build(self, shape: FeatureShape) -> GapReader:
            """The network for features of this shape."""
            return GapReader(self, shape)

        def tiny(self) -> GapReader.Config:
            """One narrow layer."""
            return replace(self, hidden=32, layers=1, sines=4, terms=(24, 16), measured=1)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.register_buffer("owner", torch.tensor(shape.owners()), persistent=False)
        self.reading = GapReading(
            shape.width,
            shape.tokens,
            shape.frame,
            hidden=config.hidden,
            layers=config.layers,
            sines=config.sines,
            terms=config.terms,
            dropout=config.dropout,
        )

    owner: Tensor

    def forward(self, query: Query) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T F"], Bool[Tensor, "B T"]]:
        """The answer, the cubic that it corrects, and the keys."""
        with torch.autocast(query.observed.device.type, enabled=False):
            curve, known, time = whole_keys(query)
        return self.reading(curve, known, time), curve, known

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window. The generator is not used: the answer is one."""
        del generator
        answer = self(query)[0]
        exact = (query.confidence >= 1) & query.valid[..., None]
        answer = torch.where(exact[..., self.owner], query.observed, answer)
        return repeat_samples(answer.to(query.observed.dtype), samples)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """L1 of features and of their steps, and distances in space, of the frames in gaps.

        A gap counts by its length and the more, the better the cubic fits it and others of its length: short gaps, in
        which little can be wrong, as much as long ones. "left" is what is left of the cubic's error.
        """
        del phase
        answer, curve, known = self(batch.query)
        with torch.autocast(curve.device.type, enabled=False):
            gaps = Gaps.of(known)
            if not len(gaps.row):
                return {"loss": answer.sum() * 0.0}
            row, frame, (gap, _) = gaps.flat()
            target = batch.target.float()
            error = answer[row, frame] - target[row, frame]
            before = (curve[row, frame] - target[row, frame]).abs().mean(-1)
            count = gaps.inside.sum(1)
            share = count / (_sum(before, gap, count) / count + self.config.easy * _usual(batch.query, gaps))
            share = share / share.sum()
            each, same = (share / count)[gap], gap[1:] == gap[:-1]
            step = error.diff(dim=0).abs().mean(-1) * same * (share / (count - 1).clamp(min=1))[gap[1:]]
            parts = {"features": (error.abs().mean(-1) * each).sum(), "velocity": step.sum()}
            total = parts["features"] + self.config.velocity * parts["velocity"]
            if self.shape.points is not None and self.config.space:
                parts["space"] = self._space(answer, target, gaps, share)
                total = total + self.config.space * parts["space"]
            parts["left"] = (parts["features"] / (before * each).sum().clamp(min=1e-8)).detach()
        return {"loss": total, **parts}

    @torch.no_grad()
    def measure(self, batches: Iterator[Batch]) -> None:
        """What is common around gaps and in them."""
        some = itertools.islice(batches, self.config.measured)
        self.reading.measure((*whole_keys(batch.query), batch.target.float()) for batch in some)

    def _space(self, answer: Tensor, target: Tensor, gaps: Gaps, share: Float[Tensor, " G"]) -> Tensor:
        """The distance of joints in a few frames of each gap."""
        assert self.shape.points is not None
        count = gaps.inside.sum(1, keepdim=True)
        chosen = (torch.rand(len(count), self.config.places, device=count.device) * count).long()
        at = (gaps.row[:, None], gaps.frames.gather(1, chosen))
        apart = self.shape.points(answer[at]) - self.shape.points(target[at])
        return ((apart.square().sum(-1) + 1e-10).sqrt().mean((1, 2)) * share).sum()


def _usual(query: Query, gaps: Gaps) -> Float[Tensor, " G"]:
    """How the error of a cubic grows with the length of the gap: 1 for a second."""
    seconds = query.time[gaps.row, gaps.right] - query.time[gaps.row, gaps.left]
    return seconds.float().clamp(min=_SHORT) ** 1.2


def _sum(values: Float[Tensor, " N"], gap: Tensor, count: Tensor) -> Float[Tensor, " G"]:
    return torch.zeros(len(count), device=values.device).index_add(0, gap, values)
