"""What protocols ask of what they score: `Evaluated`. A `Pipeline` satisfies it, and so does a baseline of a protocol.

A protocol uses the few members that its question needs. `PartialMethod` refuses the others, so that a baseline only
writes what it answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.constants import Verb
from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.motion.motion import AnyClip, Clip, Motion, Points

Data = Path | str | None
"""The folder below which data are; None: the one that KINEMA_DATA names."""
Space = Literal["rotations", "positions"]
"""What a forecast is made of."""
Kind = Literal["rotations", "positions", "picture"]
"""What a completed clip is made of: joint rotations, positions in space, keypoints in a picture."""


@runtime_checkable
class Evaluated(Protocol):
    """A model or a method that a protocol scores. Clips have batch shape (window,) unless it says otherwise.

    Properties never raise: what does not apply is empty or 0.
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def verbs(self) -> Sequence[Verb]:
        """What it answers."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for what was not trained."""
        ...

    @property
    def spaces(self) -> frozenset[Space]:
        """What its forecasts can be made of."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it completes."""
        ...

    @property
    def deterministic(self) -> bool:
        """Whether all its samples are the same; then a protocol draws one."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """The labels that it was trained with, in its order."""
        ...

    @property
    def fps(self) -> float:
        """The rate of what it generates, frames per second; 0 where it generates nothing."""
        ...

    @property
    def code_count(self) -> tuple[int, int]:
        """Books of its codes of motion, and codes in each; (0, 0) where it has none."""
        ...

    def forecast_windows(self, past: Motion, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (at the protocol's rate and on its skeleton), in the frame of the root.

        The root stands at the origin with no rotation; a `Motion` for "rotations", `Points` for "positions". A model
        that observes fewer frames uses the end of `past`. Raises UsageError where it cannot answer in that space.
        """
        ...

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of `past`, batch shape (sample, window): positions relative to the root, the world's axes.

        The same seed gives the same futures. Raises UsageError where it cannot answer on that skeleton or rate.
        """
        ...

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        confidence: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """The whole of a clip of which the `known` frames (or joints) are given; what is not known is NaN.

        `confidence` of the known values is in (0, 1] (None: they are exact); where it is given, known frames may come
        back changed. Positions are metres with y up, or pixels with y down.
        """
        ...

    def make(self, labels: Float[Tensor, "clip class"], frames: int, seed: int) -> Clip:
        """One clip for every row of label weights, batch shape (clip,). The same seed gives the same clips."""
        ...

    def source(self, data: Data) -> Source:
        """The recordings that it was trained on, with their other splits, below the folder `data`."""
        ...

    def as_represented(self, clip: Clip) -> Clip:
        """A recording after the model's representation: on its skeleton, at its rate, with what its features keep."""
        ...

    def cut(self, clip: Clip, frames: int) -> Float[Tensor, "window frame feat"]:
        """Standardised features of the windows of one recording, one after the other."""
        ...

    def joint_positions(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame joint 3"]:
        """Joint positions, metres, of standardised features."""
        ...

    def coded(
        self, features: Float[Tensor, "window frame feat"]
    ) -> tuple[Int[Tensor, "window token book"], Float[Tensor, "window frame feat"]]:
        """Codes of standardised features, and the features that are decoded from them."""
        ...

    def continued(
        self, past: Float[Tensor, "window past feat"], frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample window frame feat"]:
        """Standardised features of the past and the `frames` after it, without a label."""
        ...


def _refuses(does: str) -> Callable[..., Any]:
    """A method that raises UsageError: its owner is not a model that does this."""

    def refuse(self: PartialMethod, *_: object, **__: object) -> Any:
        raise UsageError(
            expected=f"a model that {does}",
            got=f"{self.name}, which does not",
            cure="Name a model that `kinema models` lists, or use a protocol of what it answers.",
        )

    return refuse


class PartialMethod:
    """A base of baselines: an `Evaluated` that answers nothing. A subclass has a name and overrides what it answers."""

    name: str
    verbs: Sequence[Verb] = ()
    trained_on: frozenset[str] = frozenset()
    spaces: frozenset[Space] = frozenset()
    kinds: frozenset[Kind] = frozenset()
    deterministic: bool = True
    actions: tuple[str, ...] = ()
    fps: float = 0.0
    code_count: tuple[int, int] = (0, 0)
    forecast_windows = _refuses("forecasts windows")
    sample = _refuses("samples futures of joint positions")
    complete = _refuses("completes clips")
    make = _refuses("generates motion from labels")
    source = _refuses("has training recordings")
    as_represented = _refuses("has a representation")
    cut = _refuses("has a representation")
    joint_positions = _refuses("has a representation")
    coded = _refuses("makes codes of motion")
    continued = _refuses("continues features")
