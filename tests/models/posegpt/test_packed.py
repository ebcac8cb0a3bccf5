"""Linear maps laid out for many products: the same answers, the same parts, nothing where nothing is gained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from kinema.models.posegpt.sampling import PackedLinear, packed

needs_kernels = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="needs oneDNN")


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.Linear(96, 48, bias=False), nn.LayerNorm(48)).eval()


@needs_kernels
@pytest.mark.parametrize("shape", [(1, 64), (32, 1, 64), (2, 3, 5, 64), (0, 64)])
def test_the_answers_are_the_same(shape: tuple[int, ...]) -> None:
    plain = network()
    with torch.inference_mode():
        ready = packed(plain, 32)
        x = torch.randn(shape)
        assert isinstance(ready[0], PackedLinear)
        # Sums of 64 and 96 numbers of about 1, in another order.
        assert torch.allclose(ready(x), plain(x), atol=1e-5)


@needs_kernels
@torch.no_grad()
def test_parameters_are_shared_and_what_is_kept_stays() -> None:
    plain = network()
    ready = packed(plain, 4, keep=[plain[2]])
    assert ready[2] is plain[2]
    assert ready[3].weight is plain[3].weight
    assert ready[0].bias is plain[0].bias
    assert isinstance(plain[0], nn.Linear)  # itself it is as it was


def test_where_there_is_nothing_to_gain_it_is_the_module_itself() -> None:
    plain = network()
    assert packed(plain, 4) is plain  # gradients
    with torch.no_grad():
        assert packed(plain.double(), 4) is plain
        with torch.autocast("cpu", torch.bfloat16):
            assert packed(plain.float(), 4) is plain
