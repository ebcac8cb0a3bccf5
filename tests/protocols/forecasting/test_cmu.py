"""The CMU protocols: golden values on the real files, and everything else on a small benchmark written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from kinema.core.errors import MissingDataError
from kinema.data.sources.cmu import ACTIONS, BENCHMARK, CmuForecast
from kinema.motion.motion import Clip, Motion
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.forecasting.cmu import (
    CMU_LEGACY,
    CMU_PHYSICAL,
    FINGER_ROTATIONS,
    UNSCORED_POSITIONS,
    CmuProtocol,
    all_starts,
    eight_starts,
)  # fmt: skip
from kinema.protocols.forecasting.protocol import every_second_row
from kinema.protocols.interface import PartialMethod, Space
from kinema.protocols.registry import PROTOCOLS
from kinema.protocols.report import Report

ZERO_VELOCITY = open_pipeline("zero-velocity")
PRESENT = ("basketball", "jumping", "running", "soccer", "walking", "washwindow")
HALF_ROWS = {"basketball": 289, "jumping": 1043, "running": 82, "soccer": 299, "walking": 180, "washwindow": 1377}
STARTS = {
    "basketball": [130, 102, 47, 140, 51, 33, 171, 105],
    "jumping": [386, 358, 47, 140, 819, 289, 939, 105],
    "running": [2, 6, 4, 3, 1, 3, 1, 4],
    "soccer": [130, 102, 47, 140, 51, 33, 171, 105],
    "walking": [2, 102, 47, 12, 51, 33, 43, 60],
    "washwindow": [1071, 1164, 939, 1129, 316, 644, 288, 185],
}
ALL_WINDOWS = {"basketball": 255, "jumping": 1009, "running": 48, "soccer": 265, "walking": 146, "washwindow": 1343}
# Zero velocity, at 80 160 320 400 560 1000 of the published labels; obtained with the authors' own code.
EULER_8 = {
    "basketball": (0.488, 0.821, 1.404, 1.640, 2.048, 2.831),
    "jumping": (0.363, 0.616, 1.484, 1.683, 1.988, 2.027),
    "running": (0.563, 0.995, 1.381, 1.459, 1.573, 1.543),
    "soccer": (0.274, 0.477, 0.922, 1.096, 1.362, 1.839),
    "walking": (0.407, 0.602, 0.832, 0.951, 1.085, 1.338),
    "washwindow": (0.340, 0.567, 0.896, 1.093, 1.301, 1.468),
    "mean": (0.406, 0.680, 1.153, 1.320, 1.560, 1.841),
}
EULER_8_WITHOUT_FINGERS = {
    "basketball": (0.466, 0.798, 1.358, 1.583, 1.996, 2.790),
    "jumping": (0.303, 0.547, 1.003, 1.195, 1.536, 1.911),
    "running": (0.562, 0.992, 1.378, 1.456, 1.570, 1.542),
    "soccer": (0.269, 0.472, 0.916, 1.090, 1.354, 1.831),
    "walking": (0.372, 0.570, 0.818, 0.935, 1.072, 1.328),
    "washwindow": (0.281, 0.495, 0.813, 1.006, 1.209, 1.412),
}
MPJPE_8 = {
    "basketball": (26.48, 49.24, 92.89, 112.81, 148.46, 199.55),
    "jumping": (24.00, 46.36, 91.99, 113.01, 144.20, 185.50),
    "running": (44.73, 84.17, 148.42, 177.31, 222.44, 213.82),
    "soccer": (25.36, 49.19, 89.97, 109.38, 142.55, 207.49),
    "walking": (20.73, 39.19, 73.05, 88.07, 113.86, 154.89),
    "washwindow": (14.15, 28.42, 56.58, 70.05, 85.47, 110.62),
    "mean": (25.91, 49.43, 92.15, 111.77, 142.83, 178.65),
}
MPJPE_ALL = {
    "basketball": (22.36, 42.41, 78.46, 94.27, 121.03, 162.43),
    "jumping": (23.41, 44.13, 78.97, 93.16, 115.60, 142.27),
    "running": (32.41, 61.89, 113.80, 135.75, 171.36, 210.12),
    "soccer": (24.11, 46.01, 86.20, 104.24, 135.15, 188.92),
    "walking": (18.88, 36.58, 69.89, 85.28, 113.18, 165.17),
    "washwindow": (14.75, 28.53, 53.39, 64.04, 81.53, 113.08),
    "mean": (22.65, 43.26, 80.12, 96.12, 122.97, 163.66),
}


@pytest.fixture(scope="session")
def legacy(shared_data: Path) -> Report:
    return CMU_LEGACY.evaluate(ZERO_VELOCITY, shared_data)


def close(found: Mapping[str, list[float | None]], golden: Mapping[str, tuple[float, ...]], slack: float) -> None:
    for action, row in golden.items():
        assert tuple(found[action]) == pytest.approx(row, abs=slack), action


@pytest.mark.shared
class TestOnTheRealFiles:
    def test_euler_of_the_eight_windows(self, legacy: Report) -> None:
        close(legacy["windows"]["8"]["euler_rad"], EULER_8, 5.1e-4)

    def test_mpjpe_of_the_eight_windows(self, legacy: Report) -> None:
        close(legacy["windows"]["8"]["mpjpe_mm"], MPJPE_8, 5.1e-3)

    def test_mpjpe_of_all_windows(self, legacy: Report) -> None:
        close(legacy["windows"]["all"]["mpjpe_mm"], MPJPE_ALL, 5.1e-3)

    def test_euler_without_what_was_never_captured(self, shared_data: Path) -> None:
        captured = replace(CMU_LEGACY, unscored_rotations=FINGER_ROTATIONS)
        report = captured.evaluate(ZERO_VELOCITY, shared_data)
        close(report["windows"]["8"]["euler_rad"], EULER_8_WITHOUT_FINGERS, 6e-4)

    def test_the_25_joints_of_a_model(self, shared_data: Path) -> None:
        unseen = (0, 1, 2, 7, 8, 13, 16, 20, 29, 24, 27, 33, 36)
        report = replace(CMU_LEGACY, unscored_positions=unseen).evaluate(ZERO_VELOCITY, shared_data)
        golden = {"basketball": (28.69, 54.37, 100.41, 120.56, 154.76, 208.81)}
        close(report["windows"]["all"]["mpjpe_mm"], golden, 5.1e-3)

    def test_what_is_there_and_what_is_not(self, legacy: Report) -> None:
        assert legacy["actions"] == list(PRESENT)
        assert legacy["missing_actions"] == ["basketball_signal", "directing_traffic"]
        assert legacy["mean_over"]["mean_trained"] == ["basketball", "jumping", "running", "soccer", "walking"]
        assert any("8 of the 40 training files" in note for note in legacy.notes)
        assert any("washwindow are missing" in note for note in legacy.notes)

    def test_files_and_windows(self, shared_data: Path) -> None:
        for clip in CmuForecast(root=str(shared_data), drop_first=False).clips("test"):
            assert clip.action is not None
            half = every_second_row(clip)
            assert (half.fps, half.frames) == (60.0, HALF_ROWS[clip.action])
            assert torch.equal(half.rotations[3], clip.rotations[6])
            assert eight_starts(half.frames) == STARTS[clip.action]
            assert len(all_starts(half.frames)) == ALL_WINDOWS[clip.action]

    def test_no_two_files_share_a_row(self, shared_data: Path) -> None:
        """What the leak check leans on: the release's other files are other recordings."""
        rows: dict[bytes, str] = {}
        source = CmuForecast(root=str(shared_data), drop_first=True, extra=True)
        for split in ("train", "test"):
            for name, motion in source.recordings(split):
                for pose in motion.rotations[::5, 1:].numpy():
                    assert rows.setdefault(pose.tobytes(), name) == name


