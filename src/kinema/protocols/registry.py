"""Named benchmarks: which windows, which metrics, and the published rows to stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from kinema.protocols.forecasting.cmu import CMU_LEGACY, CMU_PHYSICAL
from kinema.protocols.forecasting.h36m import H36M_LEGACY
from kinema.protocols.forecasting.interface import WindowForecaster
from kinema.protocols.generation.actions import ACTION_GENERATION, ACTION_GENERATION_BANDAI2
from kinema.protocols.generation.mmd import MMD_LEGACY
from kinema.protocols.generation.scores import EvaluatorTrainer
from kinema.protocols.generation.table import MotionGenerator
from kinema.protocols.generation.tokens import TOKENS
from kinema.protocols.inbetweening.interface import Completer
from kinema.protocols.inbetweening.lafan1 import LAFAN1
from kinema.protocols.inbetweening.open_inbetween import OPEN_INBETWEEN
from kinema.protocols.inbetweening.render_in_between import RIB
from kinema.protocols.inbetweening.upsampling import UPSAMPLE_GRID
from kinema.protocols.report import Reported
from kinema.protocols.stochastic.amass import AMASS
from kinema.protocols.stochastic.datasets import h36m_takes, humaneva_takes
from kinema.protocols.stochastic.licensed import h36m_stochastic, humaneva_stochastic
from kinema.protocols.stochastic.protocol import OPEN_STOCHASTIC


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
        self, forecaster: WindowForecaster, data: Path | str | None = None, beside: Sequence[WindowForecaster] = ()
    ) -> Reported:
        """Score a forecaster, and others to stand beside it, on the test data below `data`."""
        ...


_ALL: tuple[Benchmark, ...] = (
    CMU_LEGACY,
    CMU_PHYSICAL,
    H36M_LEGACY,
    OPEN_STOCHASTIC,
    h36m_stochastic(h36m_takes),
    humaneva_stochastic(humaneva_takes),
    AMASS,
)
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


_COMPLETIONS: tuple[CompletionBenchmark, ...] = (LAFAN1, OPEN_INBETWEEN, RIB, UPSAMPLE_GRID)
COMPLETIONS: dict[str, CompletionBenchmark] = {protocol.name: protocol for protocol in _COMPLETIONS}
"""All benchmarks of completion by name."""


class GenerationBenchmark(Protocol):
    """A named way of scoring a model that makes motion from labels."""

    @property
    def name(self) -> str:
        """What the command line calls it."""
        ...

    @property
    def what(self) -> str:
        """One line about it."""
        ...

    def evaluate(
        self, generator: MotionGenerator, teacher: EvaluatorTrainer, data: Path | str | None = None
    ) -> Reported:
        """Score a generator by judges of the teacher's on the test split of its recordings, below `data`."""
        ...


_GENERATIONS: tuple[GenerationBenchmark, ...] = (ACTION_GENERATION, ACTION_GENERATION_BANDAI2, MMD_LEGACY, TOKENS)
GENERATIONS: dict[str, GenerationBenchmark] = {protocol.name: protocol for protocol in _GENERATIONS}
"""All benchmarks of generation by name."""
