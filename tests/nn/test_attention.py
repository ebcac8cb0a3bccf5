"""Attention against its definition, written out."""

import math

import torch

from kinema.nn.transformer import attend


def plainly(query, key, value, heads, allowed):
    parts = []
    for q, k, v in zip(query.chunk(heads, -1), key.chunk(heads, -1), value.chunk(heads, -1), strict=True):
        scores = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(~allowed, -math.inf)
        parts.append(scores.softmax(-1) @ v)
    return torch.cat(parts, -1)


def test_it_is_the_formula_with_a_mask_and_without() -> None:
    query, key, value = torch.randn(2, 5, 12), torch.randn(2, 7, 12), torch.randn(2, 7, 12)
    mask = torch.rand(2, 5, 7) < 0.6
    mask[..., 0] = True
    everything = torch.ones(2, 5, 7, dtype=torch.bool)
    torch.testing.assert_close(attend(query, key, value, 3, mask=mask), plainly(query, key, value, 3, mask))
    torch.testing.assert_close(attend(query, key, value, 3), plainly(query, key, value, 3, everything))


def test_causal_attention_looks_back_only() -> None:
    query = torch.randn(1, 6, 8)
    allowed = torch.ones(6, 6, dtype=torch.bool).tril()
    torch.testing.assert_close(attend(query, query, query, 2, causal=True), plainly(query, query, query, 2, allowed))