def pack(folder: Path, *, without: tuple[str, ...] = ()) -> Path:
    """A benchmark of small random walks in which every file is there, or all but some."""
    rng = np.random.default_rng(0)
    names = [name for name in BENCHMARK if name not in without]
    lengths = [170 if name.startswith("test/") else 80 for name in names]
    rows = [0.02 * rng.standard_normal((n, 117)).astype(np.float32).cumsum(0) for n in lengths]
    for file in rows:
        file[0, 3:] = 0.3  # the T-pose, far from the rest
    start = np.cumsum([0, *lengths])
    np.savez(folder / "cmu_forecast.npz", expmap=np.concatenate(rows), start=start, name=np.array(names))
    return folder


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack(tmp_path_factory.mktemp("cmu"))


class Peeking(PartialMethod):
    """A forecaster that gives the same answer as another in the spaces asked for, and keeps the questions."""

    name = "peeking"

    def __init__(self, spaces: frozenset[Space], trained_on: frozenset[str] = frozenset()) -> None:
        self.spaces, self.trained_on = spaces, trained_on
        self.asked: list[tuple[Motion, int, Space]] = []

    def forecast_windows(self, past: Motion, frames: int, space: Space) -> Clip:
        self.asked.append((past, frames, space))
        return ZERO_VELOCITY.forecast_windows(past, frames, space)


