"""The known part of a clip, and its windows on a model's skeleton and at its rate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.query import Query
from kinema.motion.damage import runs
from kinema.motion.interpolation import Interpolator, even_times
from kinema.motion.motion import Clip, Motion
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.open import load_adapter
from kinema.representations.base import Representation

UNKNOWN_CONFIDENCE = 0.5  # of noisy keys without a confidence
_SUREST = 0.98  # largest confidence of noisy values; 1 is exact
_PART = 2048  # times that are answered together
_LONGEST = 96  # frames of a window
NOISY = "render-in-between-noisy"  # the shipped model for noisy keys of joint rotations


@dataclass(frozen=True, eq=False)
class Evidence:
    """The known joints of a clip (any batch shape), and the times of its frames in seconds.

    `confidence` None: known values are exact and stay unchanged; otherwise they are noisy, with this reliability.
    """

    clip: Clip
    known: Bool[Tensor, "frame joint"]
    clock: Float[Tensor, " frame"]
    confidence: Float[Tensor, "*batch frame joint"] | None = None

    @property
    def exact(self) -> bool:
        """True if known values stay unchanged."""
        return self.confidence is None

    def table(self) -> Float[Tensor, "*batch frame joint"]:
        """1 for exact values, the confidence of noisy ones, 0 for unknown ones."""
        if self.confidence is None:
            return self.known.float()
        return self.confidence.float().clamp(0, _SUREST) * self.known


@dataclass(frozen=True, eq=False)
class WindowGroup:
    """A run of times of the answer, and the windows of the model that cover it.

    `times` is a slice of the times, `frames` the model's frames in the windows, `core` those that the answer depends
    on: their values are equal to those of the whole clip. `windows` are numbered spans of the model's frames.
    """

    times: slice
    frames: slice
    core: slice
    windows: tuple[tuple[int, slice], ...]


@dataclass(frozen=True, eq=False)
class ModelView:
    """Evidence at the model's frames: their times in seconds (`grid`), and the confidence of each token there.

    `keys` are the times of exact, completely known frames. `parts` groups the windows, `windows` gives their queries.
    """

    adapter: Adapter
    representation: Representation
    given: Interpolator[Clip]
    grid: Float[Tensor, " model"]
    confidence: Float[Tensor, "*batch model token"]
    keys: Float[Tensor, " key"]
    spans: tuple[slice, ...]

    @classmethod
    def of(cls, adapter: Adapter, evidence: Evidence, wanted: Float[Tensor, " time"]) -> ModelView:
        """At the times `wanted`. Raises UsageError for a baseline, and if the model cannot read such a clip."""
        representation = adapter.trained_representation()
        given = Interpolator(evidence.clip, evidence.known, evidence.clock)
        grid, slots, frames = _grid(evidence, wanted, representation.fps)
        confidence = _confidence(evidence, len(grid), slots, frames, representation)
        keys = evidence.clock[evidence.known.all(1)] if evidence.exact else evidence.clock[:0]
        spans = _spans(adapter, confidence.reshape(-1, *confidence.shape[-2:]))
        return cls(adapter, representation, given, grid, confidence, keys, tuple(spans))

    def parts(self, wanted: Float[Tensor, " time"], needed: Bool[Tensor, " time"]) -> list[WindowGroup]:
        """The windows for the needed times; windows without any of these are left out."""
        cut = [[first, min(first + _PART, stop)] for start, stop in runs(needed) for first in range(start, stop, _PART)]
        joined: list[list[int]] = []
        for run in cut:  # runs in one window belong together
            last = joined[-1] if joined and run[1] - joined[-1][0] <= _PART else None
            if last and self._windows(wanted, last)[-1] >= self._windows(wanted, run)[0]:
                last[1] = run[1]
            else:
                joined.append(run)
        return [self._part(wanted, run) for run in joined]

    def _core(self, wanted: Tensor, run: list[int]) -> slice:
        """The model's frames from which the answer at wanted[first:stop] and at the keys around is interpolated."""
        low, high = wanted[run[0]], wanted[run[1] - 1]
        if len(keys := self.around(wanted[run[0] : run[1]])):
            low, high = torch.minimum(low, keys[0]), torch.maximum(high, keys[-1])
        first = int(torch.searchsorted(self.grid, low, right=True)) - 1
        last = int(torch.searchsorted(self.grid, high))
        return slice(max(first, 0), min(last, len(self.grid) - 1) + 1)

    def around(self, wanted: Float[Tensor, " time"]) -> Float[Tensor, " key"]:
        """The keys among those times, and the nearest on each side."""
        first = int(torch.searchsorted(self.keys, wanted[0], right=True)) - 1
        last = int(torch.searchsorted(self.keys, wanted[-1]))
        return self.keys[max(first, 0) : last + 1]

    def _windows(self, wanted: Tensor, run: list[int]) -> list[int]:
        core = self._core(wanted, run)
        return [i for i, span in enumerate(self.spans) if span.start < core.stop and span.stop > core.start]

    def _part(self, wanted: Tensor, run: list[int]) -> WindowGroup:
        numbers = self._windows(wanted, run)
        frames = slice(self.spans[numbers[0]].start, max(self.spans[i].stop for i in numbers))
        windows = tuple((i, self.spans[i]) for i in numbers)
        return WindowGroup(slice(*run), frames, self._core(wanted, run), windows)

    def features(self, clip: Interpolator[Clip], frames: slice) -> tuple[Clip, Float[Tensor, "*batch model feat"]]:
        """A clip at some of the model's frames, on its skeleton; and its features."""
        drawn = clip.at(self.grid[frames], method="linear", fps=self.representation.fps)
        body = self.representation.read(drawn)
        return body, features_of(self.representation, body)

    def windows(self, part: WindowGroup) -> Iterator[tuple[int, slice, Query, Float[Tensor, "span 1"]]]:
        """The half-overlapping windows of a part: number, frames relative to the part's first, query, and the weight of
        each frame."""
        _, given = self.features(self.given, part.frames)
        given = given.reshape(-1, *given.shape[-2:])
        sure = self.confidence[..., part.frames, :]
        sure = sure.reshape(-1, *sure.shape[-2:]).expand(len(given), -1, -1)
        grid = self.grid[part.frames]
        for number, whole in part.windows:
            span = slice(whole.start - part.frames.start, whole.stop - part.frames.start)
            time = (grid[span] - grid[span.start]).float().expand(len(given), -1)
            query = self.adapter.query(self.representation, given[:, span], sure[:, span], time=time)
            weight = torch.hann_window(span.stop - span.start + 2, periodic=False)[1:-1, None]
            yield number, span, query, weight.to(given)


