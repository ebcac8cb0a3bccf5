"""Sampling 32 motions of 64 and of 240 frames with PoseGPT's prior (256 wide, 8 blocks), with and without a memory.

`python -m pytest benchmarks/bench_posegpt.py -s`; CPU seconds of one thread, goals 10 and 27 times. "plain" is what the
released code does at every step: the whole prefix again, attention written out, the condition repeated at every token
and mapped with it. The weights are the same, the logits equal to 1e-5.
"""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import Tensor

from kinema.core.query import Query, even_time
from kinema.models.base import FeatureShape
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.quantizers import QuantiserConfig
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.nn.transformer import Block, Memory
from kinema.recipes import recipe

BATCH, CLASSES = 32, 60


def model() -> PoseGPT:
    torch.manual_seed(0)
    shape = FeatureShape(136, 22, CLASSES)
    tokens = PoseTokens.Config(width=16, layers=(1,), heads=2, quantiser=QuantiserConfig(kind="product")).build(shape)
    released = recipe("posegpt-faithful").stages[1].model
    assert isinstance(released, PoseGPT.Config)
    return released.build_on(shape, {"tokens": tokens}).eval()


def question(frames: int) -> Query:
    return Query(
        observed=torch.zeros(BATCH, frames, 136),
        confidence=torch.zeros(BATCH, frames, 22),
        time=even_time(frames, 30.0, BATCH),
        valid=torch.ones(BATCH, frames, dtype=torch.bool),
        action=torch.eye(CLASSES)[torch.arange(BATCH)],
    )


def plain_block(block: Block, x: Tensor) -> Tensor:
    frames = x.shape[1]
    parts = block.ask(block.norm_self(x)).chunk(3, -1)
    query, key, value = (part.unflatten(-1, (block.heads, -1)).transpose(1, 2) for part in parts)
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    scores = scores.masked_fill(torch.ones(frames, frames, dtype=torch.bool).triu(1), -torch.inf)
    x = x + block.leave((scores.softmax(-1) @ value).transpose(1, 2).flatten(-2))
    return x + block.feed(block.norm_feed(x))


def raw(prior: PoseGPT, asked: Query) -> tuple[Tensor, Tensor]:
    """Rows of the tables of actions and lengths, not mapped yet."""
    actions, lengths = prior.inputs.action_table, prior.inputs.length_table
    assert actions is not None
    assert lengths is not None
    return asked.action @ actions.weight[:CLASSES], lengths(asked.valid.sum(1))


def plain_hidden(prior: PoseGPT, told: tuple[Tensor, Tensor], tokens: Tensor) -> Tensor:
    inputs = prior.inputs
    rows = tokens + 1 + prior.codes * torch.arange(prior.books)
    x = inputs.token_table(rows).flatten(-2)
    x = torch.cat((x.new_zeros(len(x), 1, x.shape[-1]), x), 1)
    assert inputs.place_table is not None
    assert inputs.fuse is not None
    place = inputs.place_table[: x.shape[1]].expand_as(x)
    repeated = [part[:, None].expand_as(x) for part in told]
    x = inputs.fuse(torch.cat((x, place, *repeated), -1))
    for block in prior.blocks:
        assert isinstance(block, Block)
        x = plain_block(block, x)
    return prior.norm(x)


@torch.inference_mode()
def plain(prior: PoseGPT, asked: Query, uniform: Tensor) -> Tensor:
    told, tokens = raw(prior, asked), torch.zeros(BATCH, 0, prior.books, dtype=torch.long)
    for step in range(uniform.shape[1]):
        hidden = plain_hidden(prior, told, tokens)[:, -1]
        picked = [prior.config.choice.pick(prior.logits(hidden, [None] * book), uniform[:, step, book])  # pyright: ignore
                  for book in range(prior.books)]  # fmt: skip
        tokens = torch.cat((tokens, torch.stack(picked, -1)[:, None]), 1)
    return tokens


@torch.inference_mode()
def remembered(prior: PoseGPT, asked: Query, uniform: Tensor) -> Tensor:
    none = torch.full((BATCH, uniform.shape[1], prior.books), -1)
    return prior.continue_tokens(asked, none, torch.zeros(BATCH, dtype=torch.long), uniform)


@torch.inference_mode()
def largest_difference(prior: PoseGPT, asked: Query, tokens: Tensor) -> float:
    """Of the logits of both ways on the same tokens."""
    told = prior.inputs.labels(asked)
    memories = [Memory(tokens.shape[1]) for _ in prior.blocks]
    steps = [prior.run(prior.inputs(tokens[:, :0], told), memories)]
    steps += [
        prior.run(prior.inputs(tokens[:, n : n + 1], told, first=n + 1), memories) for n in range(tokens.shape[1] - 1)
    ]
    ways = torch.cat(steps, 1), plain_hidden(prior, raw(prior, asked), tokens[:, :-1])
    return max(float((prior.heads[b](ways[0]) - prior.heads[b](ways[1])).abs().max()) for b in range(prior.books))


@pytest.mark.parametrize(("frames", "least"), [(64, 5), (240, 13)])
def test_sampling(frames: int, least: float) -> None:
    """Half of the goal is asserted, so that a busy machine is not a failure."""
    torch.set_num_threads(1)
    prior, asked = model(), question(frames)
    uniform = torch.rand(BATCH, frames // 2, prior.books)
    seconds: dict[str, float] = {}
    tokens: dict[str, Tensor] = {}
    # In turn, so that a busy machine is busy for both.
    for way in ("remembered", "plain", "remembered"):
        begun = time.process_time()
        tokens[way] = (plain if way == "plain" else remembered)(prior, asked, uniform)
        seconds[way] = min(seconds.get(way, math.inf), time.process_time() - begun)
    ratio, gap = seconds["plain"] / seconds["remembered"], largest_difference(prior, asked, tokens["remembered"])
    print(f"\n32 x {frames} frames: plain {seconds['plain']:.2f} s, remembered {seconds['remembered']:.3f} s, "
          f"{ratio:.1f} times as fast, logits differ by {gap:.1e}")  # fmt: skip
    assert gap < 1e-5
    # A draw that falls on the edge between two codes may go either way, and what follows it with it.
    assert float((tokens["plain"] == tokens["remembered"]).float().mean()) > 0.95
    assert ratio > least
