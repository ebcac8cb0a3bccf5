"""Asking a run: the user's own skeleton and rate, continuity, and nothing but the past."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch

from kinema.core.errors import MissingDataError, UsageError
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.models.base import FeatureShape
from kinema.models.simlpe.model import SiMLPe
from kinema.motion.edit import mirror, resample
from kinema.motion.motion import Motion
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.recipes import recipe
from kinema.representations.base import root_free
from kinema.representations.positions import RootPositionsConfig


@pytest.fixture(scope="module")
def walk() -> Motion:
    return perform("walk", seconds=3.0, fps=60.0, seed=1)


@pytest.fixture(scope="module", params=["zero-velocity", "constant-velocity", "simlpe-cmu"])
def run(request: pytest.FixtureRequest) -> Pipeline:
    return open_pipeline(str(request.param))


def test_the_answer_is_on_the_users_skeleton_at_the_users_rate(run: Pipeline, walk: Motion) -> None:
    clip = resample(walk, 25.0)
    answer = run.forecast(clip, seconds=0.4, samples=2, seed=0)
    assert answer.samples.batch_shape == (2,)
    assert answer.samples.frames == 10
    assert answer.samples.fps == 25.0
    assert answer.samples.skeleton == clip.skeleton
    assert answer.whole(1).frames == clip.frames + 10


def test_the_forecast_goes_on_from_the_last_frame(run: Pipeline, walk: Motion) -> None:
    answer = run.forecast(walk, seconds=0.2)
    observed = walk.points().positions
    step = (answer.samples.one(0).points().positions[0] - observed[-1]).norm(dim=-1)
    last = (observed[-1] - observed[-2]).norm(dim=-1)
    assert float(step.max()) < 1.2 * float(last.max())
    assert float(step[0]) < 1.5 * float(last[0])


def test_the_same_seed_gives_the_same_motion(run: Pipeline, walk: Motion) -> None:
    first, second = (run.forecast(walk, seconds=0.3, samples=2, seed=5).samples for _ in range(2))
    assert torch.equal(first.rotations, second.rotations)
    assert torch.equal(first.root, second.root)


def test_what_lies_far_back_does_not_matter(run: Pipeline, walk: Motion) -> None:
    changed = replace(walk, rotations=torch.cat((walk.rotations[:30].flip(0), walk.rotations[30:])))
    # Where the floor is the whole clip says: without that.
    first, second = (run.forecast(clip, seconds=0.3, feet="keep").samples for clip in (walk, changed))
    assert torch.equal(first.rotations, second.rotations)


def test_a_clip_of_one_frame_is_answered_and_said(run: Pipeline, walk: Motion) -> None:
    answer = run.forecast(walk[:1], seconds=0.2)
    assert answer.samples.frames == 12
    assert torch.isfinite(answer.samples.rotations).all()
    assert torch.isfinite(answer.samples.root).all()
    assert any("1 of the" in line for line in answer.notes)


def test_a_symmetric_run_treats_left_and_right_alike(walk: Motion) -> None:
    torch.manual_seed(0)
    representation = RootPositionsConfig(fps=60.0).build(walk.skeleton)
    config = SiMLPe.Config(observed=10, predicted=5, layers=2, mixing="gelu", tokens=8, width=16)
    plain = Pipeline.of(
        "untrained",
        config.build(FeatureShape(representation.width, representation.tokens)),
        representation,
        observed=10,
    )
    past = root_free(_batched(walk[:40]))

    def unlike(run: Pipeline) -> float:
        """How far the forecast of the mirrored clip is from the mirrored forecast, metres."""
        answer = mirror(run.forecast_windows(past, 5, "positions").points())
        return float(
            (run.forecast_windows(mirror(past), 5, "positions").points().positions - answer.positions).abs().max()
        )

    assert unlike(plain) > 1e-4
    assert unlike(replace(plain, adapter=replace(plain.trained(), symmetric=True))) < 1e-6


def _batched(clip: Motion) -> Motion:
    return replace(clip, rotations=clip.rotations[None], root=clip.root[None])


def test_a_forecast_file_keeps_the_layout_of_its_source(tmp_path: Path, walk: Motion) -> None:
    save(walk, tmp_path / "walk.bvh")
    text = (
        (tmp_path / "walk.bvh").read_text().replace("Zrotation Xrotation Yrotation", "Yrotation Zrotation Xrotation", 3)
    )
    (tmp_path / "odd.bvh").write_text(text)
    clip = load(tmp_path / "odd.bvh")
    answer = open_pipeline("zero-velocity").forecast(clip, seconds=0.5)
    save(answer.whole(), tmp_path / "next.bvh")
    head, tail = text.split("MOTION"), (tmp_path / "next.bvh").read_text().split("MOTION")
    assert [line.split() for line in tail[0].splitlines() if "CHANNELS" in line] == [
        line.split() for line in head[0].splitlines() if "CHANNELS" in line
    ]


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_cannot_be_is_refused(walk: Motion, seconds: float) -> None:
    with pytest.raises(UsageError, match="positive time"):
        open_pipeline("zero-velocity").forecast(walk, seconds=seconds)


@pytest.mark.parametrize(("fps", "seconds", "frames"), [(29.97, 1.0, 30), (23.976, 2.0, 48), (59.94, 0.5, 30)])
def test_a_round_time_has_all_its_frames_at_the_rates_of_video(walk: Motion, fps: float, seconds: float, frames: int):
    answer = open_pipeline("simlpe-cmu").forecast(replace(walk, fps=fps), seconds=seconds)
    assert answer.samples.frames == frames


def test_several_clips_at_once_are_counted(walk: Motion) -> None:
    three = replace(walk, rotations=walk.rotations.expand(3, -1, -1, -1, -1), root=walk.root.expand(3, -1, -1))
    with pytest.raises(UsageError, match="expected one clip; got a batch of 3"):
        open_pipeline("zero-velocity").forecast(three)


def test_unknown_models_are_named_with_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="zero-velocity"):
        open_pipeline("zero-velocty")
    with pytest.raises(MissingDataError, match="run folder"):
        open_pipeline(tmp_path)


def test_a_model_of_positions_refuses_rotations(walk: Motion) -> None:
    with pytest.raises(UsageError, match="positions"):
        open_pipeline("simlpe-cmu").forecast_windows(_batched(walk), 5, "rotations")


def test_a_forecast_fades_into_the_last_pose_by_the_table(walk: Motion) -> None:
    plain = open_pipeline("simlpe-cmu")
    adapter = replace(plain.trained(), share=())
    faded = replace(adapter, share=((0.0, 1.0), (0.2, 1.0), (0.4, 0.25)))
    representation = adapter.trained_representation()
    past = adapter.recent(walk)
    own = cast("Motion", representation.read(past))
    whole, less = (one.continued(representation, own, 36, 1, 0)[0] for one in (adapter, faded))
    last = representation.encode(own[-1:])
    torch.testing.assert_close(less[:12], whole[:12])  # 0.2 s of 60 frames per second
    torch.testing.assert_close(less[23:] - last, 0.25 * (whole[23:] - last))
    middle = (less[17] - last).norm() / (whole[17] - last).norm()
    torch.testing.assert_close(middle, torch.tensor(0.625))
    notes = Pipeline("simlpe-cmu", faded).forecast(walk, seconds=0.5).notes
    assert any("75 % of it 0.50 s ahead" in note for note in notes)
    assert not any("fades" in note for note in Pipeline("simlpe-cmu", faded).forecast(walk, seconds=0.2).notes)


def test_only_the_first_of_many_samples_fades(walk: Motion) -> None:
    adapter = replace(open_pipeline("smrnet").trained(), share=())
    faded = replace(adapter, share=((0.0, 0.5),))
    representation = adapter.trained_representation()
    own = cast("Motion", representation.read(adapter.recent(walk)))
    whole, less = (one.continued(representation, own, 20, 2, 0) for one in (adapter, faded))
    last = representation.encode(own[-1:])
    torch.testing.assert_close(less[0] - last, 0.5 * (whole[0] - last))
    assert torch.equal(less[1], whole[1])


def test_times_of_the_share_rise() -> None:
    with pytest.raises(UsageError, match="rising times"):
        replace(recipe("simlpe"), share=((0.4, 0.5), (0.2, 1.0)))
