"""`Model`: one interface for every system.

A model is made of three things: `phases` (who is optimised, in which order), `loss(batch, phase)` and
`predict(query, samples, generator)`. It sees standardised features only; what they mean is the representation's
affair. Legend: B batch, S sample, T frame, F feat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query


@runtime_checkable
class Frame(Protocol):
    """A frame of reference of a window's own; see `kinema.representations.base.Anchor`."""

    def into(self, features: Tensor) -> Tensor:
        """Features as seen from it."""
        ...

    def back(self, features: Tensor) -> Tensor:
        """The way back."""
        ...


@dataclass(frozen=True)
class FeatureShape:
    """What a model must know of a representation to be built: numbers per frame, tokens, action classes.

    `points` gives the joint positions, metres [*batch, frame, joint, 3], that standardised features
    [*batch, frame, feat] stand for, with gradients. `fps` is the rate of the frames. `owner` is the token of each
    feature, `source` what it is right or wrong with (`Representation.source_of_feature`); `frame` gives, from what is
    known of windows (`observed`, `confidence`), their own frame of reference; `rest` the features [feat] of the rest
    pose. None of these is stored with weights: they come from the representation that is.
    """

    width: int
    tokens: int
    classes: int = 0
    points: Callable[[Tensor], Tensor] | None = None
    fps: float = 0.0
    owner: tuple[int, ...] = ()
    source: tuple[int, ...] = ()
    frame: Callable[[Tensor, Tensor], Frame | None] | None = None
    rest: Callable[[], Tensor] | None = None

    def owners(self) -> tuple[int, ...]:
        """The token of each feature; equal shares, in order, where the representation does not tell."""
        share = -(-self.width // max(1, self.tokens))
        return self.owner or tuple(min(feature // share, self.tokens - 1) for feature in range(self.width))


class Model(nn.Module, ABC):
    """Base of all models, learnt or not.

    `deterministic` models repeat one answer for every sample. A model that `completes` heeds what is known of single
    joints and of frames after the first unknown one; the others go on from a prefix, but for those that start from
    nothing and have no `continues`. A GAN has two `phases`; most have one.
    """

    deterministic: ClassVar[bool] = True
    has_temperature: ClassVar[bool] = False
    completes: ClassVar[bool] = False
    continues: ClassVar[bool] = True
    graphs: tuple[str, ...] = ()
    """The graphs that `kinema export` writes, the main one first (`kinema.apps.onnx.parts`)."""
    phases: ClassVar[tuple[str, ...]] = ("model",)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The parameters that a phase optimises; all of them unless a model says otherwise."""
        del phase
        return self.parameters()

    def measure(self, batches: Iterator[Batch]) -> None:
        """Called once, before training, with endless training batches: for statistics. Most models need none."""
        del batches

    def at_temperature(self, temperature: float) -> Model:
        """The same model with the same weights, sampling at another temperature; itself where it has none."""
        del temperature
        return self

    def from_released(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """A released checkpoint's tensors by the names of `state_dict`, and the released names that stand for none.

        `state` may also hold the release's statistics of features, "representation.mean" and "representation.std"; a
        model whose features have other signs or another order here changes them alike. Raises UsageError where no
        checkpoint of the original code is known.
        """
        raise UsageError(
            expected="a recipe of SMRNet, siMLPe, Render-In-Between or PoseGPT as released",
            got=f"one of {type(self).__name__}, and {len(state)} tensors",
            cure="Name the recipe that ends in -faithful (`kinema recipes` lists them).",
        )

    @abstractmethod
    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Named scalars; the one called "loss" is minimised, the others are logged."""

    @abstractmethod
    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window, unobserved frames filled in. All randomness comes from `generator`."""


def repeat_samples(answer: Float[Tensor, "batch frame feat"], samples: int) -> Float[Tensor, "sample batch frame feat"]:
    """What a deterministic model says, once per sample asked for."""
    return answer.expand(samples, *answer.shape).clone()
