"""`Stage`: one training run as data. A recipe is made of one or more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol, Self, runtime_checkable

from kinema.core.errors import UsageError
from kinema.data.augment import Augment
from kinema.data.tasks import Task
from kinema.data.windows import Balance
from kinema.models.base import FeatureShape, Model
from kinema.training.optim import Optim, Phase, require
from kinema.training.precision import PrecisionName


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
    `ema_copied` steps the average is a copy of the weights (0: it warms up, see `training.ema.Average`). Every
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
