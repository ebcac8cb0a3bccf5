"""Distances between the distributions of two sets of feature vectors. Float64, deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError

_BLOCK = 2048  # rows of a kernel matrix at a time: 32 MB


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and covariance of feature vectors, added part by part: `Moments.of(x).add(y)`.

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
        """Empty moments about the same origin."""
        return Moments(self.origin, 0, torch.zeros_like(self.total), torch.zeros_like(self.outer))

    def add(self, features: Float[Tensor, "row feat"]) -> Moments:
        """The moments with more features."""
        more = features.double() - self.origin
        return Moments(self.origin, self.count + len(more), self.total + more.sum(0), self.outer + more.T @ more)

    @property
    def mean(self) -> Float[Tensor, " feat"]:
        """Mean of every feature."""
        return self.origin + self.total / self.count

    @property
    def covariance(self) -> Float[Tensor, "feat feat"]:
        """Unbiased. Raises UsageError for fewer than two vectors."""
        if self.count < 2:
            raise UsageError(
                expected="at least two feature vectors", got=f"{self.count}", cure="Compare larger sets of motion."
            )
        off = self.total / self.count
        return (self.outer - self.count * torch.outer(off, off)) / (self.count - 1)


def frechet_distance(first: Moments, second: Moments) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^1/2), between the Gaussians with these moments ("FID" on learnt features).

    tr (C1 C2)^1/2 is the sum of the singular values of C1^1/2 C2^1/2: no root of an asymmetric matrix, and safe for
    covariances without full rank.
    """
    apart = ((first.mean - second.mean) ** 2).sum()
    one, other = first.covariance, second.covariance
    shared = torch.linalg.svdvals(_root(one) @ _root(other)).sum()
    return max(0.0, float(apart + one.trace() + other.trace() - 2 * shared))


def kernel_distance(first: Float[Tensor, "row feat"], second: Float[Tensor, "other feat"], *, degree: int = 3) -> float:
    """KID: the unbiased squared MMD under the kernel (x.y / d + 1)^degree (Binkowski et al. 2018), over whole sets.

    It may be slightly negative. Raises UsageError for a set of fewer than two vectors.
    """
    if min(len(first), len(second)) < 2:
        raise UsageError(
            expected="two sets of at least two feature vectors",
            got=f"{len(first)} and {len(second)}",
            cure="Compare larger sets of motion.",
        )
    feats = first.shape[1]
    first, second = first.double(), second.double()

    def total(some: Tensor, others: Tensor) -> float:
        return sum(float(((rows @ others.T / feats + 1) ** degree).sum()) for rows in some.split(_BLOCK))

    def within(some: Tensor) -> float:
        diagonal = float(((some.square().sum(1) / feats + 1) ** degree).sum())
        return (total(some, some) - diagonal) / (len(some) * (len(some) - 1))

    return within(first) + within(second) - 2 * total(first, second) / (len(first) * len(second))


def _root(covariance: Float[Tensor, "feat feat"]) -> Float[Tensor, "feat feat"]:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T
