"""`Forecaster`: the forecast of a stream, computed again for every new frame.

The last frames are kept with their times. `futures` resamples them to even times that end at the newest
frame and calls `Pipeline.forecast`, so the result equals the batch forecast of the same frames.
"""

from __future__ import annotations

import itertools
import math
import statistics
import threading
from collections import deque
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool
from torch import Tensor

from kinema.core.errors import UsageError, no_rotation
from kinema.geometry.rotations import is_rotation
from kinema.motion.edit import rest_pose
from kinema.motion.interpolation import interpolate
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline

Missing = Literal["refuse", "fill"]
_SAME_TIME = 1e-6  # seconds
_CHECKED_AFTER = 12  # frames, after which their rate is compared with `fps`
_WRONG = 1.5  # largest ratio of the two rates
_HIGHEST = 1000.0  # frames per second


class Forecaster:
    """Forecasts a stream: `push` takes a frame and returns the futures after it.

    Frames are `Motion`s of one frame on one skeleton. Times are in seconds on any rising clock; without times, frames
    are 1 / `fps` apart. Uneven and lost frames are interpolated linearly (rotations by slerp). After a pause longer
    than `longest_gap` seconds the past is cleared. For values that are not finite, `missing` "refuse" raises an error,
    and "fill" interpolates the joint, for at most `longest_gap` seconds. Threads may share a forecaster: one at a time
    is served.
    """

    @classmethod
    def open(
        cls,
        model: str | Path | Pipeline,
        skeleton: Skeleton,
        fps: float,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        missing: Missing = "refuse",
        longest_gap: float = 0.25,
    ) -> Forecaster:
        """The same as the constructor."""
        return cls(
            model, skeleton, fps, seconds=seconds, samples=samples, seed=seed, missing=missing, longest_gap=longest_gap
        )

    def __init__(
        self,
        model: str | Path | Pipeline,
        skeleton: Skeleton,
        fps: float,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        missing: Missing = "refuse",
        longest_gap: float = 0.25,
    ) -> None:
        """For frames of `skeleton` at about `fps`; `model` is a name, a run folder, or a `Pipeline`.

        `seconds` is the length of a forecast (default: as trained), `seed` the same for every frame, so that samples of
        a stochastic model do not jump between frames. Raises UsageError for an unknown model, a rate out of range, and
        a skeleton that cannot be retargeted to the model's.
        """
        if not (0 < fps <= _HIGHEST) or missing not in ("refuse", "fill") or not longest_gap > 0:
            raise UsageError(
                expected=f'a rate above 0 and up to {_HIGHEST:g}, missing "refuse" or "fill", a longest gap above 0',
                got=f'{fps:g} frames per second, "{missing}", {longest_gap:g} s',
                cure='Pass fps=30, missing="refuse" and longest_gap=0.25, or other values in these ranges.',
            )
        pipeline = model if isinstance(model, Pipeline) else open_pipeline(model)
        self.pipeline, self.skeleton, self.fps = pipeline, skeleton, float(fps)
        self.seconds, self.samples, self.seed = seconds, samples, seed
        self.missing: Missing = missing
        self.longest_gap = max(longest_gap, 1.5 / fps)
        self._own, self._whole = pipeline.trained().look_back(self.fps)
        self._past: deque[_Frame] = deque(maxlen=2 * self._whole + 2)
        self._last_seen = torch.full((len(skeleton),), -torch.inf, dtype=torch.float64)  # of each joint, seconds
        self._pauses: list[float] = []  # seconds; those after which frame upon frame cleared the past
        self._lock = threading.RLock()
        # Raises errors now and not with the first frame; it also warms the model up.
        pipeline.forecast(rest_pose(skeleton, self.fps), seconds=seconds, samples=samples, seed=seed, feet="keep")

    @property
    def needed(self) -> float:
        """Seconds of the past that `futures` needs: those that the model reads, at least two frames."""
        return max(self._own - 1, 1) / self.fps

    @property
    def ready(self) -> bool:
        """True if the past is long enough (and every joint was observed recently)."""
        if len(self._past) < 2 or self._span < self.needed - _SAME_TIME:
            return False
        return self.missing == "refuse" or bool((self._last_seen >= self._past[-1].time - self.longest_gap).all())

    @property
    def _span(self) -> float:
        """Seconds from the oldest frame to the newest."""
        return self._past[-1].time - self._past[0].time

    def reset(self) -> None:
        """Clear the past, for another body or take."""
        with self._lock:
            self._forget()
            self._pauses.clear()

    def _forget(self) -> None:
        self._past.clear()
        self._last_seen.fill_(-torch.inf)

    def push(self, frame: Motion, *, time: float | None = None) -> Motion | None:
        """`observe`, then `futures`."""
        with self._lock:
            self.observe(frame, time=time)
            return self.futures()

    def observe(self, frame: Motion, *, time: float | None = None) -> None:
        """Store a frame without a forecast.

        Raises UsageError, and stores nothing, unless it is one frame of the skeleton with finite values (or `missing`
        is "fill") and a later time. Also raises it when frames come at another rate than `fps`.
        """
        with self._lock:
            self._check(frame)
            known = _known(frame)
            if self.missing == "refuse" and not bool(known.all()):
                raise _not_finite(self.skeleton, known)
            _check_rotations(frame, known)
            at = self._time(time)
            pause = at - self._past[-1].time if self._past else 0.0
            if pause > self.longest_gap:
                self._forget()
                self._pauses.append(pause)
            elif pause:
                self._pauses.clear()
            values = (frame.rotations, frame.root, *(() if frame.offsets is None else (frame.offsets,)))
            self._past.append(_Frame(tuple(each.clone() for each in values), known, at))
            self._last_seen[known] = at
            self._check_rate()

    @torch.inference_mode()
    def futures(self) -> Motion | None:
        """The futures after the newest frame, batch shape (samples,), at the rate `fps`; None until `ready`."""
        with self._lock:
            if not self.ready:
                return None
            answer = self.pipeline.forecast(
                self.clip(), seconds=self.seconds, samples=self.samples, seed=self.seed, feet="keep"
            )  # the next frame brings another forecast: none is worth the time that feet take
            return answer.samples

    @torch.inference_mode()
    def clip(self) -> Motion:
        """The past at even times that end at the newest frame; frames pushed at these times are unchanged.

        Raises UsageError before the first frame.
        """
        if not self._past:
            raise UsageError(expected="at least one frame", got="none yet", cure="Call push(frame) first.")
        frames = min(self._whole, 1 + math.floor(self._span * self.fps + 1e-3))
        rotations, root, *offsets = (torch.cat(each) for each in zip(*(one.values for one in self._past), strict=True))
        rows = Motion(self.skeleton, rotations, root, self.fps, offsets=offsets[0] if offsets else None)
        known = torch.stack([one.known for one in self._past])
        times = torch.tensor([one.time for one in self._past], dtype=torch.float64)
        wanted = times[-1] + torch.arange(1 - frames, 1, dtype=torch.float64) / self.fps
        recent = times[-frames:]
        if len(recent) == frames and bool(((recent - wanted).abs() < _SAME_TIME).all()) and bool(known[-frames:].all()):
            return rows[rows.frames - frames :]
        return interpolate(rows, known, wanted, times=times, method="linear", fps=self.fps)

    def _check(self, frame: Motion) -> None:
        if frame.batch_shape or frame.frames != 1 or not frame.skeleton.same_tree(self.skeleton):
            raise UsageError(
                expected=f"one frame of {self.skeleton.name} ({len(self.skeleton)} joints)",
                got=f"batch shape {tuple(frame.batch_shape)}, {frame.frames} frames of {frame.skeleton.name} "
                f"({len(frame.skeleton)} joints)",
                cure="Push clip[t : t + 1] on the forecaster's skeleton, or open a new Forecaster for this one.",
            )
        if self._past and (len(self._past[-1].values) == 3) != (frame.offsets is not None):
            raise UsageError(
                expected="frames that all have moving offsets, or none of them",
                got="both kinds",
                cure="Call reset() before frames of the other kind, or give every frame its offsets.",
            )

    def _time(self, time: float | None) -> float:
        now = self._past[-1].time if self._past else None
        if time is None:
            return 0.0 if now is None else now + 1 / self.fps
        if not math.isfinite(time) or (now is not None and time <= now):
            raise UsageError(
                expected="a finite time" if now is None else f"a time after {now:.6f} s, that of the frame before",
                got=f"{time:.6f} s",
                cure="Push frames in the order of their times; call reset() before a new take.",
            )
        return float(time)

    def _check_rate(self) -> None:
        if len(self._pauses) == _CHECKED_AFTER - 1:
            step = sorted(self._pauses)[len(self._pauses) // 2]
        elif len(self._past) == _CHECKED_AFTER:
            step = statistics.median_low(later.time - one.time for one, later in itertools.pairwise(self._past))
        else:
            return
        if not 1 / _WRONG < step * self.fps < _WRONG:
            self.reset()
            raise UsageError(
                expected=f"frames about {1 / self.fps:.4f} s apart ({self.fps:g} per second)",
                got=f"{step:.4f} s ({1 / step:.4g} per second)",
                cure=f"Open the forecaster with fps={1 / step:.4g}, or pass times in seconds.",
            )


class _Frame(NamedTuple):
    """A stored frame: rotations, root and moving offsets, its known joints, and its time in seconds."""

    values: tuple[Tensor, ...]
    known: Bool[Tensor, " joint"]
    time: float


def _known(frame: Motion) -> Tensor:
    """Joints with finite values; the root needs a finite position too."""
    known = frame.rotations[0].isfinite().all(-1).all(-1)
    known[0] &= frame.root[0].isfinite().all()
    return known if frame.offsets is None else known & frame.offsets[0].isfinite().all(-1)


def _check_rotations(frame: Motion, known: Tensor) -> None:
    """Raises UsageError where a known joint has a matrix that is no rotation."""
    wrong = ~is_rotation(frame.rotations[0][known])
    if bool(wrong.any()):
        raise no_rotation(frame.skeleton.joints[int(known.nonzero()[wrong][0])])


def _not_finite(skeleton: Skeleton, known: Tensor) -> UsageError:
    names = [skeleton.joints[joint] for joint in (~known).nonzero()[:, 0].tolist()]
    return UsageError(
        expected="finite rotations of every joint and a finite root position",
        got=f"NaN or infinity in {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}",
        cure='Skip the frame, or open the forecaster with missing="fill".',
    )
