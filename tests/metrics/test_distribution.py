"""Distances of distributions against closed forms, scipy's matrix root and slow kernel sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import linalg
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.metrics import distribution
from kinema.metrics.distribution import Moments, frechet_distance, kernel_distance


def drawn(rows: int, feats: int, seed: int) -> Tensor:
    return torch.randn(rows, feats, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_is_scipys() -> None:
    x, y = drawn(200, 6, 0) @ drawn(6, 6, 1) + 3, drawn(150, 6, 2)
    one, other = np.cov(x.double().numpy(), rowvar=False), np.cov(y.double().numpy(), rowvar=False)
    apart = float(((x.double().mean(0) - y.double().mean(0)) ** 2).sum())
    expected = apart + np.trace(one) + np.trace(other) - 2 * np.trace(linalg.sqrtm(one @ other)).real
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-8)


def test_frechet_distance_of_a_set_to_itself_is_nothing_even_without_full_rank() -> None:
    x = drawn(8, 30, 3)
    assert frechet_distance(Moments.of(x), Moments.of(x)) < 1e-12
    assert frechet_distance(Moments.of(x), Moments.of(x.flip(0))) < 1e-10


def test_frechet_distance_of_a_shift_is_its_square() -> None:
    x = drawn(50, 4, 4).double()
    assert frechet_distance(Moments.of(x), Moments.of(x + 2)) == pytest.approx(16.0, rel=1e-9)
    assert frechet_distance(Moments.of(x), Moments.of(3 * x - 2 * x.mean(0))) == pytest.approx(
        4 * float(x.var(0).sum()), rel=1e-9
    )


def test_moments_in_parts_are_those_of_the_whole() -> None:
    x = drawn(90, 5, 5) + 1000
    parts = Moments.of(x[:7]).add(x[7:50]).add(x[50:])
    torch.testing.assert_close(parts.mean, x.double().mean(0))
    torch.testing.assert_close(parts.covariance, x.double().T.cov(), rtol=1e-9, atol=1e-9)


def test_one_vector_has_no_covariance() -> None:
    with pytest.raises(UsageError, match="at least two feature vectors"):
        frechet_distance(Moments.of(drawn(1, 3, 0)), Moments.of(drawn(4, 3, 0)))


@pytest.mark.parametrize("block", [2048, 3])
def test_kernel_distances_are_what_loops_find(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distribution, "_BLOCK", block)
    x, y = drawn(8, 3, 6).double(), drawn(5, 3, 7).double() + 0.5

    def polynomial(a: Tensor, b: Tensor) -> float:
        return (float(a @ b) / 3 + 1) ** 3

    def mmd(kernel: object, unbiased: bool) -> float:
        assert callable(kernel)

        def within(z: Tensor) -> float:
            pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if i != j or not unbiased]
            return sum(kernel(z[i], z[j]) for i, j in pairs) / len(pairs)

        return within(x) + within(y) - 2 * sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))

    assert kernel_distance(x, y) == pytest.approx(mmd(polynomial, True), rel=1e-9)
