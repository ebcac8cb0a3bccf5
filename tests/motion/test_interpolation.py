"""Curves through known frames, against scipy and by their laws; filters."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline, PchipInterpolator
from scipy.ndimage import gaussian_filter1d
from scipy.signal import savgol_filter

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import angle_between, axis_angle_to_rotmat, slerp
from kinema.motion import interpolation
from kinema.motion.interpolation import (
    CURVES,
    CurveTable,
    Interpolator,
    even_times,
    filters,
    interpolate,
    smooth,
    soften,
)
from kinema.motion.interpolation.curves import curve, rotation_curve
from kinema.motion.interpolation.filters import gaussian, one_euro, savitzky_golay
from kinema.motion.motion import Motion, Points

KEYS = torch.tensor([0.0, 0.1, 0.15, 0.9, 1.0, 1.7], dtype=torch.float64)
AT = torch.linspace(-0.2, 2.0, 57, dtype=torch.float64)


@pytest.fixture(scope="module")
def walk() -> Motion:
    return perform("walk", seconds=2.0, fps=30.0, seed=3)


def values(seed: int = 0) -> torch.Tensor:
    return torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_cubic_and_pchip_are_those_of_scipy() -> None:
    given, inside = values(), AT.clamp(0, 1.7)
    natural = CubicSpline(KEYS.numpy(), given.numpy(), bc_type="natural")(inside.numpy())
    pchip = PchipInterpolator(KEYS.numpy(), given.numpy())(inside.numpy())
    np.testing.assert_allclose(curve(given, KEYS, AT, "cubic").numpy(), natural, atol=1e-10)
    np.testing.assert_allclose(curve(given, KEYS, AT, "pchip").numpy(), pchip, atol=1e-10)


def test_hold_and_linear() -> None:
    given = torch.tensor([[0.0], [2.0], [1.0]], dtype=torch.float64)
    keys, at = torch.tensor([0.0, 1.0, 2.0]).double(), torch.tensor([-1.0, 0.5, 0.99, 1.0, 1.5, 3.0]).double()
    assert curve(given, keys, at, "hold")[:, 0].tolist() == [0, 0, 0, 2, 2, 1]
    assert curve(given, keys, at, "linear")[:, 0].tolist() == pytest.approx([0, 1, 1.98, 2, 1.5, 1])


@pytest.mark.parametrize("method", CURVES)
def test_turning_steadily_about_an_axis_stays_so_whatever_the_signs(method: str) -> None:
    angle = KEYS * 2.0
    quats = torch.stack((torch.zeros_like(angle), (angle / 2).sin(), torch.zeros_like(angle), (angle / 2).cos()), -1)
    flipped = quats * torch.tensor([1, -1, -1, 1, -1, 1]).double()[:, None]
    read = rotation_curve(flipped[:, None], KEYS, AT, method)[:, 0]
    again = rotation_curve(quats[:, None], KEYS, AT, method)[:, 0]
    torch.testing.assert_close((read * again).sum(-1).abs(), torch.ones(len(AT)).double())
    if method in ("linear", "squad"):
        expected = torch.stack(((AT.clamp(0, 1.7)).sin(), (AT.clamp(0, 1.7)).cos()), -1)
        torch.testing.assert_close((read[:, [1, 3]] * expected).sum(-1).abs(), torch.ones(len(AT)).double())


@pytest.mark.parametrize("method", CURVES)
def test_known_frames_come_back_bit_for_bit(walk: Motion, method: str) -> None:
    known = torch.rand(walk.frames, generator=torch.Generator().manual_seed(1)) < 0.3
    hidden = replace(walk, rotations=walk.rotations.clone(), root=walk.root.clone())
    hidden.rotations[~known], hidden.root[~known] = torch.nan, torch.nan
    filled = interpolate(hidden, known, method=method)
    assert torch.equal(filled.rotations[known], walk.rotations[known])
    assert torch.equal(filled.root[known], walk.root[known])
    assert filled.rotations.isfinite().all()
    identity = filled.rotations @ filled.rotations.transpose(-1, -2)
    torch.testing.assert_close(identity, torch.eye(3).expand_as(identity), atol=1e-5, rtol=0)


@pytest.mark.parametrize("method", CURVES)
def test_one_key_is_held_and_two_are_joined_straight(walk: Motion, method: str) -> None:
    known = torch.zeros(walk.frames, dtype=torch.bool)
    known[7] = True
    held = interpolate(walk, known, method=method)
    assert torch.equal(held.rotations[7], walk.rotations[7])
    torch.testing.assert_close(held.rotations, walk.rotations[7].expand_as(held.rotations), atol=1e-6, rtol=0)
    if method != "hold":
        known[17] = True
        middle = interpolate(walk, known, method=method).rotations[12]
        torch.testing.assert_close(
            middle, slerp(walk.rotations[7], walk.rotations[17], torch.tensor(0.5)), atol=1e-5, rtol=0
        )


def test_splines_err_less_than_straight_lines_on_clean_keys(walk: Motion) -> None:
    known = torch.arange(walk.frames) % 4 == 0
    error = {
        method: float(angle_between(interpolate(walk, known, method=method).rotations, walk.rotations)[:57].mean())
        for method in ("linear", "cubic", "squad")
    }
    assert error["cubic"] < 0.8 * error["linear"]
    assert error["squad"] < 0.8 * error["linear"]


@pytest.mark.parametrize("method", CURVES)
def test_pieces_and_local_keys_say_what_the_whole_curve_says(
    walk: Motion, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = torch.Generator().manual_seed(2)
    known = torch.rand(walk.frames, len(walk.skeleton), generator=random) < 0.6
    known[0], known[-1] = True, True
    at = torch.linspace(-0.1, 2.1, 91, dtype=torch.float64)
    pieces = interpolate(walk, known, at, method=method)
    monkeypatch.setattr(interpolation, "_PIECE", 7)
    small = interpolate(walk, known, at, method=method)
    everything = dict.fromkeys(CURVES, walk.frames)  # every key has its say
    monkeypatch.setattr(interpolation, "_PIECE", 1000)
    monkeypatch.setattr(interpolation, "_OF_NUMBERS", everything)
    monkeypatch.setattr(interpolation, "_OF_ROTATIONS", everything)
    whole = interpolate(walk, known, at, method=method)
    for other in (pieces, small):
        # Evaluated in float64 and rounded to float32: they may differ in the last digit (6e-8 for numbers up to 1).
        torch.testing.assert_close(other.rotations, whole.rotations, atol=1.2e-7, rtol=0)
        torch.testing.assert_close(other.root, whole.root, atol=1.2e-7, rtol=1.2e-7)


def test_every_cell_has_the_curve_that_the_table_names(walk: Motion) -> None:
    known = torch.arange(walk.frames) % 5 == 0
    at = torch.linspace(-0.1, 2.0, 200, dtype=torch.float64)
    table = torch.randint(-1, 3, (200, len(walk.skeleton)), generator=torch.Generator().manual_seed(0))
    names = ("linear", "squad", "pchip")
    mixed = interpolate(walk, known, at, method=CurveTable(names, table))
    for which, name in ((-1, "hold"), *enumerate(names)):
        alone = interpolate(walk, known, at, method=name)
        cells = table == which
        torch.testing.assert_close(mixed.rotations[cells], alone.rotations[cells], atol=1.2e-7, rtol=0)
        torch.testing.assert_close(mixed.root[cells[:, 0]], alone.root[cells[:, 0]], atol=1.2e-7, rtol=1.2e-7)
    with pytest.raises(UsageError, match="curve"):
        Interpolator(walk, known).at(method=CurveTable(("bezier",), table))


def test_joints_with_keys_of_their_own_and_confidence() -> None:
    skeleton = perform("walk", seconds=0.2, fps=30.0, seed=0).skeleton
    frames, joints = 6, len(skeleton)
    place = torch.arange(frames).float()[:, None, None].expand(frames, joints, 2).clone()
    known = torch.ones(frames, joints, dtype=torch.bool)
    known[2:4, 1], known[:, 2] = False, False
    place[~known] = torch.nan
    filled = interpolate(Points(skeleton, place, 30.0, confidence=known.float()), known, method="linear")
    assert filled.positions[:, 1, 0].tolist() == pytest.approx(list(range(frames)))
    assert filled.positions[:, 2].isnan().all()
    assert filled.confidence is not None
    assert (filled.confidence[:, 2] == 0).all()
    assert (filled.confidence[:, :2] == 1).all()


def test_what_cannot_be_joined_is_said(walk: Motion) -> None:
    with pytest.raises(UsageError, match="no key"):
        interpolate(walk, torch.zeros(walk.frames, dtype=torch.bool))
    with pytest.raises(UsageError, match="out of order"):
        interpolate(walk, torch.ones(walk.frames, dtype=torch.bool), times=even_times(walk.frames, 30.0).flip(0))
    with pytest.raises(UsageError, match="squad"):
        interpolate(walk, torch.ones(walk.frames, dtype=torch.bool), method="squat")


def test_filters_are_those_of_scipy() -> None:
    noisy = torch.randn(80, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(savitzky_golay(noisy), savgol_filter(noisy.numpy(), 31, 2, axis=0), atol=1e-10)
    expected = gaussian_filter1d(noisy.numpy(), 3.0, axis=0, mode="nearest", truncate=5.0)
    np.testing.assert_allclose(gaussian(noisy, 3.0), expected, atol=1e-10)
    assert one_euro(noisy).shape == noisy.shape
    assert savitzky_golay(noisy[:2]).shape == (2, 3)


@pytest.mark.parametrize("method", ["savgol", "one-euro", "gaussian"])
def test_a_clip_that_stands_still_is_left_alone(method: str) -> None:
    turn = axis_angle_to_rotmat("Z", torch.tensor(0.3))
    walk = perform("walk", seconds=1.0, fps=30.0, seed=0)
    still = replace(walk, rotations=turn.expand_as(walk.rotations).clone(), root=torch.ones_like(walk.root))
    smoothed = smooth(still, method)
    torch.testing.assert_close(smoothed.rotations, still.rotations)
    torch.testing.assert_close(smoothed.root, still.root)


def test_softening_weighs_evidence_and_keeps_straight_lines() -> None:
    skeleton = perform("walk", seconds=0.2, fps=30.0, seed=0).skeleton
    line = torch.arange(20).float()[:, None, None].expand(20, len(skeleton), 2).clone()
    times, confidence = even_times(20, 30.0), torch.ones(20)
    kept = soften(Points(skeleton, line, 30.0), times, confidence, reach=0.1)
    torch.testing.assert_close(kept.positions, line, atol=1e-4, rtol=0)
    off = line.clone()
    off[10] += 50
    confidence[10] = 0
    torch.testing.assert_close(
        soften(Points(skeleton, off, 30.0), times, confidence, reach=0.1).positions, line, atol=1e-4, rtol=0
    )


def test_softening_in_pieces_and_frame_by_frame_is_the_same(walk: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    random = torch.Generator().manual_seed(5)
    times = torch.rand(walk.frames, generator=random).double().cumsum(0) / 20
    confidence = torch.rand(walk.frames, len(walk.skeleton), generator=random) * (torch.rand(walk.frames, 1) < 0.7)
    whole = soften(walk, times, confidence, reach=0.04)
    frame, weights = 30, confidence.double() * torch.exp(-0.5 * ((times - times[30]) / 0.04) ** 2)[:, None]
    weights = weights[:, 0] * ((times - times[frame]).abs() <= 0.16)
    line = np.polynomial.Polynomial.fit(times - times[frame], walk.root[:, 1].double(), 1, w=weights.sqrt())
    assert float(whole.root[frame, 1]) == pytest.approx(line(0.0), abs=1e-5)
    monkeypatch.setattr(filters, "_PIECE", 5)
    parts = soften(walk, times, confidence, reach=0.04)
    # Sums in float64, rounded to float32.
    torch.testing.assert_close(parts.rotations, whole.rotations, atol=1.2e-7, rtol=0)
    torch.testing.assert_close(parts.root, whole.root, atol=1.2e-7, rtol=1.2e-7)
