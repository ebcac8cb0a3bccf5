"""Diffusion: the schedules' values, the algebra of predictions, and solvers on data whose score is known."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.models.smrnet.diffusion import (
    DiffusionSampler,
    Prediction,
    Schedule,
    Solver,
    alpha_bars,
    data_of,
    levels,
    noised,
    target,
)

MEAN, SPREAD = 2.0, 0.5


def gaussian(prediction: Prediction, schedule: Schedule = "cosine"):
    """The best possible network for data ~ N(MEAN, SPREAD^2)."""
    alpha_bar = alpha_bars(schedule)

    def word(x: Tensor, level: int) -> Tensor:
        a = float(alpha_bar[level])
        x0 = MEAN + math.sqrt(a) * SPREAD**2 / (a * SPREAD**2 + 1 - a) * (x - math.sqrt(a) * MEAN)
        return target(prediction, x0, (x - math.sqrt(a) * x0) / math.sqrt(1 - a), a)

    return word


def law(walk: DiffusionSampler, schedule: Schedule = "cosine", count: int = 20_000) -> tuple[float, float]:
    generator = torch.Generator().manual_seed(0)

    def draw() -> Tensor:
        return torch.randn(count, generator=generator)

    found = walk.run(gaussian(walk.prediction, schedule), draw(), draw=draw)
    return float(found.mean()), float(found.std())


def test_the_cosine_schedule_has_the_published_values() -> None:
    alpha_bar = alpha_bars("cosine")
    published = {0: 0.999959, 1: 0.999913, 11: 0.99918, 491: 0.506, 991: 1.55e-4, 999: 2.4e-9}
    for level, value in published.items():
        assert float(alpha_bar[level]) == pytest.approx(value, rel=2e-2 if value < 0.1 else 1e-3), level
    assert float(alpha_bar[0]) == pytest.approx(0.999959, abs=1e-6)


def test_the_linear_schedule_is_the_product_of_its_variances() -> None:
    alpha_bar = alpha_bars("linear")
    assert float(alpha_bar[0]) == pytest.approx(1 - 1e-4)
    assert float(alpha_bar[1]) == pytest.approx((1 - 1e-4) * (1 - 1e-4 - (0.02 - 1e-4) / 999))
    assert float(alpha_bar[999]) == pytest.approx(4.036e-5, rel=1e-3)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "sqrt", "sigmoid"])
def test_every_schedule_falls_from_data_to_noise(schedule: Schedule) -> None:
    alpha_bar = alpha_bars(schedule)
    assert len(alpha_bar) == 1000
    assert bool((alpha_bar.diff() < 0).all())
    assert float(alpha_bar[0]) > 0.97
    assert 0 < float(alpha_bar[999]) < 1e-4


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
def test_every_prediction_means_the_same_data(prediction: Prediction) -> None:
    torch.manual_seed(0)
    x0, noise, alpha_bar = torch.randn(5, 3), torch.randn(5, 3), torch.rand(5, 1) * 0.9 + 0.05
    x = noised(x0, noise, alpha_bar)
    assert torch.allclose(data_of(prediction, target(prediction, x0, noise, alpha_bar), x, alpha_bar), x0, atol=1e-5)


@pytest.mark.parametrize("prediction", ["epsilon", "x0", "v"])
@pytest.mark.parametrize("solver", ["ddpm", "ddim", "dpm++"])
def test_every_solver_finds_the_law_of_the_data(solver: Solver, prediction: Prediction) -> None:
    mean, spread = law(DiffusionSampler(alpha_bars("cosine"), 150, prediction, solver))
    assert mean == pytest.approx(MEAN, abs=0.03)
    assert spread == pytest.approx(SPREAD, abs=0.02)


@pytest.mark.parametrize(("schedule", "tolerance"), [("linear", 0.02), ("sigmoid", 0.02), ("sqrt", 0.1)])
def test_the_solvers_hold_for_every_schedule(schedule: Schedule, tolerance: float) -> None:
    """ "sqrt" begins with much noise, so its last step, from level 9 of even spacing, is a wide one."""
    mean, spread = law(DiffusionSampler(alpha_bars(schedule), 100, "v", "dpm++"), schedule)
    assert mean == pytest.approx(MEAN, abs=0.05)
    assert spread == pytest.approx(SPREAD, abs=tolerance)


def test_the_second_order_solver_needs_fewer_steps() -> None:
    def error(solver: Solver) -> float:
        return abs(law(DiffusionSampler(alpha_bars("cosine"), 10, "x0", solver))[1] - SPREAD)

    assert error("dpm++") < 0.5 * error("ddim")


def test_the_released_stride_and_its_last_step() -> None:
    alpha_bar = alpha_bars("cosine")
    walked = levels(alpha_bar, 100, "noisy")
    assert walked == (*range(991, 0, -10), 0)
    # The end stays at level 0: the noise of that level is left in.
    mean, spread = law(DiffusionSampler(alpha_bar, 100, "epsilon", "ddim", "noisy"))
    assert mean == pytest.approx(MEAN, abs=0.03)
    assert spread == pytest.approx(SPREAD, abs=0.02)


@pytest.mark.parametrize(("steps", "nearest"), [(300, "250"), (0, "1"), (99, "100"), (1000, "500")])
def test_a_stride_that_does_not_divide_is_refused_with_the_nearest(steps: int, nearest: str) -> None:
    with pytest.raises(UsageError) as caught:
        levels(alpha_bars("cosine"), steps, "noisy")
    assert f"steps to {nearest}" in caught.value.cure


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 10, 33, 300, 992])
def test_any_number_of_steps_walks_to_clean_data(steps: int) -> None:
    walked = levels(alpha_bars("cosine"), steps, "clean")
    assert len(walked) == len(set(walked)) == steps
    assert walked[0] == 992
    assert walked[-1] >= 1
    assert list(walked) == sorted(walked, reverse=True)


def test_too_many_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="992"):
        levels(alpha_bars("cosine"), 2000, "clean")


def test_a_perfect_network_ends_at_the_data_exactly() -> None:
    truth = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    for solver in ("ddpm", "ddim", "dpm++"):
        walk = DiffusionSampler(alpha_bars("cosine"), 7, "x0", solver)
        found = walk.run(lambda x, level: truth, torch.randn(4, 3), draw=lambda: torch.randn(4, 3))
        assert torch.allclose(found, truth)
