"""What a model offers, it answers: every shipped model, baseline and curve tries every verb."""

from __future__ import annotations

import warnings

import pytest

from kinema.core.constants import VERBS, Verb
from kinema.core.errors import KinemaError
from kinema.data.synthetic import perform
from kinema.models.baselines import BASELINES
from kinema.motion.motion import Clip, Points
from kinema.pipeline.open import METHODS, shipped_models
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    UpsampleRequest,
)

WALK = perform("walk", seconds=1.0, fps=30.0, seed=0)
SPACE = WALK.points()
PICTURE = Points(SPACE.skeleton, 200 * SPACE.positions[..., :2] + 500, SPACE.fps)
CLIPS: dict[str, Clip] = {"motion": WALK, "points": SPACE, "picture": PICTURE}
MODELS = tuple(dict.fromkeys((*shipped_models(), *BASELINES, *METHODS)))


def request_of(verb: Verb, model: Pipeline) -> Request:
    match verb:
        case "forecast":
            return ForecastRequest(0.2)
        case "inbetween":
            return InbetweenRequest(every=10)
        case "upsample":
            return UpsampleRequest(2)
        case "repair":
            return RepairRequest(frames=(10, 11, 12))
        case "generate":
            return GenerateRequest(next(iter(model.actions), "walk"), seconds=0.5)


@pytest.mark.parametrize("name", MODELS)
def test_every_verb_gives_an_answer_or_one_line(name: str) -> None:
    """An offered verb answers at least one kind of clip; anything else ends in an error of one line."""
    model, told = open_pipeline(name), list[str]()
    for verb in VERBS:
        request, answered = request_of(verb, model), 0
        for clip in [None] if verb == "generate" else CLIPS.values():
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    answer = model.ask(request) if clip is None else model.ask(request, clip)  # type: ignore[call-overload]
                answered += answer is not None
            except KinemaError as error:
                told.append(str(error))
        assert answered or verb not in model.verbs, f"{name} offers {verb} and does not answer it"
    assert not [line for line in told if "\n" in line]
