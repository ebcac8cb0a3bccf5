"""SMRNet: many futures by diffusion over the frequencies of a motion, with stacked motion residual layers.

A window of T = `observed` + `predicted` frames becomes the first n coefficients of its cosine transform; a network
predicts their noise, level by level. The observation enters twice: padded to the window and embedded as the keys and
values of cross attention, and by completion, which puts the known values back at every step. Completion takes any mask
of frames and joints, so the same model continues a prefix, holds an arm, or ends in a given pose.

Legend: W windows (rows of a batch), S samples, n tokens (coefficients), T frames, F features, D width. Inside the
network tensors are n x S x W x D: see `kinema.models.smrnet.denoiser`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Frame, Model, Samples
from kinema.models.smrnet.denoiser import Denoiser
from kinema.models.smrnet.diffusion import (
    Denoise,
    DiffusionSampler,
    Prediction,
    Schedule,
    Solver,
    alpha_bars,
    data_of,
    levels,
    noised,
    target,
)
from kinema.models.smrnet.released_weights import from_released
from kinema.models.smrnet.windows import (
    Coefficients,
    Completion,
    Padding,
    Terms,
    Window,
    WindowFiller,
    taken,
    whole_prefix,
    window_index,
)

_MEMORY = 2**30  # bytes that activations may take, about


class SMRNet(Model):
    """The diffusion model. A pass answers `predicted` frames from the last `observed`; longer futures are fed back."""

    deterministic = False
    completes = True
    graphs = ("denoiser", "frames")
    released_names = staticmethod(from_released)

    @dataclass(frozen=True)
    class Config:
        """The defaults are the released code's on Human3.6M: 25 observed frames, 100 predicted, 25,318,052 parameters.

        `places` gives the noisy tokens a learnt position; `reading` is the width of an additional network that reads
        the whole observation at once (0: none; see `denoiser.Reading`), with its own dropout. `heading` "own" rotates
        every window so that its last observed pose faces forward, if the representation has an anchor. `start` "awake"
        begins with graph convolutions close to the identity. `steps` is the number of network evaluations per answer;
        sampling ends in clean data or at the first noise level (`last_step`). `code` "residual" uses differences to the
        last observed pose; `whiten` divides every coefficient by its scale in the training data. `uncond_fraction` of
        the training windows have no observation (a whole batch, or row by row: `drop`), and `uncond_answers` of the
        samples; `guidance` w gives u + w (c - u). `loss` "squares" is the mean square error of the network's output,
        "distance" the joint distance of the denoised window plus `velocity` times that of its frame-to-frame
        differences, "space" the squares of both (squares are least at the mean, as samplers need it, distances at the
        median); of `best_of` noises for a window the best counts. `completion` puts known values back: into the
        estimate of clean data, or with noise added: the true frames or ("padded") the low-passed padded window.
        `precision` is that of answers. Raises UsageError for values that do not go together.
        """

        observed: int = 25
        predicted: int = 100
        coefficients: int = 20
        layers: int = 8
        width: int = 512
        heads: int = 8
        dropout: float = 0.3
        attention_dropout: float = 0.3
        places: bool = False
        reading: int = 0
        reading_dropout: float = 0.0
        heading: Literal["room", "own"] = "room"
        start: Literal["small", "awake"] = "small"
        noise_steps: int = 1000
        schedule: Schedule = "cosine"
        prediction: Prediction = "epsilon"
        solver: Solver = "ddim"
        steps: int = 100
        last_step: Literal["clean", "noisy"] = "noisy"
        code: Literal["plain", "residual"] = "plain"
        whiten: bool = False
        padding: Padding = "last"
        completion: Completion = "padded"
        uncond_fraction: float = 0.2
        drop: Literal["batch", "row"] = "batch"
        uncond_answers: float = 0.0
        guidance: float = 1.0
        loss: Literal["squares", "distance", "space"] = "squares"
        velocity: float = 1.0
        best_of: int = 1
        precision: Literal["float32", "bfloat16"] = "float32"

        def __post_init__(self) -> None:
            _require(1 <= self.coefficients <= self.frames, f"1 to {self.frames} coefficients", self.coefficients)
            _require(self.width % (2 * self.heads) == 0, "a width that twice the heads divide", self.width)
            _require(self.layers >= 1 and self.best_of >= 1, "layers and best_of of 1 or more", self.best_of)
            plain = self.code == "plain" or self.guidance == 1
            _require(plain, "guidance 1 where code is residual: nothing to subtract", self.guidance)
            levels(alpha_bars(self.schedule, self.noise_steps), self.steps, self.last_step)

        @property
        def frames(self) -> int:
            """The window: observed and predicted."""
            return self.observed + self.predicted

        def build(self, shape: FeatureShape) -> SMRNet:
            """The network for features of this width."""
            return SMRNet(self, shape)

        def tiny(self) -> SMRNet.Config:
            """A narrow network with four steps, for tests."""
            return replace(self, layers=2, width=32, heads=4, coefficients=min(self.coefficients, 12), steps=4)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        _require(shape.width % shape.tokens == 0, "as many features for every joint", f"{shape.width}/{shape.tokens}")
        self.config = config
        self._tokens, self._frame = shape.tokens, shape.frame
        self.coefficients = Coefficients(config.frames, config.coefficients, shape.width, whiten=config.whiten)
        self.denoiser = Denoiser(config, shape.width)
        self._alpha_bar = alpha_bars(config.schedule, config.noise_steps)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The loss (`Config.loss`) at one level per window, never level 0."""
        config = self.config
        length = whole_prefix(batch.query)
        index = window_index(length, config.observed, config.frames)
        truth, past = taken(batch.target, index), taken(batch.query.observed, index[:, : config.observed])
        known = (length > 0) * self._kept(len(batch), truth.device)
        window = self.terms.of(past, known)
        truth = window.into(truth)
        if self.training:
            self.coefficients.measure(truth)
        x0 = self.coefficients.encode(truth)[None]
        level = torch.randint(1, config.noise_steps, (len(batch),), device=truth.device)
        alpha_bar = self._alpha_bar.to(x0)[level][:, None, None]
        noise = torch.randn(config.best_of, *x0.shape[1:], device=x0.device)
        embedded = self.denoiser.embed(self.coefficients.encode(window.held), window.past, known)

        def errors(noise: Tensor) -> dict[str, Tensor]:
            x = noised(x0.expand_as(noise), noise, alpha_bar)
            output = self.denoiser(x, level, embedded).float()
            if config.loss == "squares":
                return {"loss": (output - target(config.prediction, x0, noise, alpha_bar)).square().mean((-2, -1))}
            missed = self.coefficients.decode(data_of(config.prediction, output, x, alpha_bar)) - truth
            position, velocity = self._distance(missed), self._distance(missed.diff(dim=-2))
            return {"loss": position + config.velocity * velocity, "position": position, "velocity": velocity}

        if config.best_of > 1:  # only the best has a gradient, so only the best is computed with one
            with torch.no_grad():
                best = errors(noise)["loss"].argmin(0)
            noise = noise[best, torch.arange(len(batch), device=best.device)][None]
        return {name: each.mean() for name, each in errors(noise).items()}

    @torch.no_grad()
    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """Samples of the window; observed values, whole frames or single joints, come back unchanged.

        Sample s of row r depends on the generator's seed, s and r alone, not on the number of samples or rows.
        """
        config = self.config
        base = int(torch.randint(2**60, (), generator=generator))
        coin = torch.Generator().manual_seed(base)
        free = [float(torch.rand((), generator=coin)) < config.uncond_answers for _ in range(samples)]
        answer = query.observed.expand(samples, *query.observed.shape).clone()
        filler = self._filler()
        at_once = max(1, _MEMORY // (64 * config.coefficients * config.width))
        rows_at_once, samples_at_once = max(1, at_once // samples), min(samples, at_once)
        for row in range(0, len(query), rows_at_once):
            rows = range(row, min(row + rows_at_once, len(query)))
            part = query.map(lambda tensor, rows=rows: tensor[rows.start : rows.stop])
            for group in (False, True):
                chosen = [sample for sample in range(samples) if free[sample] == group]
                for first in range(0, len(chosen), samples_at_once):
                    some = chosen[first : first + samples_at_once]
                    answer[some, rows.start : rows.stop] = filler.fill(part, base, some, rows, free=group)
        return answer

    def _filler(self) -> WindowFiller:
        config = self.config
        sampler = DiffusionSampler(self._alpha_bar, config.steps, config.prediction, config.solver, config.last_step)
        return WindowFiller(sampler, self.terms, _Network(self), config.observed, config.completion)

    @property
    def terms(self) -> Terms:
        """The terms in which windows are expressed."""
        frame = self._own_frame if self.config.heading == "own" else None
        return Terms(self.coefficients, self.config.padding, self.config.code == "residual", frame)

    def _own_frame(self, past: Float[Tensor, "W N F"]) -> Frame | None:
        return self._frame(past, past.new_ones(*past.shape[:2], self._tokens)) if self._frame else None

    def _kept(self, rows: int, device: torch.device) -> Tensor:
        """1 for windows that keep their observation, 0 for those that lose it in training."""
        if not self.training or self.config.uncond_fraction == 0:
            return torch.ones(rows, device=device)
        coins = torch.rand(1 if self.config.drop == "batch" else rows, device=device)
        return (coins >= self.config.uncond_fraction).float().expand(rows)

    def _distance(self, difference: Float[Tensor, "*b frame feat"]) -> Float[Tensor, "*b"]:
        squared = difference.unflatten(-1, (self._tokens, -1)).square().sum(-1)
        return (squared if self.config.loss == "space" else (squared + 1e-12).sqrt()).mean((-2, -1))


class _Network:
    """The network for sampling: last maps folded, weights in the precision of answers."""

    def __init__(self, model: SMRNet) -> None:
        half = model.config.precision == "bfloat16"
        self.guidance = model.config.guidance
        self.dtype = torch.bfloat16 if half else torch.float32
        self.heads = [head.to(self.dtype) for head in model.denoiser.folded()]
        self.denoiser = copy.deepcopy(model.denoiser).to(self.dtype) if half else model.denoiser
        self.coefficients = model.coefficients

    def __call__(self, window: Window, known: Bool[Tensor, " W"]) -> Denoise:
        """The network on these windows: the observation is embedded once, keys and values once per level."""
        held, past = self.coefficients.encode(window.held), window.past
        embedded = self.denoiser.embed(held.to(self.dtype), past.to(self.dtype), known.to(self.dtype))
        guidance = self.guidance

        def output(x: Tensor, level: int, embedded: Tensor) -> Tensor:
            sources = self.denoiser.sources(embedded, torch.full_like(known, level, dtype=torch.long))
            return self.denoiser.answer(x.to(self.dtype), embedded, sources, self.heads).float()

        def denoise(x: Tensor, level: int) -> Tensor:
            conditional = output(x, level, embedded)
            if guidance == 1:
                return conditional
            free = output(x, level, torch.zeros_like(embedded))
            return free + guidance * (conditional - free)

        return denoise


def _require(condition: bool, expected: str, got: object) -> None:
    if not condition:
        raise UsageError(
            expected=expected,
            got=str(got),
            cure="Change it in the recipe: `kinema recipes smrnet` prints the defaults.",
        )
