"""The parts of ActionGAN: a walk through a small latent box, a decoder from the box to poses, readers of sequences.

Legend: B batch, T frame, L latent, A actions, D pose dimensions, N noise.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import linear

from kinema.core.query import Query
from kinema.models.base import Samples

_DEVIATION = 0.02  # of fresh weights, as in the released code
ACTION_SCALE = 4.0  # an "aware" walk gets ten numbers of action among two hundred: unscaled, they have no effect
Norm = Literal["layer", "batch"]
Walk = Literal["free", "bounded", "aware"]


def action_by_frame(query: Query) -> Float[Tensor, "batch frame class"]:
    """The label weights of every frame, from the query's schedule or constant; equal weights where there are none."""
    frames = query.observed.shape[1]
    action = query.action[:, None].expand(-1, frames, -1) if query.action_frames is None else query.action_frames
    even = torch.full_like(action, 1 / max(1, action.shape[-1]))
    return torch.where(action.sum(-1, keepdim=True) > 0, action, even)


def keep_known(query: Query, answer: Samples) -> Samples:
    """The answer, with the frames that are known exactly put back."""
    known = (query.confidence >= 1).all(-1) & query.valid
    return torch.where(known[..., None], query.observed, answer)


class PoseDecoder(nn.Module):
    """[z; y] -> hidden -> normalised -> ReLU -> frame. 56,350 parameters at L 12, A 10, hidden 1024, D 30.

    A `depth` above 1 adds depth - 1 residual layers.
    """

    def __init__(self, latent: int, classes: int, hidden: int, width: int, norm: Norm, depth: int = 1) -> None:
        super().__init__()
        self.latent, self.width = latent, width
        self.enter = small_linear(latent + classes, hidden)
        self.norm = nn.BatchNorm1d(hidden, 1e-3, 0.01) if norm == "batch" else nn.LayerNorm(hidden)
        self.deep = nn.ModuleList([nn.Linear(hidden, hidden) for _ in range(depth - 1)])
        self.leave = small_linear(hidden, width)

    def forward(self, z: Float[Tensor, "*B L"], action: Float[Tensor, "*B A"]) -> Float[Tensor, "*B D"]:
        """Frames of latents, each by itself."""
        code = self.enter(torch.cat((z, action), -1))
        return self._frames(self.norm(code.flatten(0, -2)).view_as(code))

    def by_step(self, z: Float[Tensor, "B T L"], action: Float[Tensor, "B T A"]) -> Float[Tensor, "B T D"]:
        """Frames of latents, batch-normalised by each time step's own statistics; the stored ones do not change."""
        code = self.enter(torch.cat((z, action), -1))
        unit = (code - code.mean(0)) * (code.var(0, correction=0) + self.norm.eps).rsqrt()
        return self._frames(unit * self.norm.weight + self.norm.bias)

    def _frames(self, code: Float[Tensor, "*B hidden"]) -> Float[Tensor, "*B D"]:
        code = code.relu()
        for layer in self.deep:
            code = code + layer(code).relu()
        return self.leave(code)


