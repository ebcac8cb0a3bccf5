"""The report of `complete`: the method of each gap, changes of known frames, jerk, sliding feet, bone lengths."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.progress import pieces
from kinema.metrics.dynamics import ground_speed, jerk, slides
from kinema.motion.feet.contacts import contact_joints
from kinema.motion.interpolation import Interpolator
from kinema.motion.interpolation.curves import place
from kinema.motion.motion import Clip, Motion, Points
from kinema.pipeline.completion.gap_plan import Plan

_SAME = 1e-6  # seconds
_PIECE = 2048  # frames measured together


@dataclass(frozen=True)
class Segment:
    """Frames `first` to `last` (inclusive) of the answer: `gaps` gaps in a row that were filled by one method.

    `filled` frames of them are new; the others are the known frames between the gaps.
    `gap` is the longest one in seconds. Jerk is the mean over joints in metres (2-D: picture units) per second cubed;
    `jerk_before` is that of the input or, for new frames, of straight lines. `foot_skate` is the share of frames with a
    sliding foot, `bone_drift` the largest change of a bone relative to its length; both are None in two dimensions.
    """

    first: int
    last: int
    gaps: int
    filled: int
    gap: float
    method: str
    why: str
    jerk_before: float | None
    jerk_after: float | None
    foot_skate: float | None
    bone_drift: float | None


@dataclass(frozen=True)
class CompletionReport:
    """Counts of frames in the answer (`frames`), known frames (`known`), and known frames at their own time (`kept`).

    `keys` is "exact" or "soft"; `key_deviation` is the largest movement of a joint of a known frame, metres (2-D:
    picture units).
    """

    frames: int
    fps: float
    known: int
    kept: int
    keys: str
    key_deviation: float
    segments: tuple[Segment, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Lines of text: a summary, one line per method and reason, the notes."""
        rows: dict[tuple[str, str], list[Segment]] = {}
        for segment in self.segments:
            rows.setdefault((segment.method, segment.why), []).append(segment)
        kept = f"{self.kept} kept" if self.keys == "exact" else f"smoothed, moved by up to {self.key_deviation:.3g}"
        lines = [f"{self.frames} frames at {self.fps:.6g} per second from {self.known} known ones ({kept})"]
        for (method, why), group in rows.items():
            gaps, frames = sum(one.gaps for one in group), sum(one.filled for one in group)
            lines.append(f"{frames} frames in {gaps} gap{'s' * (gaps > 1)} by {method}: {why}")
        return [*lines, *self.notes]


