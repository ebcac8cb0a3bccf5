"""The in-betweening metrics against slow, obvious code, and on cases worked by hand."""

import math

import numpy as np
import pytest
import torch

from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.metrics import inbetween
from kinema.metrics.dynamics import mean_jerk
from kinema.motion.motion import Motion, Points
from kinema.motion.skeletons import skeleton

RNG = np.random.default_rng(0)


def slow_npss(predicted: np.ndarray, truth: np.ndarray) -> float:
    """Window by window, feature by feature, bin by bin."""
    top = bottom = 0.0
    windows, frames, feats = truth.shape
    for w in range(windows):
        for d in range(feats):
            spectra = []
            for values in (predicted, truth):
                bins = [
                    sum(values[w, t, d] * math.cos(2 * math.pi * k * t / frames) for t in range(frames)) ** 2
                    for k in range(frames)
                ]
                spectra.append(bins)
            total = [sum(bins) for bins in spectra]
            distance, seen_a, seen_b = 0.0, 0.0, 0.0
            for a, b in zip(*spectra, strict=True):
                seen_a, seen_b = seen_a + a / total[0], seen_b + b / total[1]
                distance += abs(seen_a - seen_b)
            top, bottom = top + distance * total[1], bottom + total[1]
    return top / bottom


def test_npss_is_what_slow_code_finds() -> None:
    predicted, truth = RNG.normal(size=(2, 3, 7, 5))
    found = inbetween.npss(torch.from_numpy(predicted), torch.from_numpy(truth))
    assert found == pytest.approx(slow_npss(predicted, truth), rel=1e-9)


def test_npss_by_hand() -> None:
    """Four frames. A constant has all power in bin 0; 1, -1, 1, -1 has all in bin 2: two bins apart, distance 2."""
    constant = torch.ones(1, 4, 1)
    waves = torch.tensor([1.0, -1, 1, -1]).reshape(1, 4, 1)
    assert inbetween.npss(waves, constant) == pytest.approx(2.0)
    assert inbetween.npss(constant, constant) == 0.0
    # A feature of no power weighs nothing and breaks nothing.
    quiet = torch.cat((constant, torch.zeros(1, 4, 1)), -1)
    assert inbetween.npss(torch.cat((waves, waves), -1), quiet) == pytest.approx(2.0)
    assert inbetween.npss(torch.zeros(1, 4, 1), constant) == pytest.approx(4.0)
    # The real part counts: a sine over four frames, 0 1 0 -1, has none.
    assert inbetween.npss(torch.tensor([0.0, 1, 0, -1]).reshape(1, 4, 1), constant) == pytest.approx(4.0, abs=1e-6)


def test_l2q_and_l2p_are_what_slow_code_finds() -> None:
    a, b = torch.from_numpy(RNG.normal(size=(2, 2, 3, 4, 4)))
    mean, std = torch.from_numpy(RNG.normal(size=(4, 3))), torch.from_numpy(RNG.uniform(1, 2, size=(4, 3)))
    q, p = inbetween.l2q(a, b), inbetween.l2p(a[..., :3], b[..., :3], mean, std)
    for window in range(2):
        for frame in range(3):
            squares = sum(
                float(a[window, frame, j, k] - b[window, frame, j, k]) ** 2 for j in range(4) for k in range(4)
            )
            assert float(q[window, frame]) == pytest.approx(math.sqrt(squares))
            squares = sum(
                (float(a[window, frame, j, k] - b[window, frame, j, k]) / float(std[j, k])) ** 2
                for j in range(4)
                for k in range(3)
            )
            assert float(p[window, frame]) == pytest.approx(math.sqrt(squares))


def test_statistics_divide_by_the_count() -> None:
    positions = torch.tensor([0.0, 2.0]).reshape(1, 2, 1, 1).expand(1, 2, 1, 3)
    mean, std = inbetween.position_statistics([positions, positions])
    assert mean.tolist() == [[1.0] * 3]
    assert std.tolist() == [[1.0] * 3]
    assert inbetween.position_statistics([torch.ones(2, 2, 1, 3)])[1].tolist() == [[1.0] * 3]


