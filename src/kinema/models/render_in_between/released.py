"""Render-In-Between's motion transformer as its code was released (Ho et al., BMVC 2021): two stages, DETR layers.

An encoder cleans the key frames; straight lines between the cleaned keys are the centre of a residual that a decoder
adds. Input and output maps are shared by both stages. 1,997,990 parameters for 38 features. What the released code did
by accident is a named option: what its self-mask means (`self_mask`), positions by the clip's length, no supervision of
the answer at keys. Legend: B batch, T frame, F feature, D channel.

Released weights -> our names (`from_released`):

    input_embed, joints_embed                                         enter, leave
    {encoder,decoder}.layers.N.self_attn.{in_proj_*,out_proj.*}       ....itself.{enter,leave}
    decoder.layers.N.multihead_attn.*                                 ....cross
    ....linear1, linear2, norm1, norm2, norm3                         ....widen, narrow, norms.0, 1, 2
    {encoder,decoder}.norm                                            the same
    convolutions of the critic, in their order (a file of its own)    critic.body

In the released pictures y points down, here up. The weights that read and write y are negated, so that the network
answers the mirrored question with the mirrored answer, and so is the mean of y, where the statistics of the release
come with the weights; features are x and y of joint after joint.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.render_in_between.detr import DetrStack, PatchCritic, SelfMask, time_waves
from kinema.models.render_in_between.keyframes import Keyframes

_ATTENTION = {
    "in_proj_weight": "enter.weight", "in_proj_bias": "enter.bias",
    "out_proj.weight": "leave.weight", "out_proj.bias": "leave.bias",
}  # fmt: skip
_MODULES = {"linear1": "widen", "linear2": "narrow", "norm1": "norms.0", "norm2": "norms.1", "norm3": "norms.2"}
_PARTS = {
    **{f"self_attn.{old}": f"itself.{new}" for old, new in _ATTENTION.items()},
    **{f"multihead_attn.{old}": f"cross.{new}" for old, new in _ATTENTION.items()},
    **{f"{old}.{end}": f"{new}.{end}" for old, new in _MODULES.items() for end in ("weight", "bias")},
}
_LAYER = re.compile(r"(?:^|\.)(encoder|decoder)\.layers\.(\d+)\.(.+)$")
_NORM = re.compile(r"(?:^|\.)(encoder|decoder)\.norm\.(weight|bias)$")
_OUTER = re.compile(r"(?:^|\.)(input|joints)_embed\.(weight|bias)$")
_CONVOLUTIONS = (1, 3, 5, 8, 10, 13, 15, 18, 20, 23)  # their places in the critic's body


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors by our names, and the released names that stand for none."""
    found: dict[str, Tensor] = {}
    unmatched: list[str] = []
    convolutions = iter(_CONVOLUTIONS)
    for name, value in state.items():
        layer, norm, outer = (pattern.search(name) for pattern in (_LAYER, _NORM, _OUTER))
        if outer:
            found[f"{'enter' if outer[1] == 'input' else 'leave'}.{outer[2]}"] = _upright(value, outer[1], outer[2])
        elif norm:
            found[f"{norm[1]}.norm.{norm[2]}"] = value
        elif layer and layer[3] in _PARTS:
            found[f"{layer[1]}.layers.{layer[2]}.{_PARTS[layer[3]]}"] = value
        elif name == "representation.mean":
            found[name] = _upright(value, "joints", "bias")
        elif value.ndim == 4 and (place := next(convolutions, None)):
            found[f"critic.body.{place}.weight"] = value
        else:
            unmatched.append(name)
    return found, unmatched


