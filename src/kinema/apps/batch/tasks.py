"""Work with a model on one file: the command line does it on a single file, a job on many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kinema.apps.batch.converting import facts_of
from kinema.apps.batch.jobs import Do, Made, Piece
from kinema.io import formats as files
from kinema.pipeline.clip_files import ClipFile, open_source
from kinema.pipeline.completion.complete import Completed
from kinema.pipeline.defaults import AUTO, default_model
from kinema.pipeline.forecasting import Answer
from kinema.pipeline.open import model_identity
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.requests import ConstraintOptions, FileOptions, ForecastRequest, RepairRequest, UpsampleRequest


@dataclass(frozen=True)
class Forecasting:
    """Forecast the clip of a file. Futures end in the last pose of the file `end`; `append`: write the clip first."""

    request: ForecastRequest = field(default_factory=ForecastRequest)
    model: str = AUTO
    files: FileOptions = field(default_factory=FileOptions)
    end: Path | None = None
    append: bool = False
    constraints: ConstraintOptions = field(default_factory=ConstraintOptions)

    def stamp(self) -> Mapping[str, Any]:
        """The options as JSON data. Raises KinemaError for an unknown model or an unreadable `end`."""
        if self.end is not None:
            files.load(self.end, unit=self.files.unit, up=self.files.up)
        return _facts(self, self._model)

    def open(self) -> Do:
        """Load the model; the function writes one or several futures of a file."""
        pipeline = open_pipeline(self._model)
        end = None if self.end is None else files.load(self.end, unit=self.files.unit, up=self.files.up)
        constraints = self.constraints.read(self.files.unit)

        def do(piece: Piece) -> Made:
            source = open_source(piece.source, self.files)
            answer = pipeline.ask(self.request, source.only, end, constraints=constraints)
            ahead = answer.samples
            facts: dict[str, Any] = {
                "model": pipeline.name,
                "frames": ahead.frames,
                "fps": ahead.fps,
                "notes": list(answer.notes),
            }
            if constraints:
                facts["constraints"] = [each.to_json() for each in answer.residuals]
            return Made(self._write(answer, piece.target), facts)

        return do

    @property
    def _model(self) -> str:
        return default_model(self.request, end=self.end is not None) if self.model == AUTO else self.model

    def _write(self, answer: Answer, out: Path) -> tuple[Path, ...]:
        if self.request.samples == 1 or out.suffix == ".npz":
            one = answer.samples.one(0) if self.request.samples == 1 else answer.samples
            files.save(answer.whole() if self.append else one, out)
            return (out,)
        paths = numbered(out, self.request.samples)
        for index, path in enumerate(paths):
            files.save(answer.whole(index) if self.append else answer.samples.one(index), path)
        return paths


@dataclass(frozen=True)
class Completing:
    """Upsample or repair the clips of a file."""

    request: UpsampleRequest | RepairRequest
    model: str = AUTO
    files: FileOptions = field(default_factory=FileOptions)
    constraints: ConstraintOptions = field(default_factory=ConstraintOptions)

    def stamp(self) -> Mapping[str, Any]:
        """The options as JSON data. Raises UsageError for an unknown model."""
        return _facts(self, self.model)

    def open(self) -> Do:
        """Load the model; the function writes the filled clips of a file."""
        pipeline = open_pipeline(self.model)

        def do(piece: Piece) -> Made:
            source = open_source(piece.source, self.files)
            done = self.done(source, pipeline)
            source.write(done, piece.target)
            found = {who: dict(each.damage) for who, each in done.items()}
            searched = isinstance(self.request, RepairRequest) and self.request.frames is None
            return Made((piece.target,), {**pages(done), **({"found": found} if searched else {})})

        return do

    def done(self, source: ClipFile, pipeline: Pipeline) -> dict[str, Completed]:
        """The answer for every clip of a file, by person."""
        request = self.request
        if request.key_mode is None:
            request = replace(request, key_mode=source.keys)
        constraints = self.constraints.read(self.files.unit)
        return {who: pipeline.ask(request, clip, constraints=constraints) for who, clip in source.clips.items()}


def pages(done: Mapping[str, Completed]) -> dict[str, Any]:
    """The reports on a file's clips as JSON data: one report, or one per person by track id."""
    facts = {who or "clip": _page(each) for who, each in done.items()}
    return next(iter(facts.values())) if list(done) == [""] else {"people": facts}


def _page(done: Completed) -> dict[str, Any]:
    left = [each.to_json() for each in done.residuals]
    return {**done.report.to_json(), **({"constraints": left} if left else {})}


def numbered(out: Path, samples: int) -> tuple[Path, ...]:
    """OUT-1.bvh, OUT-2.bvh ...: one path per sample."""
    return tuple(out.with_name(f"{out.stem}-{index + 1}{out.suffix}") for index in range(samples))


def _facts(work: Forecasting | Completing, model: str) -> dict[str, Any]:
    """A work's fields as JSON data, with the identity of its model's weights."""
    parts = (work.request, work.files, work.constraints, work)
    found = {key: value for part in parts for key, value in facts_of(part, work.request.verb).items()}
    return {**found, "model": model, "weights": model_identity(model)}