@cache
def _for_noise() -> Adapter:
    return load_adapter(NOISY)


def for_evidence(adapter: Adapter, evidence: Evidence) -> Adapter:
    """The model that answers: of noisy keys the shipped one for these, where a model counts everything as exact."""
    return adapter if evidence.exact or adapter.model.takes_noise else _for_noise()


@runtime_checkable
class OutlierScorer(Protocol):
    """A model that detects wrong observations."""

    def outlier_scores(self, query: Query) -> Float[Tensor, "batch frame token"]:
        """For each observation the probability that it is wrong; 0 where nothing is observed."""
        ...


@torch.inference_mode()
def outlier_scores(adapter: Adapter, evidence: Evidence) -> Float[Tensor, "frame joint"]:
    """The probability that each observation of a clip is wrong, by an `OutlierScorer`; 0 for unknown values."""
    model, view = adapter.model.eval(), ModelView.of(adapter, evidence, evidence.clock)
    assert isinstance(model, OutlierScorer)
    found = torch.zeros(view.confidence.shape)
    for part in view.parts(evidence.clock, torch.ones(len(evidence.clock), dtype=torch.bool)):
        total = torch.zeros(part.frames.stop - part.frames.start, found.shape[-1])
        weight = total[:, :1].clone()
        for _, span, query, hann in view.windows(part):
            total[span] += model.outlier_scores(query)[0] * hann
            weight[span] += hann
        own = slice(part.core.start - part.frames.start, part.core.stop - part.frames.start)
        found[part.core] = (total / weight)[own]
    there = (view.confidence > 0).any(-1).nonzero()[:, 0]
    near = there[_nearest(view.grid[there], evidence.clock)]
    by_token, out = found[near], torch.zeros(evidence.known.shape)
    for token, own in enumerate(view.representation.sources(evidence.clip.skeleton)):
        out[:, own] = torch.maximum(out[:, own], by_token[:, token, None])
    return out * evidence.known


