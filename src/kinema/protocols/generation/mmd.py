"""`mmd-legacy`: MMD_a and MMD_s per class, as the tables of ActionGAN and SA-GCN have them, with its failures named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from kinema.protocols.generation.actions import SECONDS
from kinema.protocols.generation.published import MMD_PUBLISHED
from kinema.protocols.generation.scores import MMD_PAIRS, EvaluatorTrainer, legacy_by_class
from kinema.protocols.generation.table import MotionGenerator
from kinema.protocols.generation.windows import LabelledWindows, labelled_windows, windows_of_clip
from kinema.protocols.leaks import find_leak
from kinema.protocols.report_scores import PublishedScores, ScoreReport


@dataclass(frozen=True)
class MmdLegacy:
    """The protocol: for every class as many generated clips as the test split has windows."""

    name: str = "mmd-legacy"
    what: str = "MMD_a and MMD_s of motion made from labels, as published (they do not see frozen motion)"
    published: tuple[PublishedScores, ...] = MMD_PUBLISHED
    seed: int = 0

    def evaluate(
        self, generator: MotionGenerator, teacher: EvaluatorTrainer, data: Path | str | None = None
    ) -> ScoreReport:
        """Score a generator; the teacher is not needed. Raises as `ActionGeneration.evaluate`."""
        del teacher
        source = generator.source(data)
        classes = tuple(a for a in source.actions if a in generator.actions and a not in source.styles)
        frames = max(8, round(SECONDS * generator.fps))
        train, test = (
            labelled_windows(source.clips(split), generator.as_seen, classes, frames) for split in ("train", "test")
        )
        made = self._made(generator, test, frames)
        drawn = torch.Generator().manual_seed(self.seed)
        columns = list(range(len(classes)))
        ours = legacy_by_class(made, test, columns, drawn)
        floor = legacy_by_class(train, test, columns, drawn)
        told = [f"{name}, {value[2]}." for name, value in ours.items() if value[2]]
        return ScoreReport(
            protocol=self.name,
            model=generator.name,
            metrics={"mmd_a": "MMD_a", "mmd_s": "MMD_s"},
            scores={"mean of classes": _mean(ours)},
            by_action={name: {"mmd_a": value[0], "mmd_s": value[1]} for name, value in ours.items()},
            beside={"real: train split": {"mean of classes": _mean(floor)}},
            published=self.published,
            setting={"source": source.name, "frames": frames, "fps": test.fps, "seed": self.seed, "most": MMD_PAIRS},
            leak=find_leak(generator.trained_on, {one: one for one in sorted(test.identities)}),
            notes=(
                "Published rows are of other data; what compares is the row 'real: train split'.",
                "A set of frozen poses can score better than real motion: see action-generation for dynamics.",
                *told,
            ),
        )

    def _made(self, generator: MotionGenerator, test: LabelledWindows, frames: int) -> LabelledWindows:
        asked = torch.zeros(len(test), len(generator.actions))
        asked[:, [generator.actions.index(name) for name in test.classes]] = test.labels
        return test.with_(windows_of_clip(generator.make(asked, frames, self.seed), frames), test.labels)


def _mean(found: Mapping[str, tuple[float, float, str]]) -> dict[str, float | None]:
    if not found:
        return {"mmd_a": None, "mmd_s": None}
    average, sequence, _ = zip(*found.values(), strict=True)
    return {"mmd_a": sum(average) / len(found), "mmd_s": sum(sequence) / len(found)}


MMD_LEGACY = MmdLegacy()
