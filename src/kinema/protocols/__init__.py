"""Named benchmarks: which windows, which metrics, and the published rows to stand beside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from kinema.metrics.report import Report
from kinema.protocols.cmu import CMU_LEGACY, CMU_PHYSICAL
from kinema.protocols.forecaster import Forecaster
from kinema.protocols.h36m import H36M_LEGACY
from kinema.protocols.scoring import Windows


class Benchmark(Protocol):
    """A named way of scoring a forecaster."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def what(self) -> str:
        """One line about it."""
        ...

    def evaluate(
        self, forecaster: Forecaster, data: Path | str | None = None, beside: Sequence[Forecaster] = ()
    ) -> Report:
        """Score a forecaster, and others to stand beside it, on the test data below `data`."""
        ...

    def cuts(self, data: Path | str | None, windows: str) -> Iterator[tuple[str, Windows]]:
        """Action and windows of the test data, a chunk at a time; `windows` is "8", "all" ..."""
        ...


PROTOCOLS: dict[str, Benchmark] = {protocol.name: protocol for protocol in (CMU_LEGACY, CMU_PHYSICAL, H36M_LEGACY)}
