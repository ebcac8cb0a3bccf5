"""Contacts and slide against motion whose contacts are known; cleaned feet stand, do not sink, and cost little."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

import kinema as kn
from kinema.core.errors import KinemaWarning, UsageError
from kinema.data.synthetic import perform
from kinema.data.synthetic.steps import FootTrack, foot_track
from kinema.motion.edit import rest_pose
from kinema.motion.feet.clean import clean_feet, fastest_knee, floor_of
from kinema.motion.feet.contacts import contact_points, foot_contacts, slide, standing
from kinema.motion.motion import Motion
from kinema.motion.skeletons import skeleton
from kinema.pipeline.constraints import clip_on_feet, forecast_on_feet
from kinema.pipeline.forecasting import Answer


def slid(clip: Motion) -> float:
    feet = contact_points(clip)
    assert feet is not None
    found = slide(feet, clip.fps)
    assert found is not None
    return found


def skating(action: str = "walk", fps: float = 30.0) -> Motion:
    """A performed motion whose body drifts sideways at 0.3 m/s and sinks by up to 4 cm."""
    clip = perform(action, seconds=3.0, fps=fps, seed=3)
    time = torch.arange(clip.frames) / fps
    drift = torch.stack((0.3 * time, -0.02 + 0.02 * torch.cos(2 * time), torch.zeros_like(time)), -1)
    return replace(clip, root=clip.root + drift)


def pose(clip: Motion) -> torch.Tensor:
    """Positions relative to where the root is on the floor."""
    return clip.points().positions - clip.root[:, None] * torch.tensor([1.0, 0.0, 1.0])


def performed(action: str, fps: float, monkeypatch: pytest.MonkeyPatch) -> tuple[Motion, torch.Tensor]:
    """A performed motion, and when its left and right foot are planted."""
    stage = importlib.import_module("kinema.data.synthetic")
    tracks: list[tuple[np.ndarray, FootTrack]] = []

    def kept(*plan: Any) -> FootTrack:
        track = foot_track(*plan)
        tracks.append((plan[-1], track))
        return track

    monkeypatch.setattr(stage, "foot_track", kept)
    clip = perform(action, seconds=3.0, fps=fps, seed=2)
    time = np.arange(clip.frames) / fps
    sides = [torch.from_numpy(np.interp(time, at, track.planted) > 0.5) for at, track in tracks]
    return clip, torch.stack(sides, -1)


@pytest.mark.parametrize("fps", [24.0, 120.0])
@pytest.mark.parametrize("action", ["walk", "run", "hop"])
def test_a_foot_stands_where_the_performer_plants_it(action: str, fps: float, monkeypatch: pytest.MonkeyPatch) -> None:
    clip, planted = performed(action, fps, monkeypatch)
    found = foot_contacts(clip).unflatten(-1, (2, 2)).any(-1)
    assert float(found[planted].float().mean()) > 0.95
    assert float(planted[found].float().mean()) > 0.88  # a foot is low and slow just before and after, too


def test_slide_is_next_to_nothing_where_feet_are_planted_and_the_drift_where_they_are_not() -> None:
    assert slid(perform("jump", seconds=3.0, fps=30.0, seed=3)) < 0.001
    assert slid(perform("walk", seconds=3.0, fps=30.0, seed=3)) < 0.06
    # Recordings of good quality slide by 0.03 to 0.2 m/s; noise of some millimetres per frame is no slide.
    assert slid(kn.sample("punch")) < 0.08
    assert 0.05 < slid(kn.sample("walk")) < 0.22
    assert slid(skating()) == pytest.approx(0.3, abs=0.06)


def test_a_swinging_foot_is_no_sliding_foot() -> None:
    """One foot stands, the other passes 2 cm over the floor at 2 m/s."""
    feet = torch.zeros(60, 4, 3)
    feet[:, 2:, 2] = 2.0 * torch.arange(60)[:, None] / 30.0
    feet[:, 2:, 1] = 0.02
    found = standing(feet, 30.0)
    assert bool(found[:, :2].all())
    assert not bool(found[:, 2:].any())
    assert slide(feet, 30.0) == 0
    assert slide(feet[:3], 30.0) is None


def test_hysteresis_drops_what_never_comes_quite_down() -> None:
    feet = torch.zeros(90, 4, 3)
    feet[30:60, :2, 1] = 0.04  # still within the wide limit
    assert bool(standing(feet, 30.0).all())
    feet[:, :2, 1] = 0.04
    assert not bool(standing(feet, 30.0)[:, :2].any())


@pytest.mark.parametrize("action", ["walk", "squat"])
def test_cleaned_feet_stand_above_the_floor_and_the_pose_hardly_changes(action: str) -> None:
    before = skating(action)
    after = clean_feet(before, floor=0.0)
    assert slid(after) < 0.2 * slid(before)
    assert slid(after) < 1.2 * slid(kn.sample("walk"))
    assert float(before.points().positions[..., 1].amin()) < -0.015
    assert float(after.points().positions[..., 1].amin()) > -0.005
    assert float((pose(after) - pose(before)).norm(dim=-1).mean()) < 0.03
    assert fastest_knee(after) < max(1.3 * fastest_knee(before), 16.0)  # radians per second; recordings have 16


def test_feet_that_stand_and_a_batch_are_as_they_were() -> None:
    still = perform("idle", seconds=2.0, fps=30.0, seed=1)
    assert float((pose(clean_feet(still)) - pose(still)).norm(dim=-1).max()) < 0.02
    one = skating()
    two = Motion(one.skeleton, torch.stack((one.rotations,) * 2), torch.stack((one.root, one.root + 1)), one.fps)
    both = clean_feet(two, floor=0.0)
    torch.testing.assert_close(both.root[0], clean_feet(one, floor=0.0).root)
    assert both.batch_shape == (2,)


def test_fixed_frames_stay_bit_for_bit_and_changes_fade_towards_them() -> None:
    clip = skating()
    fixed = torch.arange(clip.frames) < 30
    fixed[60] = True
    after = clean_feet(clip, floor=-0.1, fixed=fixed)
    assert torch.equal(after.rotations[fixed], clip.rotations[fixed])
    assert torch.equal(after.root[fixed], clip.root[fixed])
    change = after.points().positions - clip.points().positions
    assert float(change.norm(dim=-1).max()) > 0.01
    assert float(change.diff(dim=0).norm(dim=-1).max()) < 0.03  # metres per frame


def test_the_floor_is_y_0_where_the_feet_rest_just_above_it() -> None:
    walk = perform("walk", seconds=2.0, fps=30.0, seed=3)
    assert floor_of(walk) == 0
    high = replace(walk, root=walk.root + torch.tensor([0.0, 0.7, 0.0]))
    assert floor_of(high) == pytest.approx(0.7 + 0.015, abs=0.01)


def test_a_forecast_keeps_what_was_observed_and_stands() -> None:
    clip = skating()
    future = Motion(clip.skeleton, clip.rotations[None, 30:], clip.root[None, 30:], clip.fps)
    answer = forecast_on_feet(Answer(clip[:30], future))
    assert torch.equal(answer.observed.root, clip.root[:30])
    assert slid(answer.samples.one(0)) < 0.4 * slid(clip[30:])
    step = answer.samples.one(0).root[0] - clip.root[29]
    torch.testing.assert_close(step, clip.root[30] - clip.root[29], atol=0.01, rtol=0)


def test_verbs_clean_feet_when_asked() -> None:
    clip = skating()
    curve = kn.open("auto")
    plain = curve.inbetween(clip, keys=(0, 45, 89))
    done = curve.inbetween(clip, keys=(0, 45, 89), feet=True)
    assert isinstance(done.motion, Motion)
    assert isinstance(plain.motion, Motion)
    for key in (0, 45, 89):
        assert torch.equal(done.motion.rotations[key], plain.motion.rotations[key])
        assert torch.equal(done.motion.root[key], plain.motion.root[key])
    assert not torch.equal(done.motion.rotations, plain.motion.rotations)
    assert "feet that stand slide at" in done.report.notes[-1]
    repaired = kn.open("auto").repair(clip, feet=True).motion
    assert isinstance(repaired, Motion)
    assert slid(repaired) < 0.2 * slid(clip)


def test_positions_and_bodies_without_legs_come_back_and_it_is_told() -> None:
    clip = skating()
    with pytest.warns(KinemaWarning, match="feet are left: the answer has positions"):
        done = kn.open("auto").repair(clip.points(), feet=True)
    assert done.motion.frames == clip.frames
    assert clip_on_feet(clip.points()).frames == clip.frames
    bare = rest_pose(replace(skeleton("kinema24"), aliases={"pelvis": "pelvis"}), 30.0)
    assert clean_feet(bare) is bare


def test_an_unknown_word_for_feet_is_refused() -> None:
    with pytest.raises(UsageError, match="clean or keep"):
        kn.open("simlpe-cmu").forecast(skating(), seconds=0.5, feet="clear")  # pyright: ignore[reportArgumentType]
