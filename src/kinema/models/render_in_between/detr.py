"""DETR's pre-norm layers over time (positions added to queries and keys, not to values), and a patch critic."""

from __future__ import annotations

import itertools
import math
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

SelfMask = Literal["bias", "exclude", "none"]


def time_waves(angle: Float[Tensor, "B T"], dim: int) -> Float[Tensor, "B T dim"]:
    """Sine (even channels) and cosine (odd) of angle / 10000^(2 floor(i / 2) / (dim / 2)) for i below dim / 2.

    So every frequency stands there twice, as in the released code: 32 different ones in 128 channels.
    """
    place = torch.arange(dim // 2, device=angle.device)
    rate = 10_000.0 ** -(2 * torch.div(place, 2, rounding_mode="floor") / (dim // 2))
    turned = angle[..., None] * rate.to(angle)
    return torch.stack((turned.sin(), turned.cos()), -1).flatten(-2)


def dropped(x: Float[Tensor, "*b"], rate: float) -> Float[Tensor, "*b"]:
    """Dropout. On a CPU torch draws its mask number by number, which takes seven times as long as 16 bits for each.

    `rate` is then that of the nearest of 65,536 steps, and the mask depends on torch's seed alone.
    """
    if x.device.type != "cpu" or not 0 < rate < 1:
        return functional.dropout(x, rate)
    steps = min(max(round(rate * 65_536), 1), 65_535)
    source = np.random.SFC64(int(torch.randint(2**62, ())))
    bits = torch.from_numpy(source.random_raw(-(-x.numel() // 4))).view(torch.int16)[: x.numel()].view(x.shape)
    return x * (bits >= steps - 32_768).to(x.dtype).mul_(65_536 / (65_536 - steps))


def dropping_attention(
    query: Float[Tensor, "B head T dim"],
    key: Float[Tensor, "B head S dim"],
    value: Float[Tensor, "B head S dim"],
    mask: Float[Tensor, "B 1 #T S"],
    rate: float,
) -> Float[Tensor, "B head T dim"]:
    """Attention whose weights are dropped at this rate; every token must be shown a source."""
    scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2) + mask
    return dropped(scores.softmax(-1), rate) @ value


class DetrAttention(nn.Module):
    """Attention with several heads, its biases 0 at first. Dropout on the weights keeps torch from its fused kernel."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.enter = nn.Linear(dim, 3 * dim)
        self.leave = nn.Linear(dim, dim)
        nn.init.zeros_(self.enter.bias)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        query: Float[Tensor, "B T dim"],
        key: Float[Tensor, "B S dim"],
        value: Float[Tensor, "B S dim"],
        mask: Float[Tensor, "B #T S"],
    ) -> Float[Tensor, "B T dim"]:
        """`mask` is added to the scores. A token that may look nowhere gets zeros, not NaN (see docs)."""
        weights, biases = self.enter.weight.chunk(3), self.enter.bias.chunk(3)
        parts = [
            functional.linear(x, weight, bias).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for x, weight, bias in zip((query, key, value), weights, biases, strict=True)
        ]
        blind = torch.isneginf(mask).all(-1)[:, None, :, None]
        shown = torch.where(blind[:, 0], 0.0, mask)[:, None].to(parts[0].dtype)
        rate = self.dropout if self.training else 0.0
        if rate and query.device.type == "cpu":
            answer = dropping_attention(parts[0], parts[1], parts[2], shown, rate)
        else:
            answer = functional.scaled_dot_product_attention(*parts, attn_mask=shown, dropout_p=rate)
        return self.leave(torch.where(blind, 0.0, answer).transpose(1, 2).flatten(-2))


class DetrLayer(nn.Module):
    """Self-attention, attention to a memory (where `crossed`), leaky-ReLU feed-forward; each after its norm."""

    def __init__(
        self, dim: int, heads: int, hidden: int, dropout: float, attention_dropout: float, *, crossed: bool
    ) -> None:
        super().__init__()
        self.dropout = dropout
        self.itself = DetrAttention(dim, heads, attention_dropout)
        self.cross = DetrAttention(dim, heads, attention_dropout) if crossed else None
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(3 if crossed else 2))
        self.widen, self.narrow = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(
        self,
        x: Float[Tensor, "B T dim"],
        waves: Float[Tensor, "B T dim"],
        mask: Float[Tensor, "B #T T"],
        memory: tuple[Tensor, Tensor, Tensor] | None = None,
    ) -> Float[Tensor, "B T dim"]:
        """One layer; `memory` is its tokens, their waves and their mask."""

        def kept(part: Tensor) -> Tensor:
            return dropped(part, self.dropout) if self.training else part

        own = self.norms[0](x)
        x = x + kept(self.itself(own + waves, own + waves, own, mask))
        if self.cross is not None and memory is not None:
            tokens, places, shown = memory
            x = x + kept(self.cross(self.norms[1](x) + waves, tokens + places, tokens, shown))
        hidden = kept(functional.leaky_relu(self.widen(self.norms[-1](x))))
        return x + kept(self.narrow(hidden))


class DetrStack(nn.Module):
    """Layers and a final norm; `crossed` layers also look at a memory. No causal mask."""

    def __init__(
        self, layers: int, dim: int, heads: int, hidden: int, dropout: float, attention_dropout: float, *, crossed: bool
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DetrLayer(dim, heads, hidden, dropout, attention_dropout, crossed=crossed) for _ in range(layers)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        x: Float[Tensor, "B T dim"],
        waves: Float[Tensor, "B T dim"],
        shown: Bool[Tensor, "B T"],
        memory: tuple[Tensor, Tensor, Bool[Tensor, "B S"]] | None = None,
        own: SelfMask = "none",
    ) -> Float[Tensor, "B T dim"]:
        """Every token's answer; `shown` may be looked at. `memory` is its tokens, their waves and which are shown.

        `own` says what a token may see of itself: see `RenderInBetweenReleased.Config.self_mask`.
        """
        mask = _additive(shown)
        if own != "none":
            eye = torch.eye(x.shape[1], device=x.device, dtype=torch.bool)
            mask = mask + torch.where(eye, 1.0 if own == "bias" else -math.inf, 0.0)
        source = None if memory is None else (*memory[:2], _additive(memory[2]))
        for layer in self.layers:
            x = layer(x, waves, mask, source)
        return self.norm(x)


class PatchCritic(nn.Module):
    """Features x frames as a picture of one channel -> a map of patch scores. There is no bias."""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.ReflectionPad2d(1), nn.Conv2d(1, channels[0], 3, bias=False), nn.ReLU()]
        for low, high in itertools.pairwise(channels):
            parts += [nn.Conv2d(low, high, 3, padding=1, bias=False), nn.ReLU()]
            parts += [nn.Conv2d(high, high, 3, padding=1, bias=False), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        self.body = nn.Sequential(*parts, nn.Conv2d(channels[-1], 1, 1, bias=False))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.02)

    def forward(self, motion: Float[Tensor, "B T F"]) -> Float[Tensor, "B 1 high wide"]:
        """Scores of patches; 3 x 21 of them for 38 features and 321 frames."""
        return self.body(motion.transpose(1, 2)[:, None])


def _additive(shown: Bool[Tensor, "B T"]) -> Float[Tensor, "B 1 T"]:
    return torch.where(shown, 0.0, -math.inf)[:, None]
