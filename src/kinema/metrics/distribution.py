"""Distances between the distributions of two sets of feature vectors, and such features of futures.

Distances are float64, deterministic. `DctFeatures` are low frequencies: deterministic, and not comparable with a
published FID. `ClassifierFeatures` read the user's file of a trained action classifier (`h36m_classifier.pth` of
BeLFusion and CoMusion): a GRU of two layers over the poses, then tanh(Linear 30) of its last state. Published code
starts it with a random state at every call, so that its FID varies between runs; here the state starts at zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import FormatError, UsageError
from kinema.core.safe_pickle import read_torch
from kinema.geometry.curves import dct

_BLOCK = 2048  # rows of a kernel matrix at a time: 32 MB
COEFFICIENTS = 10
DIMS = 30
_FUTURES_AT_ONCE = 1024  # futures at a time
_POSE = 48  # numbers: sixteen joints, relative to the root


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


def kernel_distance(first: Float[Tensor, "row feat"], second: Float[Tensor, "other feat"]) -> float:
    """KID: the unbiased squared MMD under the kernel (x.y / d + 1)^3 (Binkowski et al. 2018), over whole sets.

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
        return sum(float(((rows @ others.T / feats + 1) ** 3).sum()) for rows in some.split(_BLOCK))

    def within(some: Tensor) -> float:
        diagonal = float(((some.square().sum(1) / feats + 1) ** 3).sum())
        return (total(some, some) - diagonal) / (len(some) * (len(some) - 1))

    return within(first) + within(second) - 2 * total(first, second) / (len(first) * len(second))


def _root(covariance: Float[Tensor, "feat feat"]) -> Float[Tensor, "feat feat"]:
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


@dataclass(frozen=True, eq=False)
class DctFeatures:
    """The first DCT coefficients of every coordinate, standardised and brought to `DIMS` principal components."""

    mean: Float[Tensor, " coef"]
    std: Float[Tensor, " coef"]
    axes: Float[Tensor, "coef dim"]

    @classmethod
    def fit(cls, futures: Float[Tensor, "window frame feat"]) -> DctFeatures:
        """Standardisation and components from the futures that happened. Float64; nothing is drawn."""
        slow = _slow(futures)
        mean, std = slow.mean(0), slow.std(0) if len(slow) > 1 else torch.ones_like(slow[0])
        std = torch.where(std > 1e-9, std, torch.ones_like(std))
        white = (slow - mean) / std
        values, vectors = torch.linalg.eigh(white.T @ white)
        order = values.argsort(descending=True)[:DIMS]
        return cls(mean, std, vectors[:, order])

    def of(self, futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window dim"]:
        """The features of futures."""
        return (_slow(futures) - self.mean) / self.std @ self.axes


def _slow(futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window coef"]:
    """The first coefficients of every coordinate as one vector."""
    return torch.cat([dct(some.double(), COEFFICIENTS).flatten(1) for some in futures.split(_FUTURES_AT_ONCE)])


@dataclass(frozen=True, eq=False)
class ClassifierFeatures:
    """The thirty features of futures: joint positions relative to the root, metres, y up."""

    recurrent: nn.GRU
    leave: nn.Linear

    @classmethod
    def read(cls, path: Path) -> ClassifierFeatures:
        """From a file as PyTorch saved it, of which nothing is run.

        The parts are known by their shapes and by PyTorch's own names of a GRU's weights. Raises FormatError where the
        file is damaged or holds another network.
        """
        weights = next(_tables(read_torch(path)), {})
        gates = [value for key, value in weights.items() if "weight_ih_l" in key]
        hidden = len(gates[0]) // 3 if gates else 0
        recurrent = nn.GRU(_POSE, hidden, num_layers=len(gates), batch_first=True) if hidden else None
        first = [key for key, value in weights.items() if value.dim() == 2 and value.shape[1] == hidden
                 and "_l" not in key and key.endswith("weight")]  # fmt: skip
        if recurrent is None or len(first) != 1:
            raise _other(path, weights)
        leave = nn.Linear(hidden, len(weights[first[0]]))
        own = {name: value for name in recurrent.state_dict() for key, value in weights.items() if key.endswith(name)}
        try:
            recurrent.load_state_dict(own)
            stem = first[0].removesuffix("weight")
            leave.load_state_dict({name: weights[f"{stem}{name}"] for name in ("weight", "bias")})
        except (KeyError, RuntimeError) as error:
            raise _other(path, weights) from error
        return cls(recurrent.eval(), leave.eval())

    @torch.inference_mode()
    def of(self, futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window dim"]:
        """The features of futures."""
        return torch.cat([self._some(some) for some in futures.split(_FUTURES_AT_ONCE)])

    def _some(self, futures: Tensor) -> Tensor:
        # The classifier learnt on the axes of the archive, z up: kinema has rotated it by 90 degrees about x.
        x, y, z = futures.float().unflatten(-1, (-1, 3)).unbind(-1)
        states, _ = self.recurrent(torch.stack((x, -z, y), -1).flatten(-2))
        return torch.tanh(self.leave(states[:, -1]))


def _tables(found: object) -> Iterator[dict[str, Tensor]]:
    """Tables of weights that have a GRU's, whatever they are wrapped in."""
    if not isinstance(found, Mapping):
        return
    entries = cast("Mapping[Any, Any]", found)
    weights = {str(key): value for key, value in entries.items() if isinstance(value, Tensor)}
    if any("weight_ih_l0" in key for key in weights):
        yield weights
    for value in entries.values():
        yield from _tables(value)


def _other(path: Path, weights: Mapping[str, Tensor]) -> FormatError:
    shapes = ", ".join(f"{key} {tuple(value.shape)}" for key, value in list(weights.items())[:6])
    return FormatError(
        where=str(path),
        expected=f"a classifier of poses of {_POSE} numbers: a GRU, and a linear layer from its last state to features",
        got=shapes or "no weights of a GRU",
        cure="Give h36m_classifier.pth as BeLFusion or CoMusion have it.",
    )