def report_on(
    curves: Interpolator[Clip],
    answer: Clip,
    wanted: Float[Tensor, " time"],
    plan: Plan,
    keys: str,
    notes: list[str],
) -> CompletionReport:
    """Measure an answer; of several samples, the first. `curves` pass through the input clip."""
    one = answer.one(0) if answer.batch_shape else answer
    measured = Measured.of(curves, one, wanted)
    segments = [measured.segment(first, last, plan) for first, last in _runs((plan.choice >= 0).any(1), plan)]
    whole = curves.known.all(1) if bool(curves.known.all(1).any()) else curves.known.any(1)
    return CompletionReport(
        frames=one.frames,
        fps=one.fps,
        known=int(whole.sum()),
        kept=int((plan.choice == -1).all(1).sum()),
        keys=keys,
        key_deviation=measured.deviation,
        segments=tuple(segments),
        notes=tuple(notes),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """Measures of every frame of the answer, and the largest movement of a known frame."""

    before: Float[Tensor, " frame"]
    jerk: Float[Tensor, " frame"]
    slides: Bool[Tensor, " frame"] | None
    stretch: Float[Tensor, " frame"] | None
    deviation: float

    @classmethod
    def of(cls, curves: Interpolator[Clip], answer: Clip, wanted: Float[Tensor, " time"]) -> Measured:
        """Measure piece by piece, to save memory on long clips."""
        clip, fps = curves.clip, answer.fps
        solid = isinstance(answer, Motion) or answer.positions.shape[-1] == 3
        feet, parents = contact_joints(answer.skeleton), list(answer.skeleton.parents[1:])
        befores, jerks, stands = list[Tensor](), list[Tensor](), list[Tensor]()
        bones = torch.empty(answer.frames if solid else 0, len(parents), dtype=torch.float64)
        came, deviation = _came_as_is(curves, wanted), 0.0
        for span in pieces(answer.frames, _PIECE, "measure"):
            low, high = max(span.start - 1, 0), min(span.stop + 2, answer.frames)  # what a third difference needs
            own = slice(span.start - low, span.stop - low)
            places = answer[low:high].points().positions
            start = clip[low:high] if came else curves.at(wanted[low:high], method="linear", fps=fps)
            befores.append(jerk_of_frames(start.points().positions.double(), fps)[own])
            jerks.append(jerk_of_frames(places.double(), fps)[own])
            deviation = max(deviation, _deviation(curves, answer[span], wanted[span]))
            if solid and feet is not None:
                stands.append(places[own][:, list(feet)].double())
            if solid:
                bones[span] = (places[own][:, 1:] - places[own][:, parents]).double().norm(dim=-1)
        return cls(
            torch.cat(befores),
            torch.cat(jerks),
            sliding(torch.cat(stands), fps) if stands else None,
            _stretch(bones) if solid else None,
            deviation,
        )

    def segment(self, first: int, last: int, plan: Plan) -> Segment:
        """One segment."""
        span = slice(first, last + 1)
        # Where joints differ, take the joint with the longest gap.
        longest = plan.gap[span].max()
        place = int((plan.gap[span] == longest).any(1).nonzero()[0]) + first
        joint = int(plan.gap[place].argmax())
        choice = int(plan.choice[place, joint])
        filled = int((plan.choice[span] >= 0).any(1).sum())
        return Segment(
            first, last, _count(plan, span), filled, float(longest), plan.methods[choice], plan.reasons[choice],
            _mean(self.before[span]), _mean(self.jerk[span]),
            None if self.slides is None else float(self.slides[span].double().mean()),
            None if self.stretch is None else float(self.stretch[span].max()),
        )  # fmt: skip


def jerk_of_frames(positions: Float[Tensor, "frame joint dim"], fps: float) -> Float[Tensor, " frame"]:
    """`metrics.dynamics.jerk`, mean over joints, at the second frame of each four; the ends repeat their neighbours."""
    out = torch.zeros(len(positions), dtype=torch.float64)
    if len(positions) > 3:
        out[1:-2] = torch.nanmean(jerk(positions, fps), -1)
        out[0], out[-2:] = out[1], out[-3]
    return out


def sliding(feet: Float[Tensor, "frame 4 3"], fps: float) -> Bool[Tensor, " frame"]:
    """Frames in which a foot slides (`metrics.dynamics.slides`): heel and toe of the left, then of the right foot."""
    if len(feet) < 2:
        return torch.zeros(len(feet), dtype=torch.bool)
    speed = ground_speed(feet, fps)
    speed = torch.cat((speed, speed[-1:]))
    height = feet[..., 1] - feet[..., 1].amin(0)
    return slides(height.unflatten(1, (2, 2)), speed.unflatten(1, (2, 2))).any(-1)


def _stretch(length: Float[Tensor, "frame bone"]) -> Float[Tensor, " frame"]:
    """The largest relative deviation of a bone from its median length."""
    most = torch.zeros(len(length), dtype=torch.float64)
    for bone in length.unbind(1):
        usual = float(bone.nanmedian())
        if usual > 1e-3:
            most = torch.maximum(most, ((bone - usual).abs() / usual).nan_to_num(0.0))
    return most


def _came_as_is(curves: Interpolator[Clip], wanted: Tensor) -> bool:
    """True if the times are those of the clip, and all its values are finite."""
    clock, clip = curves.times, curves.clip
    if len(clock) != len(wanted) or not bool((clock - wanted).abs().max() < 1e-6):
        return False
    moving = [clip.positions] if isinstance(clip, Points) else [clip.rotations, clip.root, clip.offsets]
    return all(bool(each.sum().isfinite()) for each in moving if each is not None)


def _deviation(curves: Interpolator[Clip], answer: Clip, wanted: Tensor) -> float:
    """The largest movement of a joint of a known frame, in a piece of the answer."""
    low, high = place(curves.times, torch.stack((wanted[0] - _SAME, wanted[-1] + _SAME))).tolist()
    if high <= low:
        return 0.0
    clock, known = curves.times[low:high], curves.known[low:high]
    near = place(wanted, clock - _SAME).clamp(max=len(wanted) - 1)
    # Forward kinematics mixes joints: a frame of a Motion counts only if all its joints are known.
    whole = known.all(1) if isinstance(answer, Motion) else known.any(1)
    rows = (((wanted[near] - clock).abs() <= _SAME) & whole).nonzero()[:, 0]
    if not len(rows):
        return 0.0
    came = curves.clip.map(lambda values, axis: values.index_select(axis, rows + low))
    held = answer.map(lambda values, axis: values.index_select(axis, near[rows]))
    if _same(came, held):
        return 0.0
    away = (came.points().positions.double() - held.points().positions).norm(dim=-1)[known[rows]]
    return float(away.nan_to_num(0.0).max())


def _same(one: Clip, other: Clip) -> bool:
    """True if two clips are equal, bit for bit."""
    if isinstance(one, Motion) and isinstance(other, Motion):
        moved = one.offsets is not None and other.offsets is not None and not one.offsets.equal(other.offsets)
        return not moved and one.rotations.equal(other.rotations) and one.root.equal(other.root)
    return one.points().positions.equal(other.points().positions)


def _runs(open_: Bool[Tensor, " frame"], plan: Plan) -> list[tuple[int, int]]:
    """First and last frames of runs of filled frames; consecutive gaps of one kind are one run."""
    kinds = torch.where(open_, plan.choice.amax(1), -1).tolist()
    lengths = plan.gap.amax(1).tolist()
    runs: list[tuple[int, int]] = []
    previous: tuple[int, float] | None = None
    for frame, kind in enumerate(kinds):
        if kind < 0:
            continue
        here = (kind, round(lengths[frame], 4))
        if runs and previous == here and frame - runs[-1][1] <= 2:
            runs[-1] = (runs[-1][0], frame)
        else:
            runs.append((frame, frame))
        previous = here
    return runs


def _count(plan: Plan, span: slice) -> int:
    """The number of gaps (blocks of filled frames) in a run."""
    open_ = (plan.choice[span] >= 0).any(1).int()
    return int((open_.diff() == 1).sum()) + int(open_[0])


def _mean(values: Tensor) -> float | None:
    mean = float(torch.nanmean(values))
    return None if mean != mean else mean
