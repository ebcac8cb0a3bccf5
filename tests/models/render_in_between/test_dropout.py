"""Dropout as it is drawn on a CPU."""

from __future__ import annotations

import torch
from torch.nn import functional

from kinema.models.render_in_between.detr import DetrAttention, dropped, dropping_attention


def test_a_share_is_dropped_and_the_mean_stays() -> None:
    torch.manual_seed(0)
    kept = dropped(torch.ones(1000, 1001), 0.1)
    assert kept.unique().tolist() == [0.0, kept.max().item()]
    assert abs(float((kept == 0).float().mean()) - 0.1) < 0.0015  # five deviations of a million draws
    assert abs(float(kept.mean()) - 1) < 0.0017
    rows = (kept == 0).float().mean(1)
    assert float(rows.std()) < 0.012  # sqrt(0.09 / 1001) = 0.0095: entries are independent


def test_masks_come_from_torchs_seed() -> None:
    x = torch.ones(3, 50)
    torch.manual_seed(4)
    first, second = dropped(x, 0.5), dropped(x, 0.5)
    assert not torch.equal(first, second)
    torch.manual_seed(4)
    assert torch.equal(first, dropped(x, 0.5))


def test_nothing_and_everything() -> None:
    x = torch.rand(7)
    assert torch.equal(dropped(x, 0.0), x)
    assert torch.equal(dropped(x, 1.0), torch.zeros(7))


def test_attention_is_the_usual_one_with_weights_dropped() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 2, 4, 9, 5).unbind(0)
    mask = torch.where(torch.arange(9) < 7, 0.0, -torch.inf).expand(2, 1, 1, 9)
    usual = functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    many = torch.stack([dropping_attention(query, key, value, mask, 0.1) for _ in range(4000)]).mean(0)
    torch.testing.assert_close(many, usual, atol=0.05, rtol=0)
    torch.testing.assert_close(dropping_attention(query, key, value, mask, 0.0), usual)


def test_weights_are_dropped_in_training_alone() -> None:
    torch.manual_seed(0)
    layer, x = DetrAttention(8, 2, 0.5), torch.randn(1, 6, 8)
    mask = torch.zeros(1, 1, 6)
    assert not torch.equal(layer(x, x, x, mask), layer(x, x, x, mask))
    layer.eval()
    assert torch.equal(layer(x, x, x, mask), layer(x, x, x, mask))