def test_signs() -> None:
    """A turn that goes on past half a turn keeps its sign when unbroken, and flips when pulled to a reference."""
    angles = torch.linspace(0, 1.9 * math.pi, 20, dtype=torch.float64)
    quats = torch.stack((0 * angles, (angles / 2).sin(), 0 * angles, (angles / 2).cos()), -1)[None, :, None]
    jumping = quats * torch.tensor([1.0, -1.0]).repeat(10)[None, :, None, None]
    start = torch.tensor([[[0.0, 0, 0, 1]]], dtype=torch.float64)
    assert torch.allclose(inbetween.unbroken(jumping, start), quats)
    assert torch.allclose(inbetween.unbroken(jumping, -start), -quats)
    pulled = inbetween.toward(jumping, start)
    assert bool((pulled[..., 3] >= 0).all())
    assert torch.allclose(pulled[:, :10], quats[:, :10])
    assert torch.allclose(pulled[:, 15:], -quats[:, 15:])


def test_global_quaternions_are_those_of_the_kinematics() -> None:
    body = skeleton("lafan22")
    rotations = rotvec_to_rotmat(torch.from_numpy(RNG.normal(size=(6, 22, 3))))
    motion = Motion(body, rotations, torch.zeros(6, 3, dtype=torch.float64), 30)
    local = inbetween.local_quats(motion)
    turned = inbetween.global_quats(local, body.parents)
    from kinema.geometry.kinematics import forward_kinematics
    from kinema.geometry.rotations import quat_xyzw_to_rotmat

    _, matrices = forward_kinematics(rotations, motion.root, body.offsets.double(), body.parents)
    assert torch.allclose(quat_xyzw_to_rotmat(turned), matrices, atol=1e-9)
    assert bool(((local[1:] * local[:-1]).sum(-1) >= 0).all())


def test_jerk_acceleration_and_pck_by_hand() -> None:
    time = torch.arange(6, dtype=torch.float64)
    cubic = torch.zeros(6, 1, 3, dtype=torch.float64)
    cubic[:, 0, 0] = (time / 10) ** 3  # third derivative 6 at 10 frames per second
    assert float(mean_jerk(cubic, 10)) == pytest.approx(6.0)
    assert float(mean_jerk(cubic[:3], 10)) == 0
    square = torch.zeros_like(cubic)
    square[:, 0, 1] = 2 * time**2
    assert float(inbetween.acceleration_error(square, torch.zeros_like(square))) == pytest.approx(4.0)
    truth = torch.tensor([[[0.0, 0], [3, 10]]])
    near = truth + torch.tensor([[[0.6, 0.8], [0, 1.01]]])
    assert float(inbetween.pck(near, truth, 0.1)) == 0.5


def test_a_foot_skates_where_it_slides_near_the_floor() -> None:
    body = skeleton("kinema24")
    positions = torch.zeros(5, len(body), 3)
    positions[:, :, 1] = 1.0
    feet = body.indices(("l_ankle", "l_toe"))
    positions[:, feet, 1] = 0.05
    assert float(inbetween.skate_share(Points(body, positions, 30), torch.tensor(0.0))) == 0
    slide = positions.clone()
    slide[3:, feet, 0] += 0.02  # one step of 60 cm/s
    assert float(inbetween.skate_share(Points(body, slide, 30), torch.tensor(0.0))) == pytest.approx(0.25)
    slide[:, feet, 1] = 0.3
    assert float(inbetween.skate_share(Points(body, slide, 30), torch.tensor(0.0))) == 0
    assert float(inbetween.foot_height(Points(body, slide, 30))) == pytest.approx(0.3)
    assert float(inbetween.skate_share(Points(body, slide, 30), torch.tensor(0.25))) == pytest.approx(0.25)


def test_render_in_betweens_numbers_by_hand() -> None:
    """Two clips of two frames; a shift of the whole sequence costs nothing, as each is aligned to its own start."""
    truth = torch.zeros(2, 2, 3, 2)
    aside = inbetween.aligned_errors(truth + 5, truth, root=1)
    assert aside == {"mse": 0, "mae": 0, "max": 0}
    wrong = truth.clone()
    wrong[0, 1, 2, 0] = 0.6
    wrong[1, 1, 0, 1] = -0.3
    found = inbetween.aligned_errors(wrong, truth, root=1)
    assert found["mse"] == pytest.approx((0.36 + 0.09) / 24)
    assert found["mae"] == pytest.approx(0.9 / 24)
    assert found["max"] == pytest.approx(0.45)
    wrong[0, 0, 1, 0] = 1.0  # the root of the first frame: everything else of the clip is moved back by it
    assert inbetween.aligned_errors(wrong, truth, root=1)["max"] == pytest.approx((1.0 + 0.3) / 2)
