"""The Human3.6M protocol on a small tree written here: windows, errors by definition, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import KinemaError, MissingDataError
from kinema.data.sources.h36m_rotations import ACTIONS, H36MExpmap
from kinema.motion.skeletons.h36m import H36M32_VARYING
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.forecasting.h36m import H36M_LEGACY, drawn_starts
from kinema.protocols.forecasting.protocol import every_second_row
from kinema.protocols.interface import PartialMethod
from kinema.protocols.registry import PROTOCOLS

ZERO_VELOCITY = open_pipeline("zero-velocity")
LENGTHS = {1: 360, 2: 420}


def rows_of(action: str, clip: int, frames: int) -> np.ndarray:
    generator = np.random.default_rng(len(action) + 100 * clip)
    rows = np.zeros((frames, 99))
    speed = generator.uniform(0.02, 0.1, len(H36M32_VARYING))
    rows[:, list(H36M32_VARYING)] = 0.4 * np.sin(np.arange(frames)[:, None] * speed)
    return rows.round(6)


def write(root: Path, action: str, clip: int, frames: int) -> None:
    (root / "S5").mkdir(parents=True, exist_ok=True)
    rows = rows_of(action, clip, frames)
    text = "".join(",".join(f"{x:.6f}" for x in row) + "\n" for row in rows)
    (root / "S5" / f"{action}_{clip}.txt").write_text(text)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("h36m")
    for action in ("walking", "eating"):
        for clip, frames in LENGTHS.items():
            write(root, action, clip, frames)
    return root


def test_starts_are_drawn_from_both_clips_in_turn() -> None:
    generator = np.random.RandomState(1234567890)
    drawn = [generator.randint(16, length - 150) for _ in range(4) for length in (400, 900)]
    first, second = drawn_starts((400, 900), 4)
    assert [value for pair in zip(first, second, strict=True) for value in pair] == drawn
    # The 256 windows are the same stream, drawn on.
    more = drawn_starts((400, 900), 128)
    assert (more[0][:4], more[1][:4]) == (first, second)
    assert len(more[0]) == len(more[1]) == 128


def test_the_three_choices_of_windows(root: Path) -> None:
    _, clips = next(iter(H36M_LEGACY.tests(root)))
    for windows, count, frames in (("8", 8, 75), ("256", 256, 75), ("all", 180 - 34 + 210 - 34, 35)):
        cuts = list(H36M_LEGACY.windows_of(clips, windows))
        assert sum(len(some.starts) for some in cuts) == count
        assert {some.clips.frames for some in cuts} == {frames}
        assert all(some.clips.fps == 25 for some in cuts)
    first = next(H36M_LEGACY.windows_of(clips, "8"))
    start = first.starts[1]
    assert torch.equal(first.clips.rotations[1], clips[0].rotations[start : start + 75])


def benchmark_euler_of(vector: np.ndarray) -> np.ndarray:
    """The published conversion, written out for one rotation vector."""
    angle = np.linalg.norm(vector)
    x, y, z = vector / max(angle, 1.19e-7)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    r = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    e2 = -np.arcsin(r[0, 2])
    cosine = np.cos(e2)
    e1, e3 = np.arctan2(r[1, 2] / cosine, r[2, 2] / cosine), np.arctan2(r[0, 1] / cosine, r[0, 0] / cosine)
    return np.array([e1, e2, e3])


def test_zero_velocity_by_hand(root: Path) -> None:
    report = H36M_LEGACY.evaluate(ZERO_VELOCITY, root)
    lengths = (LENGTHS[1] // 2, LENGTHS[2] // 2)
    errors = []
    for clip, starts in zip((1, 2), drawn_starts(lengths, 4), strict=True):
        rows = rows_of("walking", clip, LENGTHS[clip])[::2]
        for start in starts:
            window = rows[start : start + 75, 3:].reshape(75, 32, 3)
            euler = np.array([[benchmark_euler_of(vector) for vector in row] for row in window])
            euler[:, 0] = 0
            errors.append([np.linalg.norm(euler[50 + frame] - euler[49]) for frame in (1, 3, 7, 9, 13, 24)])
    expected = np.mean(errors, 0)
    assert report["windows"]["8"]["euler_rad"]["walking"] == pytest.approx(list(expected), abs=1e-4)


def test_positions_are_millimetres_over_32_joints(root: Path) -> None:
    report = H36M_LEGACY.evaluate(ZERO_VELOCITY, root)
    _, clips = next(iter(H36M_LEGACY.tests(root)))
    distances = [
        1000 * (some.positions[:, 50 + 1] - some.positions[:, 49]).norm(dim=-1).mean(-1)
        for some in H36M_LEGACY.windows_of(clips, "8")
    ]
    assert report["windows"]["8"]["mpjpe_mm"]["walking"][0] == pytest.approx(
        float(torch.cat(distances).mean()), rel=1e-5
    )
    assert clips[0].skeleton.name == "h36m32"


def test_a_mean_over_fewer_actions_says_so(root: Path) -> None:
    report = H36M_LEGACY.evaluate(ZERO_VELOCITY, root)
    assert report["actions"] == ["walking", "eating"]
    assert report["mean_over"] == {"mean": ["walking", "eating"]}
    assert set(report["missing_actions"]) == set(ACTIONS) - {"walking", "eating"}
    assert any("over 2 actions: walking, eating" in note for note in report.notes)
    assert any("not the published one" in note for note in report.notes)
    assert report["true_ms"] == report["labels_ms"]
    walking, eating, mean = (report["windows"]["all"]["euler_rad"][row][0] for row in ("walking", "eating", "mean"))
    assert walking is not None
    assert eating is not None
    assert mean == pytest.approx((walking + eating) / 2)


def test_training_on_the_test_subject_is_called_a_leak(root: Path) -> None:
    class Cheat(PartialMethod):
        name, spaces = "cheat", ZERO_VELOCITY.spaces
        trained_on = frozenset({"h36m/S5/eating_2"})
        forecast_windows = ZERO_VELOCITY.forecast_windows

    leak = H36M_LEGACY.evaluate(Cheat(), root).leak
    assert [meeting.test for meeting in leak.sure] == ["h36m/S5/eating_2"]


def test_what_is_missing_or_too_short(tmp_path: Path) -> None:
    write(tmp_path, "walking", 1, 360)
    with pytest.raises(MissingDataError, match="no action with both of its clips"):
        H36M_LEGACY.evaluate(ZERO_VELOCITY, tmp_path)
    write(tmp_path, "walking", 2, 332)
    with pytest.raises(KinemaError, match=r"more than 332 rows; got 332 in h36m/S5/walking_2"):
        H36M_LEGACY.evaluate(ZERO_VELOCITY, tmp_path)


def test_every_second_row_is_taken_as_it_is(root: Path) -> None:
    clip = H36MExpmap(str(root)).motion(5, "walking", 1)
    half = every_second_row(clip)
    assert half.fps == 25
    assert torch.equal(half.rotations, clip.rotations[::2])
    assert PROTOCOLS["h36m-legacy"] is H36M_LEGACY
