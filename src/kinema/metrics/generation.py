"""Scores of labelled generated motion: recognition, variety, and the kernel distance MMD_a / MMD_s.

Each score is taken over the whole set, independent of batches.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError

LEGACY_BANDWIDTHS: tuple[float, ...] = tuple(10.0**power for power in range(-4, 10))
_BLOCK = 8_000_000  # numbers held at once by `mmd_legacy`


def accuracy(scores: Float[Tensor, "clip class"], labels: Float[Tensor, "clip class"]) -> float:
    """The share of clips whose highest score is one of their own labels (k-hot)."""
    return float((labels.gather(1, scores.argmax(1, keepdim=True)) > 0).double().mean())


def mean_average_precision(scores: Float[Tensor, "clip class"], labels: Float[Tensor, "clip class"]) -> float:
    """Mean over the classes that occur of the area under precision against recall, each over the whole set.

    Clips of equal score are taken together, so their order does not matter. Raises UsageError without labels.
    """
    classes = (labels > 0).any(0).nonzero()[:, 0].tolist()
    if not classes:
        raise UsageError(expected="at least one labelled clip", got="none", cure="Set the action of each clip.")
    return sum(_average_precision(scores[:, c], labels[:, c] > 0) for c in classes) / len(classes)


def diversity(features: Float[Tensor, "clip feat"], generator: torch.Generator, *, pairs: int = 200) -> float:
    """Mean distance between the two clips of random pairs (drawn with replacement, never a clip with itself).

    Raises UsageError for fewer than two clips.
    """
    if len(features) < 2:
        raise UsageError(expected="at least two clips", got=str(len(features)), cure="Generate more samples.")
    one, other = _pairs(len(features), pairs, generator)
    return float((features[one] - features[other]).double().norm(dim=-1).mean())


def multimodality(
    features: Float[Tensor, "clip feat"],
    labels: Float[Tensor, "clip class"],
    generator: torch.Generator,
) -> float:
    """Mean over all classes with at least two clips of the mean distance of twenty random pairs within the class.

    Every class has the same weight. Raises UsageError if no class has two clips.
    """
    classes = [own for column in labels.T if len(own := features[column > 0]) >= 2]
    if not classes:
        raise UsageError(expected="a class with two clips or more", got="none", cure="Generate more samples per class.")
    return sum(diversity(own, generator, pairs=20) for own in classes) / len(classes)


@dataclass(frozen=True)
class LegacyMmd:
    """`average` is MMD_a, `sequence` MMD_s; `undefined` names the bandwidths at which each was not a number.

    If all are undefined, the value is 0, as in the original code, and has no meaning: see `warning`.
    """

    average: float
    sequence: float
    undefined_average: tuple[float, ...] = ()
    undefined_sequence: tuple[float, ...] = ()

    @property
    def warning(self) -> str:
        """A warning to print beside the values; empty if all bandwidths are defined."""
        parts = [
            f"{name}: the root of a negative sum at {len(lost)} of {len(LEGACY_BANDWIDTHS)} bandwidths"
            + (", so its 0 means 'not defined'" if len(lost) == len(LEGACY_BANDWIDTHS) else "")
            for name, lost in (("MMD_a", self.undefined_average), ("MMD_s", self.undefined_sequence))
            if lost
        ]
        return "; ".join(parts)


def mmd_legacy(real: Float[Tensor, "clip frame feat"], generated: Float[Tensor, "other frame feat"]) -> LegacyMmd:
    """MMD_a and MMD_s of one class as SA-GCN and ActionGAN's tables have them, for equally many clips of each.

    With k(a, b) = exp(-|a - b|^2 / s), MMD(s) = sqrt(sum over i != j of [k(x_i, x_j) + k(g_i, g_j) - 2 k(x_i, g_j)] /
    (n (n - 1))). MMD_a is the mean over frames, MMD_s takes the whole sequence as one vector; each is the largest over
    the bandwidths s. A bandwidth with a negative sum (for MMD_a: in any frame) has no root; it is skipped, as in the
    original code, and named in the result. Raises UsageError if the sets differ in size or have fewer than two clips.
    """
    if real.shape != generated.shape or len(real) < 2:
        raise UsageError(
            expected="equally many clips of each, at least two, of one length",
            got=f"{tuple(real.shape)} and {tuple(generated.shape)}",
            cure="Draw the same number of both.",
        )
    scales = torch.tensor(LEGACY_BANDWIDTHS, dtype=torch.float64)
    frames = _legacy_squared(real.transpose(0, 1), generated.transpose(0, 1), scales)
    whole = _legacy_squared(real.flatten(1)[None], generated.flatten(1)[None], scales)
    average, lost_average = _largest(frames.sqrt().mean(1), scales)
    sequence, lost_sequence = _largest(whole.sqrt().mean(1), scales)
    return LegacyMmd(average, sequence, lost_average, lost_sequence)


def _legacy_squared(
    real: Float[Tensor, "set clip feat"], generated: Float[Tensor, "set clip feat"], scales: Float[Tensor, " scale"]
) -> Float[Tensor, "scale set"]:
    count = real.shape[1]
    found: list[Tensor] = []
    for some, others in zip(*(x.double().split(max(1, _BLOCK // count**2)) for x in (real, generated)), strict=True):
        distances = (_squared(some, some), _squared(others, others), _squared(some, others))
        sums = [[_off_diagonal(torch.exp(-distance / scale)) for distance in distances] for scale in scales]
        found.append(torch.stack([own + other - 2 * across for own, other, across in sums]))
    return torch.cat(found, 1) / (count * (count - 1))


def _squared(one: Tensor, other: Tensor) -> Tensor:
    return torch.cdist(one, other, compute_mode="donot_use_mm_for_euclid_dist") ** 2


def _off_diagonal(kernel: Float[Tensor, "set clip clip"]) -> Float[Tensor, " set"]:
    return kernel.sum((1, 2)) - kernel.diagonal(dim1=1, dim2=2).sum(1)


def _largest(values: Float[Tensor, " scale"], scales: Float[Tensor, " scale"]) -> tuple[float, tuple[float, ...]]:
    lost = tuple(scale for scale, value in zip(scales.tolist(), values.tolist(), strict=True) if math.isnan(value))
    return max([0.0, *(value for value in values.tolist() if not math.isnan(value))]), lost


def _pairs(count: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    one = torch.randint(count, (pairs,), generator=generator)
    return one, (one + torch.randint(1, count, (pairs,), generator=generator)) % count


def _average_precision(scores: Float[Tensor, " clip"], positive: Bool[Tensor, " clip"]) -> float:
    order = scores.argsort(descending=True)
    ranked, right = scores[order], positive[order].double()
    # Only where the score changes is there a threshold.
    last = torch.cat((ranked[1:] != ranked[:-1], torch.ones(1, dtype=torch.bool)))
    hits = right.cumsum(0)[last]
    taken = torch.arange(1, len(scores) + 1, dtype=torch.float64)[last]
    recall = hits / right.sum()
    return float(((recall - torch.cat((recall.new_zeros(1), recall[:-1]))) * hits / taken).sum())
