"""Half and double the rate of a sequence by convolutions that may, or may not, look ahead."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Trim = Literal["front", "back"]
Padding = Literal["absent", "seen"]


class Halve(nn.Module):
    """Two frames become one token: a convolution, then the larger of each pair ("conv"), or a linear map ("cat").

    Where `causal`, the convolution sees a frame and the one before it, so that token i depends on frames up to 2 i + 1;
    otherwise it sees one frame on either side. A token is there if its first frame is. Masked frames count as absent;
    with `padding` "seen" the convolution reads what they hold, and tokens that are not there keep what it made of them,
    as in PoseGPT's code.
    """

    def __init__(
        self, dim: int, *, causal: bool, kind: Literal["conv", "cat"] = "conv", padding: Padding = "absent"
    ) -> None:
        super().__init__()
        self.causal, self.padding = causal, padding
        self.conv = nn.Conv1d(dim, dim, 2 if causal else 3, padding=0 if causal else 1) if kind == "conv" else None
        self.pair = nn.Linear(2 * dim, dim) if kind == "cat" else None

    def forward(
        self, x: Float[Tensor, "batch frame dim"], mask: Bool[Tensor, "batch frame"]
    ) -> tuple[Float[Tensor, "batch token dim"], Bool[Tensor, "batch token"]]:
        """Tokens, and which of them are there; the last of an odd number makes none."""
        x = x * mask[..., None] if self.padding == "absent" else x
        tokens = mask[:, ::2]
        if self.pair is not None:
            return self.pair(x.unflatten(1, (-1, 2)).flatten(-2)), tokens
        assert self.conv is not None
        channels = x.transpose(1, 2)
        out = self.conv(nn.functional.pad(channels, (1, 0)) if self.causal else channels)
        there = out.masked_fill(~mask[:, None], torch.finfo(out.dtype).min)
        if torch.compiler.is_exporting():  # pooling would fix the length of the graph's sequences
            pooled = there.unflatten(-1, (-1, 2)).amax(-1)
        else:
            pooled = nn.functional.max_pool1d(there, 2)
            tokens = tokens[:, : pooled.shape[2]]
        left = 0.0 if self.padding == "absent" else nn.functional.max_pool1d(out, 2)
        return torch.where(tokens[:, None], pooled, left).transpose(1, 2), tokens


class Double(nn.Module):
    """A token becomes two frames: a transposed convolution whose one frame too many is cut off.

    `trim` "back" cuts the last: frame f depends on tokens up to f // 2. "front" cuts the first, as PoseGPT's code does:
    every odd frame then depends on the token after its own. `padding` "seen" reads what masked tokens hold.
    """

    def __init__(self, dim: int, trim: Trim, *, padding: Padding = "absent") -> None:
        super().__init__()
        self.trim, self.padding = trim, padding
        self.conv = nn.ConvTranspose1d(dim, dim, 3, stride=2)

    def forward(
        self, x: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch frame dim"]:
        """Twice as many frames."""
        x = x * mask[..., None] if self.padding == "absent" else x
        out = self.conv(x.transpose(1, 2))
        return (out[..., 1:] if self.trim == "front" else out[..., :-1]).transpose(1, 2)
