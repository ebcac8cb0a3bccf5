"""Stochastic protocols: which windows, what is asked, three ways of counting; the values of zero velocity."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.apps.cli import main
from kinema.core.errors import FormatError, KinemaError, UsageError
from kinema.data.source import Split
from kinema.metrics.distribution import DctFeatures
from kinema.motion.motion import Points
from kinema.motion.skeletons import skeleton
from kinema.pipeline.evaluate import evaluate
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.interface import PartialMethod
from kinema.protocols.stochastic import scores as stochastic_scores
from kinema.protocols.stochastic.nearest_neighbour import NearestFutures
from kinema.protocols.stochastic.protocol import (
    AMASS_STOCHASTIC,
    H36M_STOCHASTIC,
    HUMANEVA_STOCHASTIC,
    StochasticProtocol,
)
from kinema.protocols.stochastic.scores import METRICS, means, means_by_group, score
from kinema.protocols.stochastic.windows import FutureWindows

BODY = skeleton("canon17")
FPS = 10.0


def take(frames: int, seed: int, action: str = "walk", *, step: float = 0.02) -> Points:
    """A body that drifts off its rest pose, and whose root goes its way."""
    generator = torch.Generator().manual_seed(seed)
    drift = step * torch.randn(frames, len(BODY), 3, generator=generator).cumsum(0)
    rest = torch.randn(len(BODY), 3, generator=torch.Generator().manual_seed(99))
    way = torch.arange(frames)[:, None, None] * torch.tensor([0.1, 0.0, 0.05])
    return Points(BODY, rest + drift + way, FPS, action, f"mine/{action}_{seed}")


def little(root: str | None, split: Split) -> Iterator[Points]:
    del root
    if split == "train":
        yield from (take(60, seed) for seed in range(20, 24))
    else:
        yield from (take(31, 1), take(19, 2, "wave"), take(40, 3, "wave"), take(9, 4, "short"))


LITTLE = StochasticProtocol(
    name="little", what="a little one", takes=little, fps=FPS, observed=4, predicted=6, stride=5, samples=7
)


class Noisy(PartialMethod):
    """The last pose with noise that grows."""

    name = "noisy"
    trained_on = frozenset({"mine/wave_2", "mine/walk_20"})
    deterministic = False

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        assert past.frames == LITTLE.observed
        generator = torch.Generator().manual_seed(seed)
        last = past.positions[:, -1:] - past.positions[:, -1:, :1]
        noise = torch.randn(samples, len(last), frames, len(BODY), 3, generator=generator)
        return Points(BODY, last + 0.05 * noise * torch.arange(frames)[:, None, None], FPS)


@pytest.fixture(scope="module")
def windows() -> FutureWindows:
    return LITTLE.windows(None)


def test_windows_start_every_stride_and_the_last_start_is_left_out(windows: FutureWindows) -> None:
    # 31 frames: range(0, 21, 5); 19: range(0, 9, 5); 40: range(0, 30, 5); 9 are too few.
    assert windows.first.tolist() == [*range(0, 21, 5), 31, 36, *range(50, 80, 5)]
    assert windows.groups == ("walk", "wave")
    assert windows.group.tolist() == [0] * 5 + [1] * 8
    assert windows.identities == {"walk": ("mine/walk_1",), "wave": ("mine/wave_2", "mine/wave_3")}


def test_a_model_is_shown_the_past_with_its_path_and_asked_for_what_comes(windows: FutureWindows) -> None:
    whole = take(31, 1).positions
    past, future = windows.past(torch.tensor([1])), windows.future(torch.tensor([1]))
    torch.testing.assert_close(past.positions[0], whole[5:9])
    expected = whole[9:15] - whole[9:15, :1]
    torch.testing.assert_close(future[0], expected[:, 1:].flatten(1))


def test_usual_steps_do_not_cross_from_one_recording_to_the_next(windows: FutureWindows) -> None:
    wave = [one.positions - one.positions[:, :1] for one in (take(19, 2, "wave"), take(40, 3, "wave"))]
    steps = torch.cat([one[:, 1:].diff(dim=0).norm(dim=-1).mean(-1) for one in wave])
    torch.testing.assert_close(windows.usual_steps[1], steps.mean())


def test_the_same_again_and_in_other_chunks_for_what_draws_nothing(
    windows: FutureWindows, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert means(score(Noisy(), windows, samples=7, seed=3), windows) == means(
        score(Noisy(), windows, samples=7, seed=3), windows
    )
    held = open_pipeline("zero-velocity")
    whole = means(score(held, windows, samples=7, seed=0), windows)
    monkeypatch.setattr(stochastic_scores, "CHUNK_BYTES", 1)
    parts = means(score(held, windows, samples=7, seed=0), windows)
    for way, scores in whole.items():
        assert parts[way] == pytest.approx(scores, rel=1e-6)


def test_zero_velocity_through_a_run_is_the_last_pose_held(windows: FutureWindows) -> None:
    found = score(open_pipeline("zero-velocity"), windows, samples=7, seed=0)
    last = windows.last_observed[:, 1:].flatten(1)
    distance = (windows.future(torch.arange(len(windows))) - last[:, None]).norm(dim=-1)
    torch.testing.assert_close(found.by_window["ADE"], distance.mean(1))
    torch.testing.assert_close(found.by_window["FDE"], distance[:, -1])
    every = means(found, windows)["all-windows"]
    assert (every["APD"], every["stretch"], every["jitter"]) == (0.0, 0.0, 0.0)
    assert every["APDE"] == pytest.approx(float(windows.mode_diversity[windows.several].mean()))
    shares = torch.tensor([5 / 13, 8 / 13])
    assert every["CMD"] == pytest.approx(float((windows.usual_steps * shares).sum()) * 15, rel=1e-5)


def test_constant_velocity_moves_on(windows: FutureWindows) -> None:
    past = windows.past(torch.tensor([0]))
    answer = open_pipeline("constant-velocity").sample(past, 3, 2, 0)
    places = past.positions - past.positions[..., :1, :]
    expected = places[0, -1] + 3 * (places[0, -1] - places[0, -2])
    assert answer.positions.shape == (2, 1, 3, 17, 3)
    torch.testing.assert_close(answer.positions[1, 0, 2], expected, atol=1e-5, rtol=1e-5)


def test_three_ways_of_counting(windows: FutureWindows) -> None:
    alone = replace(windows, threshold=0.45)
    assert 0 < int(alone.several.sum()) < len(alone), "the case must have both kinds"
    scored = score(Noisy(), alone, samples=5, seed=0)
    found = means(scored, alone)
    every, dropped, nan = found["all-windows"], found["singletons-dropped"], found["singletons-nan"]
    assert every["MMADE"] == pytest.approx(float(scored.by_window["MMADE"].mean()), rel=1e-6)
    several = scored.by_window["MMADE"][alone.several].mean()
    assert dropped["MMADE"] == nan["MMADE"] == pytest.approx(float(several), rel=1e-6)
    assert dropped["ADE"] != every["ADE"] == nan["ADE"]
    assert every["APDE"] == dropped["APDE"]


def test_without_any_second_mode_nothing_is_invented(windows: FutureWindows) -> None:
    scored = score(Noisy(), replace(windows, threshold=1e-6), samples=3, seed=0)
    found = means(scored, replace(windows, threshold=1e-6))
    assert set(found["singletons-dropped"].values()) == {None}
    assert found["all-windows"]["APDE"] is None
    assert found["all-windows"]["MMADE"] == pytest.approx(found["all-windows"]["ADE"], rel=1e-4)


def test_one_sample_has_diversity_zero(windows: FutureWindows) -> None:
    found = means(score(Noisy(), windows, samples=1, seed=0), windows)["all-windows"]
    assert found["APD"] == 0.0
    assert all(value is not None and math.isfinite(value) for value in found.values())


def test_by_action(windows: FutureWindows) -> None:
    scored = score(Noisy(), windows, samples=5, seed=0)
    rows = means_by_group(scored, windows)
    assert set(rows) == {"walk", "wave"}
    assert rows["walk"]["ADE"] == pytest.approx(float(scored.by_window["ADE"][:5].mean()), rel=1e-6)
    assert rows["walk"]["FID-DCT"] is None


def test_the_report(tmp_path: Path) -> None:
    report = LITTLE.evaluate(Noisy(), tmp_path, beside=[open_pipeline("zero-velocity")])
    data = json.loads(json.dumps(report.to_json(full=True)))
    assert data["setting"]["windows"] == 13
    assert data["setting"]["samples"] == 7
    assert set(data["scores"]["all-windows"]) == set(METRICS)
    assert list(data["beside"]) == ["zero-velocity"]
    # Of the one recording that was tested and trained on; walk_20 is another.
    assert [meeting["test"] for meeting in data["leak"]["sure"]] == ["mine/wave_2"]
    titles = [table.title for table in report.tables()]
    assert titles[0] == "little: all-windows"
    assert titles[-1].startswith("little: noisy by action")


def test_what_cannot_sample_is_refused() -> None:
    class Single(PartialMethod):
        name = "single"

    with pytest.raises(UsageError, match="samples futures"):
        LITTLE.evaluate(Single())


def test_a_model_in_the_frame_of_the_root_is_refused() -> None:
    with pytest.raises(UsageError, match="joint positions relative to the root"):
        LITTLE.evaluate(open_pipeline("simlpe-cmu"))


def test_futures_that_are_not_finite_are_refused(windows: FutureWindows) -> None:
    class Broken(Noisy):
        name = "broken"

        def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
            answer = super().sample(past, frames, samples, seed)
            return replace(answer, positions=answer.positions * torch.nan)

    with pytest.raises(UsageError, match="not finite"):
        score(Broken(), windows, samples=2, seed=0)


def test_recordings_that_are_too_short_or_broken_are_said_to_be() -> None:
    with pytest.raises(KinemaError, match="more than 10 frames"):
        FutureWindows.cut([take(10, 0)], observed=4, predicted=6, stride=5, threshold=0.5)
    broken = take(20, 0)
    broken.positions[3, 2, 1] = torch.nan
    with pytest.raises(FormatError, match="mine/walk_0"):
        FutureWindows.cut([broken], observed=4, predicted=6, stride=5, threshold=0.5)


def test_nearest_futures_are_what_followed_the_same_moment(windows: FutureWindows) -> None:
    """Asked about a moment of its own recordings, the first answer is what came."""
    del windows
    own = NearestFutures.of([take(60, 20), take(60, 21)], observed=4, stride=5)
    past = replace(take(60, 21), positions=take(60, 21).positions[None, 15:19])
    answer = own.sample(past, 6, 3, 0)
    places = take(60, 21).positions
    torch.testing.assert_close(answer.positions[0, 0], places[19:25] - places[19:25, :1])
    assert answer.positions.shape == (3, 1, 6, 17, 3)
    assert own.trained_on == {"mine/walk_20", "mine/walk_21"}


def test_nearest_futures_never_run_over_the_end_of_a_recording() -> None:
    own = NearestFutures.of([take(20, 20), take(20, 21)], observed=4, stride=1)
    past = replace(take(20, 20), positions=take(20, 20).positions[None, 14:18])
    with pytest.raises(UsageError, match="training windows"):
        own.sample(past, 10, 17, 0)
    assert own.sample(past, 10, 14, 0).positions.isfinite().all()


def test_features_of_futures_are_standard_and_few() -> None:
    futures = torch.randn(200, 20, 6, generator=torch.Generator().manual_seed(0)) * torch.arange(1, 7) + 3
    features = DctFeatures.fit(futures)
    found = features.of(futures)
    assert found.shape == (200, 30)
    assert found.mean(0).abs().max() < 1e-9
    correlation = found.T.cov() - torch.diag(found.T.cov().diagonal())
    assert correlation.abs().max() < 1e-8


def test_published_rows_say_where_they_are_from() -> None:
    for benchmark in (H36M_STOCHASTIC, HUMANEVA_STOCHASTIC, AMASS_STOCHASTIC):
        rows = benchmark.published
        assert len({row.method for row in rows}) == len(rows) > 8
        for row in rows:
            assert row.provenance in {"table", "issue", "recalled"}
            assert set(row.recalled) <= set(row.scores) <= set(METRICS)


def test_the_anchors_of_zero_velocity_are_its_published_rows() -> None:
    for protocol in (H36M_STOCHASTIC, AMASS_STOCHASTIC):
        row = next(row for row in protocol.published if row.method == "zero velocity")
        anchors = dict(protocol.anchors)
        assert {name: anchors[name] for name in row.scores if name in anchors} == pytest.approx(
            {name: value for name, value in row.scores.items() if name in anchors}, abs=6e-3
        )


def test_the_check_that_a_user_with_the_data_can_make_is_printed() -> None:
    notes = replace(LITTLE, anchors=(("ADE", 0.597),)).evaluate(open_pipeline("zero-velocity")).notes
    assert any("zero velocity is published as ADE 0.597" in note for note in notes)


ZERO_VELOCITY = {"ADE": 0.750, "FDE": 1.014, "MMADE": 0.775, "MMFDE": 1.012, "CMD": 34.743, "APDE": 6.821, "APD": 0.0}
CONSTANT_VELOCITY = {"ADE": 2.063, "FDE": 4.105, "MMADE": 2.139, "MMFDE": 4.131}
WITHOUT_SINGLETONS = {"ADE": 0.681, "FDE": 0.941, "MMADE": 0.711, "MMFDE": 0.939}


@pytest.mark.shared
def test_zero_velocity_on_open_motion(shared_data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    with pytest.raises(SystemExit) as left:
        main(["eval", "zero-velocity", "--protocol", "open-stochastic", "--data", str(shared_data), "--json",
              "--out", str(out)])  # fmt: skip
    assert left.value.code == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["setting"]["windows"], report["setting"]["windows_of_several_modes"]) == (356, 306)
    scores = report["scores"]
    assert {name: scores["all-windows"][name] for name in ZERO_VELOCITY} == pytest.approx(ZERO_VELOCITY, abs=6e-4)
    dropped = scores["singletons-dropped"]
    assert {name: dropped[name] for name in WITHOUT_SINGLETONS} == pytest.approx(WITHOUT_SINGLETONS, abs=6e-4)
    assert scores["singletons-nan"]["MMADE"] == dropped["MMADE"]
    beside = json.loads(out.read_text())["beside"]["constant-velocity"]["all-windows"]
    assert {name: beside[name] for name in CONSTANT_VELOCITY} == pytest.approx(CONSTANT_VELOCITY, abs=6e-4)


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(UsageError, match="open-stochastic"):
        evaluate("zero-velocity", "open-stochastics")
