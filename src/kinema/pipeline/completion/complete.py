"""`complete`: fill a clip from its known frames, and report the method of each gap.

It serves three verbs: upsample (all frames are known, more are needed), inbetween (key poses are known), and repair
(damaged frames are unknown).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.constants import Keys
from kinema.core.errors import UsageError, unknown_name
from kinema.motion.constraints.solver import ConstraintResidual
from kinema.motion.damage import finite_joints
from kinema.motion.edit import frame_step
from kinema.motion.interpolation import CurveTable, Interpolator, even_times, soften
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.bone_directions import is_human
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.evidence import UNKNOWN_CONFIDENCE, Evidence
from kinema.pipeline.completion.gap_plan import BEYOND, Plan, plan_gaps
from kinema.pipeline.completion.infilling import infill
from kinema.pipeline.completion.method_choice import Gap, choose, is_curve, released
from kinema.pipeline.completion.report import CompletionReport, report_on
from kinema.pipeline.open import METHODS, load_adapter, shipped_models


@dataclass(frozen=True, eq=False)
class Completed:
    """The filled clip, the times of its frames in seconds, and a report.

    Several samples have batch shape (samples,). `damage` counts the frames of each kind of damage that a repair found.
    `residuals` says what is left of each constraint.
    """

    motion: Clip
    times: Float[Tensor, " time"]
    report: CompletionReport
    damage: Mapping[str, int] = field(default_factory=dict[str, int])
    residuals: tuple[ConstraintResidual, ...] = ()


def complete(
    clip: Clip,
    *,
    known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"] | None = None,
    times: Float[Tensor, " frame"] | None = None,
    at: Float[Tensor, " time"] | None = None,
    fps: float | None = None,
    frames: int | None = None,
    keys: Keys = "exact",
    confidence: Float[Tensor, " frame"] | Float[Tensor, "frame joint"] | None = None,
    method: str | Adapter = "auto",
    seed: int = 0,
    samples: int = 1,
    strength: float = 1.0,
) -> Completed:
    """Fill a clip from its known frames, at the times `at`, at the rate `fps`, or at `frames` even times.

    `known` (default: finite values with confidence above 0) is a mask of frames or joints; `times` are those of the
    clip's frames in seconds. With `keys` "exact", known frames stay unchanged, bit for bit; with "soft" they are
    smoothed first, weighted by `confidence` (default: that of the points), over `strength` times their spacing.
    `method` is "auto", a curve, the name of a model, or an adapter. Raises UsageError if nothing is known, times do not
    rise, or an argument is out of range.
    """
    _check(clip, keys, samples, strength, method)
    clock = even_times(clip.frames, clip.fps) if times is None else times.double()
    wanted, rate = asked_times(clip, clock, at, fps, frames)
    table = _known(clip, known, confidence)
    raw = Interpolator(clip, table, clock)  # raises if nothing is known
    noisy = keys == "soft"
    evidence = Evidence(clip, table, clock, confidence_of(clip, confidence) if noisy else None)
    base = softened(evidence, strength) if noisy else clip
    plan = _plan(clip, table, clock, wanted, method, noisy=noisy)
    curves = Interpolator(base, table, clock) if noisy else raw
    answer, notes = _follow(curves, evidence, wanted, rate, plan, method, seed, samples)
    answer = _relabelled(answer, clip, rate)
    return Completed(answer, wanted, report_on(raw, answer, wanted, plan, keys, notes))


def asked_times(
    clip: Clip, clock: Float[Tensor, " frame"], at: Tensor | None, fps: float | None, frames: int | None
) -> tuple[Float[Tensor, " time"], float]:
    """Times of the answer in seconds, and their rate. Raises UsageError for more than one of `at`, `fps`, `frames`."""
    if sum(way is not None for way in (at, fps, frames)) > 1:
        raise UsageError(
            expected="one of at, fps and frames",
            got="more than one",
            cure="Pass only one of at=, fps= and frames=.",
        )
    if fps is not None:
        if not (fps > 0 and math.isfinite(fps)):
            raise UsageError(expected="a positive frame rate", got=f"{fps:g}", cure="Use fps=60.")
        step = frame_step(clip.fps / fps)
        span = float(clock[-1] - clock[0]) * clip.fps
        count = int((span + 1e-6) / step) + 1
        ticks = torch.arange(count, dtype=torch.float64) * step.numerator / step.denominator
        return clock[0] + ticks / clip.fps, fps
    if frames is not None:
        if frames < 1:
            raise UsageError(expected="at least one frame", got=f"{frames}", cure="Use frames=2 or more.")
        span = float(clock[-1] - clock[0])
        return torch.linspace(float(clock[0]), float(clock[-1]), frames, dtype=torch.float64), (
            (frames - 1) / span if frames > 1 and span > 0 else clip.fps
        )
    if at is None:
        return clock, clip.fps
    wanted = at.double()
    if not len(wanted) or not bool(wanted.isfinite().all()) or not bool((wanted[1:] > wanted[:-1]).all()):
        raise UsageError(
            expected="times that rise",
            got="none, or times out of order",
            cure="Sort them: at=at.unique().",
        )
    return wanted, (len(wanted) - 1) / float(wanted[-1] - wanted[0]) if len(wanted) > 1 else clip.fps


def _check(clip: Clip, keys: str, samples: int, strength: float, method: str | Adapter) -> None:
    if clip.batch_shape or samples < 1 or not strength > 0 or keys not in ("exact", "soft"):
        raise UsageError(
            expected='one clip, at least one sample, a strength above 0, and keys "exact" or "soft"',
            got=f'batch shape {tuple(clip.batch_shape)}, {samples} samples, strength {strength:g}, keys "{keys}"',
            cure='Use one clip, as clip.one(0), samples=1, strength=1 and keys="exact".',
        )
    if isinstance(method, str) and method not in METHODS and "/" not in method and method not in shipped_models():
        raise unknown_name("method or model", method, (*METHODS, *shipped_models()))


def _known(clip: Clip, known: Tensor | None, confidence: Tensor | None) -> Bool[Tensor, "frame joint"]:
    table = finite_joints(clip)
    for given in (known, None if confidence is None else confidence > 0):
        if given is not None:
            if given.shape[0] != clip.frames or given.ndim > 2:
                raise UsageError(
                    expected=f"a mask of {clip.frames} frames",
                    got=f"shape {tuple(given.shape)}",
                    cure=f"Pass a mask of shape ({clip.frames},) or ({clip.frames}, {len(clip.skeleton)}).",
                )
            table = table & (given if given.ndim == 2 else given[:, None])
    return table


def confidence_of(clip: Clip, confidence: Tensor | None = None) -> Float[Tensor, "*batch frame joint"]:
    """Confidence of each joint: the given one, else that of the points, else `UNKNOWN_CONFIDENCE`."""
    if confidence is None and isinstance(clip, Points) and clip.confidence is not None:
        confidence = clip.confidence
    if confidence is None:
        return torch.full((*clip.batch_shape, clip.frames, len(clip.skeleton)), UNKNOWN_CONFIDENCE)
    if confidence.ndim < 2:
        confidence = confidence[:, None]
    return confidence.expand(*confidence.shape[:-1], len(clip.skeleton))


def softened(evidence: Evidence, strength: float = 1.0) -> Clip:
    """The clip with its known frames smoothed, weighted by confidence, over `strength` times their spacing."""
    keys = evidence.clock[evidence.known.any(1)]
    if len(keys) < 3:
        return evidence.clip
    weight = evidence.known.double() if evidence.confidence is None else evidence.known * evidence.confidence.double()
    reach = strength * float((keys[1:] - keys[:-1]).median())
    return soften(_without_nan(evidence.clip), evidence.clock, weight, reach=reach)


def _without_nan(clip: Clip) -> Clip:
    if isinstance(clip, Points):
        return replace(clip, positions=clip.positions.nan_to_num(0.0))
    eye = torch.eye(3).to(clip.rotations)
    finite = clip.rotations.isfinite().all(-1).all(-1)[..., None, None]
    return replace(clip, rotations=torch.where(finite, clip.rotations, eye), root=clip.root.nan_to_num(0.0))


def _plan(clip: Clip, table: Tensor, clock: Tensor, wanted: Tensor, method: str | Adapter, *, noisy: bool) -> Plan:
    space = "rotations" if isinstance(clip, Motion) else "picture" if clip.positions.shape[-1] == 2 else "positions"
    # Models of rotations read human bodies; a curve fits any body.
    cells = () if space == "rotations" and not is_human(clip.skeleton) else released()

    def pick(gap: Gap) -> tuple[str, str]:
        if isinstance(method, Adapter):
            return method.name, "chosen by the caller"
        return choose(gap, cells) if method == "auto" else (method, "chosen by the caller")

    return plan_gaps(table, clock, wanted, pick, noisy=noisy, space=space)


def _follow(
    curves: Interpolator[Clip],
    evidence: Evidence,
    wanted: Tensor,
    rate: float,
    plan: Plan,
    method: str | Adapter,
    seed: int,
    samples: int,
) -> tuple[Clip, list[str]]:
    """Fill every gap by its method. Frames that are known, before or after all known ones are equal in all methods."""
    notes: list[str] = []
    beyond = int((plan.choice == BEYOND).any(1).sum())
    if beyond:
        notes.append(f"{beyond} frames are before the first or after the last known frame: they repeat the nearest one")
    drawn = [name for name in plan.methods if is_curve(name)]
    under = drawn[0] if drawn else under_model(evidence)
    table = CurveTable([name if is_curve(name) else under for name in plan.methods], plan.choice)
    answer = curves.at(wanted, method=table, fps=rate)
    models = [name for name in plan.methods if not is_curve(name)]
    for name in models:
        run = method if isinstance(method, Adapter) else load_adapter(name)
        cells = plan.choice == plan.methods.index(name) if evidence.exact else None
        answer, more = infill(run, answer, evidence, wanted, seed=seed, samples=samples, cells=cells)
        notes += more
    if samples > 1 and not models:
        notes.append(f"curves have no randomness: the {samples} samples are equal")
        answer = answer.expand(samples, *answer.batch_shape).map(lambda values, axis: values.clone())
    return answer, notes


def under_model(evidence: Evidence) -> str:
    """The curve that a model corrects: one that does not overshoot; straight lines for noisy keys."""
    return "pchip" if evidence.exact else "linear"


def _relabelled(answer: Clip, clip: Clip, rate: float) -> Clip:
    if isinstance(answer, Points) or answer.layout is None or rate == clip.fps:
        return answer
    return replace(answer, layout=replace(answer.layout, frame_time=f"{1 / rate:.9g}"))
