"""Classical completion: a clip from those of its frames that are known, at any times. No learning.

`interpolate` joins known frames by a curve, and `Interpolator` does so piece by piece; `smooth` takes jitter out of
a complete clip; `soften` weighs uneven evidence. What they are worth, on clean and on noisy keys, is measured in
docs/inbetween.md.

Only cells that are asked for and not known are evaluated, each with the few keys around it that its curve depends on,
and a few thousand times at once: the work grows with what is missing, the memory with what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, cast, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.core.progress import pieces, report_progress
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.motion.interpolation.curves import curve, place, rotation_curve
from kinema.motion.interpolation.filters import Smoother, smooth, soften
from kinema.motion.motion import AnyClip, Clip, Motion, Points

__all__ = ["CURVES", "Curve", "CurveTable", "Interpolator", "Smoother", "even_times", "interpolate", "smooth", "soften"]

Curve = Literal["hold", "linear", "cubic", "pchip", "squad"]
CURVES: tuple[str, ...] = get_args(Curve)
"""The names of the curves. For positions, and for the root trajectory, "squad" is "cubic"."""
_SAME_TIME = 1e-6  # seconds
_PIECE = 2**15  # cells (a joint at a time) evaluated together: what they need stays in the cache
# How many keys on each side of an interval a curve depends on. The natural spline depends on all keys, but the system
# of its slopes is diagonally dominant by a factor of two, so that each key further away counts at most half as much:
# 56 keys away the share is below 2^-53, the rounding of float64.
_SPLINE = 56
_OF_NUMBERS = {"hold": 0, "linear": 0, "pchip": 1, "squad": _SPLINE, "cubic": _SPLINE}
_OF_ROTATIONS = {**_OF_NUMBERS, "squad": 1}
_DOING = "evaluate curves"
_Reader = Callable[[Tensor, Tensor, Tensor, str], Tensor]


def even_times(frames: int, fps: float) -> Float[Tensor, " frame"]:
    """Seconds of evenly spaced frames from 0 on, in float64."""
    return torch.arange(frames, dtype=torch.float64) / fps


@dataclass(frozen=True, eq=False)
class CurveTable:
    """Which curve fills which cell: `methods[table[time, joint]]`. Below 0 the nearest known value is held."""

    methods: Sequence[str]
    table: Int[Tensor, "time joint"]


def interpolate(
    clip: AnyClip,
    known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
    at: Float[Tensor, " time"] | None = None,
    *,
    method: str | CurveTable = "cubic",
    times: Float[Tensor, " frame"] | None = None,
    fps: float | None = None,
) -> AnyClip:
    """The clip at the times `at` (seconds), read off a curve through its known frames; the nearest is held beyond.

    `known` speaks of whole frames or of single joints (the root trajectory goes with joint 0); the unknown may be NaN.
    `times` are those of the clip's frames (default: even at its rate), `at` is the same by default, and `fps` is the
    rate that the answer is labelled with. Frames at the time of a known one are copies of it, bit for bit. `method` is
    one curve, or one for every cell.
    A point that is never known stays NaN, with confidence 0.
    Raises UsageError where nothing is known (of points), or nothing of some joint (of rotations), where times do not
    rise, and for an unknown method.
    """
    return Interpolator(clip, known, times).at(at, method=method, fps=fps)


class Interpolator(Generic[AnyClip]):
    """The curves through the known frames of a clip; `at` reads them, any number of times.

    Arguments and errors as `interpolate`.
    """

    def __init__(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        times: Float[Tensor, " frame"] | None = None,
    ) -> None:
        self.clip = clip
        self.times = even_times(clip.frames, clip.fps) if times is None else times.double()
        _check(clip, known, self.times)
        table = known if known.ndim == 2 else known[:, None]
        patterns, group = torch.unique(table, dim=1, return_inverse=True)
        joints = len(clip.skeleton)
        self.known = table.expand(-1, joints)
        every = group.expand(joints) if table.shape[1] == 1 else group
        self._groups = [
            _Group((every == which).nonzero()[:, 0], rows, self.times[rows], self.times)
            for which in range(patterns.shape[1])
            for rows in [patterns[:, which].nonzero()[:, 0]]
        ]
        first = self._groups[int(every[0])]
        self._path = [replace(first, joints=torch.zeros(1, dtype=torch.int64))]

    def at(
        self,
        at: Float[Tensor, " time"] | None = None,
        *,
        method: str | CurveTable = "cubic",
        fps: float | None = None,
    ) -> AnyClip:
        """The clip at the times `at`, in any order. Raises UsageError for an unknown method."""
        at = self.times if at is None else at.double()
        choice = method if isinstance(method, CurveTable) else CurveTable((method,), torch.zeros(len(at), 1).long())
        for name in choice.methods:
            if name not in CURVES:
                raise unknown_name("curve", name, CURVES)
        clip: Clip = self.clip
        fps = fps or clip.fps
        if isinstance(clip, Points):
            positions = _filled(clip.positions, -3, self._groups, at, choice, curve, _DOING)
            sure = clip.confidence
            if sure is not None:
                calm = replace(choice, methods=["hold" if name == "hold" else "linear" for name in choice.methods])
                sure = _filled(sure[..., None], -3, self._groups, at, calm, curve).nan_to_num_(0.0)[..., 0]
            return cast("AnyClip", replace(clip, positions=positions, confidence=sure, fps=fps))
        path = _filled(clip.root[..., None, :], -3, self._path, at, replace(choice, table=choice.table[:, :1]), curve)
        offsets = None if clip.offsets is None else _filled(clip.offsets, -3, self._groups, at, choice, curve)
        rotations = _filled(clip.rotations, -4, self._groups, at, choice, _rotations, _DOING)
        return cast("AnyClip", replace(clip, rotations=rotations, root=path[..., 0, :], offsets=offsets, fps=fps))


@dataclass(frozen=True, eq=False)
class _Group:
    """Joints that are known in the same frames: these frames, and their times."""

    joints: Int[Tensor, " joint"]
    rows: Int[Tensor, " key"]
    keys: Float[Tensor, " key"]
    clock: Float[Tensor, " frame"]

    def missing(self) -> Int[Tensor, " row"]:
        """The other frames."""
        there = torch.zeros(len(self.clock), dtype=torch.bool)
        there[self.rows] = True
        return (~there).nonzero()[:, 0]


def _filled(
    values: Tensor, axis: int, groups: list[_Group], at: Tensor, choice: CurveTable, reader: _Reader, doing: str = ""
) -> Tensor:
    """Values [*batch, frame, joint, ...] at other times; or at their own, where what is known stays as it is."""
    first = values.movedim(axis, 0)
    joint = axis + 1 + first.ndim  # the axis of joints, counted from the front
    own = at.equal(groups[0].clock)
    out = first.clone() if own else first.new_empty((len(at), *first.shape[1:]))
    for number, group in enumerate(groups):
        todo = group.missing() if own else torch.arange(len(at))
        for span in pieces(len(todo), max(1, _PIECE // max(len(group.joints), 1))):
            if doing:
                report_progress(doing, number * len(at) + int(todo[span.start]), len(groups) * len(at))
            some = todo[span]
            rows = out.index_select(0, some) if own else out[span]
            for joints, column in _columns(choice, group.joints, some):
                part = _piece(first, joint, joints, group, at[some], choice.methods, column, reader)
                rows.index_copy_(joint, joints, part)
            if own:
                out.index_copy_(0, some, rows)
    return out.movedim(0, axis)


def _columns(choice: CurveTable, joints: Tensor, times: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Joints for which the same curves are chosen at these times, and which."""
    if choice.table.shape[1] == 1:
        yield joints, choice.table[times, 0]
        return
    table = choice.table[times[:, None], joints]
    if not bool((table != table[:, :1]).any()):
        yield joints, table[:, 0]
        return
    columns, own = torch.unique(table, dim=1, return_inverse=True)
    for which in range(columns.shape[1]):
        yield joints[own == which], columns[:, which]


