"""What a model is asked about a clip: what is known, on the model's skeleton, at its rate, window after window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.motion.interpolation import even_times, interpolate
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.inverse_kinematics import match_joints
from kinema.pipeline.forecasting import Run
from kinema.representations.base import Representation
from kinema.representations.keypoints_2d import PictureKeypoints

UNTOLD = 0.5  # the confidence of evidence of which nobody says how good it is
_SUREST = 0.98  # evidence is never exact: a model must stay free to change it
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
class Asked:
    """A question in a model's own terms: the times of its frames in seconds (`grid`), and what is known there."""

    run: Run
    representation: Representation
    grid: Float[Tensor, " model"]
    known: Float[Tensor, "*batch model feat"]
    trust: Float[Tensor, "*batch model token"]

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
        grid, place = _grid(evidence, wanted, representation.fps)
        given = interpolate(
            evidence.clip, evidence.known, grid, times=evidence.clock, method="linear", fps=representation.fps
        )
        known = features_of(representation, on_body(given, representation))
        return cls(run, representation, grid, known, _trust(evidence, len(grid), place, representation))

    def windows(self) -> Iterator[tuple[slice, Query, Float[Tensor, "span 1"]]]:
        """Window after window, half of each overlapping the one before, and how much each of its frames weighs."""
        given, sure = (each.reshape(-1, *each.shape[-2:]) for each in (self.known, self.trust))
        sure = sure.expand(len(given), -1, -1)
        token = torch.tensor(self.representation.token_of_feature)
        self.run.model.eval()
        for span in _spans(self.run, sure):
            some, length = sure[:, span], span.stop - span.start
            query = Query(
                seen=torch.where(some[..., token] > 0, given[:, span], 0.0),
                trust=some,
                time=(self.grid[span] - self.grid[span.start]).float().expand(len(given), -1),
                valid=torch.ones(len(given), length, dtype=torch.bool),
                action=given.new_zeros(len(given), 0),
            )
            yield span, query, torch.hann_window(length + 2, periodic=False)[1:-1, None].to(given)


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
    total, weight = torch.zeros_like(asked.trust), asked.trust.new_zeros(len(asked.grid), 1)
    for span, query, hann in asked.windows():
        total[span] += model.doubts(query)[0] * hann
        weight[span] += hann
    there = (asked.trust > 0).any(-1).nonzero()[:, 0]
    near = there[(evidence.clock[:, None] - asked.grid[there]).abs().argmin(1)]
    by_token, out = (total / weight)[near], torch.zeros(evidence.known.shape)
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


def _grid(evidence: Evidence, wanted: Tensor, fps: float) -> tuple[Float[Tensor, " model"], dict[int, int]]:
    """The model's frames, evenly spaced but where a known frame is less than half a step away: there at its time.

    With them, for each such frame of the model, which known one it is.
    """
    first, last = wanted[0], wanted[-1]
    grid = first + even_times(1 + max(1, round(float(last - first) * fps)), fps)
    place: dict[int, int] = {}
    for frame in evidence.known.any(1).nonzero()[:, 0].tolist():
        at = float(evidence.clock[frame] - first) * fps
        near = round(at)
        if not 0 <= near < len(grid):
            continue
        rival = place.get(near)
        if rival is None or abs(at - near) < abs(float(evidence.clock[rival] - first) * fps - near):
            place[near] = frame
    for near, frame in place.items():
        grid[near] = evidence.clock[frame]
    return grid, place


def _trust(
    evidence: Evidence, frames: int, place: dict[int, int], representation: Representation
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
    trust = torch.zeros(*table.shape[:-2], frames, representation.tokens)
    trust[..., list(place), :] = table[..., list(place.values()), :]
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
