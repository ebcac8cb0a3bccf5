"""A question of the page, the verb that it becomes, and the answer as layers to look at and clips to take away."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePath

from kinema.apps.studio.upload import Upload, Verb
from kinema.core.errors import UsageError
from kinema.motion.motion import Clip, Motion, concatenate
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.pipeline.completion import Completed
from kinema.pipeline.pipeline import Pipeline
from kinema.viz.layers import Layer, Panel


@dataclass(frozen=True)
class Question:
    """What a page asks. Each verb looks at what means something to it.

    `known` is up to when the clip is known (seconds, forecast; 0: all of it), `every` the seconds between two keys
    (in-between), `rate` how many times as many frames (upsample), `strength` how suspicious (repair), `action` and
    `temperature` are of generation.
    """

    verb: Verb
    model: str
    seconds: float = 1.0
    samples: int = 1
    seed: int = 0
    known: float = 0.0
    every: float = 0.5
    rate: float = 4.0
    strength: float = 1.0
    action: str = ""
    temperature: float = 1.0


@dataclass(frozen=True, eq=False)
class Reply:
    """An answer: what is seen, the answered clips of batch shape (sample,), and what stood before them."""

    question: Question
    stem: str
    panel: Panel
    clips: Clip
    before: Motion | None = None
    notes: tuple[str, ...] = ()
    took: float = 0.0

    @property
    def count(self) -> int:
        """How many samples there are."""
        return self.clips.batch_shape.numel()

    def timed(self, took: float) -> Reply:
        """With the seconds that it took."""
        return replace(self, took=took)

    def packed(self, sample: int, *, together: bool, whole: bool, turned: bool) -> Clip:
        """One clip, or all of them `together`; `whole`: behind the known one; `turned`: as joint rotations.

        Raises UsageError for a sample that there is not, and where flat points would have to be turned.
        """
        if not 0 <= sample < self.count:
            raise UsageError(expected=f"a sample from 1 to {self.count}", got=str(sample + 1), cure="Choose one.")
        clip: Clip = self.clips if together else self.clips.one(sample)
        if turned and not isinstance(clip, Motion):
            clip = fit_rotations(clip, clip.skeleton)
        if whole and self.before is not None and isinstance(clip, Motion):
            clip = concatenate(self.before.expand(*clip.batch_shape), clip)
        return clip


def answer(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    """The answer to a question. Raises UsageError without a motion where one is needed, and what the verb raises."""
    if upload is None and question.verb != "generate":
        raise UsageError(expected=f"a motion to {question.verb}", got="none", cure="Open a file first.")
    reply = _WAYS[question.verb](model, question, upload)
    for layer in reply.panel.layers:
        _ = layer.bodies, layer.figure  # here, in the thread that asked, and not in the one that draws
    return reply


def _forecast(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    whole = _motion(upload)
    frames = whole.frames if question.known <= 0 else round(question.known * whole.fps)
    past = whole[: min(max(frames, 1), whole.frames)]
    found = model.forecast(past, seconds=question.seconds, samples=question.samples, seed=question.seed)
    now = past.frames / whole.fps
    layers = [Layer("known", past.points(), "observed")]
    if past.frames < whole.frames:
        after = whole[past.frames : min(whole.frames, past.frames + found.samples.frames)]
        layers.append(Layer("what happened", after.points(), "truth", now))
    return Reply(
        question,
        _stem(upload, "forecast"),
        Panel("forecast", (*layers, *_samples(found.samples, now)), boundary=now),
        found.samples,
        past,
        found.notes,
    )


def _inbetween(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    whole = _motion(upload)
    step = max(2, round(question.every * whole.fps))
    keys = sorted({*range(0, whole.frames, step), whole.frames - 1})
    done = model.inbetween(whole, keys=keys, samples=question.samples, seed=question.seed)
    return _completed(question, upload, done, "inbetween", f"{len(keys)} of {whole.frames} frames were known")


def _upsample(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    done = model.upsample(_clip(upload), rate=question.rate, seed=question.seed)
    return _completed(question, upload, done, "upsampled")


def _repair(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    done = model.repair(_clip(upload), strength=question.strength, seed=question.seed)
    return _completed(question, upload, done, "repaired")


def _generate(model: Pipeline, question: Question, upload: Upload | None) -> Reply:
    del upload
    clips = _tempered(model, question.temperature).generate(
        question.action or next(iter(model.actions), ""),
        seconds=question.seconds,
        samples=question.samples,
        seed=question.seed,
    )
    return Reply(question, question.action or "generated", Panel("generate", _samples(clips, 0.0)), clips)


_WAYS: Mapping[Verb, Callable[[Pipeline, Question, Upload | None], Reply]] = {
    "forecast": _forecast,
    "inbetween": _inbetween,
    "upsample": _upsample,
    "repair": _repair,
    "generate": _generate,
}


def _completed(question: Question, upload: Upload | None, done: Completed, word: str, *notes: str) -> Reply:
    clips = done.motion if done.motion.batch_shape else done.motion.expand(1)
    given = Layer("as it came", _clip(upload).points(), "truth")
    panel = Panel(question.verb, (given, *_samples(clips, 0.0)))
    return Reply(question, _stem(upload, word), panel, clips, notes=(*notes, *done.report.lines()))


def _samples(clips: Clip, start: float) -> tuple[Layer, ...]:
    """A layer for each sample, so that each can stand in a place of its own."""
    points = clips.points()
    return tuple(
        Layer(f"sample {place + 1}", points.one(place), "forecast", start) for place in range(clips.batch_shape.numel())
    )


def _tempered(model: Pipeline, temperature: float) -> Pipeline:
    """The same model, drawing its codes at another temperature; the weights are shared."""
    if model.adapter is None or temperature == 1 or not model.adapter.model.has_temperature:
        return model
    tempered = model.adapter.model.at_temperature(temperature)
    return replace(model, adapter=replace(model.adapter, model=tempered))


def tempers(model: Pipeline) -> bool:
    """Whether a temperature means something to a model."""
    return model.adapter is not None and model.adapter.model.has_temperature


def _clip(upload: Upload | None) -> Clip:
    assert upload is not None
    return upload.clip


def _motion(upload: Upload | None) -> Motion:
    clip = _clip(upload)
    if not isinstance(clip, Motion):
        raise UsageError(
            expected="joint rotations (BVH, NPZ)",
            got=f"positions only in {upload.name if upload else 'it'}",
            cure="Points can be upsampled and repaired.",
        )
    return clip


def _stem(upload: Upload | None, word: str) -> str:
    return f"{PurePath(upload.name).stem}.{word}" if upload else word
