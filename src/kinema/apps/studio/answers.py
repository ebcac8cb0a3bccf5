"""A question of the page, and its answer as layers to show and clips to save."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from kinema.apps.studio.desk import Upload
from kinema.apps.studio.marks import AnswerFrames
from kinema.core.errors import UsageError
from kinema.motion.constraints.kinds import Constraint
from kinema.motion.constraints.solver import ConstraintResidual
from kinema.motion.motion import Clip, Motion, concatenate
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.pipeline.constraints import constrained_clip
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

    `known`: how many seconds of the clip a forecast observes (0: all). `temperature`: for generation. The answer meets
    `constraints`.
    """

    model: str
    request: Request
    known: float = 0.0
    temperature: float = 1.0
    constraints: tuple[Constraint, ...] = ()


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


def grid_of(model: Pipeline, question: Question, upload: Upload | None) -> AnswerFrames:
    """The frames of the answer that a question will get. Raises UsageError if the verb needs a motion and has none."""
    request = question.request
    if isinstance(request, GenerateRequest):
        seconds = model.trained_seconds if request.seconds is None else request.seconds
        return AnswerFrames(0.0, model.fps, round(seconds * model.fps))
    if upload is None:
        raise UsageError(expected=f"a motion to {request.verb}", got="none", cure="Press Open a file first.")
    clip = upload.clip
    if isinstance(request, ForecastRequest):
        return AnswerFrames(
            _observed(question, clip) / clip.fps, clip.fps, max(1, round((request.seconds or 1.0) * clip.fps))
        )
    if isinstance(request, UpsampleRequest):
        fps = request.target(clip.fps)
        return AnswerFrames(0.0, fps, round((clip.frames - 1) * fps / clip.fps) + 1)
    return AnswerFrames(0.0, clip.fps, clip.frames)


def compared(first: Reply, second: Reply) -> Panel:
    """The panel of two answers, A and B, and of what was given to B."""
    given = [layer for layer in second.panel.layers if layer.role != "forecast"]
    (a, b) = (next(each for each in reply.panel.layers if each.role == "forecast") for reply in (first, second))
    layers = (
        *given,
        Layer("answer A", a.points, "baseline", a.start),
        Layer("answer B", b.points, "forecast", b.start),
    )
    return replace(second.panel, layers=layers)


def _observed(question: Question, clip: Clip) -> int:
    """How many frames of a clip a forecast observes."""
    frames = clip.frames if question.known <= 0 else round(question.known * clip.fps)
    return min(max(frames, 1), clip.frames)


def _left(residuals: Sequence[ConstraintResidual]) -> tuple[str, ...]:
    """What is left of each constraint, in centimetres."""
    return tuple(
        f"{each.constraint}: {100 * each.residual:.2f} cm left; moved by {100 * each.moved:.1f} cm"
        for each in residuals
    )


def _forecast(model: Pipeline, question: Question, request: ForecastRequest, upload: Upload) -> Reply:
    whole = upload.clip
    past = whole[: _observed(question, whole)]
    found = model.ask(request, past, constraints=question.constraints)
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
        (*_left(found.residuals), *found.notes),
    )


def _generate(model: Pipeline, question: Question, request: GenerateRequest) -> Reply:
    if not request.action:
        request = replace(request, action=next(iter(model.actions), None))
    clips, notes = _tempered(model, question.temperature).ask(request), ()
    if question.constraints:
        clips, residuals = constrained_clip(clips, question.constraints)
        notes = _left(residuals)
    return Reply(question, str(request.action), Panel("generate", _samples(clips, 0.0)), clips, notes=notes)


_WORDS = {"inbetween": "inbetween", "upsample": "upsampled", "repair": "repaired"}


def _completed(
    model: Pipeline, question: Question, request: InbetweenRequest | UpsampleRequest | RepairRequest, upload: Upload
) -> Reply:
    done = model.ask(request, upload.clip, constraints=question.constraints)
    notes = [*_left(done.residuals), *done.report.lines()]
    if isinstance(request, InbetweenRequest):
        count = upload.clip.frames
        notes.insert(len(done.residuals), f"{len(request.keys_of(count))} of {count} frames were known")
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
