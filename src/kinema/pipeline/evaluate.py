"""Scoring a model by name under a protocol by name."""

from __future__ import annotations

from pathlib import Path

from kinema.core.errors import UsageError
from kinema.pipeline.action_classifier import ClassifierTrainer
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.base import Options, Protocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.registry import PROTOCOLS, named
from kinema.protocols.report import Report


def evaluate(
    model: str | Path | Evaluated,
    protocol: str,
    data: Path | str | None = None,
    answers: Path | None = None,
    classifier: Path | None = None,
) -> Report:
    """Score a model (a baseline's name, a shipped model's name, a run folder, or a pipeline) under a protocol.

    A protocol may know baselines of its own: the stochastic ones "nearest-neighbour", which needs their training
    recordings, and those of completion the classical filters ("savgol", "one-euro" ...).

    `data` is the folder with the protocol's data (default: the one that KINEMA_DATA names). Options of some protocols:
    `answers`, an HDF5 file for ground truth and answers; `classifier`, a file of weights to measure an FID by. Raises
    UsageError for an unknown model or protocol, for an option that the protocol does not use, and for a model that does
    not answer the protocol's verb; MissingDataError where data or weights are not there.
    """
    chosen = named(protocol)
    options = Options(answers, classifier, ClassifierTrainer())
    _check(chosen, options)
    pipeline = _opened(chosen, model, data) if isinstance(model, (str, Path)) else model
    if chosen.verb not in pipeline.verbs:
        raise UsageError(
            expected=f"a model that answers {chosen.verb}, which {protocol} asks",
            got=f"{pipeline.name}, which answers {', '.join(pipeline.verbs) or 'none of the verbs'}",
            cure=f"Name one that lists {chosen.verb} in `kinema models`, or use another protocol.",
        )
    beside = [_opened(chosen, name, data) for name in chosen.beside if name != pipeline.name]
    return chosen.evaluate(pipeline, data, beside=beside, options=options)


def _opened(protocol: Protocol, model: str | Path, data: Data) -> Evaluated:
    return protocol.baseline(str(model), data) or open_pipeline(model)


def _check(protocol: Protocol, options: Options) -> None:
    """Raises UsageError for an option that is given to a protocol that does not use it."""
    for name in ("answers", "classifier"):
        if getattr(options, name) is not None and name not in protocol.options:
            users = [other for other, one in PROTOCOLS.items() if name in one.options]
            raise UsageError(
                expected=f"{' or '.join(users)} with {name}", got=protocol.name, cure=f"Leave --{name} out."
            )
