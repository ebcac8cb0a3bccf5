"""How close to its arithmetic each system comes: CPU seconds beside multiply-adds over the machine's rate, one thread.

`python benchmarks/bench_limits.py [WORD ...]` prints the rows whose names hold one of the words (all without).

The rate is that of a product of two 1024 x 1024 matrices in float32, the bandwidth that of a sum of 256 MB. Both, and
each form of a row, are measured in turn in one run, and the best of each counts. Multiply-adds are counted from the
operations that run (`torch.utils.flop_counter`). What a row must read from beyond the caches is given by its author;
where reading and arithmetic do not overlap, the two times add up.

A new row is a function without arguments that returns a `Case`, in `ROWS`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest.mock import patch

import bench_render_in_between
import bench_smrnet
import torch
from bench_posegpt import BATCH, model, question, remembered
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop, sdpa_flop

import kinema as kn
import kinema.models.posegpt.model as posegpt_model
import kinema.nn.transformer as transformer
from kinema.core.query import Batch, Query, even_time
from kinema.data.synthetic import perform
from kinema.models.base import FeatureShape, Model
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.models.posegpt.model import PoseGPT
from kinema.models.render_in_between.released import RenderInBetweenReleased
from kinema.models.smrnet.model import SMRNet, _Network
from kinema.nn.transformer import attend
from kinema.pipeline.streaming import Forecaster

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """`run` is timed; `count` is the same work in operations that the counter of multiply-adds knows.

    `before` is an earlier form, `reads` the bytes that must come from beyond the caches, `rest` says what takes the
    rest of the time.
    """

    run: Callable[[], object]
    count: Callable[[], object] | None = None
    before: Callable[[], object] | None = None
    reads: float = 0.0
    rest: str = ""


def posegpt(frames: int) -> Case:
    """Codes of 32 motions by the prior of the paper's sizes: 256 wide, 8 blocks, one token for two frames."""
    prior, asked, tokens = model(), question(frames), frames // 2
    uniform = torch.rand(BATCH, tokens, prior.books)
    run = partial(remembered, prior, asked, uniform)
    weights = sum(p.numel() for p in (*prior.blocks.parameters(), *prior.heads.parameters()))
    kept = 2 * BATCH * prior.config.width * prior.config.layers  # numbers for each token before
    return Case(
        run,
        partial(_plain, run),
        partial(_as_before, run),
        4.0 * (tokens * weights + kept * tokens * (tokens + 1) / 2),
        "weights, keys and values are read anew for each token, the latter for one multiply-add in 4 bytes; "
        "calling small operations takes about 1 ms a token",
    )


def smrnet_step() -> Case:
    """One answer of the network, published size for Human3.6M, for 50 samples of one window."""
    net = bench_smrnet.awake(SMRNet.Config())
    known = torch.ones(1, dtype=torch.bool)
    with torch.inference_mode():
        ask = _Network(net)(net.terms.of(torch.randn(1, 25, 48), known.float()), known)
    x = torch.randn(50, 1, 20, 48)
    return Case(torch.inference_mode()(lambda: ask(x, 500)), rest="norms, GELU, sums")


def smrnet_futures() -> Case:
    """50 futures of 100 frames, published size, in ten steps of second order."""
    net = bench_smrnet.awake(
        SMRNet.Config(prediction="x0", solver="dpm++", steps=10, last_step="clean", completion="estimate")
    )
    return Case(partial(_predicted, net, _past(125, 25, 48, 16, 50.0), 50), rest="the same")


def in_between_step(*, mended: bool) -> Case:
    """Forward and back: 16 x 321 frames as released, 32 x 64 mended; every eighth frame a key of trust 0.5."""
    torch.manual_seed(0)
    if not mended:
        net, batch = RenderInBetweenReleased.Config().build(SHAPE), bench_render_in_between.question(16, 321, 8)
        rest = (
            "weights of attention are dropped: six attentions make, draw and keep 13 million each; heads are 16 wide, "
            "and products so thin run at a quarter of the rate"
        )
        return Case(partial(_step, net, batch), rest=rest)
    pipeline = kn.open("render-in-between")
    assert pipeline.adapter is not None
    net, representation = pipeline.adapter.model, pipeline.adapter.trained_representation()
    clip = perform("walk", seconds=70.0, fps=representation.fps, seed=3)
    target = representation.standardise(representation.encode(representation.read(clip)))[: 32 * 64].unflatten(
        0, (32, 64)
    )
    known = (torch.arange(64) % 8 == 0)[None, :, None].float()
    confidence = 0.5 * known.expand(32, 64, representation.tokens)
    query = Query(
        target * known, confidence, even_time(64, representation.fps, 32), torch.ones(32, 64).bool(), torch.zeros(32, 0)
    )
    rest = (
        "small products run at two thirds of the rate; curves, frames of reference and joints in space, there and back"
    )
    return Case(partial(_step, net.train(), Batch(query, target)), rest=rest)


