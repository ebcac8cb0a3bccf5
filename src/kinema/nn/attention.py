"""Scaled dot-product attention with several heads, through the fused kernel."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
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

    `mask` is True where a token may look (bool), or is added to the scores (float); a token must be left at least one
    source. With `causal` token t looks at the sources 0..t. `dropout` is the share of weights that is dropped; above 0
    it keeps torch from the fused kernel.
    """

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    shown = None if mask is None else mask[:, None]
    parts = tuple(split(each) for each in (query, key, value))
    if query.device.type == "cpu" and torch.is_grad_enabled():
        # The way back of the fused kernel in bfloat16 takes four times as long on a CPU as in float32.
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
