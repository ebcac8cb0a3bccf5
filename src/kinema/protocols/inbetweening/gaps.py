"""What the in-betweening protocols share: windows of the LaFAN1 benchmark, the question, and the scores of an answer.

Ten frames are known, then a gap, then a target frame, or ten: the errors are those of the frames in the gap alone.
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
AFTER = 10  # frames behind the gap that the windows keep; the first is the benchmark's target, and uses no others

Heading = Callable[[Motion], Float[Tensor, "*batch frame"]]


@dataclass(frozen=True, eq=False)
class PositionStatistics:
    """Mean and deviation of each coordinate of the training windows, in metres."""

    mean: Float[Tensor, "joint 3"]
    std: Float[Tensor, "joint 3"]

    @classmethod
    def of(cls, clips: Iterable[Motion], joints: Sequence[int], heading: Heading) -> PositionStatistics:
        """Those of the training windows of some recordings."""
        batches = (batch for clip in clips for batch in windows(clip, TRAIN_WINDOW, TRAIN_HOP, heading))
        found = inbetween.position_statistics(batch.points().positions[..., list(joints), :] for batch in batches)
        return cls(*found)


def starts(frames: int, window: int, hop: int) -> range:
    """First frames of the windows; as in the benchmark's loop, one that would end at the last frame is left out."""
    return range(0, max(frames - window, 0), hop)


def windows(clip: Motion, window: int, hop: int, heading: Heading) -> Iterator[Motion]:
    """The windows of a recording as one batch, each in its own place: nothing where it is too short.

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
    """Which frames of a question are given: ten, and those behind the gap, of which the benchmark has one."""
    known = torch.ones(PAST + gap + after, dtype=torch.bool)
    known[PAST : PAST + gap] = False
    return known


def blanked(clip: Motion, known: Bool[Tensor, " frame"]) -> Motion:
    """The clip with NaN in every frame that is not known, so that no method can use them."""
    return clip.map(lambda values, axis: torch.where(known.reshape(-1, *[1] * (-axis - 1)), values, torch.nan))


@dataclass(eq=False)
class GapScores:
    """Adds up the errors of one method in the windows of one gap, file by file. `after` frames behind it are known."""

    gap: int
    joints: Sequence[int]
    statistics: PositionStatistics
    after: int = 1

    def __post_init__(self) -> None:
        self._rows: dict[str, list[Tensor]] = {}
        self._quats: dict[str, list[Tensor]] = {"": [], "true": [], "strict": [], "true_strict": []}

    def add(self, method: Evaluated, clips: Motion) -> None:
        """Ask a method about some windows (batch shape (window,)) and keep its errors."""
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
        """How many windows were scored."""
        return sum(len(rows) for rows in self._rows.get("l2p", []))

    def means(self) -> dict[str, float]:
        """Every metric over all windows that were added."""
        found: dict[str, float] = {}
        if self._quats[""]:
            quats = {name: torch.cat(parts) for name, parts in self._quats.items()}
            for mark, name in (("", ""), ("_strict", "strict")):
                own, true = quats[name], quats[f"true{mark}"]
                found[f"l2q{mark}"] = float(inbetween.l2q(own, true).mean())
                found[f"npss{mark}"] = inbetween.npss(own.flatten(2), true.flatten(2))
        return found | {metric: float(torch.cat(rows).mean()) for metric, rows in self._rows.items()}
