"""siMLPe: forecasting by linear layers over time, in the frequency domain (Guo et al., WACV 2023).

The last N observed frames are transformed by a DCT over time, mixed by blocks of [linear over time, layer norm over
features, residual], transformed back, and added to the last observed frame; there is no activation function anywhere.
Longer futures are answered by feeding the answer back.

Legend: N frames seen, B batch, F feat. Tensors are laid out N x B x F: a linear map over time is then one matrix
product on N x (B F), and the layer norm runs over contiguous memory; nothing is ever transposed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.batch import Batch, Query
from kinema.geometry.frequency import dct_matrix
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.nn.distance import joint_distance
from kinema.nn.prefix import future_frames, last_frames, roll_out


class TimeMixing(nn.Module):
    """One block: x + LayerNorm_F(W x + b), W acting over time."""

    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(frames, frames)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.mix.weight, gain=1e-8)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Float[Tensor, "N B F"]) -> Float[Tensor, "N B F"]:
        mixed = torch.addmm(self.mix.bias[:, None], self.mix.weight, x.flatten(1)).view_as(x)
        return x + self.norm(mixed)


class SiMLPe(Model):
    """The network. A pass predicts `predicted` frames from the last `observed`; `predicted <= observed`."""

    @dataclass(frozen=True)
    class Config:
        """Paper, section 3 and 4.2: 50 frames in, 10 out, 48 blocks; the feature width is the representation's."""

        observed: int = 50
        predicted: int = 10
        layers: int = 48

        def build(self, shape: FeatureShape) -> SiMLPe:
            """The network for features of this width."""
            return SiMLPe(self, shape)

        def tiny(self) -> SiMLPe.Config:
            """A few blocks, for tests."""
            return replace(self, layers=4)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        self.enter = nn.Linear(shape.width, shape.width)
        self.blocks = nn.Sequential(*(TimeMixing(config.observed, shape.width) for _ in range(config.layers)))
        self.leave = nn.Linear(shape.width, shape.width)
        nn.init.xavier_uniform_(self.leave.weight, gain=1e-8)
        nn.init.zeros_(self.leave.bias)
        self.register_buffer("transform", dct_matrix(config.observed), persistent=False)

    def forward(self, past: Float[Tensor, "B N F"]) -> Float[Tensor, "B P F"]:
        """The next `predicted` frames after `past`."""
        transform: Tensor = self.transform
        x = past.transpose(0, 1)
        frequencies = (transform @ x.flatten(1)).view(x.shape)
        mixed = self.leave(self.blocks(self.enter(frequencies)))
        steps = (transform.T[: self.config.predicted] @ mixed.flatten(1)).view(-1, *x.shape[1:])
        return (steps + x[-1]).transpose(0, 1)

    def loss(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """Mean joint distance plus mean distance of frame-to-frame differences (paper, equations 6 to 8)."""
        past = last_frames(batch.query, self.config.observed)
        truth = future_frames(batch, self.config.predicted)
        answer = self(past)
        position = joint_distance(answer, truth)
        velocity = joint_distance(answer.diff(dim=1), truth.diff(dim=1))
        return {"loss": position + velocity, "position": position.detach(), "velocity": velocity.detach()}

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """One answer, repeated; frames beyond one pass are answered by feeding the answer back."""
        del generator  # deterministic
        return repeat_samples(roll_out(self, query, self.config.observed), samples)
