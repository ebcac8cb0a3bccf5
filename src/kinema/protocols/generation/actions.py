"""Motion generated from labels, scored against the test split: `action-generation` and `mmd-legacy`.

`action-generation`: in each of twenty repetitions a model generates as many clips as the test split has windows (at
most 1,000), with the labels of the test split. Other rows are real motion against real motion (the floor), the mean
sequence of every class, and real clips with shuffled labels. `metrics.dynamics` adds speed and jerk.

`mmd-legacy`: MMD_a and MMD_s per class, as in the tables of ActionGAN and SA-GCN, with their failures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.generation.scores import (
    METRICS,
    MMD_PAIRS,
    Effort,
    GenerationTable,
    RowScores,
    legacy_by_class,
    mean_of_classes,
)
from kinema.protocols.generation.windows import LabelledWindows, generated, split_windows
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import find_leak
from kinema.protocols.published import ACTION_PUBLISHED, MMD_PUBLISHED
from kinema.protocols.report import Report
from kinema.protocols.tables import PublishedScores, score_report

_SHORT = ("fid", "fid_class", "fid_motion", "diversity", "multimodality", "jerk", "speed")


@dataclass(frozen=True)
class ActionGeneration(Protocol):
    """The protocol. `pack` names the recordings ("bandai2"); None: the model's own source."""

    name: str
    what: str
    pack: str | None = None
    effort: Effort = field(default_factory=Effort)
    published: tuple[PublishedScores, ...] = ACTION_PUBLISHED

    verb = "generate"

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Raises UsageError also without a common label of pipeline and recordings."""
        if options.trainer is None:
            raise UsageError(
                expected="a trainer of evaluators",
                got="none",
                cure="Use kn.evaluate, which gives options=Options(trainer=ClassifierTrainer()).",
            )
        source = pipeline.source(data)
        if self.pack is not None and source.name != self.pack:
            raise UsageError(
                expected=f"a model that was trained on {self.pack} with its labels",
                got=f"{pipeline.name}, trained on {source.name}",
                cure=f"Train a recipe on {self.pack}, or use the protocol action-generation.",
            )
        classes = tuple(action for action in source.actions if action in pipeline.actions)
        train, test = split_windows(pipeline, source, classes)
        contents = tuple(name for name in classes if name not in source.styles) or classes
        table = GenerationTable(self.effort, pipeline, options.trainer, train, test, contents)
        rows = table.rows()
        return score_report(
            self.name,
            pipeline.name,
            METRICS,
            {name: _ways(row) for name, row in rows.items()},
            by_action=table.by_action,
            published=self.published,
            setting=self._setting(source, train, test, table),
            decimals=dict.fromkeys(_SHORT, 2),
            leak=find_leak(pipeline.trained_on, {one: one for one in sorted(test.identities)}),
            notes=_notes(test),
        )

    def _setting(
        self, source: Source, train: LabelledWindows, test: LabelledWindows, table: GenerationTable
    ) -> dict[str, Any]:
        return {
            "source": source.name, "classes": list(test.classes), "frames": test.positions.shape[1], "fps": test.fps,
            "repetitions": self.effort.repetitions, "clips per repetition": table.count,
            "train windows": len(train), "test windows": len(test),
            "evaluator": table.of_poses.digest, "evaluator of steps": table.of_steps.digest,
        }  # fmt: skip


def _ways(row: RowScores) -> dict[str, Mapping[str, float | None]]:
    return {"mean over repetitions": row.mean, "half of the 95 % interval": row.interval}


def _notes(test: LabelledWindows) -> tuple[str, ...]:
    frames = test.positions.shape[1]
    notes = [
        f"Clips of {frames} frames at {test.fps:g} per second ({frames / test.fps:.2f} s), rotated and moved to begin "
        "at the origin, facing +z. Distances are in the feature space of evaluators trained on the train split: they "
        "compare with other rows here and with other reports of the same evaluator, not with published numbers.",
        "Floors: 'real: half of the test split' is scored against the other half, that trained no evaluator, with "
        "half as many clips on either side (which makes a FID larger); 'real: train split' is as many real clips as a "
        "repetition has, with the same labels, on which the evaluators were trained.",
        "'trains to': accuracy on real test clips of a classifier that was trained on the clips of the row alone.",
        "Poses that have frozen can have a good FID and MMD: read speed, jerk and step sizes beside them.",
    ]
    if test.pathless():
        notes.append("The model has no root trajectory: poses are scored without it.")
    if test.positions.shape[-1] == 2:
        notes.append("The model generates 2-D motion: recordings are scored in the view of its camera.")
    return tuple(notes)


@dataclass(frozen=True)
class MmdLegacy(Protocol):
    """For every class as many generated clips as the test split has windows."""

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
        train, test = split_windows(pipeline, source, classes)
        drawn, columns = torch.Generator().manual_seed(self.seed), list(range(len(classes)))
        ours = legacy_by_class(generated(pipeline, test, test.labels, self.seed), test, columns, drawn)
        floor = legacy_by_class(train, test, columns, drawn)
        return score_report(
            self.name,
            pipeline.name,
            {"mmd_a": "MMD_a", "mmd_s": "MMD_s"},
            {
                pipeline.name: {"mean of classes": mean_of_classes(ours)},
                "real: train split": {"mean of classes": mean_of_classes(floor)},
            },
            by_action={name: {"mmd_a": average, "mmd_s": sequence} for name, (average, sequence, _) in ours.items()},
            published=self.published,
            setting={
                "source": source.name, "frames": test.positions.shape[1], "fps": test.fps, "seed": self.seed,
                "most": MMD_PAIRS,
            },
            leak=find_leak(pipeline.trained_on, {one: one for one in sorted(test.identities)}),
            notes=(
                "Published rows are of other data; what compares is the row 'real: train split'.",
                "A set of frozen poses can score better than real motion: see action-generation for dynamics.",
                *(f"{name}, {warning}." for name, (_, _, warning) in ours.items() if warning),
            ),
        )  # fmt: skip


ACTION_GENERATION = ActionGeneration(
    "action-generation", "motion generated from labels, against the test split of what the model was trained on"
)
ACTION_GENERATION_BANDAI2 = ActionGeneration(
    "action-generation-bandai2", "the same, on the test split of bandai2 (10 contents, 7 styles)", pack="bandai2"
)
MMD_LEGACY = MmdLegacy()
