"""Classical methods to fill gaps: curves through the known frames, filters, local lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.constants import Verb
from kinema.motion.interpolation import CURVES, even_times, interpolate, smooth, soften
from kinema.motion.interpolation.filters import SMOOTHERS
from kinema.motion.motion import AnyClip
from kinema.protocols.interface import Kind, PartialMethod

_REACH = 0.1  # seconds: the least over which lines are fitted


@dataclass(frozen=True)
class Classical(PartialMethod):
    """A curve through the known frames, or a filter over linear interpolation. The confidence is not used."""

    name: str
    trained_on: frozenset[str] = frozenset()
    kinds: frozenset[Kind] = frozenset({"rotations", "positions", "picture"})
    verbs: Sequence[Verb] = ("inbetween", "upsample", "repair")

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        confidence: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """See `Evaluated`. Raises UsageError if a joint has no known frame."""
        if self.name == "local-lines":
            return _local_lines(clip, known)
        if self.name in SMOOTHERS:
            return smooth(interpolate(clip, known, method="linear"), self.name)
        return interpolate(clip, known, method=self.name)


CLASSICAL: dict[str, Classical] = {name: Classical(name) for name in (*CURVES, *SMOOTHERS, "local-lines")}
"""All of them by name. "linear" is slerp for rotations."""


def _local_lines(clip: AnyClip, known: Bool[Tensor, "..."]) -> AnyClip:
    """Straight lines fitted to the known frames around each frame, within their mean spacing."""
    frames = known if known.ndim == 1 else known.any(-1)
    apart = clip.frames / float(frames.sum()) / clip.fps
    return soften(clip, even_times(clip.frames, clip.fps), known.float(), reach=max(apart, _REACH))
