"""Pre-norm transformer layers whose attention turns queries and keys by their time (rotary position, Su et al. 2021).

Only differences of time matter, and time is in seconds: a window of any rate, length or spacing is read alike. Every
source has a learned null token in front that is always visible, so that no row of attention is ever without a source.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.nn.transformer import attend, rotate_pairs

FASTEST, SLOWEST = 0.1, 20.0  # seconds per turn of the fastest and the slowest pair of channels


class Rotary(nn.Module):
    """Angles of time for `dim` channels in `heads` heads."""

    rates: Tensor

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        pairs = dim // heads // 2
        periods = torch.logspace(math.log10(FASTEST), math.log10(SLOWEST), pairs)
        self.register_buffer("rates", (2 * math.pi / periods).repeat(heads), persistent=False)

    def forward(self, time: Float[Tensor, "B T"]) -> tuple[Tensor, Tensor]:
        """Cosines and sines [B, T, dim / 2]."""
        angles = time[..., None] * self.rates
        return angles.cos(), angles.sin()


def rotated_by_time(x: Float[Tensor, "B T dim"], angles: tuple[Tensor, Tensor]) -> Float[Tensor, "B T dim"]:
    """Every pair of neighbouring channels rotated by its angle."""
    return torch.stack(rotate_pairs(x[..., ::2], x[..., 1::2], angles), -1).flatten(-2)


class TimedAttention(nn.Module):
    """Attention with several heads, queries and keys turned by time."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.ask = nn.Linear(dim, dim)
        self.offer = nn.Linear(dim, 2 * dim)
        self.leave = nn.Linear(dim, dim)
        for layer in (self.ask, self.offer):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.leave.weight, gain=0.5)
        nn.init.zeros_(self.leave.bias)

    def forward(
        self,
        x: Float[Tensor, "B T dim"],
        x_angles: tuple[Tensor, Tensor],
        source: Float[Tensor, "B S dim"],
        source_angles: tuple[Tensor, Tensor],
        visible: Bool[Tensor, "B S"],
    ) -> Float[Tensor, "B T dim"]:
        """What every token takes from the visible sources."""
        key, value = self.offer(source).chunk(2, -1)
        answer = attend(
            rotated_by_time(self.ask(x), x_angles),
            rotated_by_time(key, source_angles),
            value,
            self.heads,
            mask=visible[:, None],
        )
        return self.leave(answer)


class TimedLayer(nn.Module):
    """Self-attention, attention to a memory (where `crossed`), and a feed-forward part, each after a layer norm."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float, *, crossed: bool) -> None:
        super().__init__()
        self.dropout = dropout
        self.norm_self, self.itself = nn.LayerNorm(dim), TimedAttention(dim, heads)
        self.norm_cross = nn.LayerNorm(dim) if crossed else None
        self.cross = TimedAttention(dim, heads) if crossed else None
        self.norm_feed = nn.LayerNorm(dim)
        self.feed = nn.Sequential(nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, dim))

    def forward(
        self,
        x: Float[Tensor, "B T dim"],
        angles: tuple[Tensor, Tensor],
        visible: Bool[Tensor, "B T"],
        memory: tuple[Tensor, tuple[Tensor, Tensor], Tensor] | None = None,
    ) -> Float[Tensor, "B T dim"]:
        """One layer; `memory` is its tokens, their angles, and which are visible."""

        def kept(part: Tensor) -> Tensor:
            return functional.dropout(part, self.dropout, self.training)

        own = self.norm_self(x)
        x = x + kept(self.itself(own, angles, own, angles, visible))
        if self.cross is not None and self.norm_cross is not None and memory is not None:
            x = x + kept(self.cross(self.norm_cross(x), angles, *memory))
        return x + kept(self.feed(self.norm_feed(x)))


class TimedStack(nn.Module):
    """Layers with a final norm, over [null token, tokens...]; the null stands at time 0 of the window."""

    def __init__(self, layers: int, dim: int, heads: int, hidden: int, dropout: float, *, crossed: bool) -> None:
        super().__init__()
        self.null = nn.Parameter(0.02 * torch.randn(dim))
        self.rotary = Rotary(dim, heads)
        self.layers = nn.ModuleList(TimedLayer(dim, heads, hidden, dropout, crossed=crossed) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self,
        tokens: Float[Tensor, "B T dim"],
        time: Float[Tensor, "B T"],
        visible: Bool[Tensor, "B T"],
        memory: tuple[Tensor, tuple[Tensor, Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor]:
        """Tokens with the null in front, their angles and which are visible: what another stack takes as memory."""
        batch = tokens.shape[0]
        x = torch.cat((self.null.to(tokens.dtype).expand(batch, 1, -1), tokens), 1)
        angles = self.rotary(functional.pad(time, (1, 0)))
        visible = functional.pad(visible, (1, 0), value=True)
        for layer in self.layers:
            x = layer(x, angles, visible, memory)
        return self.norm(x), angles, visible
