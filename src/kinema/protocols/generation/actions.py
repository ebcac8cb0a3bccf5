"""`action-generation`: motion generated from labels, scored against the test split.

In each of twenty repetitions a model generates as many clips as the test split has windows (at most 1,000), with the
labels of the test split. Other rows are real motion against real motion (the floor), the mean sequence of every class,
and real clips with shuffled labels. `metrics.dynamics` adds speed and jerk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.generation.scores import METRICS, Effort, GenerationTable, RowScores
from kinema.protocols.generation.windows import LabelledWindows, labelled_windows
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import find_leak
from kinema.protocols.published import ACTION_PUBLISHED
from kinema.protocols.report import Report
from kinema.protocols.tables import PublishedScores, score_report

SECONDS = 64 / 30
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
        frames = max(8, round(SECONDS * pipeline.fps))
        train, test = (
            labelled_windows(source.clips(split), pipeline.as_represented, classes, frames)
            for split in ("train", "test")
        )
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
            places=dict.fromkeys(_SHORT, 2),
            leak=find_leak(pipeline.trained_on, {one: one for one in sorted(test.identities)}),
            notes=(*_notes(test, frames), *table.notes),
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


def _notes(test: LabelledWindows, frames: int) -> tuple[str, ...]:
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


ACTION_GENERATION = ActionGeneration(
    "action-generation", "motion generated from labels, against the test split of what the model was trained on"
)
ACTION_GENERATION_BANDAI2 = ActionGeneration(
    "action-generation-bandai2", "the same, on the test split of bandai2 (10 contents, 7 styles)", pack="bandai2"
)