def _piece(
    first: Tensor,
    joint: int,
    joints: Tensor,
    group: _Group,
    at: Tensor,
    methods: Sequence[str],
    choice: Int[Tensor, " time"],
    reader: _Reader,
) -> Tensor:
    """Some joints at some times: copies of known frames, and every curve where it is chosen and nothing is known."""

    def taken(which: Tensor) -> Tensor:
        """The values of those keys."""
        rows = group.rows[which]
        if len(joints) == first.shape[joint]:
            return first[rows]
        low, high = int(rows.min()), int(rows.max())
        return first[low : high + 1].index_select(joint, joints)[rows - low]

    if not len(group.rows):
        return first.new_full((len(at), *first.shape[1:joint], len(joints), *first.shape[joint + 1 :]), torch.nan)
    near = place(group.keys, at - _SAME_TIME).clamp(max=len(group.keys) - 1)
    same = (group.keys[near] - at).abs() <= _SAME_TIME
    part = first.new_empty((len(at), *first.shape[1:joint], len(joints), *first.shape[joint + 1 :]))
    if bool(same.any()):
        part[same] = taken(near[same])
    reach = _OF_ROTATIONS if reader is _rotations else _OF_NUMBERS
    chosen: list[int] = choice[~same].unique().tolist()
    for which in chosen:
        here = ((choice == which) & ~same).nonzero()[:, 0]
        method = methods[which] if which >= 0 else "hold"
        near = _around(group.keys, at[here], reach[method])
        part[here] = reader(taken(near).double(), group.keys[near], at[here], method).to(part)
    return part


