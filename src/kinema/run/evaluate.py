"""Scoring a model by name under a protocol by name."""

from __future__ import annotations

from pathlib import Path

from kinema.errors import unknown_name
from kinema.metrics.report import Report
from kinema.models.baselines import BASELINES
from kinema.protocols import PROTOCOLS
from kinema.protocols.forecaster import BaselineForecaster, Forecaster

BESIDE = ("zero-velocity", "running-average-2", "running-average-4")  # shown beside every model


def evaluate(model: str | Path | Forecaster, protocol: str, data: Path | str | None = None) -> Report:
    """Score a model (a baseline's name, a shipped model's name, a run folder, or an opened one) under a protocol.

    `data` is the folder with the protocol's data (default: the one that KINEMA_DATA names). Raises UsageError for an
    unknown model or protocol, MissingDataError where data or weights are not there.
    """
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, PROTOCOLS)
    forecaster = open_forecaster(model) if isinstance(model, (str, Path)) else model
    return PROTOCOLS[protocol].evaluate(forecaster, data, [baseline(name) for name in BESIDE])


def open_forecaster(name: str | Path) -> Forecaster:
    """A baseline, or whatever `open_run` finds under that name."""
    if str(name) in BASELINES:
        return baseline(str(name))
    from kinema.run.open import open_run

    return open_run(name)


def baseline(name: str) -> BaselineForecaster:
    """A baseline as a forecaster; "slerp" answers about rotations only. Raises UsageError for an unknown name."""
    if name not in BASELINES:
        raise unknown_name("baseline", name, BASELINES)
    model = BASELINES[name]()
    if name == "slerp":
        return BaselineForecaster(name, model, frozenset({"rotations"}))
    return BaselineForecaster(name, model)
