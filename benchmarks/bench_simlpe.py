"""A training step of siMLPe (48 linear blocks, batch 256, 50 frames, 66 features) in the laid-out and the plain form.

`python -m pytest benchmarks/bench_simlpe.py` (extra `bench`). The plain form keeps batch x feature x frame and turns
the tensor round for the layer norm of every block, as the formula is usually written; the outputs are the same.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from kinema.models.base import FeatureShape
from kinema.models.simlpe.model import LinearMixing, SiMLPe

torch.set_num_threads(1)


class Plain(nn.Module):
    """The same network with the same weights, written down block by block."""

    def __init__(self, model: SiMLPe) -> None:
        super().__init__()
        self.model = model

    def forward(self, past: Tensor) -> Tensor:
        model, basis = self.model, self.model.to_tokens
        x = model.enter(torch.einsum("kn,bnf->bkf", basis, past)).transpose(1, 2)
        for block in model.blocks:
            assert isinstance(block, LinearMixing)
            mixed = block.norm(block.mix(x).transpose(1, 2)).transpose(1, 2)
            x = x + mixed
        frames = torch.einsum("kn,bkf->bnf", basis, model.leave(x.transpose(1, 2)))
        return frames[:, : model.config.predicted] + past[:, -1:]


@pytest.fixture(scope="module")
def forms() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    model = SiMLPe.Config().build(FeatureShape(66, 22))
    for weight in model.parameters():  # away from the tiny initial values, so that every block counts
        nn.init.normal_(weight, std=0.05)
    return {"laid out": model, "plain": Plain(model)}


def step(form: nn.Module, past: Tensor) -> None:
    form(past).square().mean().backward()


@pytest.mark.parametrize("form", ["laid out", "plain"])
def test_step(form: str, forms: dict[str, nn.Module], benchmark: Callable[..., object]) -> None:
    past = torch.randn(256, 50, 66)
    benchmark(step, forms[form], past)


def test_ratio_with_equal_outputs(forms: dict[str, nn.Module]) -> None:
    past = torch.randn(256, 50, 66)
    with torch.inference_mode():
        assert torch.allclose(forms["laid out"](past), forms["plain"](past), rtol=1e-4, atol=1e-4)
    times: dict[str, list[float]] = {name: [] for name in forms}
    for _ in range(9):
        for name, form in forms.items():  # in turn, so that a busy machine is busy for both
            begun = time.perf_counter()
            step(form, past)
            times[name].append(time.perf_counter() - begun)
    ratio = statistics.median(times["plain"]) / statistics.median(times["laid out"])
    print(f"plain / laid out: {ratio:.2f}")
    assert ratio > 1.2
