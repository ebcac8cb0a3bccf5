"""Windows of frames as SMRNet sees them: as cosine coefficients, padded, and relative to their own past.

Legend: W windows (rows of a batch), N observed frames, T frames of a window, n coefficients, F features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.geometry.curves import dct_matrix
from kinema.models.base import Frame

Padding = Literal["last", "repeat", "zero"]
_MEASURED = 64  # training batches on which the scale is measured; then it is fixed
_FLOOR = 1e-3  # of the largest scale: a coefficient that hardly varies is not amplified


class Coefficients(nn.Module):
    """x = D[:n] frames / scale, and frames = D[:n]^T (x scale): frequencies above the n-th are lost.

    With `whiten` the scale of every coefficient of every feature is its root mean square over the first training
    batches, a buffer that is saved with the weights; without, it is 1.
    """

    def __init__(self, frames: int, count: int, width: int, *, whiten: bool) -> None:
        super().__init__()
        self.frames, self.whiten = frames, whiten
        self.basis: Tensor
        self.scale: Tensor
        self.batches: Tensor
        self.register_buffer("basis", dct_matrix(frames)[:count].contiguous(), persistent=False)
        self.register_buffer("scale", torch.ones(count, width), persistent=whiten)
        self.register_buffer("batches", torch.zeros((), dtype=torch.int64), persistent=whiten)

    def encode(self, frames: Float[Tensor, "*b T F"]) -> Float[Tensor, "*b n F"]:
        """Coefficients of whole windows."""
        with torch.autocast(frames.device.type, enabled=False):  # positions need all their digits
            return self.basis @ frames.float() / self.scale

    def decode(self, coefficients: Float[Tensor, "*b n F"]) -> Float[Tensor, "*b T F"]:
        """The window with these coefficients and zeros above."""
        with torch.autocast(coefficients.device.type, enabled=False):
            return self.basis.T @ (coefficients.float() * self.scale)

    @torch.no_grad()
    def measure(self, frames: Float[Tensor, "*b T F"]) -> None:
        """Update the scale by a training batch, for the first batches."""
        if not self.whiten or int(self.batches) >= _MEASURED:
            return
        power = (self.encode(frames) * self.scale).flatten(0, -3).square().mean(0)
        done = self.batches.to(power)
        # Before the first batch the scale is 1 and has no weight.
        power = (self.scale.square() * done + power) / (done + 1)
        self.scale.copy_(power.sqrt().clamp(min=_FLOOR * float(power.max().sqrt()) + 1e-8))
        self.batches += 1


def padded(past: Float[Tensor, "*b N F"], frames: int, padding: Padding) -> Float[Tensor, "*b T F"]:
    """`past`, extended to `frames` frames by its last one, by repetition, or by zeros. A new tensor."""
    index = torch.arange(frames, device=past.device)
    count = past.shape[-2]
    if padding == "repeat":
        return past[..., index % count, :]
    held = past[..., index.clamp(max=count - 1), :]
    return held * (index < count)[:, None] if padding == "zero" else held


@dataclass(frozen=True, eq=False)
class Window:
    """Windows with a past of N frames. `past` are its poses in the windows' own frame of reference `frame` (None: the
    room's); `base` is subtracted from every pose; `held` is the past minus `base`, padded to the whole window."""

    frame: Frame | None
    past: Float[Tensor, "W N F"]
    base: Float[Tensor, "W 1 F"]
    held: Float[Tensor, "W T F"]

    def into(self, frames: Float[Tensor, "W t F"]) -> Float[Tensor, "W t F"]:
        """Frames in the window's terms."""
        return (frames if self.frame is None else self.frame.into(frames)) - self.base

    def back(self, frames: Float[Tensor, "*S W t F"]) -> Float[Tensor, "*S W t F"]:
        """The inverse of `into`."""
        own = frames + self.base
        return own if self.frame is None else self.frame.back(own)


@dataclass(frozen=True)
class Terms:
    """The terms in which a window is expressed, which follow from its past.

    `residual`: differences to the last observed pose. `frame` gives the frame of reference of a past's last pose;
    None: windows keep theirs.
    """

    code: Coefficients
    padding: Padding
    residual: bool
    frame: Callable[[Tensor], Frame | None] | None = None

    def of(self, past: Float[Tensor, "W N F"], known: Float[Tensor, " W"]) -> Window:
        """Windows with this past; where `known` is 0 there is none, and only the heading of `past` is used."""
        frame = None if self.frame is None else self.frame(past)
        own = past if frame is None else frame.into(past)
        base = own[:, -1:] * (known[:, None, None] if self.residual else 0.0)
        held = padded((own - base) * known[:, None, None], self.code.frames, self.padding)
        return Window(frame, own, base, held)
