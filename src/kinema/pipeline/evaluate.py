"""`evaluate`: score a model under a protocol."""

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
    """Score a model (a name for `open`, a baseline of the protocol, or a pipeline) under a protocol.

    Baselines of single protocols: "nearest-neighbour" (stochastic forecasting; needs the training recordings) and
    filters ("savgol", "one-euro" ...; in-betweening). `data` is the folder of the protocol's data (default: that of
    KINEMA_DATA). Options of some protocols: `answers`, an HDF5 file for ground truth and answers; `classifier`, weights
    for an FID. Raises UsageError for an unknown model or protocol, an option that the protocol does not use, or a model
    without the protocol's verb; MissingDataError for missing data or weights.
    """
    chosen = named(protocol)
    options = Options(answers, classifier, ClassifierTrainer())
    _check(chosen, options)
    pipeline = _opened(chosen, model, data) if isinstance(model, (str, Path)) else model
    if chosen.verb not in pipeline.verbs:
        raise UsageError(
            expected=f"a model that answers {chosen.verb}, which {protocol} needs",
            got=f"{pipeline.name}, which answers {', '.join(pipeline.verbs) or 'none of the verbs'}",
            cure=f"Use a model that lists {chosen.verb} in `kinema models`, or another protocol.",
        )
    beside = [_opened(chosen, name, data) for name in chosen.beside if name != pipeline.name]
    return chosen.evaluate(pipeline, data, beside=beside, options=options)


def _opened(protocol: Protocol, model: str | Path, data: Data) -> Evaluated:
    return protocol.baseline(str(model), data) or open_pipeline(model)


def _check(protocol: Protocol, options: Options) -> None:
    """Raise UsageError for an option that the protocol does not use."""
    for name in ("answers", "classifier"):
        if getattr(options, name) is not None and name not in protocol.options:
            users = [other for other, one in PROTOCOLS.items() if name in one.options]
            raise UsageError(
                expected=f"{' or '.join(users)} with {name}", got=protocol.name, cure=f"Leave --{name} out."
            )
