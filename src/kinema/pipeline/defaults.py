"""The default model of each verb. The scores are those of docs/results.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kinema.core.constants import Verb
from kinema.pipeline.requests import ForecastRequest, Request

AUTO = "auto"
_BY_GAP = "each gap gets the curve or model with the smallest measured error on such gaps (docs/inbetween.md)"


@dataclass(frozen=True)
class DefaultModel:
    """The model, and the measurement behind the choice."""

    model: str
    why: str


DEFAULTS: dict[Verb | Literal["futures"], DefaultModel] = {
    "forecast": DefaultModel(
        "simlpe-cmu",
        "mean joint error at 100, 200 and 400 ms on procedural motion 26, 47 and 84 mm: conv-seq2seq-cmu 47, 74 and "
        "109, zero velocity 49, 79 and 124; over 1.6 s the first future of smrnet errs by 181 mm, zero velocity by 190 "
        "(one seed each)",
    ),
    "futures": DefaultModel(
        "smrnet",
        "several samples, --hold or --end: only smrnet gives futures that differ and uses constraints; the nearest of "
        "ten errs by 143 mm over 1.6 s, zero velocity by 190 (one seed)",
    ),
    "inbetween": DefaultModel(AUTO, _BY_GAP),
    "upsample": DefaultModel(AUTO, _BY_GAP),
    "repair": DefaultModel(AUTO, _BY_GAP),
    "generate": DefaultModel(
        "posegpt",
        "99.6 % of clips recognised and FID 0.32: action-gan 95.6 % and 0.97 (20 repetitions, one training each); "
        "action-gan shakes less, its jerk is 1.27 times the real one, that of posegpt 1.75",
    ),
}
"""The model of each verb; "futures" is `forecast` with several samples or with constraints."""


def default_model(request: Request, *, end: bool = False) -> str:
    """The default model for a request; `end`: a forecast has a given last pose."""
    futures = isinstance(request, ForecastRequest) and (request.samples > 1 or bool(request.hold) or end)
    return DEFAULTS["futures" if futures else request.verb].model
