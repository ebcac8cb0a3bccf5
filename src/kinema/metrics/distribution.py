"""How far two sets of feature vectors are from one another as distributions. Float64 throughout; nothing is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError

_BLOCK = 2048  # rows of a kernel matrix at a time: 32 MB


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of feature vectors that are handed over a part at a time: `Moments.of(x).add(y)`.

    Sums are taken about `origin`, so that features far from zero lose no digits.
    """

    origin: Float[Tensor, " feat"]
    count: int
    total: Float[Tensor, " feat"]
    outer: Float[Tensor, "feat feat"]

    @classmethod
    def of(cls, features: Float[Tensor, "row feat"]) -> Moments:
        """The moments of one set."""
        origin = features.double().mean(0)
        return cls(origin, 0, torch.zeros_like(origin), torch.outer(origin, origin)).emptied().add(features)

    def emptied(self) -> Moments:
        """Moments of nothing yet, with sums about the same origin."""
        return Moments(self.origin, 0, torch.zeros_like(self.total), torch.zeros_like(self.outer))

    def add(self, features: Float[Tensor, "row feat"]) -> Moments:
        """These and more."""
        more = features.double() - self.origin
        return Moments(self.origin, self.count + len(more), self.total + more.sum(0), self.outer + more.T @ more)

    @property
    def mean(self) -> Float[Tensor, " feat"]:
        """Mean of every feature."""
        return self.origin + self.total / self.count

    @property
    def covariance(self) -> Float[Tensor, "feat feat"]:
        """Unbiased. Raises UsageError where there are fewer than two vectors."""
        if self.count < 2:
            raise UsageError(
                expected="at least two feature vectors", got=f"{self.count}", cure="Compare larger sets of motion."
            )
        off = self.total / self.count
        return (self.outer - self.count * torch.outer(off, off)) / (self.count - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2), between the Gaussians with these moments ("FID" on learnt features).

    tr (C1 C2)^1/2 is the sum of the singular values of C1^1/2 C2^1/2, which needs no root of a matrix that is not
    symmetric and stands up to covariances that are not of full rank.
    """
    apart = ((first.mean - second.mean) ** 2).sum()
    one, other = first.covariance, second.covariance
    shared = torch.linalg.svdvals(_root(one) @ _root(other)).sum()
    return max(0.0, float(apart + one.trace() + other.trace() - 2 * shared))


def kernel_distance(first: Float[Tensor, "row feat"], second: Float[Tensor, "other feat"], *, degree: int = 3) -> float:
    """KID: the unbiased squared MMD under the kernel (x.y / d + 1)^degree (Binkowski et al. 2018), over whole sets.

    It may be a little below 0. Raises UsageError where a set has fewer than two vectors.
    """
    feats = first.shape[1]
    return _mmd(first, second, lambda x, y: (x @ y.T / feats + 1) ** degree, unbiased=True)


def gaussian_mmd(
    first: Float[Tensor, "row feat"],
    second: Float[Tensor, "other feat"],
    *,
    bandwidths: Sequence[float],
    unbiased: bool = False,
) -> float:
    """Squared MMD under the mean of Gaussian kernels exp(-|x - y|^2 / (2 s^2)), s in the unit of the features.

    The biased form is never below 0 and 0 for equal sets; the unbiased one leaves out pairs of a vector with itself.
    Raises UsageError where a set has fewer than two vectors or a bandwidth is not positive.
    """
    if not bandwidths or min(bandwidths) <= 0:
        raise UsageError(expected="at least one positive bandwidth", got=str(tuple(bandwidths)), cure="Name another.")

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squared = torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        return torch.stack([torch.exp(-squared / (2 * width**2)) for width in bandwidths]).mean(0)

    return _mmd(first, second, kernel, unbiased=unbiased)


def median_distance(first: Float[Tensor, "row feat"], second: Float[Tensor, "other feat"]) -> float:
    """The median distance between vectors of the two sets together: the usual bandwidth of a Gaussian kernel."""
    return float(torch.pdist(torch.cat((first, second)).double()).median())


def _mmd(first: Tensor, second: Tensor, kernel: Callable[[Tensor, Tensor], Tensor], *, unbiased: bool) -> float:
    if min(len(first), len(second)) < 2:
        raise UsageError(
            expected="two sets of at least two feature vectors",
            got=f"{len(first)} and {len(second)}",
            cure="Compare larger sets of motion.",
        )
    first, second = first.double(), second.double()
    within = sum(_mean_within(some, kernel, unbiased=unbiased) for some in (first, second))
    across = sum(float(kernel(some, second).sum()) for some in first.split(_BLOCK)) / (len(first) * len(second))
    return within - 2 * across


def _mean_within(some: Tensor, kernel: Callable[[Tensor, Tensor], Tensor], *, unbiased: bool) -> float:
    count, total = len(some), 0.0
    for begin in range(0, count, _BLOCK):
        values = kernel(some[begin : begin + _BLOCK], some)
        total += float(values.sum() - (values.diagonal(begin).sum() if unbiased else 0.0))
    return total / (count * (count - 1 if unbiased else count))


def _root(covariance: Float[Tensor, "feat feat"]) -> Float[Tensor, "feat feat"]:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
