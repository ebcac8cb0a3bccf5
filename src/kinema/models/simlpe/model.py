"""siMLPe: forecasting by multi-layer perceptrons over time and pose (Guo et al., WACV 2023).

The paper's network ("linear" mixing) transforms the last N observed frames by a DCT over time, mixes them by blocks of
[linear over time, layer norm over features, residual], transforms back, and adds the last observed frame; it has no
activation function. "gelu" mixing lifts its limits: pre-norm blocks of two linear maps with a GELU between, alternately
over time and over the pose; a basis over time that starts as the DCT and is learnt; and its own hidden width. Longer
futures are rolled out.

Legend: N observed frames, P answered frames, T tokens of time, B batch, F features of a pose. Tensors are laid out
T x B x F: a linear map over time is then one matrix product on T x (B F), the layer norm runs over contiguous memory,
and nothing inside is transposed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.query import Batch, Query
from kinema.geometry.curves import dct_matrix
from kinema.models.base import FeatureShape, Model, Samples, repeat_samples
from kinema.nn.prefix import future_frames, last_frames, roll_out


def joint_distance(
    a: Float[Tensor, "*b feat"], b: Float[Tensor, "*b feat"], weights: Float[Tensor, " joint"]
) -> Float[Tensor, ""]:
    """Mean Euclidean distance of joints, three features each, in the features' unit.

    `weights`, one for each joint or one for all, have a mean of 1. The gradient at distance 0 is 0.
    """
    squared = (a - b).unflatten(-1, (-1, 3)).square().sum(-1)
    return ((squared + 1e-12).sqrt() * weights).mean()


_ENDS = {"alpha": "weight", "beta": "bias", "weight": "weight", "bias": "bias"}
_BLOCK = re.compile(r"(?:^|\.)(\d+)\.(fc|norm)\w*(?:\.\w+)*?\.(alpha|beta|weight|bias)$")
_OUTER = re.compile(r"(?:^|\.)(?:\w+_)?fc_(in|out)\.(weight|bias)$")


def from_released(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of a released checkpoint by the names of `SiMLPe`, and the released names without a counterpart.

        motion_fc_in.{weight,bias}                        enter
        motion_mlp.mlps.N.fc0.fc.{weight,bias}            blocks.N.mix (over time)
        motion_mlp.mlps.N.norm0.{alpha,beta}              blocks.N.norm; [1, F, 1] there, [F] here
        motion_fc_out.{weight,bias}                       leave

    Older checkpoints have motion_transformer.transformer.N for motion_mlp.mlps.N: only the number and what follows it
    are read. Features are metres of the same joints in the same order and axes.
    """
    found: dict[str, Tensor] = {}
    unmatched: list[str] = []
    for name, value in state.items():
        if outer := _OUTER.search(name):
            found[f"{'enter' if outer[1] == 'in' else 'leave'}.{outer[2]}"] = value
        elif block := _BLOCK.search(name):
            part = "mix" if block[2] == "fc" else "norm"
            found[f"blocks.{block[1]}.{part}.{_ENDS[block[3]]}"] = value.flatten() if part == "norm" else value
        else:
            unmatched.append(name)
    return found, unmatched


def over_time(matrix: Float[Tensor, "S T"], x: Float[Tensor, "T B F"]) -> Float[Tensor, "S B F"]:
    """A linear map of the time axis."""
    return (matrix @ x.flatten(1)).view(-1, *x.shape[1:])


class LinearMixing(nn.Module):
    """The paper's block: x + LayerNorm_F(W x + b), W acting over time."""

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(tokens, tokens)
        self.norm = nn.LayerNorm(width)
        nn.init.xavier_uniform_(self.mix.weight, gain=1e-8)
        nn.init.zeros_(self.mix.bias)

    def forward(self, x: Float[Tensor, "T B F"]) -> Float[Tensor, "T B F"]:
        """One block."""
        return x + self.norm(over_time(self.mix.weight, x) + self.mix.bias[:, None, None])


