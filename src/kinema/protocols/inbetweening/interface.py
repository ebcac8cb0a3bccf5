"""What the protocols of completion ask of a method, whatever is behind it; and the methods that need no training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.interpolation import even_times, interpolate, smooth, soften
from kinema.motion.motion import Motion, Points

_REACH = 0.1  # seconds: the least over which lines are fitted
AnyClip = TypeVar("AnyClip", Motion, Points)
Kind = Literal["rotations", "positions", "picture"]
"""What a clip is made of: joint rotations, positions in space, keypoints in a picture."""


@runtime_checkable
class Completer(Protocol):
    """A method that fills in what is not known of a clip."""

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for what was not trained."""
        ...

    @property
    def kinds(self) -> frozenset[Kind]:
        """What it can complete."""
        ...

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        trust: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """The whole of a clip of batch shape (window,) of which the `known` frames (or joints) are given.

        What is not known is NaN. `trust` says how far what is known is to be believed (None: it is exact); where it
        is given, the known frames may come back changed. Positions are metres with y up, or pixels with y down.
        """
        ...


@dataclass(frozen=True)
class Classical:
    """A curve through the known frames, and for the filters a straight one with the filter run over it.

    Trust is not looked at: these methods take every given frame for exact, or smooth them all alike.
    """

    name: str
    trained_on: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset({"rotations", "positions", "picture"})

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        trust: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """See `Completer`. Raises UsageError where nothing is known of a joint."""
        if self.name == "local-lines":
            return _local_lines(clip, known)
        if self.name in FILTERS:
            return smooth(interpolate(clip, known, method="linear"), self.name)
        return interpolate(clip, known, method=self.name)


CURVE_COLUMNS = ("hold", "linear", "cubic", "pchip", "squad")
FILTERS = ("savgol", "one-euro", "gaussian")
CLASSICAL: dict[str, Classical] = {name: Classical(name) for name in (*CURVE_COLUMNS, *FILTERS, "local-lines")}
"""The methods that need no training, by name. "linear" is slerp for rotations."""


def _local_lines(clip: AnyClip, known: Bool[Tensor, "..."]) -> AnyClip:
    """Straight lines fitted to the known frames around each frame, as far as the known frames stand apart."""
    frames = known if known.ndim == 1 else known.any(-1)
    apart = clip.frames / float(frames.sum()) / clip.fps
    return soften(clip, even_times(clip.frames, clip.fps), known.float(), reach=max(apart, _REACH))
