"""The pinhole camera."""

from __future__ import annotations

import math

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.geometry.camera import project, view


def test_a_metre_at_the_origin_is_a_unit_and_nearer_is_larger() -> None:
    points = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 2.0], [1.0, 1.0, 9.0]])
    assert torch.allclose(project(points), torch.tensor([[1.0, 1.0], [2.0, 2.0], [10.0, 10.0]]))


def test_from_the_left_a_body_faces_the_other_way() -> None:
    forward = view(torch.tensor(math.pi / 2), torch.tensor(0.0)) @ torch.tensor([0.0, 0.0, 1.0])
    assert torch.allclose(forward, torch.tensor([1.0, 0.0, 0.0]), atol=1e-6)
    up = view(torch.tensor(1.0), torch.tensor(0.3)) @ torch.tensor([0.0, 1.0, 0.0])
    assert torch.allclose(up, torch.tensor([0.0, math.cos(0.3), math.sin(0.3)]), atol=1e-6)


def test_a_camera_without_distance_is_refused() -> None:
    with pytest.raises(UsageError, match="distance"):
        project(torch.zeros(1, 3), distance=0.0)
