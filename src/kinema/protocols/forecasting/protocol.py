"""The base of the forecasting protocols: cut windows out of test recordings, forecast once, take two errors."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.metrics.joint_errors import benchmark_euler, euler_error, mpjpe
from kinema.motion.edit import root_free
from kinema.motion.motion import Motion, Points
from kinema.protocols.base import Protocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.tables import Row

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


def cut(clip: Motion, starts: Sequence[int], observed: int, predicted: int) -> Iterator[ForecastWindows]:
    """The windows of a file that begin at `starts`, a chunk at a time."""
    angles, positions = benchmark_euler(clip.rotations), root_free(clip).points().positions
    span = torch.arange(observed + predicted)
    for some in torch.tensor(list(starts)).split(_CHUNK):
        index = some[:, None] + span
        yield ForecastWindows(clip[index], angles[index], positions[index], observed, tuple(some.tolist()))


def answered(pipeline: Evaluated, windows: ForecastWindows) -> tuple[Motion | None, Points | None]:
    """The forecasts of windows: rotations (None: not supported) and positions, without the root."""
    predicted = windows.clips.frames - windows.observed
    rotated: Motion | None = None
    points: Points | None = None
    if "rotations" in pipeline.spaces:
        answer = pipeline.forecast_windows(windows.past, predicted, "rotations")
        assert isinstance(answer, Motion), f"{pipeline.name} returned positions instead of rotations"
        rotated = answer
        points = None if "positions" in pipeline.spaces else root_free(rotated).points()
    if "positions" in pipeline.spaces:
        points = pipeline.forecast_windows(windows.past, predicted, "positions").points()
    return rotated, points


def errors_of(
    pipeline: Evaluated,
    windows: ForecastWindows,
    *,
    unit_mm: float,
    unscored_rotations: Sequence[int] = (),
    unscored_positions: Sequence[int] = (),
) -> dict[str, Float[Tensor, "window frame"]]:
    """Errors by metric: "euler_rad" for rotations, "mpjpe_mm" with `unit_mm` millimetres to a metre."""
    rotated, points = answered(pipeline, windows)
    errors: dict[str, Tensor] = {}
    if rotated is not None:
        scored = _all_but(windows.clips, unscored_rotations)
        errors["euler_rad"] = euler_error(benchmark_euler(rotated.rotations), windows.angles, scored)
    if points is not None:
        scored = _all_but(windows.clips, unscored_positions)
        errors["mpjpe_mm"] = mpjpe(points.positions, windows.positions[:, windows.observed :], scored) * unit_mm
    return errors


def _all_but(clip: Motion, unscored: Sequence[int]) -> list[int]:
    return [joint for joint in range(len(clip.skeleton)) if joint not in unscored]


class ForecastingProtocol(Protocol):
    """A protocol of one forecast for each window."""

    verb = "forecast"
    beside = ("zero-velocity", "running-average-2", "running-average-4")

    @abstractmethod
    def cuts(self, data: Data, windows: str) -> Iterator[tuple[str, ForecastWindows]]:
        """Action and windows of all test files, a chunk at a time. `windows` is the choice ("8", "all")."""


def rows_at(
    frames: Sequence[int],
    pipeline: Evaluated,
    chunks: Iterable[ForecastWindows],
    *,
    unit_mm: float,
    unscored_rotations: Sequence[int] = (),
    unscored_positions: Sequence[int] = (),
) -> dict[str, Row]:
    """For each metric the mean error over windows at predicted frames, counted from 1."""
    found: dict[str, list[Tensor]] = {}
    for some in chunks:
        errors = errors_of(
            pipeline,
            some,
            unit_mm=unit_mm,
            unscored_rotations=unscored_rotations,
            unscored_positions=unscored_positions,
        )
        for metric, error in errors.items():
            found.setdefault(metric, []).append(error)
    horizons = [frame - 1 for frame in frames]
    return {metric: tuple(torch.cat(errors).mean(0)[horizons].tolist()) for metric, errors in found.items()}
