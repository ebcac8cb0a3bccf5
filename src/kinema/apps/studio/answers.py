"""A question of the page, and its answer as layers to show and clips to save."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import PurePath

from kinema.apps.studio.desk import Upload
from kinema.core.errors import UsageError
from kinema.motion.motion import Clip, Motion, concatenate
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.requests import (
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    UpsampleRequest,
)
from kinema.viz.layers import Layer, Panel


@dataclass(frozen=True)
class Question:
    """A request of a page to a model about the open clip.

    `known`: how many seconds of the clip a forecast observes (0: all). `temperature`: for generation.
    """

    model: str
    request: Request
    known: float = 0.0
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Reply:
    """An answer: the panel to show, the clips of batch shape (sample,), and the motion before them."""

    question: Question
    stem: str
    panel: Panel
    clips: Clip
    before: Motion | None = None
    notes: tuple[str, ...] = ()
    took: float = 0.0

    @property
    def count(self) -> int:
        """The number of samples."""
        return self.clips.batch_shape.numel()

    def timed(self, took: float) -> Reply:
        """The same reply with its seconds of work."""
        return replace(self, took=took)

    def packed(self, sample: int, *, together: bool, whole: bool, turned: bool) -> Clip:
        """One clip, or all `together`; `whole`: after the known motion; `turned`: as joint rotations.

        Raises UsageError for a sample that does not exist, and for flat points that need rotations.
        """
        if not 0 <= sample < self.count:
            raise UsageError(expected=f"a sample from 1 to {self.count}", got=str(sample + 1), cure="Choose sample 1.")
        clip: Clip = self.clips if together else self.clips.one(sample)
        if turned and not isinstance(clip, Motion):
            clip = fit_rotations(clip, clip.skeleton)
        if whole and self.before is not None and isinstance(clip, Motion):
            clip = concatenate(self.before.expand(*clip.batch_shape), clip)
        return clip


def answer(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    """The answer to a question. Raises UsageError if the verb needs a motion and there is none, and what it raises."""
    request = question.request
    if isinstance(request, GenerateRequest):
        reply = _generate(model, question, request)
    elif upload is None:
        raise UsageError(expected=f"a motion to {request.verb}", got="none", cure="Press Open a file first.")
    elif isinstance(request, ForecastRequest):
        reply = _forecast(model, question, request, upload)
    else:
        reply = _completed(model, question, request, upload)
    for layer in reply.panel.layers:
        _ = layer.bodies, layer.figure  # computed here, not in the thread that draws
    return reply


def _forecast(model: Pipeline, question: Question, request: ForecastRequest, upload: Upload) -> Reply:
    whole = upload.clip
    frames = whole.frames if question.known <= 0 else round(question.known * whole.fps)
    past = whole[: min(max(frames, 1), whole.frames)]
    found = model.ask(request, past)
    now = past.frames / whole.fps
    layers = [Layer("known", past.points(), "observed")]
    if past.frames < whole.frames:
        after = whole[past.frames : min(whole.frames, past.frames + found.samples.frames)]
        layers.append(Layer("ground truth", after.points(), "truth", now))
    return Reply(
        question,
        _stem(upload, "forecast"),
        Panel("forecast", (*layers, *_samples(found.samples, now)), boundary=now),
        found.samples,
        found.observed,
        found.notes,
    )


def _generate(model: Pipeline, question: Question, request: GenerateRequest) -> Reply:
    if not request.action:
        request = replace(request, action=next(iter(model.actions), None))
    clips = _tempered(model, question.temperature).ask(request)
    return Reply(question, str(request.action), Panel("generate", _samples(clips, 0.0)), clips)


_WORDS = {"inbetween": "inbetween", "upsample": "upsampled", "repair": "repaired"}


def _completed(
    model: Pipeline, question: Question, request: InbetweenRequest | UpsampleRequest | RepairRequest, upload: Upload
) -> Reply:
    done = model.ask(request, upload.clip)
    notes = done.report.lines()
    if isinstance(request, InbetweenRequest):
        notes.insert(0, f"{len(request.keys_of(upload.clip.frames))} of {upload.clip.frames} frames were known")
    clips = done.motion if done.motion.batch_shape else done.motion.expand(1)
    given = Layer("original", upload.clip.points(), "truth")
    panel = Panel(request.verb, (given, *_samples(clips, 0.0)))
    return Reply(question, _stem(upload, _WORDS[request.verb]), panel, clips, notes=tuple(notes))


def _samples(clips: Clip, start: float) -> tuple[Layer, ...]:
    """A layer for each sample, so that each can have its own place."""
    points = clips.points()
    return tuple(
        Layer(f"sample {place + 1}", points.one(place), "forecast", start) for place in range(clips.batch_shape.numel())
    )


def _tempered(model: Pipeline, temperature: float) -> Pipeline:
    """The same model at another temperature; the weights are shared."""
    if model.adapter is None or temperature == 1 or not model.adapter.model.has_temperature:
        return model
    tempered = model.adapter.model.at_temperature(temperature)
    return replace(model, adapter=replace(model.adapter, model=tempered))


def tempers(model: Pipeline) -> bool:
    """Whether a model uses a temperature."""
    return model.adapter is not None and model.adapter.model.has_temperature


def _stem(upload: Upload, word: str) -> str:
    return f"{PurePath(upload.name).stem}.{word}"