@pytest.mark.parametrize("protocol", [CMU_LEGACY, CMU_PHYSICAL], ids=lambda p: p.name)
def test_complete_data_give_means_over_all_eight(protocol: CmuProtocol, small: Path) -> None:
    report = protocol.evaluate(ZERO_VELOCITY, small)
    assert report["actions"] == list(ACTIONS)
    assert report["missing_actions"] == []
    assert report["mean_over"]["mean"] == report["mean_over"]["mean_trained"] == list(ACTIONS)
    rows = report["windows"]["8"]["mpjpe_mm"]
    for horizon in range(6):
        column = [rows[action][horizon] for action in ACTIONS]
        assert rows["mean"][horizon] == pytest.approx(np.mean(np.array(column, float)))
    assert report["true_ms"] == [33, 67, 133, 167, 233, 417]
    assert not any("not there" in note for note in report.notes)


def test_the_questions_are_the_observed_frames_and_no_more(small: Path) -> None:
    peeking = Peeking(frozenset({"rotations", "positions"}))
    CMU_LEGACY.evaluate(peeking, small)
    assert {past.frames for past, _, _ in peeking.asked} == {50, 10}
    assert {frames for _, frames, _ in peeking.asked} == {25}
    assert {past.fps for past, _, _ in peeking.asked} == {60.0}
    half = every_second_row(next(CmuForecast(root=str(small), drop_first=False).clips("test")))
    start = eight_starts(half.frames)[3]
    assert torch.equal(peeking.asked[0][0].rotations[3], half.rotations[start : start + 50])


@pytest.mark.parametrize(
    ("spaces", "metrics"), [({"positions"}, {"mpjpe_mm"}), ({"rotations"}, {"euler_rad", "mpjpe_mm"})]
)
def test_a_metric_that_a_model_cannot_answer_is_left_out_with_a_note(
    spaces: set[Space], metrics: set[str], small: Path
) -> None:
    report = CMU_LEGACY.evaluate(Peeking(frozenset(spaces)), small)
    both = CMU_LEGACY.evaluate(ZERO_VELOCITY, small)
    for windows in ("8", "all"):
        assert set(report["windows"][windows]) == metrics
        # Rotations give positions by forward kinematics, and these are the same.
        ours, theirs = report["windows"][windows]["mpjpe_mm"]["mean"], both["windows"][windows]["mpjpe_mm"]["mean"]
        assert ours == pytest.approx(theirs, rel=1e-5)
    assert any("no Euler error" in note for note in report.notes) == ("rotations" not in spaces)