def in_between_pass(*, mended: bool) -> Case:
    """One clip of 1,601 frames of which every eighth is known, in one pass."""
    if mended:
        pipeline = kn.open("render-in-between")
        assert pipeline.adapter is not None
        net, representation = pipeline.adapter.model, pipeline.adapter.trained_representation()
        clip = perform("walk", seconds=54.0, fps=representation.fps, seed=3)
        observed = representation.standardise(representation.encode(representation.read(clip)))[None, :1601]
        known = (torch.arange(1601) % 8 == 0)[None, :, None].float()
        confidence = 0.5 * known.expand(1, 1601, representation.tokens)
        time, valid = even_time(1601, representation.fps, 1), torch.ones(1, 1601, dtype=torch.bool)
        query = Query(observed * known, confidence, time, valid, torch.zeros(1, 0))
        rest = (
            "the fused attention, as above; local lines are products with Gaussians of all pairs of frames, 122 "
            "columns at three quarters of the rate; making these"
        )
        return Case(partial(_predicted, net.eval(), query, 1), rest=rest)
    torch.manual_seed(0)
    net = RenderInBetweenReleased.Config().build(SHAPE).eval()
    run = partial(_predicted, net, bench_render_in_between.question(1, 1601, 8).query, 1)
    return Case(run, rest="the fused attention: with heads 16 wide, one exponential for 32 multiply-adds")


def conv_seq2seq() -> Case:
    """Eight forecasts of 25 frames from 50, as released on CMU."""
    torch.manual_seed(0)
    config = ConvSeq2Seq.Config(padding="valid", long_frames=49, class_head=True, masks="frame")
    net = config.build(FeatureShape(70, 24, 8)).eval()
    return Case(partial(_predicted, net, _past(75, 50, 70, 70, 25.0, batch=8), 1), rest="copies of patches")


def between_poses() -> Case:
    """90 frames between two poses of a body that the model does not know, by `Pipeline.inbetween`."""
    pipeline = kn.open("render-in-between")
    rest = (
        "20,000 calls of torch, views included: half in the model, a third in going to its skeleton and back. What is "
        "not known is brought to it as well, for a body's rotations depend on the mean over all frames"
    )
    clip = perform("walk", seconds=4.0, fps=30.0, seed=3)
    return Case(partial(pipeline.inbetween, clip[:1], clip[91:92], frames=90), rest=rest)


def streamed_frame() -> Case:
    """The forecast of the newest frame of a stream at 30 per second by simlpe-cmu, for another body."""
    clip = perform("walk", seconds=4.0, fps=30.0, seed=3)
    forecaster = Forecaster.open("simlpe-cmu", clip.skeleton, 30.0)
    for place in range(90):
        forecaster.observe(clip[place : place + 1])
    rest = (
        "9,500 calls of torch, views included: two thirds in going to the model's skeleton and back, anew for the "
        "last second, since rotations depend on the mean over all frames; a sixth in the model"
    )
    return Case(forecaster.futures, rest=rest)


SHAPE = bench_render_in_between.SHAPE
ROWS: dict[str, Callable[[], Case]] = {
    "PoseGPT, codes of 32 x 64 frames": partial(posegpt, 64),
    "PoseGPT, codes of 32 x 240 frames": partial(posegpt, 240),
    "SMRNet, one answer, 50 samples": smrnet_step,
    "SMRNet, 50 futures": smrnet_futures,
    "Render-In-Between, training step, released": partial(in_between_step, mended=False),
    "Render-In-Between, training step, mended": partial(in_between_step, mended=True),
    "Render-In-Between, 1,601 frames, released": partial(in_between_pass, mended=False),
    "Render-In-Between, 1,601 frames, mended": partial(in_between_pass, mended=True),
    "ConvSeq2Seq, 8 forecasts of 25 frames": conv_seq2seq,
    "In-between, 90 frames between two poses": between_poses,
    "Streamed frame, siMLPe": streamed_frame,
}