def _around(keys: Float[Tensor, " key"], at: Float[Tensor, " time"], reach: int) -> Int[Tensor, " some"]:
    """The keys between which the times lie, and `reach` more on each side."""
    index = (place(keys, at, after=True) - 1).clamp(0, max(len(keys) - 2, 0))
    low, high = (index - reach).clamp(min=0), (index + reach + 1).clamp(max=len(keys) - 1)
    first = int(low.min())
    edges = torch.zeros(int(high.max()) - first + 2, dtype=torch.int64)
    one = torch.ones_like(index)
    edges.index_add_(0, low - first, one).index_add_(0, high - first + 1, one, alpha=-1)
    return first + (edges.cumsum(0) > 0).nonzero()[:, 0]


def _rotations(rotations: Tensor, keys: Tensor, at: Tensor, method: str) -> Tensor:
    return quat_xyzw_to_rotmat(rotation_curve(rotmat_to_quat_xyzw(rotations), keys, at, method))


def _check(clip: Motion | Points, known: Tensor, times: Tensor) -> None:
    wanted = [(clip.frames,), (clip.frames, len(clip.skeleton))]
    if tuple(known.shape) not in wanted or len(times) != clip.frames:
        raise UsageError(
            expected=f"a mask of {clip.frames} frames, or of {clip.frames} frames and {len(clip.skeleton)} joints, "
            "and a time for each frame",
            got=f"a mask of shape {tuple(known.shape)} and {len(times)} times",
            cure="Say of each frame whether it is known.",
        )
    if not bool(known.any(0).all() if isinstance(clip, Motion) else known.any()):
        raise UsageError(
            expected="at least one known frame", got="no key at all", cure="Give one pose or more to go by."
        )
    if len(times) > 1 and not bool((times[1:] > times[:-1]).all()):
        raise UsageError(
            expected="times that rise from frame to frame",
            got="frames out of order, or two at the same time",
            cure="Sort the frames by time and keep one of each.",
        )
