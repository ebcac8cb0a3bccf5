"""`mmd-legacy`: MMD_a and MMD_s per class, as in the tables of ActionGAN and SA-GCN, with their failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.generation.actions import SECONDS
from kinema.protocols.generation.scores import MMD_PAIRS, legacy_by_class
from kinema.protocols.generation.windows import LabelledWindows, labelled_windows, windows_of_clip
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import find_leak
from kinema.protocols.published import MMD_PUBLISHED
from kinema.protocols.report import Report
from kinema.protocols.tables import PublishedScores, score_report


@dataclass(frozen=True)
class MmdLegacy(Protocol):
    """The protocol: for every class as many generated clips as the test split has windows."""

    name: str = "mmd-legacy"
    what: str = "MMD_a and MMD_s of motion generated from labels, as published (they do not show frozen motion)"
    published: tuple[PublishedScores, ...] = MMD_PUBLISHED
    seed: int = 0

    verb = "generate"

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Raises UsageError also without a common label of pipeline and recordings."""
        source = pipeline.source(data)
        classes = tuple(a for a in source.actions if a in pipeline.actions and a not in source.styles)
        frames = max(8, round(SECONDS * pipeline.fps))
        train, test = (
            labelled_windows(source.clips(split), pipeline.as_represented, classes, frames)
            for split in ("train", "test")
        )
        made = self._made(pipeline, test, frames)
        drawn = torch.Generator().manual_seed(self.seed)
        columns = list(range(len(classes)))
        ours = legacy_by_class(made, test, columns, drawn)
        floor = legacy_by_class(train, test, columns, drawn)
        failures = [f"{name}, {value[2]}." for name, value in ours.items() if value[2]]
        return score_report(
            self.name,
            pipeline.name,
            {"mmd_a": "MMD_a", "mmd_s": "MMD_s"},
            {pipeline.name: {"mean of classes": _mean(ours)}, "real: train split": {"mean of classes": _mean(floor)}},
            by_action={name: {"mmd_a": value[0], "mmd_s": value[1]} for name, value in ours.items()},
            published=self.published,
            setting={"source": source.name, "frames": frames, "fps": test.fps, "seed": self.seed, "most": MMD_PAIRS},
            leak=find_leak(pipeline.trained_on, {one: one for one in sorted(test.identities)}),
            notes=(
                "Published rows are of other data; what compares is the row 'real: train split'.",
                "A set of frozen poses can score better than real motion: see action-generation for dynamics.",
                *failures,
            ),
        )

    def _made(self, pipeline: Evaluated, test: LabelledWindows, frames: int) -> LabelledWindows:
        labels = torch.zeros(len(test), len(pipeline.actions))
        labels[:, [pipeline.actions.index(name) for name in test.classes]] = test.labels
        return test.with_(windows_of_clip(pipeline.make(labels, frames, self.seed), frames), test.labels)


def _mean(found: Mapping[str, tuple[float, float, str]]) -> dict[str, float | None]:
    if not found:
        return {"mmd_a": None, "mmd_s": None}
    average, sequence, _ = zip(*found.values(), strict=True)
    return {"mmd_a": sum(average) / len(found), "mmd_s": sum(sequence) / len(found)}


MMD_LEGACY = MmdLegacy()
