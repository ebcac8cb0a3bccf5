"""Baselines as a protocol calls them."""

from __future__ import annotations

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.motion import Motion, Points
from kinema.motion.skeletons import skeleton
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.interface import Evaluated
from kinema.representations.base import root_free


@pytest.fixture
def past() -> Motion:
    body = skeleton("cmu38")
    generator = torch.Generator().manual_seed(0)
    rotated = rotvec_to_rotmat(0.3 * torch.randn(4, 10, len(body), 3, generator=generator))
    return Motion(body, rotated, torch.randn(4, 10, 3, generator=generator), 60.0)


def test_zero_velocity_in_both_spaces(past: Motion) -> None:
    pipeline: Evaluated = open_pipeline("zero-velocity")
    assert pipeline.trained_on == frozenset()
    rotated = pipeline.forecast_windows(past, 25, "rotations")
    assert isinstance(rotated, Motion)
    assert rotated.rotations.shape == (4, 25, 38, 3, 3)
    assert torch.allclose(rotated.rotations, past.rotations[:, -1:].expand_as(rotated.rotations), atol=1e-5)
    points = pipeline.forecast_windows(past, 25, "positions")
    assert isinstance(points, Points)
    last = root_free(past).points().positions[:, -1:]
    assert torch.allclose(points.positions, last.expand_as(points.positions), atol=1e-6)


def test_a_space_that_it_does_not_have_is_refused(past: Motion) -> None:
    pipeline: Evaluated = open_pipeline("slerp")
    with pytest.raises(UsageError, match="rotations"):
        pipeline.forecast_windows(past, 25, "positions")
