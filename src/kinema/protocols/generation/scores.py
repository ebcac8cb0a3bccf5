"""The scores of a set of generated clips against a set of real ones: what `action-generation` prints, row by row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.metrics.distribution import Moments, frechet_distance, kernel_distance
from kinema.metrics.dynamics import dynamics, skate_speed
from kinema.metrics.generation import (
    accuracy,
    diversity,
    mean_average_precision,
    mmd_legacy,
    multimodality,
)
from kinema.motion.names import CANON17
from kinema.protocols.evaluators import Evaluator
from kinema.protocols.generation.windows import LabelledWindows

METRICS: dict[str, str] = {
    "accuracy": "recognised",
    "map": "mAP",
    "fid": "FID",
    "fid_class": "FID within class",
    "kid": "KID",
    "diversity": "diversity",
    "multimodality": "multi- modality",
    "fid_motion": "FID of steps",
    "speed": "speed / real",
    "jerk": "jerk / real",
    "steps": "step sizes W1, m/s",
    "skate": "foot skate, m/s",
    "teaches": "trains to",
    "mmd_a": "MMD_a",
    "mmd_s": "MMD_s",
}
MMD_PAIRS = 2000  # at most, per class, as the metric's first users have it


@dataclass(frozen=True)
class EvaluatedClips:
    """A set of clips with the features of the two evaluators."""

    windows: LabelledWindows
    poses: Float[Tensor, "clip dim"]
    logits: Float[Tensor, "clip class"]
    steps: Float[Tensor, "clip dim"]

    def some(self, rows: list[int]) -> EvaluatedClips:
        """Some of the clips."""
        chosen = torch.tensor(rows)
        return EvaluatedClips(self.windows[chosen], self.poses[chosen], self.logits[chosen], self.steps[chosen])


def evaluated(windows: LabelledWindows, of_poses: Evaluator, of_steps: Evaluator) -> EvaluatedClips:
    """Clips with the features of the evaluator of poses and of that of frame-to-frame differences."""
    features = windows.features()
    poses, logits = of_poses.look(features)
    return EvaluatedClips(windows, poses, logits, of_steps.look(features.diff(dim=1))[0])


def score(made: EvaluatedClips, real: EvaluatedClips, contents: tuple[str, ...], seed: int) -> dict[str, float | None]:
    """Every score of one set of clips but those that need training.

    `contents` are the classes over which accuracy is counted (without styles, which describe how).
    """
    generator = torch.Generator().manual_seed(seed)
    columns = [made.windows.classes.index(name) for name in contents]
    labels, logits = made.windows.labels[:, columns], made.logits[:, columns]
    moved = dynamics(made.windows.positions, real.windows.positions, real.windows.fps)
    average, sequence = legacy(made.windows, real.windows, columns, generator)
    return {
        "accuracy": accuracy(logits, labels),
        "map": mean_average_precision(made.logits, made.windows.labels),
        "fid": frechet_distance(Moments.of(made.poses), Moments.of(real.poses)),
        "fid_class": _within_class(made, real, columns),
        "kid": kernel_distance(made.poses, real.poses),
        "diversity": diversity(made.poses, generator),
        # One clip in each class has no spread.
        "multimodality": multimodality(made.poses, labels, generator) if bool((labels.sum(0) >= 2).any()) else None,
        "fid_motion": frechet_distance(Moments.of(made.steps), Moments.of(real.steps)),
        "speed": moved.speed,
        "jerk": moved.jerk,
        "steps": moved.steps,
        "skate": _skate(made.windows),
        "mmd_a": average,
        "mmd_s": sequence,
    }


def legacy(
    made: LabelledWindows, real: LabelledWindows, columns: list[int], generator: torch.Generator
) -> tuple[float | None, float | None]:
    """MMD_a and MMD_s: the mean over the classes of which both sets have two clips; None where there is none."""
    found = legacy_by_class(made, real, columns, generator)
    if not found:
        return None, None
    return tuple(sum(value[place] for value in found.values()) / len(found) for place in (0, 1))  # pyright: ignore


def legacy_by_class(
    made: LabelledWindows, real: LabelledWindows, columns: list[int], generator: torch.Generator
) -> Mapping[str, tuple[float, float, str]]:
    """Per class MMD_a, MMD_s and what failed in them (see `metrics.generation.LegacyMmd.told`)."""
    found: dict[str, tuple[float, float, str]] = {}
    for column in columns:
        sets = [some.positions[some.labels[:, column] > 0].flatten(2) for some in (real, made)]
        count = min(MMD_PAIRS, *map(len, sets))
        if count >= 2:
            drawn = [some[torch.randperm(len(some), generator=generator)[:count]] for some in sets]
            value = mmd_legacy(drawn[0], drawn[1])
            found[made.classes[column]] = (value.average, value.sequence, value.told)
    return found


def _within_class(made: EvaluatedClips, real: EvaluatedClips, columns: list[int]) -> float | None:
    found: list[float] = []
    for column in columns:
        sets = [one.poses[one.windows.labels[:, column] > 0] for one in (made, real)]
        if min(map(len, sets)) >= 2:
            found.append(frechet_distance(*(Moments.of(some) for some in sets)))
    return sum(found) / len(found) if found else None


def _skate(windows: LabelledWindows) -> float | None:
    if len(windows.joints) != len(CANON17) or windows.positions.shape[-1] != 3 or windows.pathless():
        return None  # without feet that are known by name, or without a ground, nothing can slide
    ankles = [CANON17.index("l_ankle"), CANON17.index("r_ankle")]
    return skate_speed(windows.positions[:, :, ankles], windows.fps)
