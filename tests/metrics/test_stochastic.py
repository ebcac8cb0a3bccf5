"""The measures of stochastic forecasting against slow, obvious ones, and against cases worked by hand."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.metrics import stochastic
from kinema.metrics.stochastic import (
    apd,
    apd_of_modes,
    apde,
    best_of,
    best_of_modes,
    joint_steps,
    limb_errors,
    limb_lengths,
    modes_of,
    motion_distance,
)

SIZES = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(1, 6), st.integers(1, 3), st.integers(0, 10_000))


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def slow_apd(samples: Tensor) -> list[float]:
    found: list[float] = []
    for window in range(samples.shape[1]):
        pairs = list(itertools.combinations(range(len(samples)), 2))
        apart = [math.sqrt(float(((samples[a, window] - samples[b, window]) ** 2).sum())) for a, b in pairs]
        found.append(sum(apart) / len(pairs) if pairs else 0.0)
    return found


def slow_best(samples: Tensor, truth: Tensor) -> tuple[float, float]:
    """Of one window: samples (sample, frame, feat), truth (frame, feat)."""
    every = [[math.sqrt(float(((pose - true) ** 2).sum())) for pose, true in zip(one, truth, strict=True)]
             for one in samples]  # fmt: skip
    return min(sum(one) / len(one) for one in every), min(one[-1] for one in every)


@settings(max_examples=25)
@given(SIZES)
def test_diversity_and_displacement_are_what_loops_find(size: tuple[int, int, int, int, int]) -> None:
    count, windows, frames, joints, seed = size
    samples = drawn(count, windows, frames, 3 * joints, seed=seed)
    truth = drawn(windows, frames, 3 * joints, seed=seed + 1)
    assert apd(samples).tolist() == pytest.approx(slow_apd(samples), abs=1e-4)
    mean, last = best_of(samples, truth)
    for window in range(windows):
        expected = slow_best(samples[:, window], truth[window])
        assert (float(mean[window]), float(last[window])) == pytest.approx(expected, abs=1e-5)


@settings(max_examples=20)
@given(SIZES)
def test_modes_are_what_loops_find(size: tuple[int, int, int, int, int]) -> None:
    count, windows, frames, joints, seed = size
    poses, futures = drawn(windows, 3 * joints, seed=seed), drawn(windows, frames, 3 * joints, seed=seed + 1)
    samples = drawn(count, frames, 3 * joints, seed=seed + 2)
    modes = modes_of(poses, 2.0)
    diversity = apd_of_modes(futures, modes)
    for window in range(windows):
        near = [j for j in range(windows) if math.sqrt(float(((poses[window] - poses[j]) ** 2).sum())) < 2.0]
        assert modes[window].tolist() == near
        assert float(diversity[window]) == pytest.approx(slow_apd(futures[near][:, None])[0], abs=1e-4)
        each = [slow_best(samples, futures[j]) for j in near]
        expected = [sum(one[k] for one in each) / len(each) for k in (0, 1)]
        assert [float(v) for v in best_of_modes(samples, futures[near])] == pytest.approx(expected, abs=1e-4)


def test_nothing_depends_on_the_memory_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    samples, futures = drawn(60, 9, 7, 6, seed=1), drawn(9, 7, 6, seed=2)
    modes = modes_of(futures[:, 0], 3.5)
    assert {len(those) for those in modes} != {1}

    def everything() -> list[Tensor]:
        together = [torch.stack(best_of_modes(samples[:, 0], futures)), torch.cat(modes), apd_of_modes(futures, modes)]
        return [apd(samples), *best_of(samples, futures), *together]

    whole = everything()
    monkeypatch.setattr(stochastic, "BUDGET", 200)
    for one, other in zip(whole, everything(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_case_worked_by_hand() -> None:
    """Two samples, one window, two frames, one joint: 3-4-5 triangles."""
    truth = torch.zeros(1, 2, 3)
    samples = torch.tensor([[[[3.0, 4, 0], [0, 0, 1]]], [[[1.0, 0, 0], [0, 2, 0]]]])
    mean, last = best_of(samples, truth)
    assert (mean.item(), last.item()) == (1.5, 1.0)  # the best of the mean is the second, of the last the first
    assert apd(samples).item() == pytest.approx(math.sqrt(4 + 16 + 4 + 1))


def test_one_sample_has_no_diversity_and_equal_ones_have_none_either() -> None:
    one = drawn(1, 3, 4, 6, seed=0)
    assert apd(one).tolist() == [0.0] * 3
    assert apd(one.expand(50, -1, -1, -1)).max() < 1e-3


def test_a_pose_is_its_own_mode_and_the_threshold_itself_is_outside() -> None:
    poses = torch.tensor([[0.0, 0, 0], [0.5, 0, 0], [0.25, 0, 0]])
    assert [those.tolist() for those in modes_of(poses, 0.5)] == [[0, 2], [1, 2], [0, 1, 2]]


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan])
def test_a_threshold_that_is_none_is_refused(threshold: float) -> None:
    with pytest.raises(UsageError, match="positive threshold"):
        modes_of(torch.zeros(2, 3), threshold)


def test_a_pose_that_is_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match="1 poses that are not finite"):
        modes_of(torch.tensor([[0.0, 0, math.nan], [0, 0, 0]]), 0.5)


def test_the_error_of_diversity_is_over_windows_of_several_modes() -> None:
    sampled, true = torch.tensor([1.0, 5, 9]), torch.tensor([2.0, 2, 0])
    assert apde(sampled, true, torch.tensor([True, True, False])) == 2.0
    assert apde(sampled, true, torch.zeros(3, dtype=torch.bool)) is None


def test_motion_distance_weighs_early_steps_most() -> None:
    """F = 3: |0.1 - 0.4| counts twice and |0.2 - 0.4| once; the still group three times as often as the other."""
    steps = torch.tensor([[0.1, 0.2], [0.0, 0.0]])
    found = motion_distance(steps, torch.tensor([0.4, 0.1]), torch.tensor([1.0, 3.0]))
    assert found == pytest.approx(0.25 * (2 * 0.3 + 0.2) + 0.75 * 3 * 0.1)


def test_the_published_anchor_of_motion_distance_follows_from_the_usual_motion() -> None:
    """Standing still for 100 frames costs 4950 times the usual step: 22.812 of Human3.6M is 4.6 mm a frame."""
    usual = torch.tensor([22.812 / 4950])
    assert motion_distance(torch.zeros(1, 99), usual, torch.ones(1)) == pytest.approx(22.812, rel=1e-5)


def test_steps_are_per_joint() -> None:
    positions = torch.zeros(3, 2, 3)
    positions[1, 0] = torch.tensor([3.0, 4, 0])
    positions[2, 0] = torch.tensor([3.0, 4, 2])
    assert joint_steps(positions).tolist() == [2.5, 1.0]


def test_limbs_that_stretch_and_jitter() -> None:
    """One limb of true length 2 that is 2, 3 and 2 long: stretched by 0, 1/2, 0, and jittering by 1/2 twice."""
    positions = torch.zeros(1, 1, 3, 2, 3)
    positions[0, 0, :, 1, 1] = torch.tensor([2.0, 3, 2])
    found = limb_errors(positions, [(0, 1)], torch.tensor([[2.0]]))
    assert found["stretch"].item() == pytest.approx(1 / 6)
    assert found["stretch_squared"].item() == pytest.approx(1 / 12)
    assert (found["jitter"].item(), found["jitter_squared"].item()) == (0.5, 0.25)


@settings(max_examples=15)
@given(SIZES)
def test_limb_errors_are_what_loops_find(size: tuple[int, int, int, int, int]) -> None:
    count, windows, frames, _, seed = size
    positions, limbs = drawn(count, windows, frames, 4, 3, seed=seed), [(0, 1), (1, 2), (1, 3)]
    true = limb_lengths(drawn(windows, 4, 3, seed=seed + 1), limbs) + 0.5
    found = limb_errors(positions, limbs, true)
    for window in range(windows):
        parts = [
            [[float((positions[s, window, f, a] - positions[s, window, f, b]).norm() / true[window, k])
              for f in range(frames)] for k, (a, b) in enumerate(limbs)] for s in range(count)
        ]  # fmt: skip
        lengths = [part for sample in parts for limb in sample for part in limb]
        jitters = [abs(y - x) for sample in parts for limb in sample for x, y in itertools.pairwise(limb)] or [0.0]
        expected = [
            sum(abs(x - 1) for x in lengths) / len(lengths), sum((x - 1) ** 2 for x in lengths) / len(lengths),
            sum(jitters) / len(jitters), sum(x**2 for x in jitters) / len(jitters),
        ]  # fmt: skip
        got = list(found.values())
        assert [float(one[window]) for one in got] == pytest.approx(expected, rel=1e-3, abs=1e-4)
