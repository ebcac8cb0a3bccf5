"""`complete`: fill a clip from its known frames, and report how. `repair`: find damaged frames first.

`complete` serves three verbs: upsample (all frames are known, more are needed), inbetween (key poses are known), and
repair (damaged frames are unknown). A model with outlier scores (Render-In-Between) finds damage too: outliers are
dropped with exact keys, and get a lower confidence with soft keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.constants import Keys
from kinema.core.errors import UsageError, some, unknown_name
from kinema.motion.constraints.solver import ConstraintResidual
from kinema.motion.damage import find_damage, finite_joints, runs
from kinema.motion.edit import frame_step
from kinema.motion.interpolation import CURVES, CurveTable, Interpolator, even_times, soften
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.bone_directions import is_human
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.evidence import (
    UNKNOWN_CONFIDENCE,
    Evidence,
    OutlierScorer,
    for_evidence,
    outlier_scores,
)
from kinema.pipeline.completion.gap_plan import BEYOND, Gap, Plan, choose, plan_gaps, released
from kinema.pipeline.completion.infilling import infill
from kinema.pipeline.completion.report import CompletionReport, report_on
from kinema.pipeline.open import METHODS, load_adapter, shipped_models

_NAMED = 6  # joints that the note on outliers names


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
    drawn = [name for name in plan.methods if name in CURVES]
    under = drawn[0] if drawn else under_model(evidence)
    table = CurveTable([name if name in CURVES else under for name in plan.methods], plan.choice)
    answer = curves.at(wanted, method=table, fps=rate)
    models = [name for name in plan.methods if name not in CURVES]
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


def repair(
    clip: Clip,
    *,
    bad: Bool[Tensor, " frame"] | None = None,
    strength: float = 1.0,
    keys: Keys = "exact",
    method: str | Adapter = "auto",
    seed: int = 0,
) -> tuple[Completed, dict[str, int]]:
    """The repaired clip, and the number of frames of each kind of damage.

    With `bad` frames nothing else is searched for. `strength` 2 finds steps half as unusual. Raises the errors of
    `complete`.
    """
    if bad is not None:
        return complete(clip, known=~bad, keys=keys, method=method, seed=seed, strength=strength), {}
    damage = find_damage(clip, strength=strength)
    found, gone = damage.counts(), damage.joints
    method = method if isinstance(method, Adapter) or method in METHODS else load_adapter(method)
    confidence, notes = None, list[str]()
    observed = ~gone & finite_joints(clip)
    evidence = Evidence(clip, observed, even_times(clip.frames, clip.fps), confidence_of(clip))
    scorer = for_evidence(method, evidence) if isinstance(method, Adapter) else None
    if scorer is not None and isinstance(scorer.model, OutlierScorer):
        wrong = outlier_scores(scorer, evidence)
        # Scores that are high in most frames of a joint carry no information: drop only what stands out.
        outliers = (wrong > 0.5**strength) & (wrong > 2 * wrong.median(0).values) & observed
        found["outlier"] = int(outliers.any(1).sum())
        notes = outlier_notes(outliers, clip, scorer.name)
        if keys == "soft":
            confidence = confidence_of(clip) * (1 - wrong)
        else:
            gone = gone | (outliers & (observed & ~outliers).any(0))  # keep joints that have no other frames
    done = complete(clip, known=~gone, keys=keys, confidence=confidence, method=method, seed=seed, strength=strength)
    done = replace(done, report=replace(done.report, notes=(*done.report.notes, *notes)))
    return done, {kind: count for kind, count in found.items() if count}


def outlier_notes(outliers: Bool[Tensor, "frame joint"], clip: Clip, model: str) -> list[str]:
    """One line with the outliers, joints with the most frames first; none without outliers."""
    counts = outliers.sum(0)
    order = [joint for joint in counts.argsort(descending=True, stable=True).tolist() if counts[joint]]
    if not order:
        return []
    named = [f"{clip.skeleton.joints[joint]} ({_frames(outliers[:, joint])})" for joint in order]
    return [f"{model} finds outliers, by frames: {some(named, _NAMED, what=' joints')}"]


def _frames(which: Bool[Tensor, " frame"]) -> str:
    """As 3, 12-20."""
    return ", ".join(f"{start}" if stop == start + 1 else f"{start}-{stop - 1}" for start, stop in runs(which))
