"""`Desk`: what the studio does, without a page: open an upload, run a model, pack the answer as a file.

It keeps nothing about a page, so that pages can share it. Slow imports wait until they are needed.
"""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from kinema.core.constants import VERBS, Verb
from kinema.core.errors import KinemaWarning, UsageError, unknown_name
from kinema.pipeline.defaults import AUTO, DEFAULTS

if TYPE_CHECKING:
    from kinema.apps.studio.answers import Question, Reply
    from kinema.motion.motion import Clip
    from kinema.pipeline.pipeline import Pipeline

KINDS: tuple[str, ...] = ("bvh", "glb", "npz")
"""The formats of a saved answer."""
MEGABYTE = 1_000_000


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
            return self._load(path, fps)

    def open_file(self, path: Path, *, fps: float | None = None) -> Upload:
        """A motion file of this machine. Raises what its reader raises."""
        return self._load(path, fps)

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
        from kinema.pipeline import pipeline as api

        with self._lock:
            if name not in self._opened:
                self._opened[name] = api.open(name)
            return self._opened[name]

    def ask(self, question: Question, upload: Upload | None) -> Reply:
        """The answer to a question. Raises KinemaError; see `answers.answer`."""
        from kinema.apps.studio import answers

        begun = time.perf_counter()
        return answers.answer(self.open(question.model), question, upload).timed(time.perf_counter() - begun)

    def pack(self, reply: Reply, kind: str, *, sample: int = 0, whole: bool = False) -> tuple[str, bytes]:
        """A file's name and content: one sample as BVH or GLB, all as NPZ; `whole`: after the known motion.

        Raises UsageError for another format or sample, and for an answer that the format cannot hold.
        """
        if kind not in KINDS:
            raise unknown_name("kind of file", kind, KINDS)
        from kinema.io.formats import save

        clip = reply.packed(sample, together=kind == "npz", whole=whole, turned=kind != "npz")
        stem = reply.stem if kind == "npz" or reply.count == 1 else f"{reply.stem}-{sample + 1}"
        with TemporaryDirectory(prefix="kinema-studio-") as folder:
            path = Path(folder) / f"{stem}.{kind}"
            save(clip, path)
            return path.name, path.read_bytes()

    def _names(self) -> tuple[str, ...]:
        from kinema.models.baselines import BASELINES
        from kinema.pipeline.open import METHODS, shipped_models

        return tuple(dict.fromkeys((*map(str, self.models), "auto", *shipped_models(), *BASELINES, *METHODS)))

    def _load(self, path: Path, fps: float | None) -> Upload:
        from kinema.io.formats import load_clip

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
