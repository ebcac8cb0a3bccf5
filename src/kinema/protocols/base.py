"""`Protocol`: a named way to score a model. A new one is one class and a line of `registry.PROTOCOLS`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from kinema.core.constants import Verb
from kinema.protocols.interface import Data, Evaluated, EvaluatorTrainer
from kinema.protocols.report import Report

OptionName = Literal["answers", "classifier"]


@dataclass(frozen=True)
class Options:
    """Optional arguments of some protocols; `Protocol.options` names those that it uses.

    `answers`: an HDF5 file to write, with ground truth and answers. `classifier`: weights for a Frechet distance (FID).
    `trainer` trains the evaluators of the generation protocols.
    """

    answers: Path | None = None
    classifier: Path | None = None
    trainer: EvaluatorTrainer | None = None


NO_OPTIONS = Options()


class Protocol(ABC):
    """A named way to score. `what` is a one-line description, `verb` the verb that the pipeline must support.

    `beside` names the baselines that `kn.evaluate` opens and passes on, `options` the used fields of `Options`.
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
        """Score a pipeline, and others beside it, on the test data in `data` (None: the folder of KINEMA_DATA).

        Raises MissingDataError for missing data, FormatError for damaged data, UsageError if the pipeline does not
        support them.
        """

    def baseline(self, name: str, data: Data) -> Evaluated | None:
        """A baseline of this protocol by name, from the data in `data`; None for an unknown name."""
        del name, data
        return None
