"""Optimisers as data, and learning-rate schedules as pure functions of the step, without state to save."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from kinema.core.errors import UsageError


@dataclass(frozen=True)
class Optim:
    """Adam, AdamW or SGD, its schedule, and gradient clipping.

    `lr` is the peak rate, reached linearly over `warmup_steps`. After that "constant" keeps it, "cosine" falls to
    `final_lr` at the stage's last step, "step" multiplies it by `gamma` at each of `milestones` (steps). `clip_norm`
    is the largest norm of the gradient of the phase (None: any). "adam" and "sgd" add `weight_decay` to the gradient,
    "adamw" shrinks the weights. With `amsgrad` the second moment never falls (Reddi et al. 2018). `momentum` is that of
    "sgd", which has no `betas`. Raises UsageError for values out of range.
    """

    kind: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup_steps: int = 0
    schedule: Literal["constant", "cosine", "step"] = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    final_lr: float = 0.0
    clip_norm: float | None = None
    amsgrad: bool = False
    momentum: float = 0.0

    def __post_init__(self) -> None:
        require(self.lr > 0, "optim.lr above 0", self.lr)
        require(all(0 <= beta < 1 for beta in self.betas), "optim.betas in [0, 1)", self.betas)
        require(0 <= self.momentum < 1, "optim.momentum in [0, 1)", self.momentum)
        require(self.momentum == 0 or self.kind == "sgd", "optim.momentum 0 unless optim.kind is sgd", self.momentum)
        require(self.weight_decay >= 0, "optim.weight_decay of at least 0", self.weight_decay)
        require(self.warmup_steps >= 0, "optim.warmup_steps of at least 0", self.warmup_steps)
        require(self.clip_norm is None or self.clip_norm > 0, "optim.clip_norm above 0, or none", self.clip_norm)
        require(list(self.milestones) == sorted(self.milestones), "optim.milestones in order", self.milestones)

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step `step` (the first is 0) of a stage of `steps`."""
        if step < self.warmup_steps:
            return self.lr * (step + 1) / self.warmup_steps
        if self.schedule == "cosine":
            way = (step - self.warmup_steps) / max(1, steps - self.warmup_steps)
            return self.final_lr + (self.lr - self.final_lr) * 0.5 * (1 + math.cos(math.pi * min(way, 1.0)))
        if self.schedule == "step":
            return self.lr * self.gamma ** sum(step >= milestone for milestone in self.milestones)
        return self.lr

    def build(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimiser of these parameters. Its rate is set before every step, from `rate`."""
        # The fused kernel makes one pass over the parameters instead of a dozen, on CPU and CUDA.
        own, lr, decay = list(parameters), self.lr, self.weight_decay
        if self.kind == "sgd":
            return torch.optim.SGD(own, lr=lr, momentum=self.momentum, weight_decay=decay, fused=True)
        make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[self.kind]
        return make(own, lr=lr, betas=self.betas, weight_decay=decay, amsgrad=self.amsgrad, fused=True)


@dataclass(frozen=True)
class Phase:
    """How one phase of a model (`Model.phases`) is optimised: `repeats` times in each step, each time on another batch.

    The phases of a step share the batches; a `fresh` phase takes batches that no earlier phase of the step had.
    """

    FORMER_KEYS: ClassVar[dict[str, str]] = {"turn": "name"}
    name: str
    optim: Optim
    repeats: int = 1
    fresh: bool = False

    def __post_init__(self) -> None:
        require(self.repeats >= 1, "at least 1 repeat of a phase", self.repeats)


def require(holds: bool, expected: str, got: object) -> None:
    """Raises UsageError where a condition on a value of a recipe does not hold."""
    if not holds:
        raise UsageError(
            expected=expected,
            got=str(got),
            cure="Change the recipe, or the --set that changed it; `kinema recipes NAME` prints it.",
        )
