"""Arithmetic that agrees on every processor to many digits: float64, and one stream of random numbers.

In float32 a golden loss is no fixed number. Vector units of different width add in a different order, and the first
steps of Adam are `lr * sign(gradient)`: where a gradient is zero but for rounding, its sign is rounding as well, and a
GAN's losses differ in the third digit after some ten steps. In float64 such a gradient is far below Adam's epsilon.
The random streams differ, too: `torch.randn` in float32 has a formula for each vector unit (in float64 it has one), and
`bernoulli_` and `multinomial` another algorithm where torch was built with MKL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Compute in float64 whatever is computed inside, with random numbers that no build of torch changes."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with _Float64():
            yield
    finally:
        torch.set_default_dtype(before)


class _Float64(TorchFunctionMode):
    """Reads float32 as float64 where the code names it, and draws by `torch.rand` where torch has several algorithms.

    In float64 `torch.rand` is integer arithmetic.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _REPLACED:
            return _REPLACED[func](*args, **(kwargs or {}))
        return func(*map(_widened, args), **{name: _widened(value) for name, value in (kwargs or {}).items()})


def _widened(value: Any) -> Any:
    return torch.float64 if value is torch.float32 else value


def _dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    assert not inplace
    return x * (torch.rand(x.shape) >= p) / (1 - p) if training and p > 0 else x


def _multinomial(
    weight: Tensor, count: int, replacement: bool = False, *, generator: torch.Generator | None = None
) -> Tensor:
    """The largest of log(weight) + Gumbel noise: draws without replacement."""
    assert count == 1 or not replacement
    noise = -(-torch.rand(weight.shape, generator=generator).log()).log()
    return (weight.log() + noise).topk(count).indices


def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
) -> Tensor:
    if dropout_p == 0:
        return functional.scaled_dot_product_attention(query, key, value, attn_mask, is_causal=is_causal)
    scores = query @ key.mT / query.shape[-1] ** 0.5
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return _dropout(scores.softmax(-1), dropout_p) @ value


def _bernoulli(self: Tensor, p: float = 0.5, *, generator: torch.Generator | None = None) -> Tensor:
    return self.copy_(torch.rand(self.shape, generator=generator) < p)


_REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {
    Tensor.float: Tensor.double,
    Tensor.bernoulli_: _bernoulli,
    torch.multinomial: _multinomial,
    functional.dropout: _dropout,
    functional.scaled_dot_product_attention: _attention,
}
