"""`complete`: keys untouched, rates, reports, and models asked the same way as curves."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.data.synthetic import perform
from kinema.models.base import Model, repeat_samples
from kinema.motion import skeletons as catalog
from kinema.motion.interpolation import interpolate
from kinema.motion.motion import Motion, Points
from kinema.motion.names import CANON17
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion import evidence as evidence_module
from kinema.pipeline.completion.complete import complete
from kinema.pipeline.completion.evidence import Evidence
from kinema.pipeline.completion.gap_plan import Gap, GapRange, choose
from kinema.pipeline.completion.infilling import infill
from kinema.pipeline.pipeline import Pipeline
from kinema.protocols.inbetweening.upsampling import project
from kinema.representations.base import Representation
from kinema.representations.picture import PictureKeypointsConfig
from kinema.representations.positions import RootPositionsConfig
from kinema.representations.rotations import RotationVectorsConfig

WALK = perform("walk", seconds=2.0, fps=30.0, seed=3)


class Nudge(Model):
    """Repeats the question with a little added to what is unknown (nothing, with an amount of 0)."""

    def __init__(self, amount: float) -> None:
        super().__init__()
        self.amount = amount
        self.asked: list[Query] = []

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        raise NotImplementedError

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        self.asked.append(query)
        return repeat_samples(query.observed + self.amount, samples)


def run_of(representation: Representation, amount: float = 0.1) -> Adapter:
    return Adapter("nudge", Nudge(amount), representation, observed=10, trained=20)


@pytest.mark.parametrize("rate", [1.0, 2.0, 2.5, 3.0, 8.0, 60 / 29.97])
def test_any_rate_keeps_the_frames_that_fall_on_its_times(rate: float) -> None:
    done = complete(WALK, fps=30 * rate)
    motion = done.motion
    assert isinstance(motion, Motion)
    assert motion.frames == int((WALK.frames - 1) * rate + 1e-4) + 1
    assert motion.fps == 30 * rate
    assert done.report.key_deviation == 0
    if rate == int(rate):
        assert torch.equal(motion.rotations[:: int(rate)], WALK.rotations)
        assert torch.equal(motion.root[:: int(rate)], WALK.root)


@settings(max_examples=12)
@given(st.lists(st.booleans(), min_size=20, max_size=20).filter(any), st.sampled_from(["exact", "soft"]))
def test_every_pattern_of_keys_is_answered(pattern: list[bool], keys: str) -> None:
    known = torch.tensor(pattern)
    clip = WALK[:20]
    done = complete(clip, known=known, keys="exact" if keys == "exact" else "soft")
    assert isinstance(done.motion, Motion)
    assert done.motion.rotations.isfinite().all()
    assert done.motion.root.isfinite().all()
    if keys == "exact":
        assert torch.equal(done.motion.rotations[known], clip.rotations[known])
        assert done.report.key_deviation == 0


def test_a_report_says_what_was_done_and_why() -> None:
    known = torch.ones(60, dtype=torch.bool)
    known[10:40] = False
    (segment,) = complete(WALK[:60], known=known).report.segments
    assert (segment.first, segment.last, segment.gaps) == (10, 39, 1)
    assert segment.gap == pytest.approx(31 / 30)
    assert segment.method == "render-in-between"
    assert "beats every curve on gaps of 0.53 to 1 s" in segment.why
    assert segment.bone_drift is not None
    assert segment.bone_drift < 1e-4
    known[40:57] = False
    (segment,) = complete(WALK[:60], known=known).report.segments
    assert segment.method == "pchip"
    assert "above 1 s" in segment.why
    known[:] = False
    known[5] = known[9] = True
    report = complete(WALK[:60], known=known).report
    assert report.segments[0].method == "render-in-between"
    assert "repeat the nearest" in report.notes[0]


def test_a_report_counts_the_new_frames_and_not_the_keys_between_them() -> None:
    """Every other frame is known: the others are new."""
    report = complete(WALK[:59], known=torch.arange(59) % 2 == 0).report
    assert sum(segment.filled for segment in report.segments) == 29
    counted = re.findall(r"^(\d+) frames in", "\n".join(report.lines()), re.M)
    assert sum(map(int, counted)) == 29


def test_auto_follows_the_release_table() -> None:
    cell = GapRange("best", "rotations", sides=2, noisy=False, over=0.5, to=1.5)
    assert choose(Gap(1.0, 2, False, "rotations"), (cell,))[0] == "best"
    assert choose(Gap(2.0, 2, False, "rotations"), (cell,))[0] == "pchip"
    assert choose(Gap(1.0, 2, True, "rotations"), (cell,))[0] == "linear"
    assert choose(Gap(1.0, 2, False, "picture"), (cell,))[0] == "squad"


def test_soft_keys_lose_their_noise() -> None:
    noise = 0.02 * torch.randn(WALK.frames, 24, 3, generator=torch.Generator().manual_seed(0))
    true = WALK.points()
    noisy = replace(true, positions=true.positions + noise)
    done = complete(noisy, keys="soft")
    assert (done.motion.points().positions - true.positions).norm(dim=-1).mean() < 0.8 * noise.norm(dim=-1).mean()
    assert done.report.key_deviation > 0


def test_two_dimensions_with_people_who_are_not_there() -> None:
    points = WALK.points()
    flat = points.positions[..., :2] * 400 + 900
    sure = torch.ones(flat.shape[:-1])
    sure[0], sure[1], sure[-1], sure[30:35, 4] = 0, 0, 0, 0
    flat[sure == 0] = torch.nan
    done = complete(Points(points.skeleton, flat, 30.0, confidence=sure), fps=60.0)
    assert done.motion.points().positions.isfinite().all()
    assert done.report.segments[0].foot_skate is None
    assert "repeat the nearest" in done.report.notes[0]
    with pytest.raises(UsageError, match="no key"):
        complete(Points(points.skeleton, flat, 30.0, confidence=torch.zeros_like(sure)))


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_one_and_two_frames(frames: int) -> None:
    assert complete(WALK[:frames], fps=90.0).motion.frames == 3 * (frames - 1) + 1


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UsageError, match="positive frame rate"):
        complete(WALK, fps=-2.0)
    with pytest.raises(UsageError, match="squad"):
        complete(WALK, method="squat")
    with pytest.raises(UsageError, match="one of at, fps and frames"):
        complete(WALK, fps=60.0, frames=3)
    with pytest.raises(UsageError, match="out of order"):
        complete(WALK, times=torch.arange(WALK.frames).double().flip(0))


@pytest.mark.parametrize("config", [RotationVectorsConfig(20.0), RootPositionsConfig(20.0)])
def test_a_model_changes_the_gaps_and_nothing_else(config: RotationVectorsConfig | RootPositionsConfig) -> None:
    run = run_of(config.build(WALK.skeleton))
    known = torch.ones(60, dtype=torch.bool)
    known[10:40] = False
    done = complete(WALK[:60], known=known, method=run, samples=2)
    assert isinstance(done.motion, Motion)
    assert done.motion.batch_shape == (2,)
    assert torch.equal(done.motion.rotations[0][known], WALK.rotations[:60][known])
    curve = complete(WALK[:60], known=known, method="linear").motion
    assert isinstance(curve, Motion)
    assert not torch.allclose(done.motion.rotations[0][25], curve.rotations[25], atol=1e-2)
    assert done.report.segments[0].method == "nudge"


def test_a_model_sees_no_frame_that_is_unknown() -> None:
    run = run_of(RotationVectorsConfig(30.0).build(WALK.skeleton))
    known = torch.ones(60, dtype=torch.bool)
    known[10:24] = False
    complete(WALK[:60], known=known, method=run)
    model = run.model
    assert isinstance(model, Nudge)
    assert len(model.asked) == 2  # windows of 30 frames, half of each over the one before; not those without a gap
    for query in model.asked:
        hidden = (query.confidence == 0).all(-1)
        assert hidden.any()
        assert (query.observed[hidden] == 0).all()
        assert (query.observed[~hidden] != 0).any()


def asked_of(clip: Motion, known: Tensor, **more: object) -> Query:
    """What a model of rotations at 30 frames per second is asked."""
    run = run_of(RotationVectorsConfig(30.0).build(WALK.skeleton))
    complete(clip, known=known, method=run, **more)  # type: ignore[arg-type]
    assert isinstance(run.model, Nudge)
    (query,) = run.model.asked
    return query


def test_evidence_is_shown_as_it_came_with_its_confidence() -> None:
    clip, known = WALK[:25], torch.arange(25) % 8 == 0
    confidence = torch.full((25, 24), 0.7)
    confidence[8, 3], confidence[16] = 0.2, 1.0
    query = asked_of(clip, known, keys="soft", confidence=confidence)
    representation = RotationVectorsConfig(30.0).build(WALK.skeleton)
    assert torch.equal(query.confidence[0, 8] < 0.3, torch.arange(24) == 3)
    assert 0.9 < float(query.confidence[0, 16].min()) < 1  # evidence is never exact
    assert not query.confidence[0][~known].any()
    # Raw, not smoothed: smoothing is what the model is for.
    assert torch.allclose(query.observed[0][known], representation.encode(clip)[known], atol=1e-5)
    told_nothing = asked_of(clip, known, keys="soft")
    assert (told_nothing.confidence[0][known] == 0.5).all()
    exact = asked_of(clip, known)
    assert (exact.confidence[0][known] == 1).all()


def test_keys_off_the_models_frames_are_shown_at_their_own_times() -> None:
    """A clip of 24 frames per second before a model of 30: its keys stand where they are, not at the nearest frame."""
    clip = replace(WALK[:19], fps=24.0)
    known = torch.arange(19) % 6 == 0
    query = asked_of(clip, known, fps=48.0)
    there = query.confidence[0].amin(-1) == 1
    assert int(there.sum()) == int(known.sum())
    assert torch.allclose(query.time[0][there], torch.arange(19)[known] / 24, atol=1e-5)
    assert (query.time[0].diff() > 0).all()
    representation = RotationVectorsConfig(30.0).build(WALK.skeleton)
    assert torch.allclose(query.observed[0][there], representation.encode(replace(clip, fps=30.0))[known], atol=1e-5)


def test_a_gap_longer_than_a_models_window_is_seen_from_both_sides() -> None:
    known = torch.ones(60, dtype=torch.bool)
    known[10:55] = False
    query = asked_of(WALK[:60], known)
    assert query.confidence.shape[1] == 60


@pytest.mark.parametrize("trusted", [False, True])
def test_windows_asked_together_are_answered_as_each_by_itself(trusted: bool) -> None:
    run = run_of(RotationVectorsConfig(30.0).build(WALK.skeleton))
    clips = replace(
        WALK[:40],
        rotations=torch.stack((WALK.rotations[:40], WALK.rotations[15:55])),
        root=torch.stack((WALK.root[:40], WALK.root[15:55])),
    )
    known = torch.arange(40) % 8 == 0
    confidence = torch.rand(2, 40, 24, generator=torch.Generator().manual_seed(0)).clamp(0.1) if trusted else None
    answer = Pipeline(run.name, run).complete(clips, known, confidence)
    for window in range(2):
        one = None if confidence is None else confidence[window]
        alone = complete(
            clips.one(window), known=known, keys="soft" if trusted else "exact", confidence=one, method=run
        )
        assert isinstance(alone.motion, Motion)
        assert torch.allclose(answer.rotations[window][:33], alone.motion.rotations[:33], atol=1e-5)
        assert torch.allclose(answer.root[window][:33], alone.motion.root[:33], atol=1e-5)


class Late(Nudge):
    """Says for what is unknown the mean of what is known in the window, and noise of each window's own."""

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        there = query.confidence.amin(-1, keepdim=True) > 0
        mean = (query.observed * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)
        noise = torch.randn(samples, *mean.shape, generator=generator)
        return repeat_samples(torch.where(there, query.observed, mean), samples) + self.amount * noise


