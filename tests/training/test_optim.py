"""Schedules by value; the optimisers' weight decay; values that cannot be."""

import math

import pytest
import torch
from torch import nn

from kinema.core.errors import UsageError
from kinema.training.stage import Optim, Phase


def test_constant_with_warm_up() -> None:
    optim = Optim(lr=1.0, warmup_steps=4)
    assert [optim.rate(step, 10) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_cosine_goes_from_the_peak_to_the_final_rate() -> None:
    optim = Optim(lr=1.0, warmup_steps=10, schedule="cosine", final_lr=0.2)
    assert optim.rate(9, 110) == 1.0
    assert optim.rate(10, 110) == 1.0
    assert optim.rate(60, 110) == pytest.approx(0.6)
    assert optim.rate(85, 110) == pytest.approx(0.2 + 0.8 * 0.5 * (1 + math.cos(0.75 * math.pi)))
    assert optim.rate(110, 110) == pytest.approx(0.2)


def test_steps_multiply_at_each_milestone() -> None:
    optim = Optim(lr=3e-4, schedule="step", milestones=(5, 8), gamma=1 / 30)
    assert [optim.rate(step, 9) for step in (0, 4, 5, 7, 8)] == pytest.approx([3e-4, 3e-4, 1e-5, 1e-5, 1e-5 / 30])


def test_adamw_shrinks_the_weights_and_adam_adds_to_the_gradient() -> None:
    moved = {}
    for kind in ("adam", "adamw"):
        weight = nn.Parameter(torch.tensor([2.0]))
        optimizer = Optim(kind=kind, lr=0.1, weight_decay=0.5).build([weight])
        weight.grad = torch.zeros(1)
        optimizer.step()
        moved[kind] = float(weight.detach())
    assert moved["adam"] == pytest.approx(1.9)  # the first step of Adam is lr long, whatever the gradient
    assert moved["adamw"] == pytest.approx(2.0 * (1 - 0.1 * 0.5))


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0.0},
        {"betas": (0.9, 1.0)},
        {"weight_decay": -1.0},
        {"warmup_steps": -1},
        {"clip_norm": 0.0},
        {"milestones": (5, 3)},
    ],
)
def test_values_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        Optim(**wrong)  # type: ignore[arg-type]
    assert next(iter(wrong)) in caught.value.expected
    assert caught.value.cure


def test_a_turn_is_repeated_at_least_once() -> None:
    with pytest.raises(UsageError, match="at least 1 repeat"):
        Phase("critic", Optim(), repeats=0)
