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

import torch
from bench_posegpt import BATCH, model, question, remembered
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

import kinema.models.posegpt.model as posegpt_model
import kinema.nn.causal_transformer as transformer
from kinema.models.posegpt.model import PoseGPT
from kinema.nn.attention import attend

ROUNDS = 5


@dataclass(frozen=True)
class Case:
    """`run` is timed; `count` is the same work in operations that the counter of multiply-adds knows.

    `before` is an earlier form, `reads` the bytes that must come from beyond the caches, `rest` says what takes the
    rest of the time.
    """

    run: Callable[[], object]
    count: Callable[[], object]
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


ROWS: dict[str, Callable[[], Case]] = {
    "PoseGPT, codes of 32 x 64 frames": partial(posegpt, 64),
    "PoseGPT, codes of 32 x 240 frames": partial(posegpt, 240),
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


def table(words: list[str]) -> str:
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
    for _ in range(ROUNDS):
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
        adds, took = multiply_adds(case.count), best[name, "run"]
        before = f"{best[name, 'before']:.3f}" if case.before is not None else ""
        read = f"{case.reads / 1e9:.2f}, {case.reads / bandwidth:.3f}" if case.reads else ""
        numbers = (f"{adds / 1e9:.2f}", f"{adds / rate:.3f}", f"{took:.3f}", f"{took * rate / adds:.2f}")
        lines.append(f"| {' | '.join((name, *numbers, before, read, case.rest))} |")
    return "\n".join(lines)


def multiply_adds(work: Callable[[], object]) -> float:
    """Half of the floating-point operations of products, convolutions and attention."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / 2


def test_limits() -> None:
    torch.set_num_threads(1)
    print("\n" + table([]))
    assert all(multiply_adds(make().count) > 0 for make in ROWS.values())


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(table(sys.argv[1:]))
