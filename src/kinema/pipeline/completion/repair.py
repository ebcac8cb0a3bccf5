"""`repair`: find damaged frames and fill them by `complete`.

A model with outlier scores (Render-In-Between) finds damage too: outliers are dropped with exact keys, and get a lower
confidence with soft keys.
"""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from kinema.core.constants import Keys
from kinema.motion.damage import find_damage, finite_joints
from kinema.motion.interpolation import even_times
from kinema.motion.motion import Clip
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.complete import Completed, complete, confidence_of
from kinema.pipeline.completion.evidence import Evidence, OutlierScorer, for_evidence, outlier_scores
from kinema.pipeline.open import METHODS, load_adapter

_NAMED = 6  # joints that the note on outliers names


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
    named = [f"{clip.skeleton.joints[joint]} ({_frames(outliers[:, joint])})" for joint in order[:_NAMED]]
    rest = f" and {len(order) - _NAMED} more joints" if len(order) > _NAMED else ""
    return [f"{model} finds outliers, by frames: {', '.join(named)}{rest}"]


def _frames(which: Bool[Tensor, " frame"]) -> str:
    """As 3, 12-20."""
    edges = functional.pad(which.int(), (1, 1)).diff()
    runs = zip((edges == 1).nonzero()[:, 0].tolist(), (edges == -1).nonzero()[:, 0].tolist(), strict=True)
    return ", ".join(f"{first}" if last == first + 1 else f"{first}-{last - 1}" for first, last in runs)
