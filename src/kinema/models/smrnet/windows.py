"""Windows of frames as SMRNet sees them: cosine coefficients, padded, relative to their own past, and what is known.

Every use of the diffusion model is a mask of known values. Legend: W windows (rows of a batch), S samples, N observed
frames, T frames of a window, n coefficients, F features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kinema.core.query import Query
from kinema.geometry.curves import dct_matrix
from kinema.models.base import Frame
from kinema.models.smrnet.diffusion import Denoise, DiffusionSampler, noised
from kinema.nn.noise import RowStreams

Padding = Literal["last", "repeat", "zero"]
_MEASURED = 64  # training batches on which the scale is measured; then it is fixed
_FLOOR = 1e-3  # of the largest scale: a coefficient that hardly varies is not amplified
Completion = Literal["none", "padded", "noised", "estimate"]
_LOOSE = 1e-3  # of a frame's variance: how far a window of few coefficients may miss known frames


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
