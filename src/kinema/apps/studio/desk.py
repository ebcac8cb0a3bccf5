"""What the studio does, without a page: open an upload, answer a question, pack the answer as a file.

`Desk` keeps nothing about a page, so that pages can share it.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from kinema.core.constants import VERBS, Verb
from kinema.core.errors import KinemaWarning, UsageError, unknown_name
from kinema.io.formats import load_clip, save
from kinema.models.baselines import BASELINES
from kinema.motion.constraints.kinds import Constraint
from kinema.motion.constraints.solver import ConstraintResidual
from kinema.motion.motion import Clip, Motion, concatenate
from kinema.motion.retargeting.inverse_kinematics import fit_rotations
from kinema.pipeline.constraints import constrained_clip
from kinema.pipeline.defaults import AUTO, DEFAULTS
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
from kinema.viz.layers import Layer, Panel

KINDS: tuple[str, ...] = ("bvh", "glb", "npz")
"""The formats of a saved answer."""
MEGABYTE = 1_000_000
_WORDS = {"inbetween": "inbetween", "upsample": "upsampled", "repair": "repaired"}


@dataclass(frozen=True, eq=False)
class Upload:
    """A motion that a page has opened: the file's name, the clip, and the reader's warnings."""

    name: str
    clip: Clip
    notes: tuple[str, ...] = ()

    @property
    def facts(self) -> str:
        """One line of facts."""
        clip = self.clip
        size = f"{clip.frames} frames at {clip.fps:.4g} per second, {clip.frames / clip.fps:.2f} s"
        return f"{self.name}: {len(clip.skeleton)} joints, {size}"


class AnswerFrames(NamedTuple):
    """When the frames of an answer are shown: frame 0 at `start` seconds of the page's clock, `fps` a second."""

    start: float
    fps: float
    frames: int

    def frame(self, time: float) -> int:
        """The frame of the answer at a time. Raises UsageError for a time outside the answer."""
        frame = round((time - self.start) * self.fps)
        if not 0 <= frame <= self.frames:
            end = self.start + (self.frames - 1) / self.fps
            raise UsageError(
                expected=f"a time in the answer, {self.start:.2f} to {end:.2f} s",
                got=f"{time:.2f} s",
                cure="Move Time into the answer.",
            )
        return min(frame, self.frames - 1)

    def time(self, frame: int) -> float:
        """When a frame of the answer is shown, seconds."""
        return self.start + frame / self.fps


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


@dataclass(eq=False)
class Desk:
    """The models of the studio: the shipped ones and the run folders `models`. Uploads have at most `largest` bytes."""

    models: Sequence[str | Path] = ()
    largest: int = 64 * MEGABYTE
    _opened: dict[str, Pipeline] = field(default_factory=dict[str, "Pipeline"])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, name: str, content: bytes, *, fps: float | None = None) -> Upload:
        """The motion in an uploaded file; `fps` for a file without a rate.

        Raises UsageError for a file that is too large, and what its reader raises.
        """
        self.check_size(name, len(content))
        name = plain_name(name)
        with TemporaryDirectory(prefix="kinema-studio-") as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            return self.open_file(path, fps=fps)

    def check_size(self, name: str, size: int) -> None:
        """Raises UsageError for an upload that is too large."""
        if size > self.largest:
            raise UsageError(
                expected=f"a file of at most {self.largest / MEGABYTE:g} MB",
                got=f"{plain_name(name)} with {size / MEGABYTE:.1f} MB",
                cure=f"Start the studio with --max-mb {size / MEGABYTE + 1:.0f}.",
            )

    def menu(self, verb: Verb) -> tuple[str, ...]:
        """The models that answer a verb: run folders, the verb's default, what is shipped, baselines and curves."""
        default = DEFAULTS[verb].model
        names = dict.fromkeys((*map(str, self.models), default, *self._names()))
        if default != AUTO:
            names.pop(AUTO)  # it would be the default once more
        return tuple(name for name in names if verb in self.open(name).verbs)

    def verbs(self) -> tuple[Verb, ...]:
        """The verbs that some model answers."""
        return tuple(verb for verb in VERBS if self.menu(verb))

    def open(self, name: str) -> Pipeline:
        """A model of the menu, opened once. Raises UsageError for any other name: a page cannot name folders."""
        if name not in self._names():
            raise unknown_name("model", name, self._names())
        with self._lock:
            if name not in self._opened:
                self._opened[name] = open_pipeline(name)
            return self._opened[name]

    def ask(self, question: Question, upload: Upload | None) -> Reply:
        """The answer to a question. Raises KinemaError; see `answer`."""
        begun = time.perf_counter()
        reply = answer(self.open(question.model), question, upload)
        return replace(reply, took=time.perf_counter() - begun)

    def pack(self, reply: Reply, kind: str, *, sample: int = 0, whole: bool = False) -> tuple[str, bytes]:
        """A file's name and content: one sample as BVH or GLB, all as NPZ; `whole`: after the known motion.

        Raises UsageError for another format or sample, and for an answer that the format cannot hold.
        """
        if kind not in KINDS:
            raise unknown_name("kind of file", kind, KINDS)
        clip = reply.packed(sample, together=kind == "npz", whole=whole, turned=kind != "npz")
        stem = reply.stem if kind == "npz" or reply.count == 1 else f"{reply.stem}-{sample + 1}"
        with TemporaryDirectory(prefix="kinema-studio-") as folder:
            path = Path(folder) / f"{stem}.{kind}"
            save(clip, path)
            return path.name, path.read_bytes()

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*map(str, self.models), "auto", *shipped_models(), *BASELINES, *METHODS)))

    def open_file(self, path: Path, *, fps: float | None = None) -> Upload:
        """A motion file of this machine. Raises what its reader raises."""
        with self._lock, warnings.catch_warnings(record=True) as caught:  # the filters are one for all threads
            warnings.simplefilter("always")
            clip = load_clip(path, fps=fps)
        notes = [str(each.message) for each in caught if issubclass(each.category, KinemaWarning)]
        if clip.batch_shape:
            notes.append(f"the file holds a batch of shape {tuple(clip.batch_shape)}; this is its first clip")
            clip = clip.one(*(0 for _ in clip.batch_shape))
        return Upload(path.name, clip, tuple(notes))


def plain_name(name: str) -> str:
    """The last part of a file name of any system, short and without unprintable characters."""
    last = PurePosixPath(PureWindowsPath(name).as_posix()).name
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in '\\/:*?"<>|')
    return kept[-80:].lstrip(". ") or "upload"


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
    clips, notes = model.at_temperature(question.temperature).ask(request), ()
    if question.constraints:
        clips, residuals = constrained_clip(clips, question.constraints)
        notes = _left(residuals)
    return Reply(question, str(request.action), Panel("generate", _samples(clips, 0.0)), clips, notes=notes)


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


def _stem(upload: Upload, word: str) -> str:
    return f"{PurePath(upload.name).stem}.{word}"
