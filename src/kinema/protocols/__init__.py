"""Named benchmarks: which windows, which metrics, and the published rows to stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kinema.metrics.report import Reported
from kinema.protocols.cmu import CMU_LEGACY, CMU_PHYSICAL
from kinema.protocols.completer import Completer
from kinema.protocols.forecaster import Forecaster
from kinema.protocols.h36m import H36M_LEGACY
from kinema.protocols.lafan1 import LAFAN1
from kinema.protocols.open_inbetween import OPEN_INBETWEEN
from kinema.protocols.stochastic import OPEN_STOCHASTIC
from kinema.protocols.upsample_grid import UPSAMPLE_GRID


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
    ) -> Reported:
        """Score a forecaster, and others to stand beside it, on the test data below `data`."""
        ...


_ALL: tuple[Benchmark, ...] = (CMU_LEGACY, CMU_PHYSICAL, H36M_LEGACY, OPEN_STOCHASTIC)
PROTOCOLS: dict[str, Benchmark] = {protocol.name: protocol for protocol in _ALL}
"""All benchmarks by name."""


class CompletionBenchmark(Protocol):
    """A named way of scoring a method that fills in what is not known."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def what(self) -> str:
        """One line about it."""
        ...

    def evaluate(
        self, completer: Completer, data: Path | str | None = None, beside: Sequence[Completer] = ()
    ) -> Reported:
        """Score a method beside the classical ones on the test data below `data`."""
        ...


_COMPLETIONS: tuple[CompletionBenchmark, ...] = (LAFAN1, OPEN_INBETWEEN, UPSAMPLE_GRID)
COMPLETIONS: dict[str, CompletionBenchmark] = {protocol.name: protocol for protocol in _COMPLETIONS}
"""All benchmarks of completion by name."""
