"""`Forecaster`: what a body will do next, asked again with every frame that comes in.

The last frames are kept in a ring, at the times at which they were taken. An answer brings them to even times that end
at the newest frame and then goes the way of `Pipeline.forecast`, so that it is the batch forecast of the same frames.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.edit import rest_pose
from kinema.motion.interpolation import interpolate
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.ring_buffer import Ring

Missing = Literal["refuse", "fill"]
_SAME_TIME = 1e-6  # seconds
_JUDGED = 12  # frames after which their times are held against the rate that was promised
_WRONG = 1.5  # how many times faster or slower than promised frames may come
_HIGHEST = 1000.0  # frames per second


class Forecaster:
    """A model that listens: `push` takes a frame and gives the futures that follow it.

    Frames are `Motion`s of one frame on one skeleton; their times are in seconds on any clock that rises or, where none
    are given, 1 / `fps` apart. Frames that come at uneven times, or were dropped, are read off straight lines between
    those around them (rotations by slerp). Where nothing came for longer than `longest_gap` seconds the past is
    forgotten. `missing` says what becomes of values that are not finite: "refuse" is an error, "fill" reads them off
    the frames around, joint by joint, for at most `longest_gap` seconds.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        skeleton: Skeleton,
        fps: float,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        missing: Missing = "refuse",
        longest_gap: float = 0.25,
    ) -> None:
        """See `open`."""
        if not (0 < fps <= _HIGHEST) or missing not in ("refuse", "fill") or not longest_gap > 0:
            raise UsageError(
                expected=f'a rate above 0 and up to {_HIGHEST:g}, missing "refuse" or "fill", a longest gap above 0',
                got=f'{fps:g} frames per second, "{missing}", {longest_gap:g} s',
                cure="Say at how many frames per second they come, as 30 or 60.",
            )
        self.pipeline, self.skeleton, self.fps = pipeline, skeleton, float(fps)
        self.seconds, self.samples, self.seed = seconds, samples, seed
        self.missing: Missing = missing
        self.longest_gap = max(longest_gap, 1.5 / fps)
        self._own, self._whole = pipeline.trained().look_back(self.fps)
        self._ring = Ring(2 * self._whole + 2)
        # What cannot be answered is said now and not with the first frame; it also warms the model up.
        pipeline.forecast(rest_pose(skeleton, self.fps), seconds=seconds, samples=samples, seed=seed)

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
        """A forecaster by a model's name, its run folder, or a `Pipeline`, for frames of `skeleton` at about `fps`.

        `seconds` is how far to look (default: as far as the model was trained to), `seed` the same for every frame, so
        that the samples of a stochastic model do not leap from one to the next. Raises UsageError for an unknown model,
        a rate out of range, and a skeleton that the model cannot be carried over to.
        """
        pipeline = model if isinstance(model, Pipeline) else open_pipeline(model)
        return cls(
            pipeline,
            skeleton,
            fps,
            seconds=seconds,
            samples=samples,
            seed=seed,
            missing=missing,
            longest_gap=longest_gap,
        )

    @property
    def needed(self) -> float:
        """Seconds of past without which there is no answer: what the model looks back, and two frames at least."""
        return max(self._own - 1, 1) / self.fps

    @property
    def ready(self) -> bool:
        """Whether enough of the past is known."""
        if len(self._ring) < 2 or self._ring.span() < self.needed - _SAME_TIME:
            return False
        return self.missing == "refuse" or bool((self._ring.last_seen() >= self._ring.now - self.longest_gap).all())

    def reset(self) -> None:
        """Forget the past: another body, another take."""
        self._ring.clear()

    def push(self, frame: Motion, *, time: float | None = None) -> Motion | None:
        """`observe`, then `futures`."""
        self.observe(frame, time=time)
        return self.futures()

    def observe(self, frame: Motion, *, time: float | None = None) -> None:
        """Take a frame without an answer.

        Raises UsageError, and takes nothing, where it is not one frame of the skeleton, where a value is not finite
        (unless `missing` is "fill"), where its time does not rise, and where frames come at quite another rate.
        """
        self._check(frame)
        known = _known(frame)
        if self.missing == "refuse" and not bool(known.all()):
            raise _not_finite(self.skeleton, known)
        at = self._time(time)
        if len(self._ring) and at - self._ring.now > self.longest_gap:
            self._ring.clear()
        self._ring.add(frame, known, at)
        self._check_rate()

    @torch.inference_mode()
    def futures(self) -> Motion | None:
        """What follows the newest frame, batch shape (samples,), at the rate `fps`; the first one 1 / `fps` later.

        None until enough of the past is known (`needed`).
        """
        if not self.ready:
            return None
        answer = self.pipeline.forecast(self.clip(), seconds=self.seconds, samples=self.samples, seed=self.seed)
        return answer.samples

    @torch.inference_mode()
    def clip(self) -> Motion:
        """The past as the model is shown it: even times that end at the newest frame. Raises UsageError if none came.

        Frames that were taken at these times are copies of what was pushed.
        """
        if not len(self._ring):
            raise UsageError(expected="at least one frame", got="none yet", cure="Push frames first.")
        frames = min(self._whole, 1 + math.floor(self._ring.span() * self.fps + 1e-3))
        rows, known, times = self._ring.last(self.skeleton, self.fps)
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
                cure="Push clip[t : t + 1], on the skeleton that the forecaster was opened with.",
            )
        if len(self._ring) and self._ring.moving != (frame.offsets is not None):
            raise UsageError(
                expected="frames that all have moving offsets, or none of them",
                got="both kinds",
                cure="Give every frame its offsets.",
            )

    def _time(self, time: float | None) -> float:
        if time is None:
            return self._ring.now + 1 / self.fps if len(self._ring) else 0.0
        if not math.isfinite(time) or (len(self._ring) and time <= self._ring.now):
            raise UsageError(
                expected=f"a time after {self._ring.now:.6f} s, that of the frame before"
                if len(self._ring)
                else "a finite time",
                got=f"{time:.6f} s",
                cure="Push frames in the order in which they were taken; `reset` begins anew.",
            )
        return float(time)

    def _check_rate(self) -> None:
        if len(self._ring) != _JUDGED:
            return
        step = self._ring.usual_step()
        if not 1 / _WRONG < step * self.fps < _WRONG:
            self._ring.clear()
            raise UsageError(
                expected=f"frames about {1 / self.fps:.4f} s apart ({self.fps:g} per second)",
                got=f"{step:.4f} s ({1 / step:.4g} per second)",
                cure=f"Open the forecaster with fps={1 / step:.4g}, or give times in seconds.",
            )


def _known(frame: Motion) -> Tensor:
    """Which joints hold numbers; the root's place counts as its own."""
    known = frame.rotations[0].isfinite().all(-1).all(-1)
    known[0] &= frame.root[0].isfinite().all()
    return known if frame.offsets is None else known & frame.offsets[0].isfinite().all(-1)


def _not_finite(skeleton: Skeleton, known: Tensor) -> UsageError:
    names = [skeleton.joints[joint] for joint in (~known).nonzero()[:, 0].tolist()]
    return UsageError(
        expected="finite rotations of every joint and a finite place of the root",
        got=f"NaN or infinity in {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}",
        cure='Leave the frame out, or open the forecaster with missing="fill".',
    )
