"""`Stage`: one training run as data: a model, its task, and its optimisers. A recipe is made of one or more.

Learning-rate schedules are pure functions of the step, without state to save.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Protocol, Self, runtime_checkable

import torch
from torch import nn

from kinema.core.errors import UsageError
from kinema.data.augment import Augment
from kinema.data.tasks import Task
from kinema.data.windows import Balance
from kinema.models.base import FeatureShape, Model
from kinema.training.precision import PrecisionName


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


@runtime_checkable
class ModelConfig(Protocol):
    """A model as data: a frozen dataclass that builds it."""

    def build(self, shape: FeatureShape) -> Model:
        """The model for features of this shape, with fresh weights."""
        ...

    def tiny(self) -> Self:
        """The same architecture, small enough to be trained in seconds."""
        ...


@runtime_checkable
class DependentConfig(Protocol):
    """The config of a model that needs the models of earlier stages (a GPT its tokeniser)."""

    def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> Model:
        """The model, from the trained models of the stages before it, by stage name.

        It holds those that it needs as submodules, so that its weights are complete.
        """
        ...


@dataclass(frozen=True)
class Stage:
    """A model, its task, and how long and how it is trained.

    `optim` is one for all phases of the model, or one `Phase` for each. `batch_size` counts windows over all processes.
    `stride` is the distance in frames between the windows that training draws from; `balance` is what is drawn equally
    often: windows, clips, subjects or actions. `ema` is the decay of the weight average, None for none; for
    `ema_copied` steps the average is a copy of the weights (0: it warms up, see `training.loop.Average`). Every
    `validate_every` steps the loss is measured on `validate_batches` fixed batches of the validation split.
    `precision` "bfloat16" computes matrix products in that type (autocast); weights, averages and optimiser stay
    float32. "auto" is bfloat16 where the hardware multiplies it (`kinema.training.precision`). Raises UsageError for
    values out of range.
    """

    name: str
    model: ModelConfig
    task: Task
    optim: Optim | tuple[Phase, ...]
    steps: int
    batch_size: int
    augment: Augment = field(default_factory=Augment)
    balance: Balance = "windows"
    stride: int = 1
    ema: float | None = None
    ema_copied: int = 0
    log_every: int = 50
    save_every: int = 1000
    validate_every: int = 1000
    validate_batches: int = 8
    precision: PrecisionName = "float32"

    def __post_init__(self) -> None:
        require(self.name.replace("-", "").replace("_", "").isalnum(), "a stage name of letters and digits", self.name)
        for key in ("steps", "batch_size", "stride", "log_every", "save_every", "validate_every", "validate_batches"):
            require(getattr(self, key) >= 1, f"{self.name}.{key} of at least 1", getattr(self, key))
        require(self.ema_copied >= 0, f"{self.name}.ema_copied of at least 0", self.ema_copied)
        require(self.ema is None or 0 < self.ema < 1, f"{self.name}.ema between 0 and 1, or none", self.ema)

    def phases(self, model: Model) -> tuple[Phase, ...]:
        """One `Phase` for every phase of the model, in the model's order. Raises UsageError where they do not match."""
        if isinstance(self.optim, Optim):
            return tuple(Phase(name, self.optim) for name in model.phases)
        former = model.former_names  # recipes of older versions
        optim = [replace(phase, name=former.get(phase.name, phase.name)) for phase in self.optim]
        given = {phase.name: phase for phase in optim}
        if set(given) != set(model.phases) or len(given) != len(self.optim):
            raise UsageError(
                expected=f"one optimiser for each phase of the model ({', '.join(model.phases)})",
                got=", ".join(phase.name for phase in self.optim) or "none",
                cure=f"Give stage '{self.name}' one `Optim` for all phases, or one `Phase` of each of these names.",
            )
        return tuple(given[name] for name in model.phases)

    def build(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> Model:
        """The stage's model with fresh weights; `earlier` are the models of the stages before it, by name."""
        if isinstance(self.model, DependentConfig):
            return self.model.build_on(shape, earlier)
        return self.model.build(shape)
