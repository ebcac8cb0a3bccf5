"""The base of `rib` and `upsample-grid`: every r-th frame is given, methods fill in the rest and are scored."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

from kinema.motion.motion import Clip
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.inbetweening.answer_file import write_answers
from kinema.protocols.inbetweening.cell_report import Cell, Scores, merged
from kinema.protocols.inbetweening.grid_windows import GridWindows
from kinema.protocols.inbetweening.protocol import CompletionProtocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.report import Report


@dataclass(frozen=True)
class Grid(CompletionProtocol):
    """A protocol with a cell for every rate and condition; `sets` are rotation packs."""

    sets: tuple[str, ...] = ("cmu_bvh", "hdm05")

    verb = "upsample"
    options = ("answers",)
    deciding: ClassVar[str]
    notes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def questions(self, data: Data) -> Iterator[GridWindows]:
        """All windows, cell by cell. Raises MissingDataError where a pack is not below `data`."""

    @abstractmethod
    def errors(self, question: GridWindows, answer: Clip) -> dict[str, float]:
        """Metric -> mean over the windows."""

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Cells of a kind that a method does not complete have no column of it."""
        methods = self.methods(pipeline, beside)
        tests: dict[str, None] = {}
        parts: dict[tuple[tuple[str, str], ...], list[tuple[int, Scores]]] = {}
        with ExitStack() as stack:
            keep = options.answers and stack.enter_context(write_answers(options.answers, self.name, pipeline.name))
            for question in self.questions(data):
                answers = {name: question.answer(one) for name, one in methods.items() if question.kind in one.kinds}
                scores: dict[str, dict[str, float]] = {}
                for name, answer in answers.items():
                    for metric, value in self.errors(question, answer).items():
                        scores.setdefault(metric, {})[name] = value
                parts.setdefault(tuple(question.where.items()), []).append((question.windows, scores))
                tests[question.ground_truth.identity] = None
                if keep:
                    keep(question, answers)
        cells = [Cell(dict(where), *merged(found)) for where, found in parts.items()]
        return self.report(pipeline, methods, cells, list(tests), deciding=[self.deciding], notes=self.notes)
