"""Windows of fixed length laid over a query, and what is known in them: every mode of a diffusion model by masks."""

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
_LOOSE = 1e-3  # of a frame's variance: what a window of few coefficients may miss of the known frames


def whole_prefix(query: Query) -> Int[Tensor, " batch"]:
    """Number of leading frames of which every joint is known."""
    whole = (query.confidence > 0).all(-1) & query.valid
    return whole.long().cumprod(1).sum(1)


def known_features(query: Query) -> Bool[Tensor, "batch frame feat"]:
    """Which numbers are known: those of joints that are trusted at all, an equal share of the features each."""
    each = query.observed.shape[-1] // query.confidence.shape[-1]
    return (query.confidence > 0).repeat_interleave(each, -1) & query.valid[..., None]


def window_index(prefix: Int[Tensor, " batch"], observed: int, frames: int) -> Int[Tensor, "batch T"]:
    """The frames of a window of which the first `observed` end with the prefix; without a prefix it begins at 0."""
    start = torch.where(prefix > 0, prefix - observed, prefix)
    return start[:, None] + torch.arange(frames, device=prefix.device)


def taken(values: Float[Tensor, "*s batch frame feat"], index: Int[Tensor, "batch T"]) -> Tensor:
    """The frames at `index`; the first and the last stand in beyond the ends."""
    inside = index.clamp(0, values.shape[-2] - 1)[..., None]
    return values.gather(-2, inside.expand(*values.shape[:-2], -1, values.shape[-1]))


@dataclass(frozen=True, eq=False)
class KnownWindows:
    """What is known of windows: `frames` where `mask` is True, in the code's own terms.

    `signal` are the frames that completion adds noise to: the same, or a smoothed version of them. `pull` is how
    the misses of known frames move every frame of a feature; None where only a prefix is known.
    """

    coefficients: Coefficients
    frames: Float[Tensor, "W T F"]
    mask: Bool[Tensor, "W T F"]
    signal: Float[Tensor, "W T F"]
    pull: Float[Tensor, "W F T T"] | None = None

    def estimate(self, x0: Float[Tensor, "S W n F"]) -> Float[Tensor, "S W n F"]:
        """Clean data with the known numbers put in."""
        frames = self.coefficients.decode(x0)
        if self.pull is not None:
            missed = torch.where(self.mask, self.frames - frames, 0.0)
            frames = frames + torch.einsum("wfts,bwsf->bwtf", self.pull, missed)
        return self.coefficients.encode(torch.where(self.mask, self.frames, frames))

    def state(
        self, x: Float[Tensor, "S W n F"], alpha_bar: float, noise: Float[Tensor, "S W n F"]
    ) -> Float[Tensor, "S W n F"]:
        """Noisy data with the known numbers, as noisy as the rest, put in (RePaint without its repetitions)."""
        coefficients = self.coefficients
        known = noised(self.signal.expand(x.shape[0], *self.signal.shape), coefficients.decode(noise), alpha_bar)
        return coefficients.encode(torch.where(self.mask, known, coefficients.decode(x)))


def pull_of(code: Coefficients, mask: Bool[Tensor, "W T F"], observed: int) -> Float[Tensor, "W F T T"] | None:
    """How frames follow known ones that lie ahead, for coefficients that vary independently on the code's scale.

    A few frames at the end hardly weigh in the transform of the window, so that to put them in is not enough: the
    motion would leap into them. This is the mean of all windows given the known frames (Gaussian conditioning), for the
    features of which something after the `observed` frames is known; None where there are none.
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
    """Fills the unknown part of a query by a diffusion model of windows, of which `observed` frames are the past.

    `denoiser` takes windows and which of them are known [W], and gives the network's word on noisy coefficients.
    """

    walk: DiffusionSampler
    terms: Terms
    denoiser: Callable[[Window, Tensor], Denoise]
    observed: int
    completion: Completion

    def fill(
        self, query: Query, base: int, samples: Sequence[int], rows: range, *, free: bool
    ) -> Float[Tensor, "S W frame F"]:
        """The query, window after window; a `free` answer is not conditioned on what is observed, only completed."""
        observed, frames = self.observed, self.terms.code.frames
        length, given, last = whole_prefix(query), known_features(query), query.valid.sum(1)
        answer = query.observed.expand(len(samples), *query.observed.shape)
        index, filled, window_count = window_index(length, observed, frames), length, 0
        while bool((filled < last).any()):
            known = (length > 0) | (window_count > 0)
            mask = taken(given.float(), index).bool() & (index < given.shape[1])[..., None]
            mask[:, :observed] |= known[:, None, None]
            streams = RowStreams((base + window_count) % 2**60, samples, rows)
            # The first window is the same for all samples; what follows an answer is its own.
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
        """Samples of windows. Where every sample has a window of its own (s = S > 1) each is a row by itself."""
        code = self.terms.code
        tokens, width = code.scale.shape
        start = streams.draw(tokens, width).to(values)
        samples, rows = start.shape[:2]
        own = len(values)
        shape = (samples // own, own * rows, tokens, width)
        values, start = values.flatten(0, 1), start.view(shape)
        mask, known = mask.repeat(own, 1, 1), known.repeat(own)
        told = known & (not free)
        window = self.terms.of(values[:, : self.observed] * known[:, None, None], told.float())
        frames = torch.where(mask, window.into(values), window.held)
        signal = code.decode(code.encode(frames)) if self.completion == "padded" else frames
        pull = pull_of(code, mask, self.observed) if self.completion == "estimate" else None
        truth = KnownWindows(code, frames, mask, signal, pull)

        def draw() -> Tensor:
            return streams.draw(tokens, width).to(start).view(shape)

        def state(x: Tensor, alpha_bar: float) -> Tensor:
            return truth.state(x, alpha_bar, draw())

        completed = bool(mask.any())
        x = self.walk.run(
            self.denoiser(window, told),
            start,
            draw=draw,
            estimate=truth.estimate if completed and self.completion == "estimate" else None,
            state=state if completed and self.completion in ("padded", "noised") else None,
        )
        return window.back(code.decode(x)).view(samples, rows, code.frames, width)
