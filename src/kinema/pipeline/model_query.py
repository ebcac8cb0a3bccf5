"""What a model is asked about a clip: what is known, on the model's skeleton, at its rate, window after window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.motion.interpolation import Interpolator, even_times
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.inverse_kinematics import match_joints
from kinema.pipeline.forecasting import Run
from kinema.representations.base import Representation
from kinema.representations.keypoints_2d import PictureKeypoints

UNTOLD = 0.5  # the confidence of evidence of which nobody says how good it is
_SUREST = 0.98  # evidence is never exact: a model must stay free to change it
_PART = 2048  # times asked about together
_LONGEST = 96  # frames of a window, where a model does not say


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a clip (any batch shape): which joints of which frames, and the frames' times in seconds.

    `trust` None: what is known is exact, and stays as it is; else its confidence (1 is not exact).
    """

    clip: Clip
    known: Bool[Tensor, "frame joint"]
    clock: Float[Tensor, " frame"]
    trust: Float[Tensor, "*batch frame joint"] | None = None

    @property
    def exact(self) -> bool:
        """Whether what is known must stay as it is."""
        return self.trust is None

    def sureness(self) -> Float[Tensor, "*batch frame joint"]:
        """1 where known exactly, below it the confidence of evidence, 0 where unknown."""
        if self.trust is None:
            return self.known.float()
        return self.trust.float().clamp(0, _SUREST) * self.known


@dataclass(frozen=True, eq=False)
class Part:
    """Some of the times that are asked for, and what a model is asked for them.

    `times` are those (a slice of them), `frames` the model's frames that its windows cover, `core` those of them that
    the answer at these times depends on: their values are the same as if the whole clip had been asked about.
    `windows` are numbered spans of the model's frames.
    """

    times: slice
    frames: slice
    core: slice
    windows: tuple[tuple[int, slice], ...]


