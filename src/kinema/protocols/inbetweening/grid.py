"""What `rib` and `upsample-grid` share: every r-th frame of a clip is given, methods say the rest and are scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.motion import Clip, Motion
from kinema.protocols.inbetweening.gaps import blanked
from kinema.protocols.inbetweening.interface import CLASSICAL, Completer, Kind
from kinema.protocols.leaks import find_leak
from kinema.protocols.report_cells import Cell, CellReport, Scores, cell_name, merged


@dataclass(frozen=True, eq=False)
class GridWindows:
    """Some windows (batch shape (window,)), and the cell (`where`) that they belong to.

    `seen` is what methods may know of them in the `known` frames, `trust` how far that is to be believed (None: it is
    exact).
    """

    where: Mapping[str, str]
    kind: Kind
    truth: Clip
    seen: Clip
    known: Bool[Tensor, " frame"]
    trust: Float[Tensor, "window frame joint"] | None = None

    @property
    def windows(self) -> int:
        """How many they are."""
        return self.truth.batch_shape[0]

    @property
    def cell(self) -> str:
        """The name of its cell."""
        return cell_name(self.where)

    def answer(self, one: Completer) -> Clip:
        """What a method says, which is handed the known frames alone."""
        trust = None if self.trust is None else torch.where(self.known[:, None], self.trust, 0.0)
        if isinstance(self.seen, Motion):
            return one.complete(blanked(self.seen, self.known), self.known, trust)
        hidden = torch.where(self.known[:, None, None], self.seen.positions, torch.nan)
        return one.complete(replace(self.seen, positions=hidden), self.known, trust)


Keep = Callable[[GridWindows, Mapping[str, Clip]], None]
"""What may be done with a question and its answers by method, beside scoring them."""


@dataclass(frozen=True)
class Grid(ABC):
    """A protocol with a cell for every rate and condition; `sets` are rotation packs."""

    sets: tuple[str, ...] = ("cmu_bvh", "hdm05")

    name: ClassVar[str]
    what: ClassVar[str]
    kinds: ClassVar[frozenset[Kind]]
    columns: ClassVar[tuple[str, ...]]
    deciding: ClassVar[str]
    notes: ClassVar[tuple[str, ...]]

    @abstractmethod
    def questions(self, data: Path | str | None) -> Iterator[GridWindows]:
        """All windows, cell by cell. Raises MissingDataError where a pack is not below `data`."""

    @abstractmethod
    def errors(self, question: GridWindows, answer: Clip) -> dict[str, float]:
        """Metric -> mean over the windows."""

    def evaluate(
        self,
        completer: Completer,
        data: Path | str | None = None,
        beside: Sequence[Completer] = (),
        keep: Keep | None = None,
    ) -> CellReport:
        """Score a method beside the classical ones (and `beside`) on the packs that are below `data`.

        Cells of a kind that the method does not complete have no column of it. Raises MissingDataError where a pack is
        not there, UsageError where the method completes nothing that is asked for here.
        """
        if not completer.kinds & self.kinds:
            raise UsageError(
                expected=f"a method that completes {', '.join(sorted(self.kinds))}",
                got=f"{completer.name}, which completes {', '.join(sorted(completer.kinds))}",
                cure="Use another protocol of completion: upsample-grid or open-inbetween.",
            )
        asked = {name: CLASSICAL[name] for name in self.columns}
        asked |= {one.name: one for one in (*beside, completer)}
        tests: dict[str, str] = {}
        parts: dict[tuple[tuple[str, str], ...], list[tuple[int, Scores]]] = {}
        for question in self.questions(data):
            answers = {name: question.answer(one) for name, one in asked.items() if question.kind in one.kinds}
            scores: dict[str, dict[str, float]] = {}
            for name, answer in answers.items():
                for metric, value in self.errors(question, answer).items():
                    scores.setdefault(metric, {})[name] = value
            parts.setdefault(tuple(question.where.items()), []).append((question.windows, scores))
            tests[question.truth.identity] = question.truth.identity
            if keep is not None:
                keep(question, answers)
        return CellReport(
            protocol=self.name,
            model=completer.name,
            columns=tuple(asked),
            classical=tuple(name for name in asked if name in CLASSICAL),
            deciding=(self.deciding,),
            cells=tuple(Cell(dict(where), *merged(found)) for where, found in parts.items()),
            notes=self.notes,
            leak=find_leak(completer.trained_on, tests, frozenset()),
        )
