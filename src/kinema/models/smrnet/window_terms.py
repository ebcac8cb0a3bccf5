"""The terms in which a window is spoken of: whose heading is forward, and what pose is no difference at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from kinema.models.base import Frame
from kinema.models.smrnet.dct_coefficients import Coefficients, Padding, padded


@dataclass(frozen=True, eq=False)
class Window:
    """Windows with a past of N frames. `past` are its poses seen from the body's own heading, if that is asked for;
    `base` is what is taken from every pose; `held` the past minus it, padded to the whole window."""

    turned: Frame | None
    past: Float[Tensor, "W N F"]
    base: Float[Tensor, "W 1 F"]
    held: Float[Tensor, "W T F"]

    def into(self, frames: Float[Tensor, "W t F"]) -> Float[Tensor, "W t F"]:
        """Frames in the window's own terms."""
        return (frames if self.turned is None else self.turned.into(frames)) - self.base

    def back(self, frames: Float[Tensor, "*S W t F"]) -> Float[Tensor, "*S W t F"]:
        """The way back."""
        own = frames + self.base
        return own if self.turned is None else self.turned.back(own)


@dataclass(frozen=True)
class Terms:
    """How windows are spoken of, from their past on.

    `residual`: as differences to the last observed pose. `turned` gives from a past the frame of reference of its last
    pose; None for windows that are spoken of as they come.
    """

    code: Coefficients
    padding: Padding
    residual: bool
    turned: Callable[[Tensor], Frame | None] | None = None

    def of(self, past: Float[Tensor, "W N F"], known: Float[Tensor, " W"]) -> Window:
        """Windows with this past; where `known` is 0 there is none, and only the heading of `past` counts."""
        turned = None if self.turned is None else self.turned(past)
        own = past if turned is None else turned.into(past)
        base = own[:, -1:] * (known[:, None, None] if self.residual else 0.0)
        held = padded((own - base) * known[:, None, None], self.code.frames, self.padding)
        return Window(turned, own, base, held)
