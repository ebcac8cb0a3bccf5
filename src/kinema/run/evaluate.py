"""Scoring a model by name under a protocol by name."""

from __future__ import annotations

from pathlib import Path

from kinema.errors import unknown_name
from kinema.metrics.report import Reported
from kinema.protocols import COMPLETIONS, GENERATIONS, PROTOCOLS
from kinema.protocols.forecaster import Forecaster
from kinema.protocols.nearest import NAME as NEAREST
from kinema.protocols.stochastic import StochasticProtocol
from kinema.run.completing import open_completer
from kinema.run.generate import open_action_run
from kinema.run.judge import JudgeTeacher
from kinema.run.open import open_run
from kinema.run.run import Run

BESIDE = ("zero-velocity", "running-average-2", "running-average-4")  # shown beside every model


def evaluate(model: str | Path | Forecaster, protocol: str, data: Path | str | None = None) -> Reported:
    """Score a model (a baseline's name, a shipped model's name, a run folder, or an opened one) under a protocol.

    Stochastic protocols know one baseline more, "nearest-neighbour", which needs their training recordings; those
    of completion know the classical methods ("linear", "squad" ...) and models, not the baselines that only forecast.

    `data` is the folder with the protocol's data (default: the one that KINEMA_DATA names). Raises UsageError for an
    unknown model or protocol, MissingDataError where data or weights are not there.
    """
    if protocol in GENERATIONS and isinstance(model, (str, Path)):
        return GENERATIONS[protocol].evaluate(open_action_run(model), JudgeTeacher(), data)
    if protocol in COMPLETIONS and isinstance(model, (str, Path, Run)):
        return COMPLETIONS[protocol].evaluate(open_completer(model), data)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, (*PROTOCOLS, *COMPLETIONS, *GENERATIONS))
    benchmark = PROTOCOLS[protocol]
    if isinstance(benchmark, StochasticProtocol):
        others = [open_run(name) for name in benchmark.beside]
        if model == NEAREST:
            return benchmark.evaluate(benchmark.nearest(data), data, others)
        return benchmark.evaluate(open_run(model) if isinstance(model, (str, Path)) else model, data, others)
    forecaster = open_run(model) if isinstance(model, (str, Path)) else model
    return benchmark.evaluate(forecaster, data, [open_run(name) for name in BESIDE])
