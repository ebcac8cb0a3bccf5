"""ConvSeq2Seq's roll-out of 25 frames: the straightforward form, and the one that computes every row once.

`python -m pytest benchmarks/bench_conv_seq2seq.py -s`; the environment variable THREADS says how many (default 2). Both
forms take turns in one run, so that a busy machine is busy for both, and give the same numbers. What is timed is CPU
time per thread: forecasting eight windows, and the generator's part of a training step on sixteen.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from kinema.models.base import FeatureShape
from kinema.models.conv_seq2seq.model import ConvSeq2Seq

ROUNDS = 5
MODELS = {
    "released, CMU": (ConvSeq2Seq.Config(padding="valid", long_frames=49, class_head=True, masks="frame"), 70, 8),
    "released, Human3.6M": (ConvSeq2Seq.Config(padding="same", long_frames=49, class_head=True, masks="frame"), 54, 15),
    "mended": (ConvSeq2Seq.Config(padding="front", window=24, masks="frame"), 64, 8),
}


def straightforward(model: ConvSeq2Seq, past: Tensor) -> Tensor:
    """Every window encoded anew by torch's own convolutions, one frame after the other."""
    make, config = model.generator, model.config

    def encode(encoder: torch.nn.Module, frames: Tensor) -> Tensor:
        if config.padding == "front":
            missing = -frames.shape[1] % 8
            frames = torch.cat((frames[:, :1].expand(-1, missing, -1), frames), 1)
        x = frames[:, None]
        for kernel, rate in zip(encoder.kernels, encoder.rates, strict=True):
            if config.padding != "valid":
                height, width = x.shape[2:]
                across = max((-(-width // 2) - 1) * 2 + 7 - width, 0)
                x = functional.pad(x, (across // 2, across - across // 2, 0, height % 2))
            x = functional.leaky_relu(functional.conv2d(x, kernel.permute(3, 2, 0, 1), stride=2), 0.2)
            x = functional.dropout(x, rate, encoder.training)
        return encoder.project(x.permute(0, 2, 3, 1).flatten(1))

    sequence = past
    long = encode(make.long_term, past[:, : config.long_frames])[:, : config.hidden]
    for _ in range(config.predicted):
        code = torch.cat((long, encode(make.short_term, sequence[:, -config.window :])), 1)
        hidden = functional.leaky_relu(make.enter(code), 0.2)
        step = make.leave(functional.dropout(hidden, 0.5 * config.dropout, make.training))
        sequence = torch.cat((sequence, (step + sequence[:, -1])[:, None]), 1)
    return sequence[:, past.shape[1] :]


def rows_once(model: ConvSeq2Seq, past: Tensor) -> Tensor:
    return model.generator(past, model.config.predicted, lambda _, answer: answer)


@pytest.fixture(autouse=True)
def _threads() -> Generator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    yield
    torch.set_num_threads(before)


def seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) / torch.get_num_threads()


@pytest.mark.parametrize("name", MODELS)
def test_the_roll_out(name: str) -> None:
    config, width, classes = MODELS[name]
    torch.manual_seed(0)
    model = config.build(FeatureShape(width, 24, classes))
    eight, sixteen = torch.randn(8, 50, width), torch.randn(16, 50, width)
    with torch.no_grad():
        torch.testing.assert_close(rows_once(model.eval(), eight), straightforward(model, eight), atol=1e-4, rtol=1e-3)

    def forecast(form: Callable[[ConvSeq2Seq, Tensor], Tensor]) -> None:
        with torch.no_grad():
            form(model.eval(), eight)

    def learn(form: Callable[[ConvSeq2Seq, Tensor], Tensor]) -> None:
        form(model.train(), sixteen).square().mean().backward()
        model.zero_grad()

    for what, work in (("forecast", forecast), ("learn", learn)):
        best = {form: float("inf") for form in (straightforward, rows_once)}
        for _ in range(ROUNDS):
            for form in best:
                best[form] = min(best[form], seconds(lambda form=form, work=work: work(form)))
        slow, fast = best[straightforward], best[rows_once]
        print(f"{name}, {what}: {1000 * slow:.0f} ms -> {1000 * fast:.0f} ms, {slow / fast:.1f} times as fast")
        assert slow > fast
