"""The base of the forecasting protocols: cut windows out of test recordings, forecast once, take two errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.metrics.joint_errors import benchmark_euler, euler_error, mpjpe
from kinema.motion.edit import root_free
from kinema.motion.motion import Motion, Points
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import find_leak
from kinema.protocols.published import LABELS_MS
from kinema.protocols.report import Report
from kinema.protocols.tables import Horizons, Published, Row, horizon_report

HORIZON_FRAMES = (2, 4, 8, 10, 14, 25)  # counted from 1: the frames that papers call 80, 160, 320, 400, 560, 1000 ms
PREDICTED = 25
SEED = 1234567890  # of the drawn windows
_CHUNK = 256  # windows at a time: about 15 MB of rotations


def every_second_row(clip: Motion) -> Motion:
    """The benchmarks' decimation: frames 0, 2, 4 ... unchanged, at half the rate."""
    return replace(clip[torch.arange(0, clip.frames, 2)], fps=clip.fps / 2)


@dataclass(frozen=True)
class ForecastWindows:
    """Windows of one file: the clips (batch shape (window,)), and their ground truth without the root.

    `starts` are their first frames in the file, `observed` the number of observed frames.
    """

    clips: Motion
    angles: Float[Tensor, "window frame joint 3"]
    positions: Float[Tensor, "window frame joint 3"]
    observed: int
    starts: tuple[int, ...]

    @property
    def past(self) -> Motion:
        """The observed frames."""
        return self.clips[: self.observed]


def cut(clip: Motion, starts: Sequence[int], observed: int) -> Iterator[ForecastWindows]:
    """The windows of a file that begin at `starts`, a chunk at a time."""
    angles, positions = benchmark_euler(clip.rotations), root_free(clip).points().positions
    span = torch.arange(observed + PREDICTED)
    for some in torch.tensor(list(starts)).split(_CHUNK):
        index = some[:, None] + span
        yield ForecastWindows(clip[index], angles[index], positions[index], observed, tuple(some.tolist()))


def answered(pipeline: Evaluated, windows: ForecastWindows) -> tuple[Motion | None, Points | None]:
    """The forecasts of windows: rotations (None: not supported) and positions, without the root."""
    rotated: Motion | None = None
    points: Points | None = None
    if "rotations" in pipeline.spaces:
        answer = pipeline.forecast_windows(windows.past, PREDICTED, "rotations")
        assert isinstance(answer, Motion), f"{pipeline.name} returned positions instead of rotations"
        rotated = answer
        points = None if "positions" in pipeline.spaces else root_free(rotated).points()
    if "positions" in pipeline.spaces:
        points = pipeline.forecast_windows(windows.past, PREDICTED, "positions").points()
    return rotated, points