def _past(frames: int, observed: int, width: int, tokens: int, fps: float, batch: int = 1) -> Query:
    known = (torch.arange(frames) < observed)[None, :, None]
    return Query(
        torch.randn(batch, frames, width) * known,
        known.expand(batch, frames, tokens).float(),
        even_time(frames, fps, batch),
        torch.ones(batch, frames, dtype=torch.bool),
        torch.zeros(batch, 0),
    )


@torch.inference_mode()
def _predicted(net: Model, query: Query, samples: int) -> Tensor:
    return net.predict(query, samples, torch.Generator().manual_seed(0))


def _step(net: Model, batch: Batch) -> None:
    net.zero_grad()
    net.loss(batch, net.phases[0])["loss"].backward()


def _attention(query: list[int], key: list[int], value: list[int], *_: object, **__: object) -> int:
    return sdpa_flop(query, key, value)


def _attention_back(
    out: list[int], query: list[int], key: list[int], value: list[int], *_: object, **__: object
) -> int:
    return sdpa_backward_flop(out, query, key, value)


# The fused kernels of the CPU, which the counter does not know.
_ATTENTION = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_back,
}


class _PairMemory(transformer.Memory):
    """Keys and values side by side, looked at by the fused kernel."""

    def attend(self, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        if self._store is None:
            self._store = key.new_empty(len(key), self.most, 2 * key.shape[-1])
        start, self.length = self.length, self.length + key.shape[1]
        self._store[:, start : self.length] = torch.cat((key, value), -1)
        keys, values = self._store[:, : self.length].chunk(2, -1)
        return attend(query, keys, values, heads, causal=not start)


def _unpacked(prior: PoseGPT, rows: int, keep: object) -> PoseGPT:
    del rows, keep
    return prior


def _plain(run: Callable[[], object]) -> None:
    with patch.object(posegpt_model, "packed", _unpacked):
        run()


def _as_before(run: Callable[[], object]) -> None:
    with patch.object(posegpt_model, "Memory", _PairMemory):
        _plain(run)


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def table(words: list[str], rounds: int = ROUNDS) -> str:
    """The rows, as Markdown."""
    square, long = torch.randn(1024, 1024), torch.randn(2**26)
    cases = {name: make() for name, make in ROWS.items() if not words or any(word in name for word in words)}
    works: dict[tuple[str, str], Callable[[], object]] = {
        ("machine", "rate"): lambda: square @ square,
        ("machine", "bandwidth"): long.sum,
    }
    for name, case in cases.items():
        works[name, "run"] = case.run
        if case.before is not None:
            works[name, "before"] = case.before
    best = dict.fromkeys(works, math.inf)
    for _ in range(rounds):
        for key, work in works.items():
            repeats = 5 if key[0] == "machine" else 1
            best[key] = min(best[key], *(seconds(work) for _ in range(repeats)))
    rate, bandwidth = 1024**3 / best["machine", "rate"], 4 * len(long) / best["machine", "bandwidth"]
    lines = [
        f"{rate / 1e9:.0f} G multiply-adds, {bandwidth / 1e9:.0f} GB a second, one thread, torch {torch.__version__}.",
        "",
        "| | G multiply-adds | limit, s | CPU s | times the limit | before, CPU s | GB read, s | what takes the rest |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, case in cases.items():
        adds, took = multiply_adds(case.count or case.run), best[name, "run"]
        before = f"{best[name, 'before']:.3f}" if case.before is not None else ""
        read = f"{case.reads / 1e9:.2f}, {case.reads / bandwidth:.3f}" if case.reads else ""
        numbers = (f"{adds / 1e9:.2f}", f"{adds / rate:.3f}", f"{took:.3f}", f"{took * rate / adds:.2f}")
        lines.append(f"| {' | '.join((name, *numbers, before, read, case.rest))} |")
    return "\n".join(lines)


def multiply_adds(work: Callable[[], object]) -> float:
    """Half of the floating-point operations of products, convolutions and attention."""
    with FlopCounterMode(display=False, custom_mapping=_ATTENTION) as counter:
        work()
    return counter.get_total_flops() / 2


def test_limits() -> None:
    torch.set_num_threads(1)
    print("\n" + table([]))
    assert all(multiply_adds((case := make()).count or case.run) > 0 for make in ROWS.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(table(sys.argv[1:]))
