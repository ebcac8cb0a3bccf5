"""Windows of fixed length over a query, and what is known in them: every use of the diffusion model is a mask."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.query import Query
from kinema.models.smrnet.diffusion import Denoise, DiffusionSampler, noised
from kinema.models.smrnet.windows import Coefficients, Terms, Window
from kinema.nn.noise import RowStreams

Completion = Literal["none", "padded", "noised", "estimate"]
_LOOSE = 1e-3  # of a frame's variance: how far a window of few coefficients may miss known frames


def whole_prefix(query: Query) -> Int[Tensor, " batch"]:
    """The number of leading frames of which every joint is known."""
    whole = (query.confidence > 0).all(-1) & query.valid
    return whole.long().cumprod(1).sum(1)


def known_features(query: Query) -> Bool[Tensor, "batch frame feat"]:
    """Which features are known: those of joints with a confidence above 0, an equal share of the features each."""
    each = query.observed.shape[-1] // query.confidence.shape[-1]
    return (query.confidence > 0).repeat_interleave(each, -1) & query.valid[..., None]


def window_index(prefix: Int[Tensor, " batch"], observed: int, frames: int) -> Int[Tensor, "batch T"]:
    """The frames of a window whose first `observed` end with the prefix; without a prefix it begins at 0."""
    start = torch.where(prefix > 0, prefix - observed, prefix)
    return start[:, None] + torch.arange(frames, device=prefix.device)


def taken(values: Float[Tensor, "*s batch frame feat"], index: Int[Tensor, "batch T"]) -> Tensor:
    """The frames at `index`; beyond the ends the first and the last."""
    inside = index.clamp(0, values.shape[-2] - 1)[..., None]
    return values.gather(-2, inside.expand(*values.shape[:-2], -1, values.shape[-1]))


@dataclass(frozen=True, eq=False)
class KnownWindows:
    """What is known of windows: `frames` where `mask` is True, in the windows' terms.

    `signal` are the frames that completion adds noise to: the same, or low-passed. `pull` maps the errors at known
    frames to corrections of all frames of a feature; None where only a prefix is known.
    """

    coefficients: Coefficients
    frames: Float[Tensor, "W T F"]
    mask: Bool[Tensor, "W T F"]
    signal: Float[Tensor, "W T F"]
    pull: Float[Tensor, "W F T T"] | None = None

    def estimate(self, x0: Float[Tensor, "S W n F"]) -> Float[Tensor, "S W n F"]:
        """Clean data with the known values put in."""
        frames = self.coefficients.decode(x0)
        if self.pull is not None:
            missed = torch.where(self.mask, self.frames - frames, 0.0)
            frames = frames + torch.einsum("wfts,bwsf->bwtf", self.pull, missed)
        return self.coefficients.encode(torch.where(self.mask, self.frames, frames))

    def state(
        self, x: Float[Tensor, "S W n F"], alpha_bar: float, noise: Float[Tensor, "S W n F"]
    ) -> Float[Tensor, "S W n F"]:
        """Noisy data with the known values put in, with the same noise (RePaint without resampling)."""
        coefficients = self.coefficients
        known = noised(self.signal.expand(x.shape[0], *self.signal.shape), coefficients.decode(noise), alpha_bar)
        return coefficients.encode(torch.where(self.mask, known, coefficients.decode(x)))


def pull_of(code: Coefficients, mask: Bool[Tensor, "W T F"], observed: int) -> Float[Tensor, "W F T T"] | None:
    """`KnownWindows.pull`, by Gaussian conditioning: coefficients vary independently on the code's scale.

    A few known frames at the end hardly count in the transform of the window, so putting them in is not enough: the
    motion would jump to them. It is for features that are known after the `observed` frames; None if there are none.
    """
    ahead = mask[:, observed:].any(1)
    if not bool(ahead.any()):
        return None
    waves = code.basis.T[None] * code.scale.T[:, None]  # F T n
    kernel = waves @ waves.transpose(-1, -2)
    given = mask.movedim(-1, 1).to(kernel)
    loose = _LOOSE * kernel.diagonal(dim1=-2, dim2=-1).mean(-1)[:, None]
    among = kernel * given[..., None] * given[..., None, :] + torch.diag_embed(1 - given + loose)
    pull = torch.linalg.solve(among, kernel * given[..., None]).transpose(-1, -2)
    return pull * ahead[:, :, None, None]


@dataclass(frozen=True, eq=False)
class WindowFiller:
    """Fills the unknown part of a query by a diffusion model of windows with a past of `observed` frames.

    `denoiser` gives, for windows and the mask [W] of those with an observation, the network's output function.
    """

    sampler: DiffusionSampler
    terms: Terms
    denoiser: Callable[[Window, Tensor], Denoise]
    observed: int
    completion: Completion

    def fill(
        self, query: Query, base: int, samples: Sequence[int], rows: range, *, free: bool
    ) -> Float[Tensor, "S W frame F"]:
        """The query, window after window; a `free` answer is completed, and not conditioned on the observation."""
        observed, frames = self.observed, self.terms.code.frames
        length, given, last = whole_prefix(query), known_features(query), query.valid.sum(1)
        answer = query.observed.expand(len(samples), *query.observed.shape)
        index, filled, window_count = window_index(length, observed, frames), length, 0
        while bool((filled < last).any()):
            known = (length > 0) | (window_count > 0)
            mask = taken(given.float(), index).bool() & (index < given.shape[1])[..., None]
            mask[:, :observed] |= known[:, None, None]
            streams = RowStreams((base + window_count) % 2**60, samples, rows)
            # The first window is the same for all samples; each later one follows the sample's own answer.
            values = taken(answer[:1] if window_count == 0 else answer, index)
            window = self._windows(values, mask, known, streams, free=free)
            place = torch.arange(answer.shape[-2], device=index.device) - index[:, :1]
            fresh = (place >= 0) & (place < frames) & (place + index[:, :1] >= filled[:, None])
            answer = torch.where(fresh[..., None] & ~given, taken(window, place), answer)
            filled, index, window_count = index[:, 0] + frames, index + frames - observed, window_count + 1
        return answer

    def _windows(
        self,
        values: Float[Tensor, "s W T F"],
        mask: Bool[Tensor, "W T F"],
        known: Bool[Tensor, " W"],
        streams: RowStreams,
        *,
        free: bool,
    ) -> Float[Tensor, "S W T F"]:
        """Samples of windows. If every sample has its own window (s = S > 1), each is a row."""
        code = self.terms.code
        tokens, width = code.scale.shape
        start = streams.draw(tokens, width).to(values)
        samples, rows = start.shape[:2]
        own = len(values)
        shape = (samples // own, own * rows, tokens, width)
        values, start = values.flatten(0, 1), start.view(shape)
        mask, known = mask.repeat(own, 1, 1), known.repeat(own)
        given = known & (not free)
        window = self.terms.of(values[:, : self.observed] * known[:, None, None], given.float())
        frames = torch.where(mask, window.into(values), window.held)
        signal = code.decode(code.encode(frames)) if self.completion == "padded" else frames
        pull = pull_of(code, mask, self.observed) if self.completion == "estimate" else None
        truth = KnownWindows(code, frames, mask, signal, pull)

        def draw() -> Tensor:
            return streams.draw(tokens, width).to(start).view(shape)

        def state(x: Tensor, alpha_bar: float) -> Tensor:
            return truth.state(x, alpha_bar, draw())

        completed = bool(mask.any())
        x = self.sampler.run(
            self.denoiser(window, given),
            start,
            draw=draw,
            estimate=truth.estimate if completed and self.completion == "estimate" else None,
            state=state if completed and self.completion in ("padded", "noised") else None,
        )
        return window.back(code.decode(x)).view(samples, rows, code.frames, width)