@dataclass(frozen=True, eq=False)
class Asked:
    """A question in a model's own terms: the times of its frames in seconds (`grid`), and how sure it is told there.

    `keys` are the times of exact frames that are known whole. `parts` says what is asked together, and `windows` asks.
    """

    run: Run
    representation: Representation
    given: Interpolator[Clip]
    grid: Float[Tensor, " model"]
    trust: Float[Tensor, "*batch model token"]
    keys: Float[Tensor, " key"]
    spans: tuple[slice, ...]

    @classmethod
    def of(cls, run: Run, evidence: Evidence, wanted: Float[Tensor, " time"]) -> Asked:
        """About the times `wanted`. Raises UsageError for a run that has no representation (baselines), and where it
        cannot read such a clip."""
        representation = run.representation
        if representation is None or run.only is not None:
            raise UsageError(
                expected="a trained model, or a curve",
                got=f"the baseline {run.name}, which only forecasts",
                cure="Name a curve (linear, cubic, pchip, squad) or a model of `kinema models`.",
            )
        given = Interpolator(evidence.clip, evidence.known, evidence.clock)
        grid, slots, frames = _grid(evidence, wanted, representation.fps)
        trust = _trust(evidence, len(grid), slots, frames, representation)
        keys = evidence.clock[evidence.known.all(1)] if evidence.exact else evidence.clock[:0]
        spans = _spans(run, trust.reshape(-1, *trust.shape[-2:]))
        return cls(run, representation, given, grid, trust, keys, tuple(spans))

    def parts(self, wanted: Float[Tensor, " time"], needed: Bool[Tensor, " time"]) -> list[Part]:
        """What must be asked for those of the times that are needed: windows that none of them lies in are left out."""
        edges = torch.nn.functional.pad(needed.int(), (1, 1)).diff().nonzero()[:, 0]
        runs: list[list[int]] = []
        for start, stop in edges.reshape(-1, 2).tolist():
            cuts = range(start, stop, _PART)
            runs += [[first, min(first + _PART, stop)] for first in cuts]
        joined: list[list[int]] = []
        for run in runs:  # those that one window answers are asked about together
            last = joined[-1] if joined and run[1] - joined[-1][0] <= _PART else None
            if last and self._windows(wanted, last)[-1] >= self._windows(wanted, run)[0]:
                last[1] = run[1]
            else:
                joined.append(run)
        return [self._part(wanted, run) for run in joined]

    def _core(self, wanted: Tensor, run: list[int]) -> slice:
        """The model's frames that the answer at wanted[first:stop] is read off, and at the keys around."""
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

    def _part(self, wanted: Tensor, run: list[int]) -> Part:
        numbers = self._windows(wanted, run)
        frames = slice(self.spans[numbers[0]].start, max(self.spans[i].stop for i in numbers))
        windows = tuple((i, self.spans[i]) for i in numbers)
        return Part(slice(*run), frames, self._core(wanted, run), windows)

    def features(self, clip: Interpolator[Clip], frames: slice) -> tuple[Clip, Float[Tensor, "*batch model feat"]]:
        """A clip at some of the model's frames, by straight lines, on its skeleton; and as its features."""
        drawn = clip.at(self.grid[frames], method="linear", fps=self.representation.fps)
        body = on_body(drawn, self.representation)
        return body, features_of(self.representation, body)

    def windows(self, part: Part) -> Iterator[tuple[int, slice, Query, Float[Tensor, "span 1"]]]:
        """The windows of a part, half of each overlapping the one before: number, frames counted from the part's
        first, the question, and how much each of its frames weighs."""
        _, given = self.features(self.given, part.frames)
        given = given.reshape(-1, *given.shape[-2:])
        sure = self.trust[..., part.frames, :]
        sure = sure.reshape(-1, *sure.shape[-2:]).expand(len(given), -1, -1)
        grid, token = self.grid[part.frames], torch.tensor(self.representation.token_of_feature)
        self.run.model.eval()
        for number, whole in part.windows:
            span = slice(whole.start - part.frames.start, whole.stop - part.frames.start)
            some, length = sure[:, span], span.stop - span.start
            query = Query(
                seen=torch.where(some[..., token] > 0, given[:, span], 0.0),
                trust=some,
                time=(grid[span] - grid[span.start]).float().expand(len(given), -1),
                valid=torch.ones(len(given), length, dtype=torch.bool),
                action=given.new_zeros(len(given), 0),
            )
            yield number, span, query, torch.hann_window(length + 2, periodic=False)[1:-1, None].to(given)


_GUESSED = 0.05  # the confidence in a keypoint that a layout does not have


@runtime_checkable
class Doubter(Protocol):
    """A model that can tell wrong observations from right ones."""

    def doubts(self, query: Query) -> Float[Tensor, "batch frame token"]:
        """For each observation the probability that it is wrong; 0 where nothing is observed."""
        ...


@torch.inference_mode()
def doubts(run: Run, evidence: Evidence) -> Float[Tensor, "frame joint"]:
    """How likely each observation of a clip is wrong, as a model (a `Doubter`) sees it; 0 where nothing is known."""
    model, asked = run.model, Asked.of(run, evidence, evidence.clock)
    assert isinstance(model, Doubter)
    found = torch.zeros(asked.trust.shape)
    for part in asked.parts(evidence.clock, torch.ones(len(evidence.clock), dtype=torch.bool)):
        total = torch.zeros(part.frames.stop - part.frames.start, found.shape[-1])
        weight = total[:, :1].clone()
        for _, span, query, hann in asked.windows(part):
            total[span] += model.doubts(query)[0] * hann
            weight[span] += hann
        own = slice(part.core.start - part.frames.start, part.core.stop - part.frames.start)
        found[part.core] = (total / weight)[own]
    there = (asked.trust > 0).any(-1).nonzero()[:, 0]
    near = there[_nearest(asked.grid[there], evidence.clock)]
    by_token, out = found[near], torch.zeros(evidence.known.shape)
    for token, own in enumerate(_sources(evidence.clip, asked.representation)):
        out[:, own] = torch.maximum(out[:, own], by_token[:, token, None])
    return out * evidence.known