def features_of(representation: Representation, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
    """Standardised features of a clip on the model's skeleton."""
    return representation.standardise(representation.encode(cast("Motion", clip)))


def _nearest(rising: Float[Tensor, " many"], at: Float[Tensor, " some"]) -> Int[Tensor, " some"]:
    """For each time the index of the nearest of rising times; the earlier of two."""
    after = torch.searchsorted(rising, at).clamp(max=len(rising) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where((at - rising[before]).abs() <= (rising[after] - at).abs(), before, after)


def _grid(
    evidence: Evidence, wanted: Tensor, fps: float
) -> tuple[Float[Tensor, " model"], Int[Tensor, " known"], Int[Tensor, " known"]]:
    """Times of the model's frames: evenly spaced, moved to a known frame that is less than half a step away.

    Also the model's frames that represent known ones, and the indices of these.
    """
    first, last = wanted[0], wanted[-1]
    grid = first + even_times(1 + max(1, round(float(last - first) * fps)), fps)
    frames = evidence.known.any(1).nonzero()[:, 0]
    at = (evidence.clock[frames] - first) * fps
    near = at.round().long()
    inside = (near >= 0) & (near < len(grid))
    frames, at, near = frames[inside], at[inside], near[inside]
    order = np.lexsort((frames.numpy(), (at - near).abs().numpy(), near.numpy()))
    slots, places = np.unique(near.numpy()[order], return_index=True)  # of rivals the nearest, of equals the first
    slots, frames = torch.from_numpy(slots), frames[torch.from_numpy(order[places])]
    grid[slots] = evidence.clock[frames]
    return grid, slots, frames


def _confidence(
    evidence: Evidence, count: int, slots: Tensor, frames: Tensor, representation: Representation
) -> Float[Tensor, "*batch model token"]:
    """The confidence of each token in the model's frames that represent known ones; 0 in all others.

    A token without a joint in the clip has the mean confidence of the frame, or the `guessed` one of the
    representation.
    """
    sure = evidence.table()
    whole = sure.mean(-1) * evidence.known.all(-1)
    if (guessed := representation.guessed) is not None:
        whole = guessed * evidence.known.any(-1).to(whole).expand(whole.shape)
    sources = representation.sources(evidence.clip.skeleton)
    table = torch.stack([sure[..., own].amin(-1) if own else whole for own in sources], -1)
    confidence = torch.zeros(*table.shape[:-2], count, representation.tokens)
    confidence[..., slots, :] = table[..., frames, :]
    return confidence


def _spans(adapter: Adapter, confidence: Float[Tensor, "batch model token"]) -> list[slice]:
    """Windows as long as the model's or twice the longest gap, extended to the next known frames, so that none ends
    inside a gap."""
    frames = confidence.shape[1]
    there = (confidence > 0).any(-1).any(0).nonzero()[:, 0]
    ends = torch.cat((there.new_tensor([-1]), there, there.new_tensor([frames])))
    window = min(adapter.observed + adapter.trained if adapter.trained else max(adapter.observed, 8), _LONGEST)
    window = max(window, 2 * int(ends.diff().max()))
    if frames <= window:
        return [slice(0, frames)]
    starts = range(0, frames - window // 2, window // 2)
    spans: list[slice] = []
    for start in sorted({min(start, frames - window) for start in starts}):
        before, after = there[there <= start], there[there >= start + window - 1]
        first = int(before[-1]) if len(before) else start
        spans.append(slice(first, int(after[0]) + 1 if len(after) else start + window))
    return spans