def _upright(value: Tensor, which: str, end: str) -> Tensor:
    """The map of features with y turned round: the columns that read it, the rows and biases that write it."""
    if which == "input" and end == "bias":
        return value
    axis = 1 if which == "input" else 0
    sign = torch.tensor([1.0, -1.0]).to(value).repeat(value.shape[axis] // 2)
    return value * (sign if axis == 1 or value.ndim == 1 else sign[:, None])


class RenderInBetweenReleased(Model):
    """The network. What is known exactly (trust 1) comes back as it is; the released code knows no such thing.

    A frame is a key as soon as one of its joints is known; the others are then zeros to it, as in the released code.
    """

    completes = True
    released_names = staticmethod(from_released)

    @dataclass(frozen=True)
    class Config:
        """The released configuration.

        `self_mask`: the encoder adds 1 to the score of a frame with itself ("bias", what a boolean identity meant to
        torch 1.4), hides it from itself ("exclude", what it means since torch 1.5, and what made training NaN where a
        clip has one key), or does neither ("none"). `positions` are a share of the window's length ("clip"; in training
        padding included) or seconds ("seconds": one turn per 5.3 s, which is what 321 frames at 60 per second are).
        `encoder` reads every frame or the keys alone, with the same answer. `head` is how the shared output map begins;
        with "zero" the centre is the answer at first. `supervision` of the answer is on frames "between" keys or on
        "all". With `critic` a patch discriminator of `critic_channels` takes turns (`use_dis`; off in the released
        configuration).
        """

        dim: int = 128
        heads: int = 8
        hidden: int = 256
        layers: int = 6
        dropout: float = 0.1
        attention_dropout: float = 0.1
        self_mask: SelfMask = "bias"
        positions: Literal["clip", "seconds"] = "clip"
        encoder: Literal["all", "keys"] = "keys"
        residual: Literal["lerp", "none"] = "lerp"
        head: Literal["xavier", "zero"] = "xavier"
        supervision: Literal["between", "all"] = "between"
        key_weight: float = 2.0
        weight: float = 5.0
        critic: bool = False
        critic_weight: float = 1.0
        critic_channels: tuple[int, ...] = (32, 64, 128, 256, 256)

        def build(self, shape: FeatureShape) -> RenderInBetweenReleased:
            """The network for features of this width, with the critic where it is on."""
            return (RenderInBetweenCriticised if self.critic else RenderInBetweenReleased)(self, shape)

        def tiny(self) -> RenderInBetweenReleased.Config:
            """One layer each, narrow."""
            narrow = replace(self, dim=32, heads=4, hidden=32, layers=1, dropout=0.0, attention_dropout=0.0)
            return replace(narrow, critic_channels=(16, 16))  # in narrow and deep ones so small weights lose all

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config, self.shape = config, shape
        self.enter = nn.Linear(shape.width, config.dim)
        self.leave = nn.Linear(config.dim, shape.width)
        size = (config.layers, config.dim, config.heads, config.hidden, config.dropout, config.attention_dropout)
        self.encoder = DetrStack(*size, crossed=False)
        self.decoder = DetrStack(*size, crossed=True)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        if config.head == "zero":
            nn.init.zeros_(self.leave.weight)
            nn.init.zeros_(self.leave.bias)

    def forward(self, query: Query, *, padded: bool = True) -> tuple[Float[Tensor, "B T F"], Float[Tensor, "B T F"]]:
        """The cleaned keys (at other frames: nothing of use) and the answer.

        Positions are shares of the window with its padding, as in training, or, not `padded`, of its valid part.
        """
        known = query.observed_frames()
        observed = torch.where(known[..., None], query.observed, 0.0)
        waves = self._waves(query, padded=padded)
        memory, at, shown = self._encode(observed, waves, known)
        cleaned = self.leave(memory) + observed.gather(1, at[..., None].expand(-1, -1, observed.shape[-1]))
        keys = torch.zeros_like(observed).scatter(1, at[..., None].expand_as(cleaned), cleaned.to(observed.dtype))
        # A clip without a key has no centre but zero.
        owner = torch.zeros(observed.shape[-1], dtype=torch.long, device=observed.device)
        centre = Keyframes(known[..., None], query.time, owner).linear(keys)
        memory_waves = waves.gather(1, at[..., None].expand(-1, -1, waves.shape[-1]))
        hidden = self.decoder(self.enter(centre), waves, query.valid, (memory, memory_waves, shown))
        answer = self.leave(hidden)
        return keys, answer + centre if self.config.residual == "lerp" else answer

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window, as a clip by itself: the released code answers clips without padding.

        The generator is not used: the answer is one.
        """
        answer = self(query, padded=False)[1]
        exact = (query.confidence >= 1).all(-1, keepdim=True) & query.valid[..., None]
        return repeat_samples(torch.where(exact, query.observed, answer.to(query.observed.dtype)), samples)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """weight * (key_weight * L1(cleaned keys) + L1(answer)), each over its own frames."""
        return self._reconstruction(batch)[0]

    def _reconstruction(self, batch: Batch) -> tuple[dict[str, Tensor], Tensor]:
        config, query = self.config, batch.query
        keys, answer = self(query)
        known = query.observed_frames()
        judged = query.valid & ~known if config.supervision == "between" else query.valid
        denoise = _mean((keys - batch.target).abs(), known)
        between = _mean((answer - batch.target).abs(), judged)
        total = config.weight * (config.key_weight * denoise + between)
        return {"loss": total, "keys": denoise, "between": between}, answer

    def _encode(
        self, observed: Tensor, waves: Tensor, known: Bool[Tensor, "B T"]
    ) -> tuple[Tensor, Tensor, Bool[Tensor, "B S"]]:
        """Memory, the frames it stands for, and which of them are keys."""
        frames = known.shape[1]
        if self.config.encoder == "all":
            at = torch.arange(frames, device=observed.device).expand(len(observed), -1)
        else:
            count = max(1, int(known.sum(1).max()))
            at = torch.sort(known.to(torch.uint8), dim=1, descending=True, stable=True).indices[:, :count]
        chosen = observed.gather(1, at[..., None].expand(-1, -1, observed.shape[-1]))
        near = waves.gather(1, at[..., None].expand(-1, -1, waves.shape[-1]))
        shown = known.gather(1, at)
        return self.encoder(self.enter(chosen), near, shown, own=self.config.self_mask), at, shown

    def _waves(self, query: Query, *, padded: bool) -> Float[Tensor, "B T D"]:
        time = query.time - query.time[:, :1]
        if self.config.positions == "clip":
            longest = torch.where(query.valid | padded, time, 0.0).amax(1, keepdim=True)
            way = time / longest.clamp(min=1e-6)
        else:
            way = time / (320 / 60)
        return time_waves(2 * math.pi * way, self.config.dim)


class RenderInBetweenCriticised(RenderInBetweenReleased):
    """With the patch discriminator: least squares, its own turn first."""

    phases = ("critic", "model")

    def __init__(self, config: RenderInBetweenReleased.Config, shape: FeatureShape) -> None:
        super().__init__(config, shape)
        self.critic = PatchCritic(config.critic_channels)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The critic's parameters, or all the others."""
        if phase == "critic":
            return self.critic.parameters()
        return (value for name, value in self.named_parameters() if not name.startswith("critic."))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The critic's squares against smoothed labels, or the model's loss with the critic's.

        A batch of true motion has one label, uniform in 0.9 to 1; a batch of made motion one in 0 to 0.1.
        """
        if phase == "critic":
            with torch.no_grad():
                made = self(batch.query)[1]
            true, false = self.critic(batch.target), self.critic(made)
            high, low = 0.9 + 0.1 * torch.rand((), device=true.device), 0.1 * torch.rand((), device=true.device)
            return {"loss": 0.5 * ((true - high).square().mean() + (false - low).square().mean())}
        losses, answer = self._reconstruction(batch)
        fooled = (self.critic(answer) - 1).square().mean()
        return {**losses, "loss": losses["loss"] + self.config.critic_weight * fooled, "critic": fooled}


def _mean(values: Float[Tensor, "B T F"], where: Bool[Tensor, "B T"]) -> Tensor:
    """The mean of the frames that count; 0 where none does."""
    chosen = where[..., None].expand_as(values)
    return torch.where(chosen, values, 0.0).sum() / chosen.sum().clamp(min=1)