def on_body(clip: Clip, representation: Representation) -> Clip:
    """The clip on the model's skeleton. Raises UsageError for points that cannot be brought there."""
    if isinstance(clip, Motion):
        same = clip.skeleton.same_tree(representation.skeleton)
        return clip if same else retarget(clip, representation.skeleton, by="directions")
    if isinstance(representation, PictureKeypoints) and clip.positions.shape[-1] == 2:
        return representation.onto(clip)
    if not clip.skeleton.same_tree(representation.skeleton):
        raise UsageError(
            expected=f"points on the model's skeleton {representation.skeleton.name}",
            got=f"{clip.skeleton.name} ({len(clip.skeleton)} joints)",
            cure="Use a curve: --method auto, linear, cubic or pchip.",
        )
    return clip


def features_of(representation: Representation, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
    """A clip on the model's skeleton as its features, standardised."""
    return representation.standardise(representation.encode(cast("Motion", clip)))


def _nearest(rising: Float[Tensor, " many"], at: Float[Tensor, " some"]) -> Int[Tensor, " some"]:
    """Of each time the place of the nearest of times that rise; the earlier of two."""
    after = torch.searchsorted(rising, at).clamp(max=len(rising) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where((at - rising[before]).abs() <= (rising[after] - at).abs(), before, after)


def _grid(
    evidence: Evidence, wanted: Tensor, fps: float
) -> tuple[Float[Tensor, " model"], Int[Tensor, " known"], Int[Tensor, " known"]]:
    """The model's frames, evenly spaced but where a known frame is less than half a step away: there at its time.

    With them the frames of the model that stand for known ones, and for which.
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


def _trust(
    evidence: Evidence, count: int, slots: Tensor, frames: Tensor, representation: Representation
) -> Float[Tensor, "*batch model token"]:
    """How sure each token is in the model's frames that stand for known ones; 0 in all others.

    A token of which the clip has no counterpart is as sure as the whole frame is on average; in a picture, where it
    was put at a guess, hardly at all.
    """
    sure = evidence.sureness()
    whole = sure.mean(-1) * evidence.known.all(-1)
    if isinstance(representation, PictureKeypoints):
        whole = _GUESSED * evidence.known.any(-1).to(whole).expand(whole.shape)
    sources = _sources(evidence.clip, representation)
    table = torch.stack([sure[..., own].amin(-1) if own else whole for own in sources], -1)
    trust = torch.zeros(*table.shape[:-2], count, representation.tokens)
    trust[..., slots, :] = table[..., frames, :]
    return trust


def _sources(clip: Clip, representation: Representation) -> list[list[int]]:
    """The joints of the clip that each token speaks of; none where it has no counterpart."""
    if isinstance(representation, PictureKeypoints):
        body, sources = representation.picture, representation.sources(clip.skeleton)
    else:
        body, sources = representation.skeleton, match_joints(clip.skeleton, representation.skeleton).sources
    names = getattr(representation, "joints", ())
    joints = body.indices(names) if len(names) == representation.tokens else [-1] * representation.tokens
    return [list(sources.get(joint, ())) for joint in joints]


def _spans(run: Run, trust: Float[Tensor, "batch model token"]) -> list[slice]:
    """Windows as long as the model's, or twice the longest gap, and then to the known frames outside them: a window
    that ended within a gap would know one side of it only."""
    frames = trust.shape[1]
    there = (trust > 0).any(-1).any(0).nonzero()[:, 0]
    ends = torch.cat((there.new_tensor([-1]), there, there.new_tensor([frames])))
    window = min(run.observed + run.trained if run.trained else max(run.observed, 8), _LONGEST)
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
