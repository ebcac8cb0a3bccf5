"""What the forecasting protocols share: cutting windows out of a test recording, and the two errors of a forecast."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.metrics.angles import benchmark_euler, euler_error
from kinema.metrics.displacement import mpjpe
from kinema.motion.edit import root_free
from kinema.motion.motion import Motion, Points
from kinema.protocols.interface import Evaluated

_CHUNK = 256  # windows at a time: about 15 MB of rotations


def every_second_row(clip: Motion) -> Motion:
    """The benchmarks' decimation: frames 0, 2, 4 ... at half the rate, exactly as they are."""
    return replace(clip[torch.arange(0, clip.frames, 2)], fps=clip.fps / 2)


@dataclass(frozen=True)
class ForecastWindows:
    """Some windows of one file: the clips (batch shape (window,)), and their ground truth, the root removed.

    `starts` are their first frames in the file, `observed` the number of frames that a model observes.
    """

    clips: Motion
    angles: Float[Tensor, "window frame joint 3"]
    positions: Float[Tensor, "window frame joint 3"]
    observed: int
    starts: tuple[int, ...]

    @property
    def past(self) -> Motion:
        """The frames that a model observes."""
        return self.clips[: self.observed]


def cut(clip: Motion, starts: Sequence[int], observed: int, predicted: int) -> Iterator[ForecastWindows]:
    """The windows of a file that begin at `starts`, a chunk at a time."""
    angles, positions = benchmark_euler(clip.rotations), root_free(clip).points().positions
    span = torch.arange(observed + predicted)
    for some in torch.tensor(list(starts)).split(_CHUNK):
        index = some[:, None] + span
        yield ForecastWindows(clip[index], angles[index], positions[index], observed, tuple(some.tolist()))


def answered(pipeline: Evaluated, windows: ForecastWindows) -> tuple[Motion | None, Points | None]:
    """The forecasts of windows: rotations (None: the pipeline has none) and positions, the root removed."""
    predicted = windows.clips.frames - windows.observed
    rotated: Motion | None = None
    points: Points | None = None
    if "rotations" in pipeline.spaces:
        answer = pipeline.forecast_windows(windows.past, predicted, "rotations")
        assert isinstance(answer, Motion), f"{pipeline.name} gave positions where rotations were asked for"
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
    """Errors by metric: "euler_rad" where there are rotations, "mpjpe_mm" where a metre counts `unit_mm`."""
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
