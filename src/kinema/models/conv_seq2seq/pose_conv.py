"""Strided convolutions over time and pose dimensions, and their evaluation over a moving window.

Three layers of [2 x 7 (time x pose) convolution of stride 2 on both axes, LeakyReLU, dropout], then one linear map (Li
et al., CVPR 2018). A row of layer l covers 2^l frames. When the window moves by one frame, a row is needed again 2^l
steps later at another place: in the layer of two frames there are two interleaved phases of rows, then four, then
eight. `Rolling` keeps them, so every row is computed once (as a dilated convolution would) instead of once per step.

Legend: N any number of rows, B batch, T frames, W pose dimensions, C channels. Layout: channels last, so that seven
neighbouring dimensions are one run of memory and a layer is one matrix product.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.errors import UsageError

Padding = Literal["valid", "same", "front"]
LAYERS = 3
SPAN = 2**LAYERS  # frames that a row of the last layer covers
_KERNEL = 7
_SLOPE = 0.2
_DROPOUT = (0.2, 0.2, 0.5)


class PoseEncoder(nn.Module):
    """Some frames of poses -> one vector.

    If lengths do not fit the strides, `padding` "valid" leaves out the last frames and pose dimensions, "same" appends
    zeros (half of them in front of the dimensions), "front" repeats the first frame in front of the window and pads
    dimensions as "same" does. `dropout` scales the paper's rates. Xavier-uniform weights, biases zero.
    """

    def __init__(
        self, frames: int, width: int, features: int, out: int, padding: Padding, dropout: float = 1.0
    ) -> None:
        super().__init__()
        self.frames, self.width, self.padding = frames, width, padding
        self.rates = tuple(dropout * rate for rate in _DROPOUT)
        channels = (1, 4 * features, 8 * features, 8 * features)
        self.kernels = nn.ParameterList(torch.empty(2, _KERNEL, enter, leave) for enter, leave in pairwise(channels))
        for kernel in self.kernels:
            _xavier(kernel)
        for _ in range(LAYERS):
            width = (width - _KERNEL) // 2 + 1 if padding == "valid" else (width + 1) // 2
        self.rows = frames // SPAN if padding == "valid" else -(-frames // SPAN)
        if self.rows < 1 or width < 1:
            raise UsageError(
                expected=f"at least {SPAN} frames of 43 dimensions for three layers without padding",
                got=f"{frames} frames of {self.width}",
                cure="Set padding to same or front.",
            )
        self.project = nn.Linear(self.rows * width * channels[-1], out)
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    @property
    def unseen(self) -> int:
        """The number of newest frames without influence: those that "valid" leaves out."""
        return self.frames - SPAN * self.rows if self.padding == "valid" else 0

    @property
    def rolls(self) -> bool:
        """Whether rows can be used again when the window moves: not where padding moves with it."""
        return self.padding == "valid" or self.frames % (SPAN if self.padding == "front" else SPAN // 2) == 0

    def forward(self, frames: Float[Tensor, "B T W"]) -> Float[Tensor, "B out"]:
        """The code of a window."""
        if self.padding == "valid":
            frames = frames[:, : SPAN * self.rows]
        elif self.padding == "front":
            missing = SPAN * self.rows - frames.shape[1]
            frames = torch.cat((frames[:, :1].expand(-1, missing, -1), frames), 1)
        if torch.compiler.is_exporting():
            return self.project(self._convolved(frames).permute(0, 2, 3, 1).flatten(1))
        x = frames[..., None]
        for layer in range(LAYERS):
            if x.shape[1] % 2:
                x = functional.pad(x, (0, 0, 0, 0, 0, 1))
            pairs = x.unflatten(1, (-1, 2))
            x = self.layer(layer, pairs.flatten(0, 1)).unflatten(0, pairs.shape[:2])
        return self.project(x.flatten(1))

    def _convolved(self, frames: Float[Tensor, "B T W"]) -> Float[Tensor, "B C rows V"]:
        """The layers as plain convolutions: slower on a CPU, but three nodes of an exported graph instead of many."""
        x = frames[:, None]
        for layer in range(LAYERS):
            width = x.shape[3]
            needed = 0 if self.padding == "valid" else max(((width + 1) // 2 - 1) * 2 + _KERNEL - width, 0)
            x = functional.pad(x, (needed // 2, needed - needed // 2, 0, x.shape[2] % 2))
            x = functional.conv2d(x, cast("Tensor", self.kernels[layer]).permute(3, 2, 0, 1), stride=2)
            x = functional.leaky_relu(x, _SLOPE)
        return x

    def layer(self, layer: int, pairs: Float[Tensor, "N 2 W C"]) -> Float[Tensor, "N V D"]:
        """One convolution of pairs of rows, with its activation and dropout."""
        kernel = cast("Tensor", self.kernels[layer])
        if self.padding != "valid":
            width = pairs.shape[2]
            needed = max(((width + 1) // 2 - 1) * 2 + _KERNEL - width, 0)
            pairs = functional.pad(pairs, (0, 0, needed // 2, needed - needed // 2))
        # Seven neighbouring dimensions with their channels are contiguous memory, copied at once.
        patches = pairs.unfold(2, _KERNEL, 2).permute(0, 2, 1, 4, 3)
        out = patches.reshape(-1, kernel.numel() // kernel.shape[-1]) @ kernel.flatten(0, 2)
        out = functional.leaky_relu(out, _SLOPE).view(pairs.shape[0], -1, kernel.shape[-1])
        return functional.dropout(out, self.rates[layer], self.training)


class Rolling:
    """A `PoseEncoder` over a window that moves by one frame at a time; equal to its `forward` on every window.

    In training, dropout differs: a row has one mask, shared by all windows that contain it. `grow` adds frames as they
    become known, `codes` gives the codes of windows all of whose influential frames are known.
    """

    def __init__(self, encoder: PoseEncoder) -> None:
        assert encoder.rolls, "padding moves along with the window"
        self._encoder = encoder
        self._rows: list[list[Tensor]] = [[] for _ in range(LAYERS + 1)]  # by layer: B x W x C at every start

    def grow(self, frames: Sequence[Float[Tensor, "B W"]]) -> None:
        """More frames, each after the one before."""
        self._rows[0].extend(frame[..., None] for frame in frames)
        for layer in range(LAYERS):
            below, above = self._rows[layer], self._rows[layer + 1]
            starts = range(len(above), len(below) - 2**layer)
            if starts:
                above.extend(self._layer(layer, [(below[start], below[start + 2**layer]) for start in starts]))

    def codes(self, windows: Sequence[int]) -> Float[Tensor, "window B out"]:
        """The codes of the windows that start at these frames (0 is the first frame that was added)."""
        encoder, top = self._encoder, self._rows[LAYERS]
        whole = encoder.frames // SPAN
        columns = [torch.stack([top[start + SPAN * row] for start in windows]) for row in range(whole)]
        if encoder.padding == "same" and encoder.frames % SPAN:
            # The window's end: a row of half the span, and zeros behind it.
            halves = [self._rows[LAYERS - 1][start + SPAN * whole] for start in windows]
            rows = self._layer(LAYERS - 1, [(half, torch.zeros_like(half)) for half in halves])
            columns.append(torch.stack(rows))
        return encoder.project(torch.stack(columns, 2).flatten(2))

    def _layer(self, layer: int, pairs: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
        together = torch.stack([torch.stack(pair, 1) for pair in pairs])
        rows = self._encoder.layer(layer, together.flatten(0, 1))
        return list(rows.unflatten(0, together.shape[:2]).unbind(0))


def _xavier(kernel: Float[Tensor, "time width enter leave"]) -> None:
    """Xavier-uniform with the fans of a convolution: kernel area times channels."""
    area = kernel.shape[0] * kernel.shape[1]
    bound = (6 / (area * (kernel.shape[2] + kernel.shape[3]))) ** 0.5
    nn.init.uniform_(kernel, -bound, bound)
