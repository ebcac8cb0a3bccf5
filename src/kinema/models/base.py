"""`Model`: one interface for every system.

A model has `phases` (what is optimised, in which order), `loss(batch, phase)` and `predict(query, samples, generator)`.
It sees standardised features only; their meaning is the representation's. Legend: B batch, S sample, T frame, F feat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.geometry.kinematics import BodyTree

Samples = Float[Tensor, "sample batch frame feat"]


@runtime_checkable
class Frame(Protocol):
    """A frame of reference for each window, of standardised features; see `kinema.representations.base.Anchor`."""

    def into(self, features: Tensor) -> Tensor:
        """Features relative to it."""
        ...

    def back(self, features: Tensor) -> Tensor:
        """The inverse of `into`."""
        ...


@dataclass(frozen=True)
class FeatureShape:
    """What a model must know of a representation to be built: numbers per frame, tokens, action classes.

    `points` gives the joint positions, metres [*batch, frame, joint, 3], of standardised features
    [*batch, frame, feat], with gradients. `fps` is the rate of the frames. `owner` is the token of each feature,
    `source` the unit that it is corrupted with (`Representation.source_of_feature`). `frame` gives, from `observed` and
    `confidence`, the windows' own frame of reference; `rest` the features [feat] of the rest pose; `body` the
    tree of features that are rotations in the room. None of these is stored with weights: they follow from the
    representation, which is.
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
    body: Callable[[], BodyTree] | None = None

    def owners(self) -> tuple[int, ...]:
        """The token of each feature; equal shares, in order, where the representation gives none."""
        share = -(-self.width // max(1, self.tokens))
        return self.owner or tuple(min(feature // share, self.tokens - 1) for feature in range(self.width))


class Model(nn.Module, ABC):
    """Base of all models, learnt or not.

    A `deterministic` model repeats one answer for every sample. A model that `completes` uses known single joints and
    known frames after the first unknown one. Others continue a prefix; a model without `continues` generates without
    any known frame. One without `takes_noise` takes whatever is known as exact. A GAN has two `phases`; most models
    have one.
    """

    deterministic: ClassVar[bool] = True
    has_temperature: ClassVar[bool] = False
    completes: ClassVar[bool] = False
    continues: ClassVar[bool] = True
    takes_noise: ClassVar[bool] = True
    former_names: ClassVar[Mapping[str, str]] = {}
    """Former name -> name of parts and phases that were renamed; old checkpoints are read by it."""
    released_names: ClassVar[Callable[[Mapping[str, Tensor]], tuple[dict[str, Tensor], list[str]]] | None] = None
    """`from_released`, where a checkpoint of the original code is known."""
    graphs: tuple[str, ...] = ()
    """The graphs that `kinema export` writes, the main one first (`kinema.apps.onnx.graph`)."""
    phases: tuple[str, ...] = ("model",)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The parameters that a phase optimises; by default all of them."""
        return self.parameters()

    def measure(self, batches: Iterator[Batch]) -> None:
        """Called once, before training, with an endless iterator of training batches, to measure statistics."""
        del batches

    def at_temperature(self, temperature: float) -> Model:
        """The same model with the same weights, sampling at another temperature; itself where it has none."""
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """See torch; names of older checkpoints are read too (`former_names`)."""
        return super().load_state_dict(self.renamed(state_dict), strict, assign)

    def renamed(self, tensors: Mapping[str, Any]) -> dict[str, Any]:
        """Tensors whose dotted names contain former names, by their present names."""
        former = self.former_names
        return {".".join(former.get(part, part) for part in name.split(".")): value for name, value in tensors.items()}

    def from_released(self, state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """A released checkpoint's tensors by the names of `state_dict`, and the released names without a counterpart.

        `state` may also hold the release's statistics of features, "representation.mean" and "representation.std"; a
        model whose features have other signs or another order here converts them too. Raises UsageError where no
        checkpoint of the original code is known.
        """
        if (released := type(self).released_names) is not None:
            return released(state)
        raise UsageError(
            expected="a recipe of SMRNet, siMLPe, Render-In-Between or PoseGPT as released",
            got=f"one of {type(self).__name__}, and {len(state)} tensors",
            cure="Name the recipe that ends in -faithful (`kinema recipes` lists them).",
        )

    @abstractmethod
    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Named scalars; the one called "loss" is minimised, the others are logged."""

    @abstractmethod
    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """The whole window, unobserved frames filled in. All randomness comes from `generator`."""


def repeat_samples(answer: Float[Tensor, "batch frame feat"], samples: int) -> Samples:
    """The answer of a deterministic model, once per sample."""
    return answer.expand(samples, *answer.shape).clone()
