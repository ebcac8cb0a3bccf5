"""SMRNet's network, at the published size for Human3.6M, in the fast and the plain form; and fifty futures end to end.

`python -m pytest benchmarks/bench_smrnet.py -s`. CPU seconds of one thread. The plain form (`tests/plain_smrnet.py`)
computes everything for every sample, as the formula is usually written; the weights are the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from kinema.core.query import Query, even_time
from kinema.models.base import FeatureShape
from kinema.models.smrnet.diffusion import DiffusionSampler
from kinema.models.smrnet.model import SMRNet, _Network

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from plain_smrnet import Plain

torch.set_num_threads(1)
SAMPLES = 50


def awake(config: SMRNet.Config) -> SMRNet:
    """Weights at which every layer counts."""
    torch.manual_seed(0)
    model = config.build(FeatureShape(48, 16)).eval()
    for weight in model.parameters():
        if weight.ndim == 2 and weight.shape[0] == weight.shape[1]:
            nn.init.normal_(weight, std=weight.shape[0] ** -0.5)
    nn.init.normal_(model.denoiser.leave.weight, std=0.05)
    return model


def best(work: Callable[[], object], repeats: int) -> float:
    times: list[float] = []
    for _ in range(repeats):
        begun = time.process_time()
        work()
        times.append(time.process_time() - begun)
    return min(times)


@torch.inference_mode()
def test_one_call_for_fifty_samples() -> None:
    model = awake(SMRNet.Config())
    plain = Plain(model.denoiser)
    known = torch.ones(1, dtype=torch.bool)
    x, window = torch.randn(SAMPLES, 1, 20, 48), model.terms.of(torch.randn(1, 25, 48), known.float())
    every = model.coefficients.encode(window.held).expand(SAMPLES, -1, -1)
    level = torch.full((SAMPLES,), 500)
    fast = _Network(model)(window, known)
    model.config = replace(model.config, precision="bfloat16")
    half = _Network(model)(window, known)
    expected = plain(x[:, 0], level, every)

    def error(found: Tensor) -> float:
        return float((found[:, 0] - expected).norm() / expected.norm())

    # In turn, so that a busy machine is busy for all.
    works = {"plain": lambda: plain(x[:, 0], level, every), "fast": lambda: fast(x, 500), "half": lambda: half(x, 500)}
    times = dict.fromkeys(works, float("inf"))
    for _ in range(12):
        times = {name: min(times[name], best(work, 1)) for name, work in works.items()}
    ratios = {name: times["plain"] / times[name] for name in ("fast", "half")}
    print(f"\nplain {times['plain']:.3f} s; float32 {ratios['fast']:.2f} times faster, error {error(fast(x, 500)):.1e}")
    print(f"bfloat16 {ratios['half']:.2f} times faster, error {error(half(x, 500)):.1e}")
    assert error(fast(x, 500)) < 1e-5
    assert error(half(x, 500)) < 0.03
    assert times["plain"] / times["fast"] > 1.3


@torch.inference_mode()
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fifty_futures_end_to_end(precision: str) -> None:
    """A hundred DDIM steps of the plain form, against ten steps of second order with half the arithmetic in each."""
    model = awake(SMRNet.Config(prediction="x0", solver="dpm++", steps=10, last_step="clean", completion="estimate"))
    model.config = replace(model.config, precision=precision)  # pyright: ignore[reportArgumentType]
    plain = Plain(model.denoiser)
    known = (torch.arange(125) < 25)[None, :, None]
    query = Query(
        torch.randn(1, 125, 48) * known,
        known.expand(1, 125, 16).float(),
        even_time(125, 50.0, 1),
        torch.ones(1, 125, dtype=torch.bool),
        torch.zeros(1, 0),
    )
    observation = torch.randn(1, 20, 48).expand(SAMPLES, -1, -1)
    walk = DiffusionSampler(model._alpha_bar, 100, "x0", "ddim", "noisy")

    def released() -> Tensor:
        return walk.run(
            lambda x, level: plain(x, torch.full((SAMPLES,), level), observation),
            torch.randn(SAMPLES, 20, 48),
            draw=lambda: torch.randn(SAMPLES, 20, 48),
        )

    slow = best(released, 1)
    quick = best(lambda: model.predict(query, SAMPLES, torch.Generator().manual_seed(0)), 3)
    print(f"\n{precision}: 100 steps plain {slow:.1f} s, 10 steps {quick:.2f} s: {slow / quick:.0f} times faster")
    assert slow / quick > 10
