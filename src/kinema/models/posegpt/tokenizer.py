"""PoseGPT's tokeniser (Lucas, Baradel et al., ECCV 2022, section 3.1): motion as a few codes per pair of frames.

A transformer encoder halves the rate, a quantiser picks codes, a transformer decoder doubles the rate again. Three
presets: "offline" (every frame attends to every frame), "causal" (the encoder reads the past only, so that a past can
be tokenised without its future), "online" (the decoder too). The last `path` features are the root trajectory and have
their own head.

Legend: B batch, T frame, N token, F feature, D width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, Samples, repeat_samples
from kinema.models.posegpt.quantizers import QuantiserConfig, masked_mean
from kinema.models.posegpt.released_weights import from_released
from kinema.nn.transformer import Block, Double, Halve, Padding, Trim, sinusoid, start_small

Law = Literal["l1", "l2", "laplacian", "gaussian"]
STANDING = 0.15  # m/s
_TERMS = ("root", "body", "path", "points", "velocity")  # each has a scale; the acceleration takes the velocity's


class Stack(nn.Module):
    """[halve] -> dropout -> blocks, with positions -> [double] -> LayerNorm -> Linear."""

    def __init__(self, config: PoseTokens.Config, layers: int, *, encoder: bool) -> None:
        super().__init__()
        dim, causal = config.width, config.encoder_causal if encoder else config.decoder_causal
        self.places, self.every_block = config.places, config.every_block
        self.padded = not causal or config.padding == "seen"
        self.halve = Halve(dim, causal=causal, kind=config.halving, padding=config.padding) if encoder else None
        inner = config.dropout if config.inner_dropout is None else config.inner_dropout
        self.dropout = nn.Dropout(config.dropout if encoder else inner)
        rotary, weights = config.places == "rotary", config.attention_dropout
        self.blocks = nn.ModuleList(
            Block(dim, config.heads, inner, causal=causal, rotary=rotary, attention_dropout=weights)
            for _ in range(layers)
        )
        self.spread = None if encoder else Double(dim, config.upsample_trim, padding=config.padding)
        self.norm, self.leave = nn.LayerNorm(dim), nn.Linear(dim, dim, bias=False)
        start_small(self.leave)

    def forward(self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"]) -> tuple[Tensor, Tensor]:
        """The sequence at its new rate, and its mask."""
        if self.halve is not None:
            x, mask = self.halve(x, mask)
        x = self.dropout(x)
        added: Tensor | None = None
        if self.places != "rotary":
            where = torch.arange(x.shape[1], device=x.device)
            added = sinusoid(where, x.shape[-1], interleaved=self.places == "interleaved").to(x.dtype)
        for place, block in enumerate(self.blocks):
            placed = x if added is None or (place and not self.every_block) else x + added
            x = block(placed, mask if self.padded else None)
        if self.spread is not None:
            x, mask = self.spread(x, mask), mask.repeat_interleave(2, 1)
        return self.leave(self.norm(x)), mask


class Straight(nn.Module):
    """A linear skip connection beside the stacks: the frames of a token, side by side, to its vector and back.

    The decoding map reads `reach` tokens, on both sides or (causal) before, so that errors of single codes, which cause
    jitter, are averaged. It starts as the transpose of the encoding map on the token itself: training begins with most
    of every pose in the vector, and the stacks learn the rest.
    """

    def __init__(self, factor: int, width: int, code: int, *, causal: bool, reach: int = 9) -> None:
        super().__init__()
        self.factor, self.before = factor, reach - 1 if causal else reach // 2
        self.after = reach - 1 - self.before
        self.enter = nn.Linear(factor * width, code, bias=False)
        self.leave = nn.Linear(reach * code, factor * width, bias=False)
        nn.init.orthogonal_(self.enter.weight)
        nn.init.zeros_(self.leave.weight)
        self.leave.weight.data.unflatten(1, (reach, code))[:, self.before] = self.enter.weight.detach().mT

    def encode(self, features: Float[Tensor, "B T F"]) -> Float[Tensor, "B N code"]:
        """Vectors of whole tokens."""
        return self.enter(features.unflatten(1, (-1, self.factor)).flatten(-2))

    def decode(self, vectors: Float[Tensor, "B N code"]) -> Float[Tensor, "B T F"]:
        """Frames of vectors; zeros beyond the ends."""
        count, around = vectors.shape[1], functional.pad(vectors, (0, 0, self.before, self.after))
        observed = torch.cat([around[:, place : place + count] for place in range(self.before + self.after + 1)], -1)
        return self.leave(observed).unflatten(-1, (self.factor, -1)).flatten(1, 2)


class PoseTokens(Model):
    """The tokeniser, an autoencoder. `encode` gives codes, `decode` features."""

    graphs = ("encode", "decode")
    released_names = staticmethod(from_released)

    @dataclass(frozen=True)
    class Config:
        """The defaults are the paper's sizes with the mended parts; width 384, one stack of 6 blocks per side.

        `layers` has one entry per halving of the rate. `upsample_trim` "front" keeps the released code's look-ahead of
        one token, `padding` "seen" what it reads beyond the end of a clip. `inner_dropout` replaces `dropout` in the
        blocks and at the decoder's input; `attention_dropout` is that of the weights of attention. `places`
        "interleaved" are the paper's sines, added before every block (without `every_block` before the first), "sine"
        the same in another order of channels; "rotary" works beyond the length of training clips.
        `straight` adds a linear skip connection; see `Straight`.
        Weights: `pose` of the features, `path` of the root trajectory, `points` (metres, needs `FeatureShape.points`),
        their `velocity` (m/s) and `acceleration` (m/s^2), `codebook` of the quantiser; `standing` counts the velocity
        of joints that stand (slower than `STANDING` in truth) once more: planted feet, and a body at rest. The laws
        "laplacian" and "gaussian" learn a scale per term.
        """

        preset: Literal["offline", "causal", "online"] = "causal"
        width: int = 384
        layers: tuple[int, ...] = (6,)
        heads: int = 4
        dropout: float = 0.0
        inner_dropout: float | None = None
        attention_dropout: float = 0.0
        halving: Literal["conv", "cat"] = "conv"
        upsample_trim: Trim = "back"
        padding: Padding = "absent"
        places: Literal["interleaved", "sine", "rotary"] = "rotary"
        every_block: bool = True
        straight: bool = False
        quantiser: QuantiserConfig = field(default_factory=QuantiserConfig)
        path: int = 4
        law: Law = "l1"
        points_law: Law = "l1"
        pose_weight: float = 1.0
        path_weight: float = 1.0
        points_weight: float = 5.0
        velocity_weight: float = 0.5
        acceleration_weight: float = 0.0
        codebook_weight: float = 1.0
        standing_weight: float = 0.0

        @property
        def encoder_causal(self) -> bool:
            """Whether tokens depend on no later frame."""
            return self.preset != "offline"

        @property
        def decoder_causal(self) -> bool:
            """Whether frames depend on no later token."""
            return self.preset == "online"

        def build(self, shape: FeatureShape) -> PoseTokens:
            """The tokeniser for features of this shape."""
            return PoseTokens(self, shape)

        def tiny(self) -> PoseTokens.Config:
            """A few units, for tests."""
            small = replace(
                self.quantiser,
                codes=16,
                warmup=min(self.quantiser.warmup, 5),
                dim=8 * self.quantiser.books,
                levels=(4, 4),
            )
            return replace(self, width=32, layers=(1,), heads=2, quantiser=small)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        dim, code = config.width, config.quantiser.dim
        self.factor = 2 ** len(config.layers)
        self.enter = nn.Linear(shape.width, dim)
        self.encoder = nn.ModuleList(Stack(config, layers, encoder=True) for layers in config.layers)
        self.to_code, self.from_code = nn.Linear(dim, code), nn.Linear(code, dim)
        self.quantiser = config.quantiser.build()
        self.decoder = nn.ModuleList(Stack(config, layers, encoder=False) for layers in reversed(config.layers))
        body = shape.width - config.path
        self.pose_head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, body))
        self.path_head = nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, config.path))
        causal = config.decoder_causal
        self.straight = Straight(self.factor, shape.width, code, causal=causal) if config.straight else None
        learnt = config.law in ("laplacian", "gaussian") or config.points_law in ("laplacian", "gaussian")
        self.scales = nn.Parameter(torch.zeros(len(_TERMS)), requires_grad=learnt)

    @property
    def books(self) -> int:
        """The number of codes per token."""
        return self.quantiser.books

    @property
    def codes(self) -> int:
        """The number of values of a code."""
        return self.quantiser.codes

    def encode(self, features: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"]) -> Int[Tensor, "B N book"]:
        """Codes; -1 where there is no frame. An incomplete last token repeats its last frame."""
        z, mask = self.encode_vectors(features, valid)
        return self.quantiser(z, mask).indices

    def decode(self, indices: Int[Tensor, "B N book"]) -> Float[Tensor, "B T F"]:
        """Features of `factor` frames per token; tokens of -1 are absent."""
        return self.decode_vectors(self.quantiser.lookup(indices), (indices >= 0).all(-1))

    def encode_vectors(
        self, features: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B N code"], Bool[Tensor, "B N"]]:
        """The vectors before quantisation, and the mask of tokens."""
        more = -features.shape[1] % self.factor
        whole = torch.cat((features, features[:, -1:].expand(-1, more, -1)), 1)
        return self.encode_whole(whole, functional.pad(valid, (0, more), value=False))

    def encode_whole(
        self, features: Float[Tensor, "B T F"], mask: Bool[Tensor, "B T"]
    ) -> tuple[Float[Tensor, "B N code"], Bool[Tensor, "B N"]]:
        """`encode_vectors` for a whole number of tokens."""
        x = self.enter(features)
        for stack in self.encoder:
            x, mask = stack(x, mask)
        z = self.to_code(x)
        return z if self.straight is None else z + self.straight.encode(features), mask

    def decode_vectors(self, vectors: Float[Tensor, "B N code"], mask: Bool[Tensor, "B N"]) -> Float[Tensor, "B T F"]:
        """Features of quantised vectors."""
        x = self.from_code(vectors)
        for stack in self.decoder:
            x, mask = stack(x, mask)
        answer = torch.cat((self.pose_head(x), self.path_head(x)), -1).float()
        return answer if self.straight is None else answer + self.straight.decode(vectors)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Reconstruction losses of features and of joints in space (with the root's path), and the quantiser's loss."""
        truth, valid, config = batch.target, batch.query.valid, self.config
        z, mask = self.encode_vectors(truth, valid)
        coded = self.quantiser(z, mask)
        answer = self.decode_vectors(coded.vectors, mask)[:, : truth.shape[1]]
        body = slice(6, -config.path)
        parts: dict[str, tuple[Tensor, Tensor, Law, float]] = {
            "root": (answer[..., :6], truth[..., :6], config.law, config.pose_weight),
            "body": (answer[..., body], truth[..., body], config.law, config.pose_weight),
            "path": (answer[..., -config.path :], truth[..., -config.path :], config.law, config.path_weight),
        }
        weights = (config.points_weight, config.velocity_weight, config.acceleration_weight, config.standing_weight)
        if self.shape.points is not None and any(weights):
            found = self.shape.points(answer)
            with torch.no_grad():
                there = self.shape.points(truth)
            parts["points"] = (found.flatten(-2), there.flatten(-2), config.points_law, config.points_weight)
            for name, weight in (("velocity", config.velocity_weight), ("acceleration", config.acceleration_weight)):
                found, there = (x.diff(dim=1, prepend=x[:, :1]) * self.shape.fps for x in (found, there))
                parts[name] = (found.flatten(-2), there.flatten(-2), config.points_law, weight)
                if name == "velocity" and config.standing_weight:
                    stands = there.norm(dim=-1, keepdim=True) < STANDING
                    still, none = ((x * stands).flatten(-2) for x in (found, there))
                    parts["standing"] = (still, none, config.points_law, config.standing_weight)
        losses = {
            name: masked_mean(self._negative_log_likelihood(name, found - there, law), valid)
            for name, (found, there, law, _) in parts.items()
        }
        total = sum((parts[name][3] * value for name, value in losses.items()), config.codebook_weight * coded.loss)
        logged = {name: value.detach() for name, value in (losses | coded.stats | {"codebook": coded.loss}).items()}
        return {"loss": torch.as_tensor(total)} | logged

    def _negative_log_likelihood(self, term: str, error: Float[Tensor, "B T feat"], law: Law) -> Float[Tensor, "B T"]:
        """Mean over features; without the constant where the law has no scale to learn."""
        scale = self.scales[_TERMS.index("velocity" if term in ("acceleration", "standing") else term)]
        if law in ("l2", "gaussian"):
            constant = 0.5 * math.log(2 * math.pi) + 0.5 * scale if law == "gaussian" else 0.0
            return constant + 0.5 * (error.square() / scale.exp()).mean(-1)
        return (math.log(2) + scale if law == "laplacian" else 0.0) + (error.abs() / scale.exp()).mean(-1)

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """Observed frames unchanged; the rest decoded from the tokens of the observed values: it predicts nothing."""
        known = query.observed_frames()
        answer = self.decode(self.encode(query.observed, query.valid))[:, : query.observed.shape[1]]
        return repeat_samples(torch.where(known[..., None], query.observed, answer), samples)
