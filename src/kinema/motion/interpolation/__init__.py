"""Classical completion: a clip from those of its frames that are known, at any times. No learning.

`interpolate` joins known frames by a curve; `smooth` takes trembling out of a clip that is whole; `soften` weighs
uneven evidence. What they are worth, on clean and on noisy keys, is measured in docs/inbetween.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, TypeVar, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.motion.interpolation.filters import Smoother, smooth, soften
from kinema.motion.interpolation.quaternions import rotation_curve
from kinema.motion.interpolation.splines import curve
from kinema.motion.motion import Clip, Motion, Points

__all__ = ["CURVES", "Curve", "Smoother", "even_times", "interpolate", "smooth", "soften"]

AnyClip = TypeVar("AnyClip", Motion, Points, Clip)
Curve = Literal["hold", "linear", "cubic", "pchip", "squad"]
CURVES: tuple[str, ...] = get_args(Curve)
"""The names of the curves. For positions, and for the path of the root, "squad" is "cubic"."""
_SAME_TIME = 1e-6  # seconds
_Reader = Callable[[Tensor, Tensor, Tensor, str], Tensor]


def even_times(frames: int, fps: float) -> Float[Tensor, " frame"]:
    """Seconds of evenly spaced frames from 0 on, in float64."""
    return torch.arange(frames, dtype=torch.float64) / fps


def interpolate(
    clip: AnyClip,
    known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
    at: Float[Tensor, " time"] | None = None,
    *,
    method: str = "cubic",
    times: Float[Tensor, " frame"] | None = None,
    fps: float | None = None,
) -> AnyClip:
    """The clip at the times `at` (seconds), read off a curve through its known frames; the nearest is held beyond.

    `known` speaks of whole frames or of single joints (the root's path goes with joint 0); the unknown may be NaN.
    `times` are those of the clip's frames (default: even at its rate), `at` is the same by default, and `fps` is the
    rate that the answer is labelled with. Frames at the time of a known one are copies of it, bit for bit.
    A point that is never known stays NaN, with confidence 0.
    Raises UsageError where nothing is known (of points), or nothing of some joint (of rotations), where times do not
    rise, and for an unknown method.
    """
    if method not in CURVES:
        raise unknown_name("curve", method, CURVES)
    times = even_times(clip.frames, clip.fps) if times is None else times.double()
    at = times if at is None else at.double()
    _check(clip, known, times)
    known = known if known.ndim == 2 else known[:, None]
    fps = fps or clip.fps
    if isinstance(clip, Points):
        positions = _read(clip.positions, -3, known, times, at, method, curve)
        sure = clip.confidence
        if sure is not None:
            calm = "hold" if method == "hold" else "linear"
            sure = _read(sure[..., None], -3, known, times, at, calm, curve).nan_to_num(0.0)[..., 0]
        return replace(clip, positions=positions, confidence=sure, fps=fps)
    offsets = None if clip.offsets is None else _read(clip.offsets, -3, known, times, at, method, curve)
    return replace(
        clip,
        rotations=_read(clip.rotations, -4, known, times, at, method, _turns),
        root=_read(clip.root[..., None, :], -3, known[:, :1], times, at, method, curve)[..., 0, :],
        offsets=offsets,
        fps=fps,
    )


def _read(values: Tensor, axis: int, known: Tensor, times: Tensor, at: Tensor, method: str, reader: _Reader) -> Tensor:
    """Values [*batch, frame, joint, ...] at other times; joints that are known in the same frames go together."""
    first = values.movedim(axis, 0)
    joint = axis + 1 + first.ndim  # the axis of joints, counted from the front
    out = first.new_empty((len(at), *first.shape[1:]))
    patterns, group = torch.unique(known, dim=1, return_inverse=True)
    for which in range(patterns.shape[1]):
        members = torch.arange(first.shape[joint]) if known.shape[1] == 1 else (group == which).nonzero()[:, 0]
        rows = patterns[:, which].nonzero()[:, 0]
        if not len(rows):
            out.index_fill_(joint, members, torch.nan)
            continue
        given = first[rows].index_select(joint, members)
        part = reader(given.double(), times[rows], at, method).to(values)
        near = (torch.searchsorted(times[rows], at - _SAME_TIME)).clamp(max=len(rows) - 1)
        same = (times[rows][near] - at).abs() <= _SAME_TIME
        part[same] = given[near[same]]
        out.index_copy_(joint, members, part)
    return out.movedim(0, axis)


def _turns(rotations: Tensor, keys: Tensor, at: Tensor, method: str) -> Tensor:
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