# Rotations: the same sums in float32, over parts of other lengths. Positions are turned to rotations by way of each
# limb's mean direction in the part, so that twists differ a little.
@pytest.mark.parametrize(
    ("config", "amount", "off"), [(RotationVectorsConfig(20.0), 0.02, 2e-6), (RootPositionsConfig(20.0), 0.02, 2e-3)]
)
def test_asked_about_the_gaps_alone_a_model_answers_as_about_the_whole_clip(
    config: RotationVectorsConfig | RootPositionsConfig, amount: float, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = perform("walk", seconds=12.0, fps=30.0, seed=4)
    run = Adapter("late", Late(amount), config.build(clip.skeleton), observed=10, trained=20)
    known = torch.ones(clip.frames, len(clip.skeleton), dtype=torch.bool)
    known[40:55], known[58:61], known[200:203, :7] = False, False, False
    clock = torch.arange(clip.frames).double() / 30
    evidence = Evidence(clip, known, clock)
    curve = interpolate(clip, known, method="pchip")
    whole, _ = infill(run, curve, evidence, clock, seed=3, samples=2)
    gaps, _ = infill(run, curve, evidence, clock, seed=3, samples=2, cells=~known)
    monkeypatch.setattr(evidence_module, "_PART", 37)
    parts, _ = infill(run, curve, evidence, clock, seed=3, samples=2)
    assert isinstance(whole, Motion)
    assert isinstance(gaps, Motion)
    assert isinstance(parts, Motion)
    assert torch.equal(gaps.rotations[0][known], curve.rotations[known])
    for other, frames in ((gaps, ~known.any(1)), (parts, torch.ones(clip.frames, dtype=torch.bool))):
        places, truth, before = (each.points().positions[..., frames, :, :] for each in (other, whole, curve))
        away = (places - truth).norm(dim=-1).mean()
        assert float(away) < off < 0.1 * float((truth - before)[:, ~known.any(1)[frames]].norm(dim=-1).mean())


def test_baselines_are_no_completers() -> None:
    run = Adapter("zero-velocity", Nudge(0.0))
    known = torch.ones(60, 24, dtype=torch.bool)
    times = torch.arange(60).double() / 30
    with pytest.raises(UsageError, match="only forecasts"):
        infill(run, WALK[:60], Evidence(WALK[:60], known, times), times, seed=0, samples=1)


def test_windows_begin_and_end_at_known_frames() -> None:
    run = run_of(RotationVectorsConfig(30.0).build(WALK.skeleton))
    known = torch.arange(60) % 7 == 0
    complete(WALK[:60], known=known, method=run)
    assert isinstance(run.model, Nudge)
    assert len(run.model.asked) > 1
    for query in run.model.asked[:-1]:
        assert (query.confidence[0, [0, -1]] == 1).all()


def picture_of(skeleton: str) -> tuple[Points, Tensor]:
    """Somebody who walks, in pixels, as a set of keypoints; and which frames are known."""
    body = catalog.skeleton(skeleton)
    canon = {name: place for place, name in enumerate(CANON17)}
    canonical = WALK[:41].points().positions[:, WALK.skeleton.indices(CANON17)]
    places = project(Points(catalog.skeleton("canon17"), canonical[None], 30.0), 0).positions[0]
    named = [next((name for name, own in body.aliases.items() if own == joint), "head") for joint in body.joints]
    flat = places[:, [canon.get(name, canon["head"]) for name in named]]
    return Points(body, flat, 30.0), torch.arange(41) % 8 == 0


@pytest.mark.parametrize("skeleton", ["coco17", "body25"])
def test_a_model_of_pictures_completes_any_set_of_keypoints(skeleton: str) -> None:
    clip, known = picture_of(skeleton)
    run = run_of(PictureKeypointsConfig(fps=30.0).build(WALK.skeleton), 10.0)
    holes = replace(clip, positions=torch.where(known[:, None, None], clip.positions, torch.nan))
    done = complete(holes, known=known, method=run)
    assert isinstance(done.motion, Points)
    assert torch.equal(done.motion.positions[known], clip.positions[known])
    curve = complete(holes, known=known, method="pchip").motion.points().positions
    moved = (done.motion.positions - curve).abs().amax((0, -1))
    knee, nose = (clip.skeleton.index(next(name for name in clip.skeleton.joints if part in name.lower()))
                  for part in ("knee", "eye"))  # fmt: skip
    assert moved[knee] > 1
    assert moved[nose] == 0  # joints that the model does not know stay on the curve
    query = run.model.asked[0]  # type: ignore[union-attr]
    names = PictureKeypointsConfig(fps=30.0).build(WALK.skeleton).joints
    lacking = {"head", "l_hand", "r_hand"} | ({"l_toe", "r_toe"} if skeleton == "coco17" else set())
    confidence = dict(zip(names, query.confidence[0, 0].tolist(), strict=True))
    assert {name for name, sure in confidence.items() if sure < 0.1} == lacking
    assert min(confidence.values()) > 0  # a guess is hardly believed, and a body is whole
    up = query.observed[0, 0].view(19, 2)
    assert up[names.index("l_knee"), 1] < 0  # y up for the model, below the hips
    elbow, wrist, hand = (up[names.index(f"l_{part}")] for part in ("elbow", "wrist", "hand"))
    assert torch.allclose(hand, wrist + 0.3 * (wrist - elbow), atol=1e-4)  # where the bone before it points


def test_a_model_of_pictures_needs_hips_and_shoulders() -> None:
    clip, known = picture_of("coco17")
    fixed = run_of(PictureKeypointsConfig(fps=30.0, own_scale=False).build(WALK.skeleton))
    with pytest.raises(UsageError, match="keypoints19"):
        complete(clip, known=known, method=fixed)
