"""Render-In-Between's released network written down plainly, with torch's own attention and the released names."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class EncoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, waves: Tensor, padding: Tensor, own: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.self_attn(y + waves, y + waves, y, attn_mask=own, key_padding_mask=padding)[0]
        return x + self.linear2(functional.leaky_relu(self.linear1(self.norm2(x))))


class DecoderLayer(nn.Module):
    def __init__(self, dim: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(dim, heads, batch_first=True)
        self.linear1, self.linear2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, waves: Tensor, padding: Tensor, memory: Tensor, unseen: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.self_attn(y + waves, y + waves, y, key_padding_mask=padding)[0]
        y = self.norm2(x)
        x = x + self.multihead_attn(y + waves, memory + waves, memory, key_padding_mask=unseen)[0]
        return x + self.linear2(functional.leaky_relu(self.linear1(self.norm3(x))))


class Stack(nn.Module):
    def __init__(self, layers: list[nn.Module], dim: int) -> None:
        super().__init__()
        self.layers, self.norm = nn.ModuleList(layers), nn.LayerNorm(dim)


class Plain(nn.Module):
    """`seen` is zero where nothing is known; keys are known, the frames from `length` on are padding."""

    def __init__(self, width: int = 38, dim: int = 128, heads: int = 8, hidden: int = 256, layers: int = 6) -> None:
        super().__init__()
        self.input_embed, self.joints_embed = nn.Linear(width, dim), nn.Linear(dim, width)
        self.encoder = Stack([EncoderLayer(dim, heads, hidden) for _ in range(layers)], dim)
        self.decoder = Stack([DecoderLayer(dim, heads, hidden) for _ in range(layers)], dim)

    def forward(self, observed: Tensor, known: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """The cleaned frames and the answer; `known` [T] and `valid` [T] are those of a window by itself."""
        frames, dim = observed.shape[1], self.input_embed.out_features
        angle = 2 * math.pi * torch.arange(frames) / (frames - 1 + 1e-6)  # of the window, padding included
        rate = torch.tensor([10_000.0 ** (-2 * (i // 2) / (dim // 2)) for i in range(dim // 2)])
        waves = torch.stack(((angle[:, None] * rate).sin(), (angle[:, None] * rate).cos()), -1).flatten(1)[None]
        x = self.input_embed(observed)
        for layer in self.encoder.layers:
            x = layer(x, waves, ~known[None], torch.eye(frames))
        memory = self.encoder.norm(x)
        cleaned = self.joints_embed(memory) + observed
        at = known.nonzero()[:, 0]
        centre = torch.zeros_like(observed)
        for frame in range(frames):
            before = at[at <= frame].amax()
            after = at[at >= frame].amin() if bool((at >= frame).any()) else before
            share = 0.0 if before == after else (frame - float(before)) / float(after - before)
            centre[:, frame] = (1 - share) * cleaned[:, before] + share * cleaned[:, after]
        y = self.input_embed(centre)
        for layer in self.decoder.layers:
            y = layer(y, waves, ~valid[None], memory, ~known[None])
        return cleaned, self.joints_embed(self.decoder.norm(y)) + centre
