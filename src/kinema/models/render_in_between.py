"""Render-In-Between's motion transformer, mended: what lies between key frames, around a classical curve.

Ho et al., BMVC 2021, with what the field has learnt since (DeciWatch, SmoothNet, delta interpolation, two-stage
transformers): an encoder over the known frames only, a decoder over all frames, and an answer that is a classical curve
plus a residual which is zero at first, so that training starts from the curve. Time is in seconds; keys may be
anywhere, exact or of any confidence; frames with no known token are asked for as well. As released:
`render_in_between_released`. Legend: B batch, T frame, F feature, J token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.batch import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.nn.keyframes import FAR, Keyframes
from kinema.nn.transformer import TimedStack
from kinema.nn.window_terms import Frame

SMOOTHING = 0.08  # seconds: the width of the smooth curve that is shown beside the line and the cubic


@dataclass(frozen=True, eq=False)
class _Seen:
    """A query made ready: values in the window's own frame, the curves through them, and which are exact."""

    values: Tensor
    trust: Tensor
    known: Tensor
    exact: Tensor
    line: Tensor
    cubic: Tensor
    smooth: Tensor
    keys: Keyframes
    exact_keys: Keyframes
    frame: Frame | None


class RenderInBetween(Model):
    """The network. `predict` gives exact keys (trust 1) back as they are."""

    completes = True

    @dataclass(frozen=True)
    class Config:
        """About two million parameters.

        `base` is the curve to which the residual is added: straight lines are the safest for noisy keys; "auto" takes
        the monotone cubic for tokens whose keys are all exact, lines for the others. `velocity`, `acceleration`,
        `space` and `quality` weigh the losses beside the L1 of features.
        """

        dim: int = 160
        heads: int = 5
        hidden: int = 320
        encoder_layers: int = 4
        decoder_layers: int = 4
        dropout: float = 0.05
        base: Literal["linear", "pchip", "auto"] = "auto"
        velocity: float = 1.0
        acceleration: float = 0.1
        space: float = 2.0
        quality: float = 0.05
        wrong: float = 0.05

        def build(self, shape: FeatureShape) -> RenderInBetween:
            """The network for features of this shape."""
            return RenderInBetween(self, shape)

        def tiny(self) -> RenderInBetween.Config:
            """One layer each, narrow."""
            return replace(self, dim=32, heads=2, hidden=48, encoder_layers=1, decoder_layers=1, dropout=0.0)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        width, tokens, dim = shape.width, shape.tokens, config.dim
        self.register_buffer("owner", torch.tensor(_owners(shape)), persistent=False)
        # Two of the inputs of a known frame: value and its distance from the smooth curve.
        self.enter_known = nn.Linear(3 * width + 2 * tokens, dim)
        self.enter_any = nn.Linear(4 * width + 5 * tokens, dim)
        self.encoder = TimedStack(
            config.encoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=False
        )
        self.decoder = TimedStack(config.decoder_layers, dim, config.heads, config.hidden, config.dropout, crossed=True)
        # What is said of a token of which nothing is known: the rest pose, to begin with.
        self.unknown = nn.Parameter(shape.rest().clone() if shape.rest else torch.zeros(width))
        self.residual = nn.Linear(dim, width)
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)
        self.doubt = nn.Linear(dim, tokens)
        nn.init.zeros_(self.doubt.weight)
        nn.init.constant_(self.doubt.bias, -2.0)

    owner: Tensor

    def forward(self, query: Query) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T J"], Frame | None]:
        """The answer in the windows' own frames, logits of "this observation is wrong", and the frames."""
        with torch.autocast(query.seen.device.type, enabled=False):
            seen = self._prepare(query)
        memory = self._encode(seen, query)
        hidden = self._decode(seen, query, memory)
        with torch.autocast(query.seen.device.type, enabled=False):
            residual, doubt = self.residual(hidden.float()), self.doubt(hidden.float())
            # At exact keys the residual is taken out again, between them in proportion, and it fades towards them: the
            # network knows an exact key from its neighbours, and what it says beside one would be a jump.
            residual = (residual - seen.exact_keys.linear(residual)) * seen.exact_keys.fade()[..., self.owner]
            answer = self._base(seen) + residual
            answer = torch.where(seen.exact[..., self.owner], seen.values, answer)
        return answer, doubt, seen.frame

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

        Every valid frame counts, keys included. Velocities are per frame at the representation's rate.
        """
        del turn
        query, config = batch.query, self.config
        answer, doubt, frame = self(query)
        with torch.autocast(query.seen.device.type, enabled=False):
            target = batch.target.float() if frame is None else frame.into(batch.target.float())
            valid = query.valid
            error = answer - target
            moving, turning = valid[:, 1:] & valid[:, :-1], valid[:, 2:] & valid[:, 1:-1] & valid[:, :-2]
            velocity = error.diff(dim=1)
            parts = {
                "features": _mean(error.abs(), valid),
                "velocity": _mean(velocity.abs(), moving),
                "acceleration": _mean(velocity.diff(dim=1).abs(), turning),
                "quality": self._quality(query, target, frame, doubt),
            }
            total = parts["features"] + config.velocity * parts["velocity"] + config.quality * parts["quality"]
            total = total + config.acceleration * parts["acceleration"]
            if self.shape.points is not None and config.space:
                here = answer if frame is None else frame.back(answer)
                # Padding may be no pose at all (six zeros are no rotation): nothing may come of it, not even a NaN.
                there = torch.where(valid[..., None], batch.target.float(), here.detach())
                apart = self.shape.points(here) - self.shape.points(there)
                parts["space"] = _mean(_length(apart), valid)
                parts["space_velocity"] = _mean(_length(apart.diff(dim=1)), moving)
                total = total + config.space * (parts["space"] + config.velocity * parts["space_velocity"])
        return {"loss": total, **parts}

    def _quality(self, query: Query, target: Tensor, frame: Frame | None, doubt: Tensor) -> Tensor:
        known = (query.trust > 0) & query.valid[..., None]
        seen = query.seen if frame is None else frame.into(query.seen)
        worst = (seen - target).abs().new_zeros(doubt.shape)
        index = self.owner.expand(*doubt.shape[:2], -1)
        worst = worst.scatter_reduce(-1, index, (seen - target).abs(), "amax")
        wrong = (worst > self.config.wrong).to(doubt)
        return _mean(functional.binary_cross_entropy_with_logits(doubt, wrong, reduction="none"), known)

    def _prepare(self, query: Query) -> _Seen:
        trust = query.trust.float() * query.valid[..., None]
        known, exact = trust > 0, trust >= 1
        seen = torch.where(known[..., self.owner], query.seen.float(), 0.0)
        frame = self.shape.frame(seen, trust) if self.shape.frame else None
        values = seen if frame is None else torch.where(known[..., self.owner], frame.into(seen), 0.0)
        time = (query.time - query.time[:, :1]).float()
        keys = Keyframes(known, time, self.owner)
        return _Seen(
            values=values,
            trust=trust,
            known=known,
            exact=exact,
            line=keys.linear(values),
            cubic=keys.cubic(values, monotone=True),
            smooth=keys.smooth(values, trust, SMOOTHING),
            keys=keys,
            exact_keys=Keyframes(exact, time, self.owner),
            frame=frame,
        )

    def _base(self, seen: _Seen) -> Tensor:
        curve = seen.line if self.config.base == "linear" else seen.cubic
        if self.config.base == "auto":
            sure = (seen.exact | ~seen.known).all(1, keepdim=True)
            curve = torch.where(sure[..., self.owner], seen.cubic, seen.line)
        return torch.where(seen.keys.known_at_all[..., self.owner], curve, self.unknown.float())

    def _encode(self, seen: _Seen, query: Query) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """The known frames alone, gathered to the front."""
        there = seen.known.any(-1)
        if torch.compiler.is_exporting():  # no length in a graph can depend on values: the others stay, unseen
            return self.encoder(self.enter_known(self._known(seen)), seen.keys.time, there)
        count = max(1, int(there.sum(1).max()))
        order = torch.sort(there.to(torch.uint8), dim=1, descending=True, stable=True).indices[:, :count]
        inputs, visible = self._known(seen), there.gather(1, order)
        tokens = self.enter_known(inputs.gather(1, order[..., None].expand(-1, -1, inputs.shape[-1])))
        return self.encoder(tokens, seen.keys.time.gather(1, order), visible)

    def _known(self, seen: _Seen) -> Tensor:
        off = torch.where(seen.known[..., self.owner], seen.values - seen.smooth, 0.0)
        return torch.cat((seen.values, off, seen.smooth, seen.trust, seen.exact.float()), -1)

    def _decode(self, seen: _Seen, query: Query, memory: tuple[Tensor, tuple[Tensor, Tensor], Tensor]) -> Tensor:
        off = torch.where(seen.known[..., self.owner], seen.values - seen.smooth, 0.0)
        far = seen.keys.distances() / FAR
        inputs = torch.cat(
            (seen.line, seen.cubic - seen.line, seen.smooth - seen.line, off, seen.trust, far.sqrt(), (-8 * far).exp()),
            -1,
        )
        hidden, _, _ = self.decoder(self.enter_any(inputs), seen.keys.time, query.valid, memory)
        return hidden[:, 1:]


def _owners(shape: FeatureShape) -> tuple[int, ...]:
    """The token of each feature; equal shares, in order, where the shape does not tell."""
    share = -(-shape.width // max(1, shape.tokens))
    return shape.owner or tuple(min(feature // share, shape.tokens - 1) for feature in range(shape.width))


def _length(vectors: Tensor) -> Tensor:
    return torch.sqrt(vectors.square().sum(-1) + 1e-10)


def _mean(values: Float[Tensor, "B T any"], where: Bool[Tensor, "B T"] | Bool[Tensor, "B T any"]) -> Tensor:
    """The mean of the values that count; 0 where none does."""
    counted = (where if where.ndim == 3 else where[..., None]).expand_as(values)
    return torch.where(counted, values, 0.0).sum() / counted.sum().clamp(min=1)
