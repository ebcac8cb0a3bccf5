"""Windows of frames as the first coefficients of their cosine transform, on a scale of their own, and back."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.geometry.dct import dct_matrix

Padding = Literal["last", "repeat", "zero"]
_MEASURED = 64  # training batches that the scale is measured on; afterwards it stands still
_FLOOR = 1e-3  # of the largest scale: a coefficient that hardly varies is not blown up


class Coefficients(nn.Module):
    """x = D[:n] frames / scale, and frames = D[:n]^T (x scale): what is above the n-th frequency is lost.

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
        with torch.autocast(frames.device.type, enabled=False):  # positions deserve all their digits
            return self.basis @ frames.float() / self.scale

    def decode(self, coefficients: Float[Tensor, "*b n F"]) -> Float[Tensor, "*b T F"]:
        """The smooth window that has these coefficients and no others."""
        with torch.autocast(coefficients.device.type, enabled=False):
            return self.basis.T @ (coefficients.float() * self.scale)

    @torch.no_grad()
    def measure(self, frames: Float[Tensor, "*b T F"]) -> None:
        """Take a training batch into the scale, as long as it is being measured."""
        if not self.whiten or int(self.batches) >= _MEASURED:
            return
        power = (self.encode(frames) * self.scale).flatten(0, -3).square().mean(0)
        done = self.batches.to(power)
        # Before the first batch the scale is 1 by definition and counts nothing.
        power = (self.scale.square() * done + power) / (done + 1)
        self.scale.copy_(power.sqrt().clamp(min=_FLOOR * float(power.max().sqrt()) + 1e-8))
        self.batches += 1


def padded(past: Float[Tensor, "*b N F"], frames: int, padding: Padding) -> Float[Tensor, "*b T F"]:
    """`past`, continued to `frames` frames: by its last one, by itself again and again, or by zeros. A new tensor."""
    index = torch.arange(frames, device=past.device)
    count = past.shape[-2]
    if padding == "repeat":
        return past[..., index % count, :]
    held = past[..., index.clamp(max=count - 1), :]
    return held * (index < count)[:, None] if padding == "zero" else held
