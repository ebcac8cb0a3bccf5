"""A stream of frames: the batch forecast of the same frames, whatever the clock does; and what it will not take."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
import torch

import kinema
from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.motion.motion import Motion
from kinema.motion.skeletons import skeleton
from kinema.pipeline.streaming import Forecaster

FPS = 30
HARDENED = perform("walk", seconds=1.0, fps=30.0, seed=0)


@pytest.fixture(scope="module")
def walk() -> Motion:
    return perform("walk", seconds=2.0, fps=FPS, seed=3)


def feed(forecaster: Forecaster, clip: Motion, times: list[float] | None = None) -> Motion | None:
    """Take all frames, and ask at the last."""
    for place in range(clip.frames):
        forecaster.observe(clip[place : place + 1], time=None if times is None else times[place])
    return forecaster.futures()


@pytest.mark.parametrize("model", ["zero-velocity", "constant-velocity", "simlpe-cmu", "conv-seq2seq-cmu"])
def test_it_is_the_batch_forecast_of_the_same_frames(walk: Motion, model: str) -> None:
    forecaster = Forecaster.open(model, walk.skeleton, FPS, seconds=0.2)
    for place in range(walk.frames - 1):
        forecaster.observe(walk[place : place + 1])
    futures = forecaster.push(walk[walk.frames - 1 :])
    batch = forecaster.pipeline.forecast(walk, seconds=0.2, feet="keep").samples
    assert futures is not None
    assert futures.frames == 6
    assert futures.fps == FPS
    torch.testing.assert_close(futures.rotations, batch.rotations, rtol=0, atol=0)
    torch.testing.assert_close(futures.root, batch.root, rtol=0, atol=0)


def test_the_past_is_forgotten_beyond_what_is_kept(walk: Motion) -> None:
    """After more frames than are kept, as after none."""
    forecaster = Forecaster.open("constant-velocity", walk.skeleton, FPS, seconds=0.1)
    for place in range(3 * walk.frames):
        at = place % walk.frames
        forecaster.observe(walk[at : at + 1])
    futures = forecaster.futures()
    assert futures is not None
    last = forecaster.pipeline.forecast(walk, seconds=0.1).samples
    torch.testing.assert_close(futures.rotations, last.rotations, rtol=0, atol=0)


def test_there_is_no_answer_before_the_model_can_look_back(walk: Motion) -> None:
    forecaster = kinema.Forecaster.open("conv-seq2seq-cmu", walk.skeleton, FPS, seconds=0.1)
    needed = round(forecaster.needed * FPS)
    answers = [forecaster.push(walk[place : place + 1]) is not None for place in range(needed + 2)]
    assert answers == [False] * needed + [True] * 2
    forecaster.reset()
    assert not forecaster.ready


def test_times_may_tremble_and_frames_may_be_lost(walk: Motion) -> None:
    """A body that turns evenly: read off uneven times, it is where it would have been at even ones."""
    angle = torch.arange(walk.frames) / FPS
    kept = [place for place in range(walk.frames) if place % 7]
    tremble = 0.006 * torch.sin(torch.arange(walk.frames) * 12.9898)
    observed = [float(angle[place] + (tremble[place] if place < walk.frames - 1 else 0)) for place in kept]

    def at(times: torch.Tensor) -> Motion:
        still = walk[:1]
        root = still.root + times[:, None] * torch.tensor([0.3, 0.0, 1.0])
        return replace(still, root=root, rotations=still.rotations.expand(len(times), -1, -1, -1))

    forecaster = Forecaster.open("constant-velocity", walk.skeleton, FPS, seconds=0.1)
    feed(forecaster, at(torch.tensor(observed)), [100 + each for each in observed])
    clip = forecaster.clip()
    wanted = at(angle[walk.frames - clip.frames :])
    torch.testing.assert_close(clip.root, wanted.root, rtol=0, atol=1e-4)


def test_after_a_long_gap_the_past_is_forgotten(walk: Motion) -> None:
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS, longest_gap=0.2, seconds=0.1)
    assert feed(forecaster, walk[:20]) is not None
    assert forecaster.push(walk[20:21], time=20 / FPS + 1.0) is None


def test_missing_values_are_filled_where_that_is_asked_for(walk: Motion) -> None:
    """A joint that is not seen is where a straight line has it; one that stays away stops the answers."""
    broken = replace(walk, rotations=walk.rotations.clone(), root=walk.root.clone())
    broken.rotations[30:32, 5] = torch.nan
    broken.root[40] = torch.nan
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS, missing="fill", longest_gap=0.2, seconds=0.1)
    futures = feed(forecaster, broken)
    assert futures is not None
    clip = forecaster.clip()
    assert bool(clip.rotations.isfinite().all())
    assert bool(clip.root.isfinite().all())
    torch.testing.assert_close(clip.root, walk.root[-clip.frames :], atol=0.01, rtol=0)
    gone = walk[-1:].rotations.clone()
    gone[0, 5] = torch.nan
    answers = [forecaster.push(replace(walk[-1:], rotations=gone)) is not None for _ in range(8)]
    assert answers == [True] * 6 + [False] * 2
    assert forecaster.push(walk[-1:]) is not None


def test_values_that_are_not_numbers_are_refused_and_nothing_is_taken(walk: Motion) -> None:
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS)
    feed(forecaster, walk[:10])
    rotations = walk[10:11].rotations.clone()
    rotations[0, 3, 1, 1] = torch.nan
    with pytest.raises(UsageError, match=walk.skeleton.joints[3]) as caught:
        forecaster.push(replace(walk[10:11], rotations=rotations))
    assert 'missing="fill"' in caught.value.cure
    futures = forecaster.push(walk[10:11])
    assert futures is not None
    batch = forecaster.pipeline.forecast(walk[:11]).samples
    torch.testing.assert_close(futures.root, batch.root, rtol=0, atol=0)


@pytest.mark.parametrize("time", [9 / FPS, 5 / FPS, float("nan"), float("inf")])
def test_time_only_goes_on(walk: Motion, time: float) -> None:
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS)
    feed(forecaster, walk[:10])
    with pytest.raises(UsageError, match="in the order of their times"):
        forecaster.push(walk[10:11], time=time)


@pytest.mark.parametrize("true_rate", [15, 60])
def test_frames_at_quite_another_rate_are_an_error(walk: Motion, true_rate: int) -> None:
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS)
    with pytest.raises(UsageError, match=f"fps={true_rate}"):
        feed(forecaster, walk[:20], [place / true_rate for place in range(20)])


def test_another_body_and_two_frames_at_once_are_errors(walk: Motion) -> None:
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS)
    other = skeleton("canon17")
    pose = Motion(other, torch.eye(3).expand(1, len(other), 3, 3).clone(), torch.zeros(1, 3), FPS)
    for frame in (pose, walk[:2]):
        with pytest.raises(UsageError, match=f"one frame of {walk.skeleton.name}") as caught:
            forecaster.push(frame)
        assert caught.value.cure


@pytest.mark.parametrize("fps", [0.0, -30.0, float("nan"), float("inf"), 1e6])
def test_a_rate_that_cannot_be(walk: Motion, fps: float) -> None:
    with pytest.raises(UsageError, match="rate above 0"):
        Forecaster.open("zero-velocity", walk.skeleton, fps)


def test_unknown_models_and_too_few_samples_are_said_at_once(walk: Motion) -> None:
    with pytest.raises(UsageError, match="zero-velocity"):
        Forecaster.open("zero-velocty", walk.skeleton, FPS)
    with pytest.raises(UsageError, match="at least one sample"):
        Forecaster.open("zero-velocity", walk.skeleton, FPS, samples=0)


def test_offsets_that_move_are_kept(walk: Motion) -> None:
    moving = replace(walk, offsets=walk.skeleton.offsets.expand(walk.frames, -1, -1).clone())
    forecaster = Forecaster.open("zero-velocity", walk.skeleton, FPS)
    futures = feed(forecaster, moving[:10])
    assert futures is not None
    assert futures.offsets is not None
    with pytest.raises(UsageError, match="moving offsets"):
        forecaster.push(walk[10:11])


@pytest.mark.parametrize("factor", [0.0, 5.0, -1.0])
def test_a_matrix_that_is_no_rotation_is_refused(factor: float) -> None:
    stream = Forecaster("zero-velocity", HARDENED.skeleton, 30.0)
    with pytest.raises(UsageError, match="rotation matrices"):
        stream.push(replace(HARDENED[:1], rotations=factor * HARDENED[:1].rotations))
    assert stream.push(HARDENED[:1]) is None


def test_a_clock_in_milliseconds_is_an_error_that_names_the_rate() -> None:
    stream = Forecaster("zero-velocity", HARDENED.skeleton, 30.0)
    for frame in range(11):
        assert stream.push(HARDENED[frame : frame + 1], time=frame * 1000 / 30) is None
    with pytest.raises(UsageError, match=r"0\.03 per second") as caught:
        stream.push(HARDENED[11:12], time=11 * 1000 / 30)
    assert "times in seconds" in caught.value.cure


def test_threads_that_share_a_forecaster_lose_no_frame() -> None:
    stream, failed = Forecaster("zero-velocity", HARDENED.skeleton, 30.0, seconds=0.1), list[BaseException]()

    def push(count: int) -> None:
        try:
            for _ in range(count):
                stream.push(HARDENED[:1])
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    threads = [threading.Thread(target=push, args=(75,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert stream._past[-1].time == pytest.approx(299 / 30)  # pyright: ignore[reportPrivateUsage]
