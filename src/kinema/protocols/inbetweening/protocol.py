"""The base of the in-betweening protocols: models beside classical methods, scored in cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from kinema.core.errors import UsageError
from kinema.protocols.base import Protocol
from kinema.protocols.inbetweening.classical import CLASSICAL
from kinema.protocols.interface import Data, Evaluated, Kind
from kinema.protocols.leaks import find_leak
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell, PublishedCells, cell_report


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