class LatentWalk(nn.Module):
    """Noise and action -> LSTM -> steps -> latents (Yu et al. 2020, latent transitions).

    `walk` "free" (the paper's) adds steps that are clipped to [-1, 1]; nothing bounds their sum. "bounded" is the tanh
    of a walk with inertia that is pulled back to the middle, so no latent leaves the box. "aware" is bounded, and its
    LSTM also reads the first frame's noise, the latent and the velocity in every frame. `start` "even" begins uniformly
    in the box, "learnt" at the output of a small network. `biases` is 1 as in TensorFlow's LSTM (342,028 parameters at
    L 12, A 10, N 64, hidden 256) or 2 as in torch's (343,052).
    """

    def __init__(
        self,
        latent: int,
        classes: int,
        noise: int,
        hidden: int,
        *,
        walk: Walk,
        start: Literal["even", "learnt"],
        biases: Literal[1, 2],
    ) -> None:
        super().__init__()
        self.latent, self.noise, self.walk = latent, noise, walk
        state = noise + 2 * latent if walk == "aware" else 0
        self.lstm = nn.LSTM(noise + classes + state, hidden, batch_first=True)
        init_lstm(self.lstm, biases, joint=walk == "free")
        self.step = small_linear(hidden, latent) if walk == "free" else nn.Linear(hidden, latent)
        # The logits of the pull towards the middle (at first a twentieth per frame), and of the share of the velocity
        # that is kept from frame to frame, which smooths the noise.
        self.back = nn.Parameter(torch.full((latent,), -3.0)) if walk != "free" else None
        self.keep = nn.Parameter(torch.full((latent,), 1.4)) if walk != "free" else None
        first = nn.Sequential(nn.Linear(noise + classes, hidden), nn.GELU(), nn.Linear(hidden, latent))
        self.first = first if start == "learnt" else None

    def forward(
        self, noise: Float[Tensor, "B T N"], action: Float[Tensor, "B T A"]
    ) -> tuple[Float[Tensor, "B T L"], Float[Tensor, "B rest L"]]:
        """Latents, and the steps between them. The first frame's noise sets where the walk begins."""
        u = torch.cat((noise, ACTION_SCALE * action if self.walk == "aware" else action), -1)
        start = self.first(u[:, 0]) if self.first else torch.erf(noise[:, 0, : self.latent] / 2**0.5)
        if self.walk == "aware":
            return self._aware(torch.cat((u[:, 1:], noise[:, :1].expand_as(noise[:, 1:])), -1), start)
        none = start.new_zeros(len(start), 0, self.latent)  # a clip of one frame has no step
        steps = self.step(self.lstm(u[:, 1:])[0]) if u.shape[1] > 1 else none
        if self.walk == "free":
            steps = steps.clamp(-1, 1)
            return torch.cat((start[:, None], start[:, None] + steps.cumsum(1)), 1), steps
        return torch.tanh(self._pulled_back(start, steps)), steps

    def _pulled_back(self, start: Float[Tensor, "B L"], steps: Float[Tensor, "B rest L"]) -> Float[Tensor, "B T L"]:
        stay, keep = self._inertia()
        here, velocity, path = start, torch.zeros_like(start), [start]
        for step in steps.unbind(1):
            velocity = keep * velocity + (1 - keep) * step
            here = stay * here + velocity
            path.append(here)
        return torch.stack(path, 1)

    def _aware(
        self, given: Float[Tensor, "B rest X"], start: Float[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B T L"], Float[Tensor, "B rest L"]]:
        """The LSTM step by step: its input depends on its last output. `given` is the part that does not."""
        stay, keep = self._inertia()
        of_input, of_code, *biases = cast("list[Tensor]", self.lstm.all_weights[0])
        of_given, of_place = of_input.tensor_split([given.shape[-1]], 1)
        lines = linear(given, of_given, biases[0] + biases[1])
        weight = torch.cat((of_place, of_code), 1)
        here, velocity, path = start, torch.zeros_like(start), [torch.tanh(start)]
        code = memory = start.new_zeros(len(start), self.lstm.hidden_size)
        steps: list[Tensor] = []
        for line in lines.unbind(1):
            gates = line + linear(torch.cat((path[-1], velocity, code), -1), weight)
            enter, forget, new, leave = gates.chunk(4, -1)
            memory = forget.sigmoid() * memory + enter.sigmoid() * new.tanh()
            code = leave.sigmoid() * memory.tanh()
            steps.append(self.step(code))
            velocity = keep * velocity + (1 - keep) * steps[-1]
            here = stay * here + velocity
            path.append(torch.tanh(here))
        return torch.stack(path, 1), torch.stack(steps, 1) if steps else start.new_zeros(len(start), 0, self.latent)

    def _inertia(self) -> tuple[Float[Tensor, " L"], Float[Tensor, " L"]]:
        """The shares of position and velocity that are kept from frame to frame."""
        assert self.back is not None
        assert self.keep is not None
        return 1 - torch.sigmoid(self.back), torch.sigmoid(self.keep)


class FlatReader(nn.Module):
    """All frames and their differences through a bidirectional LSTM, whose outputs are flattened into one layer.

    26.4 million weights at 50 frames, and it reads 50 frames only; `PooledReader` reads any length with a hundredth.
    It is initialised as in the released code: TensorFlow's LSTM of one bias, linear maps at N(0, 0.02).
    """

    def __init__(self, width: int, extra: int, frames: int, outputs: int, hidden: int = 256) -> None:
        super().__init__()
        self.frames = frames
        self.lstm = nn.LSTM(2 * width + extra, hidden, batch_first=True, bidirectional=True)
        init_lstm(self.lstm, 1, joint=True)
        self.enter = small_linear((frames - 1) * 2 * hidden, 4 * hidden)
        self.leave = small_linear(4 * hidden, outputs)

    def forward(self, frames: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"]) -> Float[Tensor, "B out"]:
        """The outputs; `extra` joins every frame."""
        x = torch.cat((frames[:, :-1], frames.diff(dim=1), extra[:, :-1]), -1)
        return self.leave(self.enter(self.lstm(x)[0].flatten(1)).relu())


class PooledReader(nn.Module):
    """Frames, with first and second differences, through convolutions in time; mean and maximum over time.

    It reads any length from 3 frames on. Differences are divided by `scale`, their deviations in real motion; without
    that, velocities would hardly count.
    """

    def __init__(self, width: int, extra: int, outputs: int, hidden: int = 128) -> None:
        super().__init__()
        self.scale: Tensor
        self.register_buffer("scale", torch.zeros(2, width))  # zero: not measured yet
        enter = nn.Conv1d(3 * width + extra, hidden, 3, padding=1)
        more = [nn.Conv1d(hidden, hidden, 5, stride=2, padding=2) for _ in range(3)]
        self.layers = nn.ModuleList([enter, *more])
        self.leave = nn.Linear(2 * hidden, outputs)

    @torch.no_grad()
    def measure(self, frames: Float[Tensor, "B T D"]) -> None:
        """Measure the scale of differences on a batch of real motion, the first time."""
        if not bool(self.scale.any()):
            deviations = [frames.diff(n=n, dim=1).flatten(0, 1).std(0) for n in (1, 2)]
            self.scale.copy_(torch.stack(deviations).clamp_min(1e-3))

    def features(self, frames: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"]) -> Float[Tensor, "B code"]:
        """The input of the last linear map."""
        velocity = frames.diff(dim=1) / self.scale[0].clamp_min(1e-3)
        change = frames.diff(n=2, dim=1) / self.scale[1].clamp_min(1e-3)
        x = torch.cat((frames[:, 2:], velocity[:, 1:], change, extra[:, 2:]), -1).transpose(1, 2)
        for layer in self.layers:
            x = nn.functional.leaky_relu(layer(x), 0.2)
        return torch.cat((x.mean(-1), x.amax(-1)), -1)

    def forward(self, frames: Float[Tensor, "B T D"], extra: Float[Tensor, "B T E"]) -> Float[Tensor, "B out"]:
        """The outputs; `extra` joins every frame."""
        return self.leave(self.features(frames, extra))


def trailing_mean(x: Float[Tensor, "B T L"], kept: float) -> Float[Tensor, "B T L"]:
    """y_0 = x_0, y_t = kept y_(t-1) + (1 - kept) x_t: an exponential mean of the past; x itself where `kept` is 0."""
    if not kept:
        return x
    path = [x[:, 0]]
    for here in x[:, 1:].unbind(1):
        path.append(torch.lerp(here, path[-1], kept))
    return torch.stack(path, 1)


@torch.no_grad()
def init_lstm(lstm: nn.LSTM, biases: Literal[1, 2], *, joint: bool) -> None:
    """Glorot-uniform weights, bias 1 at the forget gates and 0 elsewhere. With `biases` 1 the other bias stays 0.

    `joint` counts the weights of input and state as one matrix [input + state, 4 state], as TensorFlow's LSTM does.
    """
    hidden = lstm.hidden_size
    for name, weight in lstm.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
            if name.startswith("bias_ih"):
                weight[hidden : 2 * hidden] = 1.0
            else:
                weight.requires_grad_(biases == 2)
        elif joint:
            reach = (6 / (lstm.input_size + 5 * hidden)) ** 0.5
            nn.init.uniform_(weight, -reach, reach)
        else:
            nn.init.xavier_uniform_(weight)


def small_linear(enter: int, leave: int) -> nn.Linear:
    """A linear map with weights N(0, 0.02) and bias 0."""
    layer = nn.Linear(enter, leave)
    nn.init.normal_(layer.weight, std=_DEVIATION)
    nn.init.zeros_(layer.bias)
    return layer
