"""Parts of transformers: attention, causal blocks with a memory, and convolutions that halve or double the rate."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional


def attend(
    query: Float[Tensor, "batch token dim"],
    key: Float[Tensor, "batch source dim"],
    value: Float[Tensor, "batch source dim"],
    heads: int,
    *,
    mask: Bool[Tensor, "#batch #token source"] | Float[Tensor, "#batch #token source"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "batch token dim"]:
    """Attention of every token to the sources, softmax(q k / sqrt(dim / heads)) v in each head, the heads side by side.

    `mask` is True where a token may attend (bool), or is added to the scores (float); every token needs at least one
    source. With `causal` token t attends to the sources 0..t. `dropout` is the share of weights that is dropped; above
    0 torch does not use its fused kernel.
    """

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    shown = None if mask is None else mask[:, None]
    parts = tuple(split(each) for each in (query, key, value))
    if query.device.type == "cpu" and torch.is_grad_enabled():
        # On a CPU the backward pass of the fused kernel takes four times as long in bfloat16 as in float32.
        with torch.autocast("cpu", enabled=False):
            answer = functional.scaled_dot_product_attention(
                *(part.to(torch.promote_types(part.dtype, torch.float32)) for part in parts),
                attn_mask=shown,
                is_causal=causal,
                dropout_p=dropout,
            ).to(value.dtype)
    else:
        answer = functional.scaled_dot_product_attention(*parts, attn_mask=shown, is_causal=causal, dropout_p=dropout)
    return answer.transpose(1, 2).flatten(-2)


def rotate_pairs(
    one: Float[Tensor, "*b pair"], other: Float[Tensor, "*b pair"], angles: tuple[Tensor, Tensor]
) -> tuple[Float[Tensor, "*b pair"], Float[Tensor, "*b pair"]]:
    """Rotary attention (Su et al. 2021): every pair of channels (`one`, `other`) rotated by its angle in the plane.

    `angles` are cosines and sines, which broadcast to the pairs. Two tokens' score then depends on the difference of
    their angles alone.
    """
    cosine, sine = (part.to(one.dtype) for part in angles)
    return one * cosine - other * sine, one * sine + other * cosine


class Memory:
    """Keys and values of the tokens that one block has processed, at most `most` of them."""

    def __init__(self, most: int) -> None:
        self.most, self.length = most, 0
        self._store: Tensor | None = None  # [2, batch, head, most, dim / heads]

    def attend(
        self,
        query: Float[Tensor, "batch token dim"],
        key: Float[Tensor, "batch token dim"],
        value: Float[Tensor, "batch token dim"],
        heads: int,
    ) -> Float[Tensor, "batch token dim"]:
        """Adds keys and values; the first tokens attend causally to each other, a later one to all stored."""
        split, new_key, new_value = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in (query, key, value))
        start, self.length = self.length, self.length + key.shape[1]
        keys, values = self._room(new_key)[:, :, :, : self.length]
        keys[:, :, start:], values[:, :, start:] = new_key, new_value
        if not start:
            answer = functional.scaled_dot_product_attention(split, new_key, new_value, is_causal=True)
        else:  # for one row of weights two products are faster than the fused kernel
            weights = (keys @ (split * split.shape[-1] ** -0.5).mT).softmax(-2)
            answer = weights.mT @ values
        return answer.transpose(1, 2).flatten(-2)

    def _room(self, new: Float[Tensor, "batch head token dim"]) -> Float[Tensor, "2 batch head room dim"]:
        """The store, doubled where it is full, so that what is read together is close together in memory."""
        held = self._store
        if held is None or held.shape[3] < self.length:
            twice = max(16, self.length, 0 if held is None else 2 * held.shape[3])
            self._store = new.new_empty(2, *new.shape[:2], min(self.most, twice), new.shape[3])
            if held is not None:
                self._store[:, :, :, : held.shape[3]] = held
        assert self._store is not None
        return self._store


class Block(nn.Module):
    """x + attention(norm x), then x + mlp(norm x), with an inner width of four times `dim` and a GELU.

    Linear maps start at N(0, 0.02). With `rotary` queries and keys are rotated by their position (Su et al. 2021), so
    only the distance of two tokens matters. `attention_dropout` drops weights of attention.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        dropout: float,
        *,
        causal: bool,
        rotary: bool = False,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads, self.causal, self.rotary, self.attention_dropout = heads, causal, rotary, attention_dropout
        self.norm_self, self.norm_feed = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.ask, self.leave = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.feed = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        self.dropout = nn.Dropout(dropout)
        for layer in (self.ask, self.leave, self.feed[0], self.feed[2]):
            start_small(layer)

    def forward(
        self,
        x: Float[Tensor, "batch token dim"],
        mask: Bool[Tensor, "batch token"] | None = None,
        memory: Memory | None = None,
    ) -> Float[Tensor, "batch token dim"]:
        """One block. `mask` is True for the tokens that exist, which are the first; a causal block needs none.

        With `memory` the tokens follow the stored ones: any number of them at first, then one at a time.
        """
        query, key, value = self.ask(self.norm_self(x)).chunk(3, -1)
        before = 0 if memory is None else memory.length
        if self.rotary:
            query, key = (rotated_by_place(each, self.heads, before) for each in (query, key))
        if memory is not None:
            answer = memory.attend(query, key, value, self.heads)
        else:
            answer = self._attend(query, key, value, mask)
        x = x + self.dropout(self.leave(answer))
        return x + self.dropout(self.feed(self.norm_feed(x)))

    def _attend(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
        shown = None
        if mask is not None:
            # A row without any token must attend to something.
            shown = (mask | ~mask.any(1, keepdim=True))[:, None]
            if self.causal:
                shown = shown & shown.new_ones(query.shape[1], query.shape[1]).tril()
        causal, dropped = self.causal and mask is None, self.attention_dropout if self.training else 0.0
        return attend(query, key, value, self.heads, mask=shown, causal=causal, dropout=dropped)


def rotated_by_place(x: Float[Tensor, "batch token dim"], heads: int, first: int) -> Float[Tensor, "batch token dim"]:
    """Every head's pairs of numbers rotated by angles proportional to the position, which starts at `first`."""
    half = x.shape[-1] // heads // 2
    rates = torch.exp(torch.arange(half, device=x.device) * (-math.log(1000.0) / half))
    angles = torch.arange(first, first + x.shape[1], device=x.device)[:, None, None] * rates
    one, other = x.unflatten(-1, (heads, 2, half)).unbind(-2)
    return torch.stack(rotate_pairs(one, other, (angles.cos(), angles.sin())), -2).flatten(-3)


def start_small(layer: nn.Module) -> None:
    """Weights from N(0, 0.02), no bias."""
    for name, weight in layer.named_parameters(recurse=False):
        if name == "bias":
            nn.init.zeros_(weight)
        else:
            nn.init.normal_(weight, std=0.02)


def sinusoid(places: Int[Tensor, "*b"], dim: int, *, interleaved: bool = False) -> Float[Tensor, "*b dim"]:
    """Sines, then cosines, of positions at wavelengths from 2 pi to 20,000 pi tokens (Vaswani et al. 2017).

    `interleaved`: sine and cosine of each wavelength are side by side, as in PoseGPT's code.
    """
    rates = torch.exp(torch.arange(dim // 2, device=places.device) * (-math.log(10_000.0) / (dim // 2)))
    angles = places[..., None] * rates
    waves = angles.sin(), angles.cos()
    joined = torch.stack(waves, -1).flatten(-2) if interleaved else torch.cat(waves, -1)
    return functional.pad(joined, (0, dim % 2))


Trim = Literal["front", "back"]
Padding = Literal["absent", "seen"]


class Halve(nn.Module):
    """Two frames become one token: a convolution, then the larger of each pair ("conv"), or a linear map ("cat").

    If `causal`, the convolution reads a frame and the one before it, so token i depends on frames up to 2 i + 1;
    otherwise it reads one frame on either side. A token exists if its first frame does. Masked frames are zeros; with
    `padding` "seen" their values are read, and masked tokens keep the result, as in PoseGPT's code.
    """

    def __init__(
        self, dim: int, *, causal: bool, kind: Literal["conv", "cat"] = "conv", padding: Padding = "absent"
    ) -> None:
        super().__init__()
        self.causal, self.padding = causal, padding
        self.conv = nn.Conv1d(dim, dim, 2 if causal else 3, padding=0 if causal else 1) if kind == "conv" else None
        self.pair = nn.Linear(2 * dim, dim) if kind == "cat" else None

    def forward(
        self, x: Float[Tensor, "batch frame dim"], mask: Bool[Tensor, "batch frame"]
    ) -> tuple[Float[Tensor, "batch token dim"], Bool[Tensor, "batch token"]]:
        """Tokens and their mask; the last frame of an odd number gives none."""
        x = x * mask[..., None] if self.padding == "absent" else x
        tokens = mask[:, ::2]
        if self.pair is not None:
            return self.pair(x.unflatten(1, (-1, 2)).flatten(-2)), tokens
        assert self.conv is not None
        channels = x.transpose(1, 2)
        out = self.conv(nn.functional.pad(channels, (1, 0)) if self.causal else channels)
        there = out.masked_fill(~mask[:, None], torch.finfo(out.dtype).min)
        if torch.compiler.is_exporting():  # pooling would fix the length of the graph's sequences
            pooled = there.unflatten(-1, (-1, 2)).amax(-1)
        else:
            pooled = nn.functional.max_pool1d(there, 2)
            tokens = tokens[:, : pooled.shape[2]]
        left = 0.0 if self.padding == "absent" else nn.functional.max_pool1d(out, 2)
        return torch.where(tokens[:, None], pooled, left).transpose(1, 2), tokens


class Double(nn.Module):
    """A token becomes two frames: a transposed convolution, whose one extra frame is cut off.

    `trim` "back" cuts the last: frame f depends on tokens up to f // 2. "front" cuts the first, as PoseGPT's code does:
    every odd frame then depends on the token after its own. `padding` "seen" reads the values of masked tokens.
    """

    def __init__(self, dim: int, trim: Trim, *, padding: Padding = "absent") -> None:
        super().__init__()
        self.trim, self.padding = trim, padding
        self.conv = nn.ConvTranspose1d(dim, dim, 3, stride=2)

    def forward(
        self, x: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch frame dim"]:
        """Twice as many frames."""
        x = x * mask[..., None] if self.padding == "absent" else x
        out = self.conv(x.transpose(1, 2))
        return (out[..., 1:] if self.trim == "front" else out[..., :-1]).transpose(1, 2)
