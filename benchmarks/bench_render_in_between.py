"""Render-In-Between: the straightforward form (all frames encoded, attention with dropout or its weights) beside ours.

`python -m pytest benchmarks/bench_render_in_between.py -s`. CPU seconds on one thread; both forms take turns in one
run. Encoding the keys alone gives the same numbers; the mended network's training step has no attention dropout.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from unittest.mock import patch

import pytest
import torch
from torch import Tensor
from torch.nn import functional

import kinema.models.render_in_between.detr as detr
from kinema.core.query import Batch, Query, even_time
from kinema.models.base import FeatureShape
from kinema.models.render_in_between.released import RenderInBetweenReleased

SHAPE = FeatureShape(38, 19)


def question(batch: int, frames: int, rate: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(batch, frames, 38, generator=generator)
    known = (torch.arange(frames) % rate == 0).expand(batch, -1)
    confidence = 0.5 * known[..., None].float().expand(-1, -1, 19)
    valid = torch.ones(batch, frames, dtype=torch.bool)
    return Batch(
        Query(target * known[..., None], confidence, even_time(frames, 60.0, batch), valid, torch.zeros(batch, 0)),
        target,
    )


@contextmanager
def explicit_attention() -> Generator[None]:
    """Attention that makes, drops and returns its weights, as `nn.MultiheadAttention` does by default."""

    def plain(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor, dropout_p: float = 0.0) -> Tensor:
        weights = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + attn_mask).softmax(-1)
        weights = functional.dropout(weights, dropout_p)
        weights.mean(1)  # what is returned beside the answer
        return weights @ v

    with (
        patch.object(functional, "scaled_dot_product_attention", plain),
        patch.object(detr, "dropping_attention", plain),
        patch.object(detr, "dropped", functional.dropout),
    ):
        yield


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def both(plain: Callable[[], object], ours: Callable[[], object], rounds: int) -> float:
    taken: list[tuple[float, float]] = []
    for _ in range(rounds):
        with explicit_attention():
            slow = seconds(plain)
        taken.append((slow, seconds(ours)))
    slow, fast = (min(pair[side] for pair in taken) for side in (0, 1))
    print(f"{slow:.2f} s plain, {fast:.2f} s ours: {slow / fast:.1f} times")
    return slow / fast


def networks(attention_dropout: float) -> tuple[RenderInBetweenReleased, RenderInBetweenReleased]:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    plain = RenderInBetweenReleased.Config(encoder="all").build(SHAPE)
    ours = RenderInBetweenReleased.Config(attention_dropout=attention_dropout).build(SHAPE)
    ours.load_state_dict(plain.state_dict())
    return plain, ours


def test_a_training_step() -> None:
    plain, ours = networks(attention_dropout=0.0)
    batch = question(16, 321, 8)
    assert both(lambda: plain.loss(batch, "model")["loss"].backward(),
                lambda: ours.loss(batch, "model")["loss"].backward(), 3) >= 4  # fmt: skip


@torch.inference_mode()
def test_inference_of_1601_frames() -> None:
    plain, ours = networks(attention_dropout=0.1)
    plain.eval()
    ours.eval()
    query, generator = question(1, 1601, 8).query, torch.Generator()
    with explicit_attention():
        theirs = plain.predict(query, 1, generator)
    assert torch.allclose(theirs, ours.predict(query, 1, generator), atol=1e-4)
    assert both(lambda: plain.predict(query, 1, generator), lambda: ours.predict(query, 1, generator), 3) >= 5


if __name__ == "__main__":
    pytest.main([__file__, "-s"])