@dataclass(frozen=True)
class ForecastingProtocol(Protocol):
    """A protocol of one forecast for each window of test recordings.

    A unit of the skeleton's file (`unit` metres) counts as `unit_mm`; the two metrics leave out the joints
    `unscored_positions` and `unscored_rotations`. `observed` are the choices of windows, with their observed frames.
    """

    name: str
    what: str
    unit_mm: float = 1000.0
    unscored_positions: tuple[int, ...] = ()
    unscored_rotations: tuple[int, ...] = ()
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()

    verb = "forecast"
    beside = ("zero-velocity", "running-average-2", "running-average-4")
    unit: ClassVar[float] = 1.0
    actions: ClassVar[tuple[str, ...]]
    true_ms: ClassVar[tuple[int, ...]] = LABELS_MS
    observed: ClassVar[Mapping[str, int]]

    @abstractmethod
    def tests(self, data: Data) -> Iterator[tuple[str, tuple[Motion, ...]]]:
        """Each action with its test recordings, at the protocol's rate."""

    @abstractmethod
    def starts(self, clips: Sequence[Motion], windows: str) -> Sequence[Sequence[int]]:
        """First frames of the windows of each recording of an action. Raises KinemaError if one is too short."""

    @abstractmethod
    def context(
        self, tests: Sequence[str], missing: Sequence[str], data: Data
    ) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """The actions of each mean (see `horizon_report`), and notes on the data."""

    def apart(self, data: Data) -> Iterable[str]:
        """Unidentified recordings that differ from the test ones (see `find_leak`)."""
        del data
        return ()

    def windows_of(self, clips: Sequence[Motion], windows: str) -> Iterator[ForecastWindows]:
        """The windows of an action, a chunk at a time."""
        for clip, starts in zip(clips, self.starts(clips, windows), strict=True):
            yield from cut(clip, starts, self.observed[windows])

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Actions without a recording are left out, and named in the report."""
        return _report(self, [pipeline, *(other for other in beside if other.name != pipeline.name)], data)


def _report(protocol: ForecastingProtocol, pipelines: Sequence[Evaluated], data: Data) -> Report:
    errors: dict[str, dict[str, dict[str, dict[str, Row]]]] = {one.name: {} for one in pipelines}
    tests: dict[str, list[str]] = {}
    for action, clips in protocol.tests(data):
        tests[action] = [clip.identity for clip in clips]
        for windows, one in product(protocol.observed, pipelines):
            for metric, row in _mean_errors(protocol, one, protocol.windows_of(clips, windows)).items():
                errors[one.name].setdefault(windows, {}).setdefault(metric, {})[action] = row
    trained_on = pipelines[0].trained_on
    missing = tuple(action for action in protocol.actions if action not in tests)
    means, data_notes = protocol.context(tuple(tests), missing, data)
    notes = (*data_notes, *protocol.notes, *_published_notes(protocol.published))
    if "rotations" not in pipelines[0].spaces:
        notes += (f"{pipelines[0].name} predicts positions, so there is no Euler error.",)
    return horizon_report(
        protocol.name,
        pipelines[0].name,
        Horizons(LABELS_MS, protocol.true_ms),
        errors,
        means,
        missing_actions=missing,
        published=protocol.published,
        leak=find_leak(
            trained_on,
            [(action, clip) for action, clips in tests.items() for clip in clips],
            protocol.apart(data) if trained_on else (),
        ),
        notes=notes,
    )


def _mean_errors(
    protocol: ForecastingProtocol, pipeline: Evaluated, chunks: Iterable[ForecastWindows]
) -> dict[str, Row]:
    """For each metric that the pipeline supports the mean error over windows at the horizons."""
    found: dict[str, list[Tensor]] = {}
    for some in chunks:
        rotated, points = answered(pipeline, some)
        if rotated is not None:
            scored = _all_but(some.clips, protocol.unscored_rotations)
            error = euler_error(benchmark_euler(rotated.rotations), some.angles, scored)
            found.setdefault("euler_rad", []).append(error)
        if points is not None:
            scored = _all_but(some.clips, protocol.unscored_positions)
            error = mpjpe(points.positions, some.positions[:, some.observed :], scored)
            found.setdefault("mpjpe_mm", []).append(error * (protocol.unit_mm / protocol.unit))
    horizons = [frame - 1 for frame in HORIZON_FRAMES]
    return {metric: tuple(torch.cat(errors).mean(0)[horizons].tolist()) for metric, errors in found.items()}


def _all_but(clip: Motion, unscored: Sequence[int]) -> list[int]:
    return [joint for joint in range(len(clip.skeleton)) if joint not in unscored]


def _published_notes(published: Sequence[Published]) -> tuple[str, ...]:
    """The notes on published rows, each once, with its rows."""
    about: dict[str, list[str]] = {}
    for row in published:
        if row.note:
            about.setdefault(row.note, []).append(f"{row.label} ({row.windows})")
    return tuple(f"{', '.join(dict.fromkeys(labels))}: {note}." for note, labels in about.items())
