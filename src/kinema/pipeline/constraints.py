"""Feet and constraints of the verbs' answers: what is known stays, the rest is deformed.

Feet come first: what a user demands is met exactly, even where a foot then slides.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import KinemaWarning, UsageError
from kinema.motion.constraints.kinds import Constraint, Ground, Loop, Pin, Plant, Pose, RootPath, check
from kinema.motion.constraints.solver import ConstraintResidual, meet
from kinema.motion.edit import resample
from kinema.motion.feet.clean import cannot_clean, clean_feet, lowest_of
from kinema.motion.feet.contacts import contact_points, slide
from kinema.motion.motion import Clip, Motion, concatenate
from kinema.motion.retargeting import as_motion, pair_joints, retarget
from kinema.pipeline.completion.complete import Completed
from kinema.pipeline.forecasting import Answer
from kinema.pipeline.requests import Feet

_SEEN = 1.0  # seconds of the observed motion that a change of the forecast is eased against


def constrained_forecast(answer: Answer, constraints: Sequence[Constraint]) -> Answer:
    """The forecast with its constraints met; frame 0 is the first predicted one, and the observed frames stay.

    Raises UsageError for a loop, and as `meet` does.
    """
    if any(isinstance(each, Loop) for each in constraints):
        raise UsageError(
            expected="constraints of a forecast",
            got="a loop, which would change what was observed",
            cure="Leave --loop out, or close the finished clip: kinema loop CLIP.",
        )
    future = answer.samples
    check(constraints, future.skeleton, future.frames)
    whole, fixed, seen = _with_past(answer)
    met = meet(whole, [_later(each, seen) for each in constraints], fixed=fixed)
    pairs = zip(constraints, met.residuals, strict=True)
    residuals = tuple(replace(residual, constraint=str(each)) for each, residual in pairs)
    return replace(answer, samples=met.motion[seen:], residuals=residuals)


def forecast_on_feet(answer: Answer) -> Answer:
    """The forecast with feet that neither slide nor go lower than the observed ones; the observed frames stay."""
    if cannot_clean(answer.observed):
        return answer
    whole, fixed, seen = _with_past(answer)
    return replace(answer, samples=clean_feet(whole, floor=lowest_of(answer.observed), fixed=fixed)[seen:])


def _with_past(answer: Answer) -> tuple[Motion, Bool[Tensor, " frame"], int]:
    """The forecast after the end of what was observed, the mask of the observed frames, and their number."""
    past, future = answer.observed, answer.samples
    past = past[-min(past.frames, round(_SEEN * future.fps) + 1) :]
    whole = concatenate(past.expand(*future.batch_shape), future)
    return whole, torch.arange(whole.frames) < past.frames, past.frames


def completion_on_feet(done: Completed, known: Bool[Tensor, " frame"] | None) -> Completed:
    """The filled clip with feet that neither slide nor sink, and a note of it; `known` frames stay, bit for bit."""
    before = done.motion
    if reason := cannot_clean(before):
        warnings.warn(reason, KinemaWarning, stacklevel=4)
        return done
    assert isinstance(before, Motion)
    after = clean_feet(before, fixed=known)
    speeds = [slide(feet, clip.fps) for clip in (before, after) if (feet := contact_points(clip)) is not None]
    both = " before, ".join("none stands" if speed is None else f"{speed:.2f} m/s" for speed in speeds)
    report = replace(done.report, notes=(*done.report.notes, f"feet that stand slide at {both} now"))
    return replace(done, motion=after, report=report)


def clip_on_feet(clip: Clip) -> Clip:
    """A generated clip, one or a batch, with feet that neither slide nor go under the floor, y = 0."""
    return clean_feet(clip, floor=0.0) if isinstance(clip, Motion) else clip


def clip_on_body(clips: Clip, body: Motion, feet: Feet | None = None) -> tuple[Motion, list[str]]:
    """Generated clips on the user's body, at its rate, and what is to be said of the joints.

    Other legs set other feet down, so feet are cleaned once more, unless `feet` is "keep".
    """
    lines = pair_joints(clips.skeleton, body.skeleton).lines()[1:]
    there = retarget(resample(as_motion(clips), body.fps), body)
    return there if feet == "keep" else clean_feet(there), lines


def warn_of_feet(clip: Clip) -> None:
    """A KinemaWarning if the feet of the clip cannot be cleaned."""
    if reason := cannot_clean(clip):
        warnings.warn(reason, KinemaWarning, stacklevel=4)


def constrained_completion(
    done: Completed, constraints: Sequence[Constraint], known: Bool[Tensor, " frame"] | None
) -> Completed:
    """The filled clip with its constraints met; `known` frames stay, bit for bit.

    Raises UsageError for a clip of positions, and as `meet` does.
    """
    if not isinstance(done.motion, Motion):
        raise UsageError(
            expected="constraints on a motion with joint rotations",
            got="joint positions",
            cure="Convert it first: kinema convert POINTS walk.bvh --to canon17.",
        )
    met = meet(done.motion, constraints, fixed=known)
    return replace(done, motion=met.motion, residuals=met.residuals)


def constrained_clip(clip: Clip, constraints: Sequence[Constraint]) -> tuple[Motion, tuple[ConstraintResidual, ...]]:
    """A generated clip, one or a batch, with its constraints met, and what is left of each. Raises as `meet` does."""
    met = meet(as_motion(clip), constraints)
    return met.motion, met.residuals


def at_frames(times: Float[Tensor, " time"], clip: Clip) -> Bool[Tensor, " time"]:
    """Which times, in seconds, are those of frames of the clip."""
    frames = times.double() * clip.fps
    return (frames - frames.round()).abs() < 1e-4


def warn_of(residuals: Sequence[ConstraintResidual]) -> None:
    """A KinemaWarning for every constraint that is not met."""
    for each in residuals:
        if not each.met:
            warnings.warn(f"not met: {each}", KinemaWarning, stacklevel=3)


def _later(each: Constraint, by: int) -> Constraint:
    """The constraint on the frames after `by` others."""
    if isinstance(each, Pin | RootPath):
        return replace(each, frames=tuple(frame + by for frame in each.frames))
    if isinstance(each, Plant):
        return replace(each, start=each.start + by, end=each.end + by)
    if isinstance(each, Pose):
        return replace(each, frame=each.frame + by)
    assert isinstance(each, Ground | Loop)
    return each