def test_physical_drops_the_t_pose_scores_captured_joints_and_true_millimetres(small: Path) -> None:
    peeking = Peeking(frozenset({"positions"}))
    physical = CMU_PHYSICAL.evaluate(peeking, small)
    clip = next(CmuForecast(root=str(small), drop_first=False).clips("test"))
    assert peeking.asked[1][0].frames == 10
    assert torch.equal(peeking.asked[1][0].rotations[0, 0], clip.rotations[1])
    assert len(set(range(38)) - set(UNSCORED_POSITIONS)) == 19
    # The same joints at the legacy scale are 1.24 times as large.
    legacy_scale = replace(CMU_PHYSICAL, unit_mm=70.0).evaluate(peeking, small)
    ratio = legacy_scale["windows"]["all"]["mpjpe_mm"]["mean"][0] / physical["windows"]["all"]["mpjpe_mm"]["mean"][0]  # pyright: ignore
    assert ratio == pytest.approx(70 / 56.4444)


def test_fingers_do_not_count_in_physical(small: Path) -> None:
    class Twisting(Peeking):
        """Turns what was never captured; the fingers' own ends hang on it."""

        def forecast_windows(self, past: Motion, frames: int, space: Space) -> Clip:
            answer = super().forecast_windows(past, frames, space)
            assert isinstance(answer, Motion)
            rotations = answer.rotations.clone()
            rotations[..., FINGER_ROTATIONS, :, :] = torch.eye(3).flip(0) @ rotations[..., FINGER_ROTATIONS, :, :]
            return replace(answer, rotations=rotations)

    plain, twisted = (one(frozenset({"rotations"})) for one in (Peeking, Twisting))
    for protocol, same in ((CMU_PHYSICAL, True), (CMU_LEGACY, False)):
        ours, theirs = (protocol.evaluate(one, small)["windows"]["all"] for one in (plain, twisted))
        for metric in ("euler_rad", "mpjpe_mm"):
            assert (ours[metric]["mean"] == pytest.approx(theirs[metric]["mean"])) == same, (protocol.name, metric)


@pytest.mark.parametrize(
    ("trained_on", "met"),
    [
        (lambda source: {clip.identity for clip in source.clips("train")}, "no"),
        (lambda source: {"cmu/06_07"}, "yes"),
        (lambda source: {"cmu/49_02"}, "may"),
        (lambda source: {"bandai2/walk"}, "no"),
    ],
)
def test_leaks_are_in_the_report(trained_on: Callable[[CmuForecast], set[str]], met: str, small: Path) -> None:
    source = CmuForecast(root=str(small))
    report = CMU_LEGACY.evaluate(Peeking(frozenset({"positions"}), frozenset(trained_on(source))), small)
    assert report.leak.to_json()["met"] == met


def test_the_others_stand_beside_and_the_model_not_twice(small: Path) -> None:
    average = open_pipeline("running-average-2")
    report = CMU_LEGACY.evaluate(ZERO_VELOCITY, small, beside=[ZERO_VELOCITY, average])
    assert set(report["beside"]) == {"running-average-2"}
    title = report.tables()[0].title
    assert "label (true time)" in title
    names = [row[0] for table in report.tables() for section in table.sections for row in section]
    assert "LTD [recalled]" in names
    assert "PGBIG [csv]" in names
    assert any(note.startswith("PGBIG [csv] (all): its released code keeps") for note in report.notes)
    assert not CMU_PHYSICAL.evaluate(ZERO_VELOCITY, small)["published"]


def test_missing_data_say_where_to_get_them(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"mocap\.cs\.cmu\.edu"):
        CMU_LEGACY.evaluate(ZERO_VELOCITY, tmp_path)


def test_the_table_of_protocols() -> None:
    assert set(PROTOCOLS) >= {"cmu-legacy", "cmu-physical", "h36m-legacy", "open-stochastic"}
    assert all(name == protocol.name and protocol.what for name, protocol in PROTOCOLS.items())
