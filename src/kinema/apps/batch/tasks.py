"""What the verbs do to one file, as `Work`: the command line does it to a single file, and jobs to many.

Converting, which needs no model, is in `kinema.apps.batch.converting`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kinema.apps.batch.converting import said_of
from kinema.apps.batch.jobs import Do, Made, Piece
from kinema.core.errors import UsageError
from kinema.io import formats as files
from kinema.motion.retargeting.joint_map import named_by
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.clip_files import ClipFile, key_frames, open_source
from kinema.pipeline.completion import METHODS, Completed, Keys, complete
from kinema.pipeline.forecasting import Answer
from kinema.pipeline.open import load_adapter, model_identity
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.repair import repair


@dataclass(frozen=True)
class Forecasting:
    """Say what comes after the clip of a file; see `kinema forecast` for the fields."""

    model: str
    seconds: float | None = None
    samples: int = 1
    seed: int = 0
    append: bool = False
    hold: tuple[str, ...] = ()
    end: Path | None = None
    unit: float | None = None
    joint_map: Path | None = None

    def stamp(self) -> Mapping[str, Any]:
        """All but the file. Raises KinemaError where there is no such model, or the last pose cannot be read."""
        if self.end is not None:
            files.load(self.end, unit=self.unit)
        return _said(self, "forecast", self.model)

    def open(self) -> Do:
        """Load the model; then a future, or several, for every file."""
        pipeline = open_pipeline(self.model)
        end = None if self.end is None else files.load(self.end, unit=self.unit)

        def do(piece: Piece) -> Made:
            clip = named_by(files.load(piece.source, unit=self.unit), self.joint_map)
            answer = pipeline.forecast(
                clip, seconds=self.seconds, samples=self.samples, seed=self.seed, hold=self.hold, end=end
            )
            ahead = answer.samples
            told = {"model": pipeline.name, "frames": ahead.frames, "fps": ahead.fps, "notes": list(answer.notes)}
            return Made(self._write(answer, piece.target), told)

        return do

    def _write(self, answer: Answer, out: Path) -> tuple[Path, ...]:
        if self.samples == 1 or out.suffix == ".npz":
            one = answer.samples.one(0) if self.samples == 1 else answer.samples
            files.save(answer.whole() if self.append else one, out)
            return (out,)
        paths = tuple(out.with_name(f"{out.stem}-{index + 1}{out.suffix}") for index in range(self.samples))
        for index, path in enumerate(paths):
            files.save(answer.whole(index) if self.append else answer.samples.one(index), path)
        return paths


@dataclass(frozen=True)
class Upsampling:
    """Say what happens between the frames of a file; see `kinema upsample` for the fields."""

    rate: float | None = None
    fps: float | None = None
    keys: Keys | None = None
    method: str = "auto"
    seed: int = 0
    source_fps: float | None = None
    unit: float | None = None
    person: str | None = None
    joint_map: Path | None = None

    def stamp(self) -> Mapping[str, Any]:
        """All but the file. Raises UsageError where rate or fps is missing, or both are said; for an unknown method."""
        _one_of(self.rate, self.fps)
        return _said(self, "upsample", self.method)

    def open(self) -> Do:
        """Load the model, if one is asked for."""
        method = _method(self.method)

        def do(piece: Piece) -> Made:
            source = self.source(piece.source)
            return _written(source, self.done(source, method), piece.target)

        return do

    def source(self, file: Path) -> ClipFile:
        """The file, read."""
        return open_source(file, fps=self.source_fps, unit=self.unit, person=self.person, joint_map=self.joint_map)

    def done(self, source: ClipFile, method: str | Adapter | None = None) -> dict[str, Completed]:
        """Every clip of a file at its new rate. Raises UsageError where that is not above the file's."""
        target, keys = self._target(source.fps), self.keys or source.keys
        return {
            who: complete(clip, fps=target, keys=keys, method=method or self.method, seed=self.seed)
            for who, clip in source.clips.items()
        }

    def _target(self, here: float) -> float:
        _one_of(self.rate, self.fps)
        rate, fps = self.rate, self.fps
        wanted = rate if rate is not None else (fps or 0.0) / here
        if not (math.isfinite(wanted) and wanted > 0 and wanted >= 1 - 1e-4):
            raise UsageError(
                expected=f"a rate of 1 or more, or at least {here:g} frames per second",
                got=f"--rate {rate:g}" if rate is not None else f"--fps {fps:g}",
                cure="To thin a clip out use `kinema convert IN OUT --fps`.",
            )
        return fps if fps is not None else here * wanted


@dataclass(frozen=True)
class Repairing:
    """Mend the clip of a file; see `kinema repair` for the fields."""

    frames: str | None = None
    strength: float = 1.0
    keys: Keys = "exact"
    method: str = "auto"
    seed: int = 0
    source_fps: float | None = None
    unit: float | None = None
    person: str | None = None
    joint_map: Path | None = None

    def stamp(self) -> Mapping[str, Any]:
        """All but the file. Raises UsageError where no method is so called."""
        return _said(self, "repair", self.method)

    def open(self) -> Do:
        """Load the model, if one is asked for."""
        method = _method(self.method)

        def do(piece: Piece) -> Made:
            source = self.source(piece.source)
            done, found = self.done(source, method)
            made = _written(source, done, piece.target)
            return Made(made.files, {**made.facts, "found": found})

        return do

    def source(self, file: Path) -> ClipFile:
        """The file, read."""
        return open_source(file, fps=self.source_fps, unit=self.unit, person=self.person, joint_map=self.joint_map)

    def done(
        self, source: ClipFile, method: str | Adapter | None = None
    ) -> tuple[dict[str, Completed], dict[str, dict[str, int]]]:
        """Every clip of a file, mended; and how many frames looked damaged, by person and kind."""
        done: dict[str, Completed] = {}
        found: dict[str, dict[str, int]] = {}
        for who, clip in source.clips.items():
            bad = None if self.frames is None else key_frames(clip.frames, self.frames, None)
            done[who], kinds = repair(
                clip,
                bad=bad,
                strength=self.strength,
                keys=self.keys,
                method=method or self.method,
                seed=self.seed,
            )
            if bad is None:
                found[who] = kinds
        return done, found


def pages(done: Mapping[str, Completed]) -> dict[str, Any]:
    """The reports on a file's clips as JSON data: one by itself, or those of people by track id."""
    told = {who or "clip": each.report.to_json() for who, each in done.items()}
    return next(iter(told.values())) if list(done) == [""] else {"people": told}


def _written(source: ClipFile, done: Mapping[str, Completed], target: Path) -> Made:
    source.write(done, target)
    return Made((target,), pages(done))


def _method(name: str) -> str | Adapter:
    return name if name in METHODS else load_adapter(name)


def _one_of(rate: float | None, fps: float | None) -> None:
    if (rate is None) == (fps is None):
        raise UsageError(
            expected="--rate or --fps, one of them",
            got="neither" if rate is None else "both",
            cure="Say --rate 8 for eight times as many frames.",
        )


def _said(work: Any, verb: str, model: str) -> dict[str, Any]:
    """A work's fields as JSON data, with what its model holds rather than what it is called."""
    said = said_of(work, verb)
    return said if model in METHODS else {**said, "weights": model_identity(model)}
