"""Scores of generated motion: a perfect answer is perfect, however large the set and however many the classes."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import one_hot

from kinema.core.errors import UsageError
from kinema.metrics.dynamics import dynamics, wasserstein
from kinema.metrics.generation import (
    LEGACY_BANDWIDTHS,
    accuracy,
    diversity,
    mean_average_precision,
    mmd_legacy,
    multimodality,
)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_perfect_recogniser_has_map_1_with_more_classes_than_a_batch_has_clips() -> None:
    labels = one_hot(torch.arange(16), 60).double()  # 44 classes do not occur; the original gave 0.2 here
    assert mean_average_precision(labels, labels) == 1
    assert accuracy(labels, labels) == 1


def test_map_by_hand_and_with_ties() -> None:
    labels = torch.tensor([[1.0], [0.0], [1.0], [0.0]])
    assert mean_average_precision(torch.tensor([[4.0], [3.0], [2.0], [1.0]]), labels) == pytest.approx((1 + 2 / 3) / 2)
    assert mean_average_precision(torch.zeros(4, 1), labels) == pytest.approx(0.5)
    with pytest.raises(UsageError, match="labelled clip"):
        mean_average_precision(labels, torch.zeros(4, 1))


def test_k_hot_labels_count_any_of_them() -> None:
    labels = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    assert accuracy(torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 1.0]]), labels) == 0.5


def test_multimodality_of_features_that_know_no_class_is_their_diversity_for_many_classes() -> None:
    features = torch.randn(60 * 30, 256, generator=seeded())
    labels = one_hot(torch.arange(60).repeat(30), 60).double()
    within = multimodality(features, labels, seeded(1))
    assert within == pytest.approx(diversity(features, seeded(2)), rel=0.01)  # the original lost a fifth of it
    assert within == pytest.approx(math.sqrt(2 * 256), rel=0.01)


def test_multimodality_of_one_answer_per_class_is_0_and_lonely_clips_do_not_count() -> None:
    labels = one_hot(torch.tensor([0, 0, 1, 1, 2]), 3).double()
    features = labels @ torch.randn(3, 8, dtype=torch.float64, generator=seeded())
    assert multimodality(features, labels, seeded()) == 0
    with pytest.raises(UsageError, match="two clips"):
        multimodality(features[:1], labels[:1], seeded())


def test_mmd_legacy_against_plain_sums() -> None:
    real, made = torch.randn(2, 5, 4, 3, generator=seeded()).double()
    made = made + 1.5
    found = mmd_legacy(real, made)

    def plain(x: torch.Tensor, g: torch.Tensor, s: float) -> float:
        def k(a: torch.Tensor, b: torch.Tensor) -> float:
            return math.exp(-float(((a - b) ** 2).sum()) / s)

        n = len(x)
        total = sum(k(x[i], x[j]) + k(g[i], g[j]) - 2 * k(x[i], g[j]) for i in range(n) for j in range(n) if i != j)
        return math.sqrt(total / (n * (n - 1))) if total >= 0 else math.nan

    average = [sum(plain(real[:, t], made[:, t], s) for t in range(4)) / 4 for s in LEGACY_BANDWIDTHS]
    sequence = [plain(real.flatten(1), made.flatten(1), s) for s in LEGACY_BANDWIDTHS]
    assert found.average == pytest.approx(max(v for v in average if not math.isnan(v)))
    assert found.sequence == pytest.approx(max(v for v in sequence if not math.isnan(v)))


def test_mmd_legacy_names_the_case_in_which_it_is_not_defined() -> None:
    some = torch.arange(3.0).view(3, 1, 1)
    # Each generated clip lies on another real one: all cross terms are large, all others small.
    found = mmd_legacy(some, some[[1, 2, 0]])
    assert (found.average, found.sequence) == (0.0, 0.0)
    assert len(found.undefined_average) == len(LEGACY_BANDWIDTHS)
    assert "not defined" in found.warning
    assert not mmd_legacy(some, some + 100).warning
    with pytest.raises(UsageError, match="equally many"):
        mmd_legacy(some, some[:2])


def test_dynamics_see_motion_that_has_frozen() -> None:
    real = torch.randn(20, 30, 5, 3, generator=seeded()).cumsum(1)
    same = dynamics(real, real, 30.0)
    assert same == {"speed": 1.0, "jerk": 1.0, "steps": 0.0}
    slow = dynamics(0.38 * real, real, 30.0)
    assert slow["speed"] == pytest.approx(0.38, rel=1e-6)
    assert slow["steps"] > 1
    with pytest.raises(UsageError, match="4 frames"):
        dynamics(real[:, :3], real, 30.0)


def test_wasserstein_by_hand() -> None:
    values = torch.rand(500, generator=seeded())
    assert wasserstein(values, values + 2) == pytest.approx(2)
    assert wasserstein(torch.zeros(7), torch.ones(3)) == pytest.approx(1)
