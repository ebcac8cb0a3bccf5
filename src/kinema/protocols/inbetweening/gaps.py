"""Shared by `lafan1` and `open-inbetween`: windows of the LaFAN1 benchmark and the scores of a method.

Ten frames are known, then a gap, then one target frame or ten. Errors are those of the frames in the gap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.metrics import inbetween
from kinema.metrics.dynamics import mean_jerk
from kinema.motion.edit import rotate, shift
from kinema.motion.motion import Motion, Points
from kinema.protocols.interface import Evaluated

PAST = 10
GAPS = (5, 15, 30, 45)
TEST_WINDOW, TEST_HOP = 65, 40
TRAIN_WINDOW, TRAIN_HOP = 50, 20
AFTER = 10  # frames after the gap in a window; the benchmark uses only the first, its target

Heading = Callable[[Motion], Float[Tensor, "*batch frame"]]


@dataclass(frozen=True, eq=False)
class PositionStatistics:
    """Mean and deviation of each coordinate of the training windows, in metres."""

    mean: Float[Tensor, "joint 3"]
    std: Float[Tensor, "joint 3"]

    @classmethod
    def of(cls, clips: Iterable[Motion], joints: Sequence[int], heading: Heading) -> PositionStatistics:
        """From the training windows of recordings."""
        batches = (batch for clip in clips for batch in windows(clip, TRAIN_WINDOW, TRAIN_HOP, heading))
        found = inbetween.position_statistics(batch.points().positions[..., list(joints), :] for batch in batches)
        return cls(*found)


def starts(frames: int, window: int, hop: int) -> range:
    """First frames of the windows; as in the benchmark's loop, without one that ends at the last frame."""
    return range(0, max(frames - window, 0), hop)


def windows(clip: Motion, window: int, hop: int, heading: Heading) -> Iterator[Motion]:
    """The windows of a recording as one batch; nothing for a short recording.

    The root's mean position on the floor becomes the origin, and the `heading` of the tenth frame becomes angle 0.
    """
    first = torch.tensor(list(starts(clip.frames, window, hop)))
    if not len(first):
        return
    index = first[:, None] + torch.arange(window)
    cut = clip[index]
    cut = shift(cut, cut.root.mean(-2) * cut.root.new_tensor([-1.0, 0.0, -1.0]))
    yield rotate(cut, -heading(cut)[..., PAST - 1])


def known_frames(gap: int, after: int = 1) -> Bool[Tensor, " frame"]:
    """The known frames of a window: ten before the gap, and those after it (the benchmark has one)."""
    known = torch.ones(PAST + gap + after, dtype=torch.bool)
    known[PAST : PAST + gap] = False
    return known


def blanked(clip: Motion, known: Bool[Tensor, " frame"]) -> Motion:
    """The clip with NaN in every unknown frame."""
    return clip.map(lambda values, axis: torch.where(known.reshape(-1, *[1] * (-axis - 1)), values, torch.nan))


@dataclass(eq=False)
class GapScores:
    """Collects the errors of one method for one gap length. `after` frames after the gap are known."""

    gap: int
    joints: Sequence[int]
    statistics: PositionStatistics
    after: int = 1

    def __post_init__(self) -> None:
        self._rows: dict[str, list[Tensor]] = {}
        self._quats: dict[str, list[Tensor]] = {"": [], "true": [], "strict": [], "true_strict": []}

    def add(self, method: Evaluated, clips: Motion) -> None:
        """Score a method on windows (batch shape (window,))."""
        known = known_frames(self.gap, self.after)
        truth = clips[: len(known)]
        inside = slice(PAST, PAST + self.gap)
        if "rotations" in method.kinds:
            answer = method.complete(blanked(truth, known), known)
            self._rotations(answer, truth, inside)
            points = answer.points()
        else:
            points = truth.points()
            hidden = points.positions.clone()
            hidden[:, ~known] = torch.nan
            points = method.complete(replace(points, positions=hidden), known)
        self._positions(points, truth.points(), inside)

    def _rotations(self, answer: Motion, truth: Motion, inside: slice) -> None:
        parents, joints = truth.skeleton.parents, list(self.joints)
        true_local = inbetween.local_quats(truth)
        own_local = inbetween.unbroken(inbetween.local_quats(answer)[:, PAST:], true_local[:, PAST - 1])[:, : self.gap]
        true = inbetween.global_quats(true_local, parents)[..., joints, :]
        own = inbetween.global_quats(own_local, parents)[..., joints, :]
        self._quats["strict"].append(own)
        self._quats["true_strict"].append(true[:, inside])
        self._quats[""].append(inbetween.toward(own, true[:, PAST - 1]))
        self._quats["true"].append(inbetween.toward(true[:, inside], true[:, PAST - 1]))

    def _positions(self, answer: Points, truth: Points, inside: slice) -> None:
        own, true = (one.positions[..., list(self.joints), :].double() for one in (answer, truth))
        self._keep("l2p", inbetween.l2p(own[:, inside], true[:, inside], self.statistics.mean, self.statistics.std))
        self._keep("mpjpe_mm", 1000 * (own - true)[:, inside].norm(dim=-1).mean(-1))
        floor = inbetween.foot_height(truth)
        self._keep("skate", inbetween.skate_share(replace(answer, positions=answer.positions[:, inside]), floor))
        self._keep("jerk", mean_jerk(own[:, PAST - 3 : PAST + self.gap + 1], answer.fps))

    def _keep(self, metric: str, values: Tensor) -> None:
        self._rows.setdefault(metric, []).append(values.double())

    @property
    def windows(self) -> int:
        """The number of scored windows."""
        return sum(len(rows) for rows in self._rows.get("l2p", []))

    def means(self) -> dict[str, float]:
        """The mean of every metric over all windows."""
        found: dict[str, float] = {}
        if self._quats[""]:
            quats = {name: torch.cat(parts) for name, parts in self._quats.items()}
            for mark, name in (("", ""), ("_strict", "strict")):
                own, true = quats[name], quats[f"true{mark}"]
                found[f"l2q{mark}"] = float(inbetween.l2q(own, true).mean())
                found[f"npss{mark}"] = inbetween.npss(own.flatten(2), true.flatten(2))
        return found | {metric: float(torch.cat(rows).mean()) for metric, rows in self._rows.items()}
