"""The one table that decides which model a verb takes: model, verb, measured error, cost.

Command line, Python, studio and server take `DEFAULTS`, which follows from `MEASURED`: the model with the least error.
How each figure was measured: docs/results.md. A new model is a new row; nothing else decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from kinema.core.constants import Verb
from kinema.pipeline.requests import ForecastRequest, Request

AUTO = "auto"
Question = Verb | Literal["futures"]


@dataclass(frozen=True)
class Candidate:
    """A model's error on a question, in the question's unit, and the processor time of one answer in milliseconds
    (None: not measured)."""

    model: str
    error: float
    cost: float | None = None


@dataclass(frozen=True)
class Comparison:
    """The models that were measured on a question. `what` is measured, in `unit`; less is better."""

    what: str
    unit: str
    rows: tuple[Candidate, ...]

    @property
    def best(self) -> Candidate:
        """The row with the least error; of equal ones the first."""
        return min(self.rows, key=lambda row: row.error)


@dataclass(frozen=True)
class DefaultModel:
    """The model, and the measurement behind the choice."""

    model: str
    why: str


MEASURED: Mapping[Question, Comparison] = {
    "forecast": Comparison(
        "mean joint error 0.4 s ahead on recordings of another body (HDM05 test)",
        "mm",
        (
            Candidate("simlpe-cmu", 90.7, 31),
            Candidate("zero-velocity", 102.6, 19),
            Candidate("smrnet", 159.7, 43),
            Candidate("conv-seq2seq-cmu", 169.0, 180),
        ),
    ),
    "futures": Comparison(
        "error of the nearest of ten futures over 1.6 s; it alone uses --hold and --end",
        "mm",
        (Candidate("smrnet", 138, 33), Candidate("zero-velocity", 190, 22)),
    ),
    "inbetween": Comparison(
        "L2P of a gap of a second with one frame known after it (CMU test); auto takes the best for each gap",
        "",
        (
            Candidate(AUTO, 1.433, 31),
            Candidate("render-in-between", 1.433, 31),
            Candidate("pchip", 2.432),
            Candidate("cubic", 2.514),
            Candidate("linear", 2.553),
        ),
    ),
    "upsample": Comparison(
        "error on the frames between clean keys 8 frames apart, where the best curve has 14.4; auto takes the best for "
        "each distance",
        "mm",
        (Candidate(AUTO, 11.8), Candidate("render-in-between", 11.8)),
    ),
    "repair": Comparison(
        "error on the frames between noisy keys 8 frames apart, where the best classical method has 55.3; auto takes "
        "the best for each gap",
        "mm",
        (Candidate(AUTO, 44.8), Candidate("render-in-between-noisy", 44.8)),
    ),
    "generate": Comparison(
        "Frechet distance to real clips of nineteen actions",
        "",
        (Candidate("posegpt", 0.57), Candidate("action-gan", 0.97)),
    ),
}
"""What was measured on each verb; "futures" is `forecast` with several samples or with constraints."""


def _chosen(table: Comparison) -> DefaultModel:
    best = table.best
    unit = f" {table.unit}" if table.unit else ""
    others = ", ".join(f"{row.model} {row.error:g}" for row in table.rows if row is not best)
    return DefaultModel(best.model, f"{table.what}: {best.model} {best.error:g}{unit}, {others}")


DEFAULTS: Mapping[Question, DefaultModel] = {question: _chosen(table) for question, table in MEASURED.items()}
"""The model of each verb, and the reason as a sentence."""


def default_model(request: Request, *, end: bool = False) -> str:
    """The default model for a request; `end`: a forecast has a given last pose."""
    futures = isinstance(request, ForecastRequest) and (request.samples > 1 or bool(request.hold) or end)
    return DEFAULTS["futures" if futures else request.verb].model
