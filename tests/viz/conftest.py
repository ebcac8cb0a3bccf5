"""A body that walks, and four futures for it: what the pictures are made of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.data.synthetic import perform
from kinema.motion.motion import Points
from kinema.viz.layers import Panel
from kinema.viz.raster import forecast_panel


@pytest.fixture(scope="session")
def walk() -> Points:
    return perform("walk", seconds=2.4, fps=25, seed=3).points()


@pytest.fixture(scope="session")
def futures(walk: Points) -> Points:
    """Four futures of the second part of the walk that drift apart."""
    truth = walk.positions[30:50]
    time = torch.linspace(0, 0.8, 20)
    drift = torch.randn(4, 1, 1, 3, generator=torch.Generator().manual_seed(0)) * time[None, :, None, None] * 0.25
    return replace(walk, positions=truth + drift)


@pytest.fixture(scope="session")
def forecast(walk: Points, futures: Points) -> Panel:
    return forecast_panel(walk[:50], futures, now=1.2)
