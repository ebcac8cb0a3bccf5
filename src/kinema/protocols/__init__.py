"""Named benchmarks: which windows, which metrics, and the published rows to stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kinema.metrics.report import Reported
from kinema.protocols.cmu import CMU_LEGACY, CMU_PHYSICAL
from kinema.protocols.forecaster import Forecaster
from kinema.protocols.h36m import H36M_LEGACY
from kinema.protocols.stochastic import OPEN_STOCHASTIC


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
