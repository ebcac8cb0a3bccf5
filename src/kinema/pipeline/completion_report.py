"""What `complete` did, gap by gap: method and reason, how far keys moved, jerk, sliding feet, bones."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.feet.contacts import contact_joints
from kinema.motion.interpolation import interpolate
from kinema.motion.motion import Clip, Motion, Points
from kinema.pipeline.gap_plan import Plan

_SLIDING = 0.10  # metres per second, of heel and toe both
_LOW = (0.15, 0.10)  # metres above their lowest: heel, toe


@dataclass(frozen=True)
class Segment:
    """Frames `first` to `last` of the answer (both ends included), filled in the same way: `gaps` gaps in a row.

    `gap` is the longest of them, in seconds. Jerk in metres (2-D: units of the picture) per second cubed, mean over
    joints; `jerk_before` is that of the frames as they came or, where there were none, of straight lines.
    `foot_skate` is the share of frames in which a foot that is down slides; `bone_drift` by how much, of its length, a
    bone changes at most. Both are None in two dimensions.
    """

    first: int
    last: int
    gaps: int
    gap: float
    method: str
    why: str
    jerk_before: float | None
    jerk_after: float | None
    foot_skate: float | None
    bone_drift: float | None


@dataclass(frozen=True)
class Report:
    """`keys` is "exact" or "soft"; `key_deviation` the furthest that a joint of a known frame was moved (metres, or
    units of the picture). `known` counts known frames, `frames` those of the answer, `kept` those that are known
    ones unchanged in time."""

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
        """For people: one line for each way in which gaps were filled."""
        rows: dict[tuple[str, str], list[Segment]] = {}
        for segment in self.segments:
            rows.setdefault((segment.method, segment.why), []).append(segment)
        kept = (
            f"{self.kept} kept"
            if self.keys == "exact"
            else f"taken as evidence, moved by up to {self.key_deviation:.3g}"
        )
        said = [f"{self.frames} frames at {self.fps:.6g} per second from {self.known} known ones ({kept})"]
        for (method, why), group in rows.items():
            gaps, frames = sum(one.gaps for one in group), sum(one.last - one.first + 1 for one in group)
            said.append(f"{frames} frames in {gaps} gap{'s' * (gaps > 1)} by {method}: {why}")
        return [*said, *self.notes]


def report_on(
    clip: Clip,
    known: Bool[Tensor, "frame joint"],
    clock: Float[Tensor, " frame"],
    answer: Clip,
    wanted: Float[Tensor, " time"],
    plan: Plan,
    keys: str,
    notes: list[str],
) -> Report:
    """Measure an answer; of several samples, the first."""
    one = answer.one(0) if answer.batch_shape else answer
    given = (plan.choice == -1).all(1)
    points = one.points().positions.double()
    method = Measured.of(one)
    straight = _as_it_came(clip, known, clock, wanted, one.fps)
    before = jerk(straight, one.fps)
    segments = [method.segment(first, last, plan, before) for first, last in _runs((plan.choice >= 0).any(1), plan)]
    whole = known.all(1) if bool(known.all(1).any()) else known.any(1)
    return Report(
        frames=one.frames,
        fps=one.fps,
        known=int(whole.sum()),
        kept=int(given.sum()),
        keys=keys,
        key_deviation=_deviation(clip, known, clock, points, wanted),
        segments=tuple(segments),
        notes=tuple(notes),
    )


@dataclass(frozen=True, eq=False)
class Measured:
    """What is known of every frame of the answer."""

    jerk: Float[Tensor, " frame"]
    slides: Bool[Tensor, " frame"] | None
    stretch: Float[Tensor, " frame"] | None

    @classmethod
    def of(cls, clip: Clip) -> Measured:
        """Measure."""
        points = clip.points()
        solid = points.positions.shape[-1] == 3
        return cls(
            jerk(points.positions.double(), clip.fps),
            sliding(points) if solid else None,
            _stretch(points) if solid else None,
        )

    def segment(self, first: int, last: int, plan: Plan, before: Float[Tensor, " frame"]) -> Segment:
        """One row."""
        span = slice(first, last + 1)
        # Where joints differ, the one with the longest gap speaks for the frame.
        longest = plan.gap[span].max()
        place = int((plan.gap[span] == longest).any(1).nonzero()[0]) + first
        joint = int(plan.gap[place].argmax())
        choice = int(plan.choice[place, joint])
        gaps = _count(plan, span)
        return Segment(
            first, last, gaps, float(longest), plan.methods[choice], plan.reasons[choice],
            _mean(before[span]), _mean(self.jerk[span]),
            None if self.slides is None else float(self.slides[span].double().mean()),
            None if self.stretch is None else float(self.stretch[span].max()),
        )  # fmt: skip


def jerk(positions: Float[Tensor, "frame joint dim"], fps: float) -> Float[Tensor, " frame"]:
    """Length of the third difference times fps cubed, mean over joints, at the second frame of each four."""
    out = torch.zeros(len(positions), dtype=torch.float64)
    if len(positions) > 3:
        third = positions.diff(dim=0).diff(dim=0).diff(dim=0).norm(dim=-1) * fps**3
        out[1:-2] = torch.nanmean(third, -1)
        out[0], out[-2:] = out[1], out[-3]
    return out


def sliding(points: Points) -> Bool[Tensor, " frame"] | None:
    """Frames in which a foot slides: heel and toe both low and both moving along the ground. None without ankles."""
    joints = contact_joints(points.skeleton)
    if joints is None:
        return None
    feet = points.positions[:, list(joints)].double()
    if len(feet) < 2:
        return torch.zeros(len(feet), dtype=torch.bool)
    speed = feet[..., [0, 2]].diff(dim=0).norm(dim=-1) * points.fps
    speed = torch.cat((speed, speed[-1:]))
    height = (feet[..., 1] - feet[..., 1].amin(0)).unflatten(1, (2, 2))
    low = (height < height.new_tensor(_LOW)).all(-1)
    return (low & (speed.unflatten(1, (2, 2)) > _SLIDING).all(-1)).any(-1)


def _stretch(points: Points) -> Float[Tensor, " frame"]:
    """By how much, of its length, the bone that changes most is away from its median length."""
    bones = points.positions[:, 1:] - points.positions[:, list(points.skeleton.parents[1:])]
    length = bones.double().norm(dim=-1)
    usual = length.nanmedian(0).values
    kept = usual > 1e-3
    if not bool(kept.any()):
        return torch.zeros(len(length), dtype=torch.float64)
    return ((length - usual).abs()[:, kept] / usual[kept]).nan_to_num(0.0).amax(-1)


def _as_it_came(
    clip: Clip, known: Tensor, clock: Tensor, wanted: Tensor, fps: float
) -> Float[Tensor, "time joint dim"]:
    """The input at the times asked for: its own frames where it has them, damaged or not, else straight lines."""
    there = clip.points().positions.isfinite().all(-1).all(-1)
    if len(clock) == len(wanted) and bool((clock - wanted).abs().max() < 1e-6) and bool(there.all()):
        return clip.points().positions.double()
    return interpolate(clip, known, wanted, times=clock, method="linear", fps=fps).points().positions.double()


def _deviation(clip: Clip, known: Tensor, clock: Tensor, answer: Tensor, wanted: Tensor) -> float:
    near = torch.searchsorted(wanted, clock - 1e-6).clamp(max=len(wanted) - 1)
    same = (wanted[near] - clock).abs() <= 1e-6
    # Forward kinematics mixes joints, so that frames of a Motion count only where they are known whole.
    table = known & known.all(1, keepdim=True) if isinstance(clip, Motion) else known
    away = (clip.points().positions.double() - answer[near]).norm(dim=-1)[same]
    held = away[table[same]]
    return float(held.nan_to_num(0.0).max()) if len(held) else 0.0


def _runs(open_: Bool[Tensor, " frame"], plan: Plan) -> list[tuple[int, int]]:
    """First and last of the frames in a row that are open; gaps of one kind that follow each other run on."""
    kinds = torch.where(open_, plan.choice.amax(1), -1.0).tolist()
    lengths = plan.gap.amax(1).tolist()
    runs: list[tuple[int, int]] = []
    previous: tuple[float, float] | None = None
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
    """How many gaps there are in a run: blocks of open frames."""
    open_ = (plan.choice[span] >= 0).any(1).int()
    return int((open_.diff() == 1).sum()) + int(open_[0])


def _mean(values: Tensor) -> float | None:
    mean = float(torch.nanmean(values))
    return None if mean != mean else mean
