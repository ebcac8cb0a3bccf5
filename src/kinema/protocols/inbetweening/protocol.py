"""The bases of the in-betweening protocols: models beside classical methods, scored in cells.

A `Grid` (`rib`, `upsample-grid`) gives every r-th frame, and methods predict the others.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.motion import AnyClip, Clip
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.inbetweening.answer_file import write_answers
from kinema.protocols.inbetweening.classical import CLASSICAL
from kinema.protocols.interface import Data, Evaluated, Kind
from kinema.protocols.leaks import find_leak
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell, CellScores, PublishedCells, by_metric, cell_name, cell_report, merged


class CompletionProtocol(Protocol):
    """A protocol of filled gaps. `kinds` are its kinds of clips, `columns` the classical methods beside every model."""

    verb = "inbetween"
    kinds: ClassVar[frozenset[Kind]] = frozenset({"rotations", "positions"})
    columns: ClassVar[tuple[str, ...]] = ("hold", "linear", "cubic", "pchip", "squad")

    def baseline(self, name: str, data: Data) -> Evaluated | None:
        """The classical methods; `kn.open` has only the curves."""
        del data
        return CLASSICAL.get(name)

    def methods(self, pipeline: Evaluated, beside: Sequence[Evaluated]) -> dict[str, Evaluated]:
        """All scored methods by name: classical ones, `beside`, the pipeline. Raises UsageError if the pipeline
        completes none of the `kinds`."""
        if not pipeline.kinds & self.kinds:
            raise UsageError(
                expected=f"a method that completes {' or '.join(sorted(self.kinds))}",
                got=f"{pipeline.name}, which completes {', '.join(sorted(pipeline.kinds)) or 'nothing'}",
                cure="Use --protocol upsample-grid or --protocol open-inbetween.",
            )
        found: dict[str, Evaluated] = {name: CLASSICAL[name] for name in self.columns}
        return found | {one.name: one for one in (*beside, pipeline)}

    def report(
        self,
        pipeline: Evaluated,
        methods: Mapping[str, Evaluated],
        cells: Sequence[Cell],
        tests: Sequence[str],
        *,
        deciding: Sequence[str],
        notes: tuple[str, ...],
        published: PublishedCells | None = None,
    ) -> Report:
        """The report of cells. `tests` are the identities of the test recordings; see `cell_report`."""
        return cell_report(
            self.name,
            pipeline.name,
            list(methods),
            cells,
            classical=[name for name in methods if name in CLASSICAL],
            deciding=deciding,
            published=published,
            notes=notes,
            leak=find_leak(pipeline.trained_on, {one: one for one in tests}),
        )


def blanked(clip: AnyClip, known: Bool[Tensor, " frame"]) -> AnyClip:
    """The clip with NaN in every unknown frame."""
    return clip.map(lambda values, axis: torch.where(known.reshape(-1, *[1] * (-axis - 1)), values, torch.nan))


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
        return one.complete(blanked(self.observed, self.known), self.known, confidence)


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
                scores = by_metric({name: self.errors(question, answer) for name, answer in answers.items()})
                parts.setdefault(tuple(question.where.items()), []).append((question.windows, scores))
                tests[question.ground_truth.identity] = None
                if keep:
                    keep(cell_name(question.where), question.ground_truth, answers)
        cells = [Cell(dict(where), *merged(found)) for where, found in parts.items()]
        return self.report(pipeline, methods, cells, list(tests), deciding=[self.deciding], notes=self.notes)
