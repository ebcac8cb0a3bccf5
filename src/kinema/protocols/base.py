"""`Protocol`: a named way of scoring a model. A new one is one class and a line of `registry.PROTOCOLS`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinema.core.constants import Verb
from kinema.protocols.evaluators import EvaluatorTrainer
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.report import Report

OptionName = Literal["answers", "classifier"]


@dataclass(frozen=True)
class Options:
    """What a protocol may be given beside the pipeline and the data. `Protocol.options` names those that it uses.

    `answers`: an HDF5 file to write, with ground truth and answers. `classifier`: a file of weights to measure a
    Frechet distance (FID) by. `trainer` trains the evaluators of the generation protocols.
    """

    answers: Path | None = None
    classifier: Path | None = None
    trainer: EvaluatorTrainer | None = None


NO_OPTIONS = Options()


class Protocol(ABC):
    """A named way of scoring. `what` is one line about it, `verb` what the pipeline must answer.

    `beside` names the baselines that `evaluate` of the pipeline opens and passes on, `options` the options that it uses
    (see `Options`).
    """

    name: str
    what: str
    verb: Verb
    beside: tuple[str, ...] = ()
    options: tuple[OptionName, ...] = ()

    @abstractmethod
    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """Score a pipeline, with others beside it, on the test data below `data` (None: the folder of KINEMA_DATA).

        Raises MissingDataError where the data are not there, FormatError where they are damaged, UsageError where the
        pipeline cannot answer.
        """

    def baseline(self, name: str, data: Data) -> Evaluated | None:
        """A method that only this protocol knows by that name, made from the data below `data`; None: no such name."""
        del name, data
        return None
