"""Render-In-Between's motion transformer, mended: what lies between key frames, around a classical curve.

Ho et al., BMVC 2021, with what the field has learnt since (DeciWatch, SmoothNet, delta interpolation, two-stage
transformers): an encoder over the known frames only, a decoder over all frames, and an answer that is a classical curve
plus a residual which is zero at first, so that training starts from the curve. Between exact keys the curve is a cubic,
corrected gap by gap (`nn.gap_reading`); through noisy ones it is made of local lines, and the encoder says how much
each observation counts. Time is in seconds; keys may be anywhere, exact or of any confidence; frames with no known
token are asked for as well. As released: `render_in_between_released`. Legend: B batch, T frame, F feature, J token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.batch import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.render_in_between_gaps import GapReader, whole_keys
from kinema.nn.gap_reading import GapReading
from kinema.nn.keyframes import Keyframes
from kinema.nn.seen import Lines, Seen
from kinema.nn.transformer import TimedStack
from kinema.nn.whitening import Colouring, Whitening
from kinema.nn.window_terms import Frame

_MOST = 6.0  # by what power of e the encoder may change what an observation counts


class RenderInBetween(Model):
    """The network. `predict` gives exact keys (trust 1) back as they are."""

    completes = True

    @dataclass(frozen=True)
    class Config:
        """About two million parameters, beside those of the reading.

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

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> RenderInBetween:
            """The network around the reading of gaps that stage "gaps" has learnt; as in `build` without that stage."""
            gaps = earlier.get("gaps")
            return RenderInBetween(self, shape, gaps.reading if isinstance(gaps, GapReader) else None)

        def tiny(self) -> RenderInBetween.Config:
            """One layer each, narrow."""
            narrow = replace(self, dim=32, heads=2, hidden=48, encoder_layers=1, decoder_layers=1, dropout=0.0)
            return replace(narrow, terms=(24, 24, 16), measured=1)

    def __init__(self, config: Config, shape: FeatureShape, reading: GapReading | None = None) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        width, tokens, dim = shape.width, shape.tokens, config.dim
        of_known, of_any, of_residual = config.terms
        self.register_buffer("owner", torch.tensor(shape.owners()), persistent=False)
        self.known_terms = Whitening(4 * width + 2 * tokens, of_known)
        self.any_terms = Whitening(6 * width + 5 * tokens, of_any)
        self.residual_terms = Colouring(width, of_residual)
        self.enter_known = nn.Linear(self.known_terms.kept, dim)
        self.enter_any = nn.Linear(self.any_terms.kept, dim)
        self.encoder = TimedStack(
            config.encoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=False
        )
        self.decoder = TimedStack(config.decoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=True)
        self.reading = None if reading is None else reading.requires_grad_(False).eval()
        # What is said of a token of which nothing is known: the rest pose, to begin with.
        self.unknown = nn.Parameter(shape.rest().clone() if shape.rest else torch.zeros(width))
        self.weigh = nn.Linear(dim, tokens)
        self.straight = nn.Linear(self.any_terms.kept, self.residual_terms.kept)
        self.residual = nn.Linear(dim, self.residual_terms.kept)
        self.doubt = nn.Linear(dim, tokens)
        for last in (self.weigh, self.straight, self.residual, self.doubt):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        nn.init.constant_(self.doubt.bias, -2.0)

    owner: Tensor

    def train(self, mode: bool = True) -> RenderInBetween:
        """Training mode; the reading has learnt already."""
        super().train(mode)
        if self.reading is not None:
            self.reading.eval()
        return self

    def forward(self, query: Query) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T J"], Frame | None]:
        """The answer in the windows' own frames, logits of "this observation is wrong", and the frames."""
        seen = self._prepare(query)
        return *self._answer(seen, query.valid), seen.frame

    def _answer(self, seen: Seen, valid: Bool[Tensor, "B T"]) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T J"]]:
        first = seen.lines(seen.trust.square())
        memory, weight = self._encode(seen, first)
        with torch.autocast(valid.device.type, enabled=False):
            lines = seen.lines(weight)
            base = self._base(seen, lines[1])
        terms = self.any_terms(seen.of_any(lines, first[1]))
        hidden, _, _ = self.decoder(self.enter_any(terms), seen.keys.time, valid, memory)
        hidden = hidden[:, 1:]
        with torch.autocast(valid.device.type, enabled=False):
            residual = self.residual_terms(self.straight(terms) + self.residual(hidden.float()))
            # At exact keys the residual is taken out again, between them in proportion, and it fades towards them: the
            # network knows an exact key from its neighbours, and what it says beside one would be a jump.
            residual = (residual - seen.exact_keys.linear(residual)) * seen.exact_keys.fade()[..., self.owner]
            answer = torch.where(seen.exact[..., self.owner], seen.values, base + residual)
            return answer, self.doubt(hidden.float())

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window. The generator is not used: the answer is one."""
        del generator
        answer, _, frame = self(query)
        if frame is not None:
            answer = frame.back(answer)
        # There and back again rounds: what is exactly known is copied.
        exact = (query.trust >= 1) & query.valid[..., None]
        answer = torch.where(exact[..., self.owner], query.seen, answer)
        return repeat_samples(answer.to(query.seen.dtype), samples)

    def doubts(self, query: Query) -> Float[Tensor, "B T J"]:
        """For each observation the probability that it is wrong; 0 where nothing is observed."""
        _, logits, _ = self(query)
        return torch.sigmoid(logits) * ((query.trust > 0) & query.valid[..., None])

    def loss(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """L1 of features, of their velocity and acceleration, distances in space, and the doubts' cross-entropy.

        Every valid frame counts, keys included; a window counts the more, the better a curve fits it: half as much
        where that is off by `easy`. Velocities are per frame at the representation's rate.
        """
        del turn
        query, config = batch.query, self.config
        seen = self._prepare(query)
        frame, (answer, doubt) = seen.frame, self._answer(seen, query.valid)
        with torch.autocast(query.seen.device.type, enabled=False):
            target = batch.target.float() if frame is None else frame.into(batch.target.float())
            valid = query.valid
            error = answer - target
            share = self._share(seen, target, valid)
            moving, turning = valid[:, 1:] & valid[:, :-1], valid[:, 2:] & valid[:, 1:-1] & valid[:, :-2]
            velocity = error.diff(dim=1)
            parts = {
                "features": _mean(error.abs(), valid, share),
                "velocity": _mean(velocity.abs(), moving, share),
                "acceleration": _mean(velocity.diff(dim=1).abs(), turning, share),
                "quality": self._quality(query, target, frame, doubt),
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
            seen, valid = self._prepare(batch.query), batch.query.valid
            lines = seen.lines(seen.trust.square())
            of_known.append(seen.of_known(lines)[seen.known.any(-1)])
            of_any.append(seen.of_any(lines, lines[1])[valid])
            target = batch.target.float() if seen.frame is None else seen.frame.into(batch.target.float())
            lacking.append((target - self._base(seen, lines[1]))[valid])
        self.known_terms.measure(torch.cat(of_known))
        self.any_terms.measure(torch.cat(of_any))
        self.residual_terms.measure(torch.cat(lacking))

    @torch.no_grad()
    def _share(self, seen: Seen, target: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"]) -> Float[Tensor, "B 1 1"]:
        """How much each window counts: 1 where the curve fits, half where it is off by `easy`."""
        base = self._base(seen, seen.lines(seen.trust.square())[1], bent=False)
        off = torch.where(valid[..., None], (base - target).abs(), 0.0).mean((1, 2))
        off = off / valid.float().mean(1).clamp(min=1e-3)
        return (self.config.easy / (off + self.config.easy))[:, None, None]

    def _quality(self, query: Query, target: Tensor, frame: Frame | None, doubt: Tensor) -> Tensor:
        known = (query.trust > 0) & query.valid[..., None]
        seen = query.seen if frame is None else frame.into(query.seen)
        worst = (seen - target).abs().new_zeros(doubt.shape)
        index = self.owner.expand(*doubt.shape[:2], -1)
        worst = worst.scatter_reduce(-1, index, (seen - target).abs(), "amax")
        wrong = (worst > self.config.wrong).to(doubt)
        return _mean(functional.binary_cross_entropy_with_logits(doubt, wrong, reduction="none"), known)

    def _prepare(self, query: Query) -> Seen:
        with torch.autocast(query.seen.device.type, enabled=False):
            trust = query.trust.float() * query.valid[..., None]
            known, exact = trust > 0, trust >= 1
            seen = torch.where(known[..., self.owner], query.seen.float(), 0.0)
            frame = self.shape.frame(seen, trust) if self.shape.frame else None
            values = seen if frame is None else torch.where(known[..., self.owner], frame.into(seen), 0.0)
            time = (query.time - query.time[:, :1]).float()
            keys = Keyframes(known, time, self.owner)
            cubic = keys.cubic(values, monotone=False)
            return Seen(
                values=values,
                trust=trust,
                known=known,
                exact=exact,
                line=keys.linear(values),
                cubic=cubic,
                bent=self._bent(query, cubic, exact, frame),
                keys=keys,
                exact_keys=Keyframes(exact, time, self.owner),
                frame=frame,
            )

    def _bent(self, query: Query, cubic: Tensor, exact: Tensor, frame: Frame | None) -> Tensor:
        """The cubic, corrected for tokens that have no exact keys but whole frames."""
        if self.reading is None:
            return cubic
        curve, whole, time = whole_keys(query, self.owner)
        curve = self.reading(curve, whole, time)
        curve = curve if frame is None else frame.into(curve)
        alone = exact.any(1, keepdim=True) & ~(exact & ~whole[..., None]).any(1, keepdim=True)
        return torch.where(alone[..., self.owner], curve, cubic)

    def _base(self, seen: Seen, middle: Tensor, *, bent: bool = True) -> Tensor:
        """The curve that is corrected: through exact keys, and along evidence."""
        sure = (seen.exact | ~seen.known).all(1, keepdim=True)
        curve = torch.where(sure[..., self.owner], seen.bent if bent else seen.cubic, middle)
        return torch.where(seen.keys.known_at_all[..., self.owner], curve, self.unknown.float())

    def _encode(
        self, seen: Seen, lines: Lines
    ) -> tuple[tuple[Tensor, tuple[Tensor, Tensor], Tensor], Float[Tensor, "B T J"]]:
        """The known frames alone, gathered to the front; and what each observation counts, in the light of the others.

        Exact keys count as they are.
        """
        inputs, time, there = seen.of_known(lines), seen.keys.time, seen.known.any(-1)
        order = None
        if not torch.compiler.is_exporting():  # no length in a graph can depend on values: the others stay, unseen
            count = max(1, int(there.sum(1).max()))
            order = torch.sort(there.to(torch.uint8), dim=1, descending=True, stable=True).indices[:, :count]
            inputs = inputs.gather(1, order[..., None].expand(-1, -1, inputs.shape[-1]))
            time, there = time.gather(1, order), there.gather(1, order)
        memory = self.encoder(self.enter_known(self.known_terms(inputs)), time, there)
        with torch.autocast(inputs.device.type, enabled=False):
            change = _MOST * torch.tanh(self.weigh(memory[0][:, 1:].float()) / _MOST)
            if order is not None:
                change = torch.zeros_like(seen.trust).scatter(1, order[..., None].expand_as(change), change)
            weight = seen.trust.square()
            return memory, torch.where(seen.exact, weight, weight * change.exp())


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
