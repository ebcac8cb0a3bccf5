"""The interface between protocols and what they score: `Evaluated`, satisfied by `Pipeline` and by baselines.

A protocol uses the few members that it needs. `PartialMethod` refuses the others, so that a baseline defines only what
it supports. Evaluators are classifiers in whose feature space generated motion is compared with recordings.
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
"""The folder of the data; None: that of KINEMA_DATA."""
Space = Literal["rotations", "positions"]
"""The space of a forecast."""
Kind = Literal["rotations", "positions", "picture"]
"""The kind of a completed clip: joint rotations, positions in space, keypoints in a picture."""


def root_of(data: Data) -> str | None:
    """The folder of the data as the field `root` of a source."""
    return None if data is None else str(data)


@runtime_checkable
class Evaluated(Protocol):
    """A model or a method that a protocol scores. Clips have batch shape (window,) unless stated otherwise.

    Properties never raise: values that do not apply are empty or 0.
    """

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    @property
    def verbs(self) -> Sequence[Verb]:
        """The verbs that it supports."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for an untrained method."""
        ...

    @property
    def spaces(self) -> frozenset[Space]:
        """The spaces of its forecasts."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of clips that it completes."""
        ...

    @property
    def deterministic(self) -> bool:
        """True if all samples are equal; a protocol then draws one."""
        ...

    @property
    def actions(self) -> tuple[str, ...]:
        """The labels that it was trained with, in its order."""
        ...

    @property
    def fps(self) -> float:
        """The rate of generated motion, frames per second; 0 if it does not generate."""
        ...

    @property
    def code_count(self) -> tuple[int, int]:
        """The number of code books, and of codes in each; (0, 0) without codes."""
        ...

    def forecast_windows(self, past: Motion, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (at the protocol's rate and on its skeleton), in the frame of the root.

        The root is at the origin without rotation; a `Motion` for "rotations", `Points` for "positions". A model that
        reads fewer frames uses the end of `past`. Raises UsageError for a space that it does not support.
        """
        ...

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of `past`, batch shape (sample, window): positions relative to the root, the world's axes.

        The same seed gives the same futures. Raises UsageError for another skeleton or rate than the model's.
        """
        ...

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        confidence: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """Fill a clip from its `known` frames (or joints); unknown values are NaN.

        `confidence` of the known values is in (0, 1] (None: exact); with it, known frames may change. Positions are
        metres with y up, or pixels with y down.
        """
        ...

    def make(self, labels: Float[Tensor, "clip class"], frames: int, seed: int) -> Clip:
        """One clip for every row of label weights, batch shape (clip,). The same seed gives the same clips."""
        ...

    def source(self, data: Data) -> Source:
        """Its training recordings, with their other splits, in the folder `data`."""
        ...

    def as_represented(self, clip: Clip) -> Clip:
        """A recording encoded and decoded by the representation: the model's skeleton and rate."""
        ...

    def cut(self, clip: Clip, frames: int) -> Float[Tensor, "window frame feat"]:
        """Standardised features of consecutive windows of a recording."""
        ...

    def joint_positions(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame joint 3"]:
        """Joint positions, metres, of standardised features."""
        ...

    def coded(
        self, features: Float[Tensor, "window frame feat"]
    ) -> tuple[Int[Tensor, "window token book"], Float[Tensor, "window frame feat"]]:
        """Codes of standardised features, and the features decoded from them."""
        ...

    def continued(
        self, past: Float[Tensor, "window past feat"], frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample window frame feat"]:
        """Standardised features of the past and the `frames` after it, without a label."""
        ...


def _refuses(does: str) -> Callable[..., Any]:
    """A method that raises UsageError: not supported."""

    def refuse(self: PartialMethod, *_: object, **__: object) -> Any:
        raise UsageError(
            expected=f"a model that {does}",
            got=f"{self.name}, which does not",
            cure="Use a model that `kinema models` lists, or a protocol of its verbs (`kinema eval --help`).",
        )

    return refuse


class PartialMethod:
    """A base of baselines: an `Evaluated` that supports nothing. A subclass sets a name and overrides methods."""

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


@runtime_checkable
class Evaluator(Protocol):
    """A classifier of clips, with the layer before its logits."""

    @property
    def digest(self) -> str:
        """A hash of its weights: two reports with the same one can be compared."""
        ...

    def look(
        self, clips: Float[Tensor, "clip frame feat"]
    ) -> tuple[Float[Tensor, "clip dim"], Float[Tensor, "clip class"]]:
        """Features and logits of clips."""
        ...


@runtime_checkable
class EvaluatorTrainer(Protocol):
    """Trains evaluators: the same clips, steps and seed give the same one."""

    def train(
        self, clips: Float[Tensor, "clip frame feat"], labels: Float[Tensor, "clip class"], *, steps: int, keep: bool
    ) -> Evaluator:
        """An evaluator trained on these clips; with `keep` it may be cached."""
        ...
