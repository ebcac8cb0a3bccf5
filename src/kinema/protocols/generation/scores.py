"""The scores of generated clips against real ones, and the rows of `action-generation`."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.metrics.distribution import Moments, frechet_distance, kernel_distance
from kinema.metrics.dynamics import dynamics
from kinema.metrics.generation import (
    accuracy,
    diversity,
    mean_average_precision,
    mmd_legacy,
    multimodality,
)
from kinema.motion.feet.contacts import slide
from kinema.motion.names import CANON17
from kinema.protocols.generation.windows import LabelledWindows, generated
from kinema.protocols.interface import Evaluated, Evaluator, EvaluatorTrainer

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
    "skate": "foot slide, m/s",
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
    """All scores of a set of clips that need no training. Accuracy is over the classes `contents` (no styles)."""
    generator = torch.Generator().manual_seed(seed)
    columns = [made.windows.classes.index(name) for name in contents]
    labels, logits = made.windows.labels[:, columns], made.logits[:, columns]
    legacy = mean_of_classes(legacy_by_class(made.windows, real.windows, columns, generator))  # draws first
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
        **dynamics(made.windows.positions, real.windows.positions, real.windows.fps),
        "skate": _skate(made.windows),
        **legacy,
    }


def legacy_by_class(
    made: LabelledWindows, real: LabelledWindows, columns: list[int], generator: torch.Generator
) -> Mapping[str, tuple[float, float, str]]:
    """Per class MMD_a, MMD_s and their warning (see `metrics.generation.LegacyMmd.warning`)."""
    found: dict[str, tuple[float, float, str]] = {}
    for column in columns:
        sets = [some.positions[some.labels[:, column] > 0].flatten(2) for some in (real, made)]
        count = min(MMD_PAIRS, *map(len, sets))
        if count >= 2:
            drawn = [some[torch.randperm(len(some), generator=generator)[:count]] for some in sets]
            value = mmd_legacy(drawn[0], drawn[1])
            found[made.classes[column]] = (value.average, value.sequence, value.warning)
    return found


def mean_of_classes(found: Mapping[str, tuple[float, float, str]]) -> dict[str, float | None]:
    """The means of MMD_a and MMD_s over classes with two clips in both sets; None without such a class."""
    if not found:
        return {"mmd_a": None, "mmd_s": None}
    average, sequence, _ = zip(*found.values(), strict=True)
    return {"mmd_a": statistics.fmean(average), "mmd_s": statistics.fmean(sequence)}


def _within_class(made: EvaluatedClips, real: EvaluatedClips, columns: list[int]) -> float | None:
    found: list[float] = []
    for column in columns:
        sets = [one.poses[one.windows.labels[:, column] > 0] for one in (made, real)]
        if min(map(len, sets)) >= 2:
            found.append(frechet_distance(*(Moments.of(some) for some in sets)))
    return sum(found) / len(found) if found else None


def _skate(windows: LabelledWindows) -> float | None:
    if len(windows.joints) != len(CANON17) or windows.positions.shape[-1] != 3 or windows.pathless():
        return None  # no feet, or no ground
    left, right = CANON17.index("l_ankle"), CANON17.index("r_ankle")
    return slide(windows.positions[:, :, [left, left, right, right]], windows.fps)  # ankles stand for toes, too


_SHUFFLE = 11  # shuffles labels


@dataclass(frozen=True)
class RowScores:
    """The scores of one row of the table: the mean of each score, and half the width of its 95 % interval."""

    mean: Mapping[str, float | None]
    interval: Mapping[str, float | None]

    @classmethod
    def of(cls, rounds: Sequence[Mapping[str, float | None]], extra: Mapping[str, float | None]) -> RowScores:
        """Mean and interval over repetitions; `extra` are scores that were taken once."""
        mean: dict[str, float | None] = {}
        interval: dict[str, float | None] = {}
        for name in rounds[0]:
            values = [value for one in rounds if (value := one[name]) is not None]
            mean[name] = statistics.fmean(values) if values else None
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            interval[name] = 1.96 * spread / math.sqrt(len(values)) if len(values) > 1 else None
        return cls(mean | dict(extra), interval | dict.fromkeys(extra, None))


@dataclass(frozen=True)
class Effort:
    """Repetitions, clips in each (at most), training steps."""

    repetitions: int = 20
    most: int = 1000
    evaluator_steps: int = 1000
    classifier_steps: int = 300


class GenerationTable:
    """The rows of the report: floor, baselines, model."""

    def __init__(
        self,
        effort: Effort,
        pipeline: Evaluated,
        trainer: EvaluatorTrainer,
        train: LabelledWindows,
        test: LabelledWindows,
        contents: tuple[str, ...],
    ) -> None:
        self.effort, self.pipeline, self.trainer = effort, pipeline, trainer
        self.train, self.test, self.contents = train, test, contents
        self.count = min(len(test), effort.most)
        features = train.features()
        self.of_poses: Evaluator = trainer.train(features, train.labels, steps=effort.evaluator_steps, keep=True)
        self.of_steps: Evaluator = trainer.train(
            features.diff(dim=1), train.labels, steps=effort.evaluator_steps, keep=True
        )
        self.real = evaluated(test, self.of_poses, self.of_steps)
        self.by_action: dict[str, Mapping[str, float | None]] = {}

    def rows(self) -> dict[str, RowScores]:
        """Name -> scores: the model first, then real motion, then the baselines."""
        made = [generated(self.pipeline, self.test, self._labels(seed), seed) for seed in self._seeds()]
        found = {self.pipeline.name: self._row(made)}
        self._count_actions(made)
        if halves := self._halves():
            found["real: half of the test split"] = RowScores.of(halves, {})
        found["real: train split"] = self._row([self._drawn(self.train, seed) for seed in self._seeds()])
        found["real: test split itself"] = RowScores.of([score(self.real, self.real, self.contents, 0)], {})
        found["class-mean sequence"] = self._row([self._means(seed) for seed in self._seeds()[:1]])
        found["real under shuffled labels"] = self._row([self._shuffled(seed) for seed in self._seeds()[:5]])
        return found

    def _halves(self) -> list[Mapping[str, float | None]]:
        """Half of the test split against the other half, of other recordings. No evaluator was trained on them."""
        found: list[Mapping[str, float | None]] = []
        for seed in self._seeds():
            ours, others = self.test.halves(seed)
            if min(len(ours), len(others)) >= 2:
                found.append(score(self.real.some(ours), self.real.some(others), self.contents, seed))
        return found

    def _seeds(self) -> range:
        return range(self.effort.repetitions)

    def _labels(self, seed: int) -> Float[Tensor, "clip class"]:
        """Labels of the clips of a repetition, drawn from the test split."""
        drawn = torch.Generator().manual_seed(seed)
        return self.test.labels[torch.randint(len(self.test), (self.count,), generator=drawn)]

    def _row(self, sets: list[LabelledWindows]) -> RowScores:
        rounds = [
            score(evaluated(some, self.of_poses, self.of_steps), self.real, self.contents, seed)
            for seed, some in enumerate(sets)
        ]
        return RowScores.of(rounds, {"teaches": self._teaches(sets)})

    def _teaches(self, sets: list[LabelledWindows]) -> float:
        """Accuracy on the real test clips of a new classifier that is trained on these clips alone."""
        features = torch.cat([some.features() for some in sets[:4]])
        labels = torch.cat([some.labels for some in sets[:4]])
        classifier = self.trainer.train(features, labels, steps=self.effort.classifier_steps, keep=False)
        columns = [self.test.classes.index(name) for name in self.contents]
        logits = classifier.look(self.test.features())[1][:, columns]
        own = self.test.labels[:, columns]
        return float((own.gather(1, logits.argmax(1, keepdim=True)) > 0).double().mean())

    def _drawn(self, windows: LabelledWindows, seed: int) -> LabelledWindows:
        """Real windows with the labels of a repetition."""
        generator = torch.Generator().manual_seed(seed)
        rows: list[int] = []
        for label in self._labels(seed):
            fits = (windows.labels == label).all(1).nonzero()[:, 0]
            fits = fits if len(fits) else ((windows.labels * label).sum(1) > 0).nonzero()[:, 0]
            if len(fits):
                rows.append(int(fits[torch.randint(len(fits), (1,), generator=generator)]))
        return windows[torch.tensor(rows)]

    def _means(self, seed: int) -> LabelledWindows:
        labels = self._labels(seed)
        weights = labels @ self.train.labels.T
        weights = weights / weights.sum(1, keepdim=True).clamp_min(1e-9)
        flat = weights @ self.train.positions.flatten(1)
        return self.test.with_(flat.view(len(labels), *self.train.positions.shape[1:]), labels)

    def _shuffled(self, seed: int) -> LabelledWindows:
        drawn = self._drawn(self.train, seed)
        order = torch.randperm(len(drawn), generator=torch.Generator().manual_seed(_SHUFFLE + seed))
        return drawn.with_(drawn.positions, drawn.labels[order])

    def _count_actions(self, made: list[LabelledWindows]) -> None:
        """Accuracy and relative speed per action."""
        of_clips: list[EvaluatedClips] = [evaluated(some, self.of_poses, self.of_steps) for some in made[:4]]
        labels = torch.cat([some.windows.labels for some in of_clips])
        logits = torch.cat([some.logits for some in of_clips])
        clips = torch.cat([some.windows.positions for some in of_clips])
        columns = [self.test.classes.index(name) for name in self.contents]
        best = logits[:, columns].argmax(1)
        for index, (name, column) in enumerate(zip(self.contents, columns, strict=True)):
            own, real = labels[:, column] > 0, self.test.labels[:, column] > 0
            if bool(own.any()) and bool(real.any()):
                pace = [float(some.double().diff(dim=1).norm(dim=-1).mean()) for some in
                        (clips[own], self.test.positions[real])]  # fmt: skip
                self.by_action[name] = {
                    "accuracy": float((best[own] == index).double().mean()), "speed": pace[0] / pace[1]
                }  # fmt: skip
