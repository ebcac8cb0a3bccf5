"""The benchmark's Euler error: against scipy, by hand, and at gimbal lock."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from kinema.geometry.rotations import axis_angle_to_rotmat, euler_to_rotmat
from kinema.metrics.joint_errors import benchmark_euler, euler_error


def test_angles_are_those_of_rz_ry_rx() -> None:
    turned = Rotation.random(200, random_state=0)
    angles = benchmark_euler(torch.from_numpy(turned.as_matrix()))
    zyx = turned.as_euler("ZYX")
    np.testing.assert_allclose(angles.numpy(), zyx[:, ::-1], atol=1e-9)


def test_angles_by_hand() -> None:
    rotation = euler_to_rotmat(torch.tensor([0.3, -0.5, 0.2], dtype=torch.float64), "ZYX")
    assert benchmark_euler(rotation).tolist() == pytest.approx([0.2, -0.5, 0.3])


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_gimbal_lock_is_answered_as_published(sign: float) -> None:
    # M = R^T with M02 = +-1 exactly: E3 = 0, E1 = atan2(M01, M02), E2 = -+pi/2.
    rotation = torch.tensor([[0.0, 0, -sign], [0.0, 1, 0], [sign, 0, 0]], dtype=torch.float64)
    e1, e2, e3 = benchmark_euler(rotation).tolist()
    assert (e2, e3) == (pytest.approx(-sign * math.pi / 2), 0.0)
    assert e1 == pytest.approx(math.atan2(0.0, sign))


def test_a_sine_beyond_one_by_rounding_is_not_nan() -> None:
    rotation = torch.eye(3).roll(1, 0)
    rotation[2, 0] = 1 + 1e-6
    assert torch.isfinite(benchmark_euler(rotation)).all()


def about_x(angles: list[list[float]]) -> torch.Tensor:
    """Angles (window 1) of a root and two joints that turn about X."""
    turned = axis_angle_to_rotmat("X", torch.tensor(angles, dtype=torch.float64))
    return benchmark_euler(turned)[None]


def test_error_by_hand() -> None:
    whole = about_x([[0.9, 0.0, 0.5], [0.8, 0.3, 0.5], [0.7, 0.4, 0.9]])
    predicted = about_x([[0.0, 0.3, 0.5]])
    # The root is not scored; what is left is sqrt(0.1^2 + 0.4^2).
    assert euler_error(predicted, whole).item() == pytest.approx(math.hypot(0.1, 0.4))
    assert euler_error(predicted, whole, [0, 2]).item() == pytest.approx(0.4)


def test_angles_that_do_not_vary_in_the_true_window_are_masked() -> None:
    whole = about_x([[0.0, 0.0, 0.5], [0.0, 0.3, 0.5], [0.0, 0.4, 0.5]])
    predicted = about_x([[0.0, 0.3, 0.9], [0.0, 0.3, 0.9]])
    assert euler_error(predicted, whole)[0].tolist() == pytest.approx([0.0, 0.1])
    # The same angle counts as soon as it has moved anywhere in the window, the observed part included.
    whole = about_x([[0.0, 0.0, 0.6], [0.0, 0.3, 0.5], [0.0, 0.4, 0.5]])
    assert euler_error(predicted, whole)[0].tolist() == pytest.approx([0.4, math.hypot(0.1, 0.4)])
