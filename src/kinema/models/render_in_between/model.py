"""Render-In-Between's motion transformer, mended: noisy key frames and what lies between them, around a curve.

Ho et al., BMVC 2021, with what the field has learnt since (DeciWatch, SmoothNet, delta interpolation): an encoder over
the known frames only, a decoder over all frames, and an answer that is a classical curve plus a residual. The residual
is zero at first, so training starts from the curve. Between exact keys the curve is a cubic; through noisy ones it is
made of local lines, and the encoder says how much each observation counts. Time is in seconds. Keys may be anywhere,
exact or of any confidence. Frames with no known token are answered as well. As released: `released`.
Legend: B batch, T frame, F feature, J token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.render_in_between.outliers import LEADING, OTHERS, REACHES, Judging, Lines, Observed
from kinema.models.render_in_between.transformer import TimedStack
from kinema.models.render_in_between.whitening import Colouring, Whitening

_LED = 3.0  # the leading lines are all but alone to begin with


class RenderInBetween(Model):
    """The network. `predict` gives exact keys (trust 1) back as they are."""

    completes = True
    graphs = ("inbetween",)

    @dataclass(frozen=True)
    class Config:
        """About 1.7 million parameters.

        `terms` are the whitened numbers that stand for a known frame, for any frame, and for a residual, measured on
        `measured` batches. `velocity`, `acceleration`, `space` and `quality` weigh losses beside the L1 of features; an
        observation that is off by more than `wrong` counts as wrong; `easy`: see `loss`.
        """

        dim: int = 160
        heads: int = 5
        hidden: int = 320
        encoder_layers: int = 3
        decoder_layers: int = 3
        dropout: float = 0.0
        terms: tuple[int, int, int] = (240, 240, 80)
        measured: int = 30
        velocity: float = 1.0
        acceleration: float = 0.1
        space: float = 2.0
        quality: float = 0.1
        wrong: float = 0.05
        easy: float = 0.02

        def build(self, shape: FeatureShape) -> RenderInBetween:
            """The network for features of this shape; what lies between exact keys is the cubic."""
            return RenderInBetween(self, shape)

        def tiny(self) -> RenderInBetween.Config:
            """One layer each, narrow."""
            narrow = replace(self, dim=32, heads=2, hidden=48, encoder_layers=1, decoder_layers=1, dropout=0.0)
            return replace(narrow, terms=(24, 24, 16), measured=1)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        width, dim = shape.width, config.dim
        of_known, of_any, of_residual = config.terms
        owner, source = torch.tensor(shape.owners()), torch.tensor(shape.source or shape.owners())
        sources, curves = int(source.max()) + 1, len(REACHES)
        token = torch.tensor([int(owner[source == each][0]) for each in range(sources)])
        for name, buffer in (("owner", owner), ("source", source), ("token", token)):
            self.register_buffer(name, buffer, persistent=False)
        self.known_terms = Whitening((1 + curves + len(OTHERS)) * width + 2 * sources, of_known)
        self.any_terms = Whitening((3 + curves) * width + 5 * sources, of_any)
        self.residual_terms = Colouring(width, of_residual)
        self.enter_known = nn.Linear(self.known_terms.kept, dim)
        self.enter_any = nn.Linear(self.any_terms.kept, dim)
        self.encoder = TimedStack(
            config.encoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=False
        )
        self.decoder = TimedStack(config.decoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=True)
        # The features of a token of which nothing is known: the rest pose, to begin with.
        self.unknown = nn.Parameter(shape.rest().clone() if shape.rest else torch.zeros(width))
        self.weigh = nn.Linear(dim, sources)
        self.judging = Judging(source, config.wrong / 2)
        self.blend = nn.Linear(dim, curves * sources)
        self.straight = nn.Linear(self.any_terms.kept, self.residual_terms.kept)
        self.residual = nn.Linear(dim, self.residual_terms.kept)
        for last in (self.weigh, self.blend, self.straight, self.residual):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        nn.init.constant_(self.blend.bias[LEADING * sources : (LEADING + 1) * sources], _LED)

    owner: Tensor  # the token of each feature
    source: Tensor  # and what it is right or wrong with
    token: Tensor  # the token of each source

    def forward(self, query: Query) -> Float[Tensor, "B T F"]:
        """The answer."""
        observed = self._prepare(query)
        answer = self._answer(observed, query.valid)[0]
        return answer if observed.frame is None else observed.frame.back(answer)

    def _answer(
        self, observed: Observed, valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "look B T S"]]:
        """The answer in the windows' own frames, and what observations count."""
        memory, first, looks = self._encode(observed)
        lines = observed.lines(self.judging.counting(observed, looks[-1]))
        terms = self.any_terms(observed.of_any(lines, first[LEADING]))
        hidden, _, _ = self.decoder(self.enter_any(terms), observed.keys.time, valid, memory)
        hidden = hidden[:, 1:]
        with torch.autocast(valid.device.type, enabled=False):
            base = self._base(observed, self._blended(lines, hidden.float()))
            residual = self.residual_terms(self.straight(terms) + self.residual(hidden.float()))
            residual = torch.where(observed.sure[..., self.source], 0.0, residual)
            # At exact keys the residual is taken out again, between them in proportion, and it fades towards them: the
            # network knows an exact key from its neighbours, and what it says beside one would be a jump.
            residual = (residual - observed.exact_keys.linear(residual)) * observed.exact_keys.fade()[..., self.source]
            answer = torch.where(observed.exact[..., self.source], observed.values, base + residual)
            return answer, looks

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window. The generator is not used: the answer is one."""
        answer = self(query)
        # There and back again rounds: what is exactly known is copied.
        exact = (query.confidence >= 1) & query.valid[..., None]
        answer = torch.where(exact[..., self.owner], query.observed, answer)
        return repeat_samples(answer.to(query.observed.dtype), samples)

    def outlier_scores(self, query: Query) -> Float[Tensor, "B T J"]:
        """For each observation the probability that it is wrong; 0 where nothing is observed, and of exact keys."""
        observed = self._prepare(query)
        spread = self.judging.spread(observed, self._encode(observed)[2][-1])
        wrong = torch.exp(-self.config.wrong / spread.exp())
        of_token = torch.zeros_like(query.confidence, dtype=wrong.dtype)
        of_token = of_token.scatter_reduce(-1, self.token.expand(wrong.shape), wrong, "amax")
        return of_token * ((query.confidence > 0) & (query.confidence < 1) & query.valid[..., None])

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """L1 of features, of their velocity and acceleration, distances in space, and the likelihood of observations.

        Every valid frame counts, keys included; a window counts the more, the better a curve fits it: half as much
        where that is off by `easy`. Velocities are per frame at the representation's rate.
        """
        query, config = batch.query, self.config
        observed = self._prepare(query)
        frame, (answer, looks) = observed.frame, self._answer(observed, query.valid)
        with torch.autocast(query.observed.device.type, enabled=False):
            target = batch.target.float() if frame is None else frame.into(batch.target.float())
            valid = query.valid
            error = answer - target
            share = self._share(observed, target, valid)
            moving, turning = valid[:, 1:] & valid[:, :-1], valid[:, 2:] & valid[:, 1:-1] & valid[:, :-2]
            velocity, unsure = error.diff(dim=1), (observed.known & ~observed.exact).repeat(2, 1, 1)
            parts = {
                "features": _mean(error.abs(), valid, share),
                "velocity": _mean(velocity.abs(), moving, share),
                "acceleration": _mean(velocity.diff(dim=1).abs(), turning, share),
                "quality": _mean(torch.cat([self.judging.unlikely(observed, look, target) for look in looks]), unsure),
            }
            total = parts["features"] + config.velocity * parts["velocity"] + config.quality * parts["quality"]
            total = total + config.acceleration * parts["acceleration"]
            if self.shape.points is not None and config.space:
                here = answer if frame is None else frame.back(answer)
                # Padding may be no pose at all (six zeros are no rotation): nothing may come of it, not even a NaN.
                there = torch.where(valid[..., None], batch.target.float(), here.detach())
                apart = self.shape.points(here) - self.shape.points(there)
                parts["space"] = _mean(_length(apart), valid, share)
                parts["space_velocity"] = _mean(_length(apart.diff(dim=1)), moving, share)
                total = total + config.space * (parts["space"] + config.velocity * parts["space_velocity"])
        return {"loss": total, **parts}

    @torch.no_grad()
    def measure(self, batches: Iterator[Batch]) -> None:
        """The directions in which known frames, any frames, and what the curves lack differ."""
        of_known: list[Tensor] = []
        of_any: list[Tensor] = []
        lacking: list[Tensor] = []
        for batch in itertools.islice(batches, self.config.measured):
            observed, valid = self._prepare(batch.query), batch.query.valid
            lines = observed.lines(observed.confidence.square())
            of_known.append(
                observed.of_known(lines, observed.offs(observed.confidence.square()))[observed.known.any(-1)]
            )
            of_any.append(observed.of_any(lines, lines[LEADING])[valid])
            target = batch.target.float() if observed.frame is None else observed.frame.into(batch.target.float())
            lacking.append((target - self._base(observed, lines[LEADING]))[valid])
        self.known_terms.measure(torch.cat(of_known))
        self.any_terms.measure(torch.cat(of_any))
        self.residual_terms.measure(torch.cat(lacking))

    @torch.no_grad()
    def _share(
        self, observed: Observed, target: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"]
    ) -> Float[Tensor, "B 1 1"]:
        """How much each window counts: 1 where the curve fits, half where it is off by `easy`."""
        base = self._base(observed, observed.leading(observed.confidence.square()))
        off = torch.where(valid[..., None], (base - target).abs(), 0.0).mean((1, 2))
        off = off / valid.float().mean(1).clamp(min=1e-3)
        return (self.config.easy / (off + self.config.easy))[:, None, None]

    def _prepare(self, query: Query) -> Observed:
        return Observed.of(query, self.token, self.source, self.shape.frame)

    def _base(self, observed: Observed, lines: Tensor) -> Tensor:
        """The curve that is corrected: through exact keys, and along evidence."""
        curve = torch.where(observed.sure[..., self.source], observed.cubic, lines)
        return torch.where(observed.keys.known_at_all[..., self.source], curve, self.unknown.float())

    def _blended(self, lines: Lines, hidden: Float[Tensor, "B T D"]) -> Float[Tensor, "B T F"]:
        """Local lines near and far, mixed as fits each source at each frame."""
        shares = self.blend(hidden).unflatten(-1, (len(lines), -1)).softmax(-2)[..., self.source]
        return torch.stack([share * line for share, line in zip(shares.unbind(-2), lines, strict=True)]).sum(0)

    def _encode(
        self, observed: Observed
    ) -> tuple[tuple[Tensor, tuple[Tensor, Tensor], Tensor], Lines, Float[Tensor, "look B T S"]]:
        """The known frames alone, gathered to the front; the lines that they were encoded with; what each observation
        counts, as it is judged and then in the light of whole poses (see `Judging`)."""
        judged, offs = self.judging(observed)
        lines = observed.lines(self.judging.counting(observed, judged))
        inputs, time, there = observed.of_known(lines, offs), observed.keys.time, observed.known.any(-1)
        order = None
        if not torch.compiler.is_exporting():  # no length in a graph can depend on values: the others stay, unseen
            count = max(1, int(there.sum(1).max()))
            order = torch.sort(there.to(torch.uint8), dim=1, descending=True, stable=True).indices[:, :count]
            inputs = inputs.gather(1, order[..., None].expand(-1, -1, inputs.shape[-1]))
            time, there = time.gather(1, order), there.gather(1, order)
        memory = self.encoder(self.enter_known(self.known_terms(inputs)), time, there)
        with torch.autocast(inputs.device.type, enabled=False):
            change = self.weigh(memory[0][:, 1:].float())
            if order is not None:
                change = torch.zeros_like(observed.confidence).scatter(1, order[..., None].expand_as(change), change)
            return memory, lines, torch.stack((judged, judged + change))


def _length(vectors: Tensor) -> Tensor:
    return torch.sqrt(vectors.square().sum(-1) + 1e-10)


def _mean(
    values: Float[Tensor, "B T any"],
    where: Bool[Tensor, "B T"] | Bool[Tensor, "B T any"],
    share: Float[Tensor, "B 1 1"] | float = 1.0,
) -> Tensor:
    """The mean of the values that count, each times its window's share; 0 where none does."""
    counted = (where if where.ndim == 3 else where[..., None]).expand_as(values)
    return torch.where(counted, values * share, 0.0).sum() / counted.sum().clamp(min=1)