class TimeMixing(nn.Module):
    """x + V gelu(W LayerNorm_F(x) + b), W and V acting over time."""

    def __init__(self, tokens: int, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(tokens, tokens)
        self.leave = nn.Linear(tokens, tokens, bias=False)
        self.dropout = dropout
        nn.init.xavier_uniform_(self.enter.weight)
        nn.init.zeros_(self.enter.bias)
        nn.init.xavier_uniform_(self.leave.weight, gain=0.1)

    def forward(self, x: Float[Tensor, "T B F"]) -> Float[Tensor, "T B F"]:
        """One block."""
        hidden = over_time(self.enter.weight, self.norm(x)) + self.enter.bias[:, None, None]
        hidden = functional.gelu(functional.dropout(hidden, self.dropout, self.training))
        return x + over_time(self.leave.weight, hidden)


class PoseMixing(nn.Module):
    """x + V gelu(W LayerNorm_F(x) + b) + c, W and V acting over the features of a pose."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.enter = nn.Linear(width, width)
        self.leave = nn.Linear(width, width)
        self.dropout = dropout
        nn.init.xavier_uniform_(self.leave.weight, gain=0.1)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Float[Tensor, "T B F"]) -> Float[Tensor, "T B F"]:
        """One block."""
        hidden = functional.dropout(self.enter(self.norm(x)), self.dropout, self.training)
        return x + self.leave(functional.gelu(hidden))


class SiMLPe(Model):
    """The network. A pass answers `predicted` frames from the last `observed`."""

    graphs = ("forecast",)
    released_names = staticmethod(from_released)

    @dataclass(frozen=True)
    class Config:
        """The defaults are the paper's (sections 3 and 4.2): 50 frames in, 10 out, 48 linear blocks.

        `tokens`, `width` and `dropout` are of "gelu" mixing (0: as many as observed frames, as features): every second
        of its `layers` is followed by a block over the pose. `weights` are the joints' weights in the loss (none:
        equal).
        """

        observed: int = 50
        predicted: int = 10
        layers: int = 48
        mixing: Literal["linear", "gelu"] = "linear"
        tokens: int = 0
        width: int = 0
        dropout: float = 0.0
        weights: tuple[float, ...] = ()

        def build(self, shape: FeatureShape) -> SiMLPe:
            """The network for features of this width."""
            return SiMLPe(self, shape)

        def tiny(self) -> SiMLPe.Config:
            """A few blocks, for tests."""
            return replace(self, layers=4, width=min(self.width, 32), tokens=min(self.tokens, 16), weights=())

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        linear = config.mixing == "linear"
        width = shape.width if linear else config.width or shape.width
        tokens = config.observed if linear else config.tokens or config.observed
        self.enter = nn.Linear(shape.width, width)
        blocks: list[nn.Module] = []
        for layer in range(config.layers):
            blocks.append(LinearMixing(tokens, width) if linear else TimeMixing(tokens, width, config.dropout))
            if not linear and layer % 2:
                blocks.append(PoseMixing(width, config.dropout))
        self.blocks = nn.Sequential(*blocks)
        self.leave = nn.Linear(width, shape.width)
        nn.init.xavier_uniform_(self.leave.weight, gain=1e-8 if linear else 1e-2)
        nn.init.zeros_(self.leave.bias)
        self.to_tokens: Tensor
        self.to_frames: Tensor
        if linear:
            basis = dct_matrix(config.observed)
            self.register_buffer("to_tokens", basis, persistent=False)
            self.register_buffer("to_frames", basis.T[: config.predicted].contiguous(), persistent=False)
        else:
            self.to_tokens = nn.Parameter(_first_basis(config.observed, config.predicted, tokens))
            self.to_frames = nn.Parameter(0.1 / math.sqrt(tokens) * torch.randn(config.predicted, tokens))
        weights = torch.tensor(config.weights or (1.0,))
        self.register_buffer("joint_weights", weights / weights.mean(), persistent=False)

    def forward(self, past: Float[Tensor, "B N F"]) -> Float[Tensor, "B P F"]:
        """The next `predicted` frames after `past`."""
        x = past.transpose(0, 1)
        # Frames differ by millimetres, which bfloat16 rounds away at the size of a body: both maps of time are exact.
        with torch.autocast(x.device.type, enabled=False):
            tokens = over_time(self.to_tokens, x)
        tokens = self.leave(self.blocks(self.enter(tokens)))
        with torch.autocast(x.device.type, enabled=False):
            return (over_time(self.to_frames, tokens.to(x)) + x[-1]).transpose(0, 1)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Mean joint distance plus mean distance of frame-to-frame differences (paper, equations 6 to 8)."""
        past = last_frames(batch.query, self.config.observed)
        truth = future_frames(batch, self.config.predicted)
        answer = self(past)
        weights = self.get_buffer("joint_weights")
        position = joint_distance(answer, truth, weights)
        velocity = joint_distance(answer.diff(dim=1), truth.diff(dim=1), weights)
        return {"loss": position + velocity, "position": position.detach(), "velocity": velocity.detach()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """One answer, repeated; frames beyond one pass are rolled out."""
        return repeat_samples(roll_out(self, query, self.config.observed), samples)


def _first_basis(observed: int, predicted: int, tokens: int) -> Float[Tensor, "T N"]:
    """The initial learnt basis: the DCT of the observed frames with the last one held over the horizon.

    Tokens beyond the transform's rows start at random.
    """
    held = torch.zeros(observed + predicted, observed)
    held[:observed] = torch.eye(observed)
    held[observed:, -1] = 1
    basis = torch.randn(tokens, observed) / math.sqrt(observed)
    rows = min(tokens, observed + predicted)
    basis[:rows] = (dct_matrix(observed + predicted) @ held)[:rows]
    return basis
