"""What a protocol asks of a model, whatever is behind it: poses that follow poses."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from kinema.motion.motion import Clip, Motion

Space = Literal["rotations", "positions"]


@runtime_checkable
class WindowForecaster(Protocol):
    """A model that continues a pose sequence.

    `trained_on` holds the identities of its training recordings, `spaces` what it can answer in. `forecast_windows`
    takes the observed clip (batch shape (window,), at the protocol's rate and on its skeleton; a model that looks back
    less far uses the end of it) and gives the `frames` after it: poses in the frame of the root, which stands at the
    origin unturned; a `Motion` for "rotations", `Points` for "positions".
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for what was not trained."""
        ...

    @property
    def spaces(self) -> frozenset[Space]:
        """What it can answer in."""
        ...

    def forecast_windows(self, past: Motion, frames: int, space: Space) -> Clip:
        """The `frames` after `past`. Raises UsageError where it cannot answer in that space."""
        ...
