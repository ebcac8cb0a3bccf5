"""The base of the forecasting protocols: windows whose end is predicted once, scored at horizons."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from kinema.protocols.base import Protocol
from kinema.protocols.forecasting.horizon_report import Row
from kinema.protocols.forecasting.windows import ForecastWindows, errors_of
from kinema.protocols.interface import Data, Evaluated


class ForecastingProtocol(Protocol):
    """A protocol of one forecast for each window."""

    verb = "forecast"
    beside = ("zero-velocity", "running-average-2", "running-average-4")

    @abstractmethod
    def cuts(self, data: Data, windows: str) -> Iterator[tuple[str, ForecastWindows]]:
        """Action and windows of all test files, a chunk at a time. `windows` is the choice of them ("8", "all")."""


def rows_at(
    frames: Sequence[int],
    pipeline: Evaluated,
    chunks: Iterable[ForecastWindows],
    *,
    unit_mm: float,
    unscored_rotations: Sequence[int] = (),
    unscored_positions: Sequence[int] = (),
) -> dict[str, Row]:
    """For each metric the mean error over windows at some predicted frames, which are counted from 1."""
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
