"""Scoring a model by name under a protocol by name."""

from __future__ import annotations

from pathlib import Path

from kinema.core.errors import UsageError, unknown_name
from kinema.metrics.classifier_features import ClassifierFeatures
from kinema.pipeline.action_classifier import JudgeTeacher
from kinema.pipeline.pipeline import Pipeline, open_generator
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.forecasting.interface import WindowForecaster
from kinema.protocols.inbetweening.answer_file import write_answers
from kinema.protocols.inbetweening.grid import Grid
from kinema.protocols.inbetweening.interface import CLASSICAL, Completer
from kinema.protocols.registry import COMPLETIONS, GENERATIONS, PROTOCOLS
from kinema.protocols.report import Reported
from kinema.protocols.stochastic.nearest_neighbour import NAME as NEAREST
from kinema.protocols.stochastic.protocol import StochasticProtocol

BESIDE = ("zero-velocity", "running-average-2", "running-average-4")  # shown beside every model


def evaluate(
    model: str | Path | WindowForecaster,
    protocol: str,
    data: Path | str | None = None,
    answers: Path | None = None,
    classifier: Path | None = None,
) -> Reported:
    """Score a model (a baseline's name, a shipped model's name, a run folder, or an opened one) under a protocol.

    Stochastic protocols know one baseline more, "nearest-neighbour", which needs their training recordings; those
    of completion know the classical methods ("linear", "squad" ...) and models, not the baselines that only forecast.

    `data` is the folder with the protocol's data (default: the one that KINEMA_DATA names); `answers`, of rib and
    upsample-grid, an HDF5 file to keep truth and answers in; `classifier`, of h36m-stochastic, the file of one to
    measure an FID by. Raises UsageError for an unknown model or protocol, MissingDataError where data or weights are
    not there.
    """
    if classifier is not None and protocol != "h36m-stochastic":
        expected = "h36m-stochastic with a classifier, which knows the joints and actions of Human3.6M"
        raise UsageError(expected=expected, got=protocol, cure="Leave --classifier out.")
    if answers is not None:
        return _evaluate_and_keep(model, protocol, data, answers)
    if protocol in GENERATIONS and isinstance(model, (str, Path, Pipeline)):
        return GENERATIONS[protocol].evaluate(
            model if isinstance(model, Pipeline) else open_generator(model), JudgeTeacher(), data
        )
    if protocol in COMPLETIONS and isinstance(model, (str, Path, Pipeline)):
        return COMPLETIONS[protocol].evaluate(open_completer(model), data)
    if protocol not in PROTOCOLS:
        raise unknown_name("protocol", protocol, (*PROTOCOLS, *COMPLETIONS, *GENERATIONS))
    benchmark = PROTOCOLS[protocol]
    if isinstance(benchmark, StochasticProtocol):
        others = [open_pipeline(name) for name in benchmark.beside]
        judge = None if classifier is None else ClassifierFeatures.read(classifier)
        if model == NEAREST:
            return benchmark.evaluate(benchmark.nearest(data), data, others, judge)
        return benchmark.evaluate(
            open_pipeline(model) if isinstance(model, (str, Path)) else model, data, others, judge
        )
    forecaster = open_pipeline(model) if isinstance(model, (str, Path)) else model
    return benchmark.evaluate(forecaster, data, [open_pipeline(name) for name in BESIDE])


def _evaluate_and_keep(
    model: str | Path | WindowForecaster, protocol: str, data: Path | str | None, answers: Path
) -> Reported:
    grids: dict[str, Grid] = {name: one for name, one in COMPLETIONS.items() if isinstance(one, Grid)}
    if protocol not in grids or not isinstance(model, (str, Path, Pipeline)):
        raise UsageError(
            expected=f"a protocol whose answers can be kept: {' or '.join(grids)}",
            got=protocol,
            cure="Leave --answers out; `kinema forecast --protocol --samples-out` keeps forecasts.",
        )
    completer = open_completer(model)
    with write_answers(answers, protocol, completer.name) as keep:
        return grids[protocol].evaluate(completer, data, keep=keep)


def open_completer(model: str | Path | Pipeline) -> Completer:
    """The classical method of that name, or the pipeline of a model.

    Raises UsageError for an unknown name, and for a baseline, which only forecasts.
    """
    if isinstance(model, str) and model in CLASSICAL:
        return CLASSICAL[model]
    pipeline = model if isinstance(model, Pipeline) else open_pipeline(model)
    _ = pipeline.kinds
    return pipeline
