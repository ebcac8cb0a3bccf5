"""The base of `rib` and `upsample-grid`: every r-th frame is given, methods predict the others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.motion import Clip, Motion
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.inbetweening.answer_file import write_answers
from kinema.protocols.inbetweening.gaps import blanked
from kinema.protocols.inbetweening.protocol import CompletionProtocol
from kinema.protocols.interface import Data, Evaluated, Kind
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell, CellScores, cell_name, merged


@dataclass(frozen=True, eq=False)
class GridWindows:
    """Windows (batch shape (window,)) of the cell `where`.

    Methods may use the `known` frames of `observed`, with their `confidence` (None: exact).
    """

    where: Mapping[str, str]
    kind: Kind
    ground_truth: Clip
    observed: Clip
    known: Bool[Tensor, " frame"]
    confidence: Float[Tensor, "window frame joint"] | None = None

    @property
    def windows(self) -> int:
        """The number of windows."""
        return self.ground_truth.batch_shape[0]

    def answer(self, one: Evaluated) -> Clip:
        """The clip that a method predicts from the known frames."""
        confidence = None if self.confidence is None else torch.where(self.known[:, None], self.confidence, 0.0)
        if isinstance(self.observed, Motion):
            return one.complete(blanked(self.observed, self.known), self.known, confidence)
        hidden = torch.where(self.known[:, None, None], self.observed.positions, torch.nan)
        return one.complete(replace(self.observed, positions=hidden), self.known, confidence)


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
        """All windows, cell by cell. Raises MissingDataError if `data` lacks a pack."""

    @abstractmethod
    def errors(self, question: GridWindows, answer: Clip) -> dict[str, float]:
        """Metric -> mean over the windows."""

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. A method has no column in cells of a kind that it does not complete."""
        methods = self.methods(pipeline, beside)
        tests: dict[str, None] = {}
        parts: dict[tuple[tuple[str, str], ...], list[tuple[int, CellScores]]] = {}
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
                    keep(cell_name(question.where), question.ground_truth, answers)
        cells = [Cell(dict(where), *merged(found)) for where, found in parts.items()]
        return self.report(pipeline, methods, cells, list(tests), deciding=[self.deciding], notes=self.notes)
