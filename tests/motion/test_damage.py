"""Damage is found where it was done, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.io.formats import load_clip
from kinema.motion.damage import find_damage
from kinema.motion.motion import Motion


def clip(fps: float = 60.0) -> Motion:
    walk = perform("walk", seconds=2.0, fps=fps, seed=3)
    return replace(walk, rotations=walk.rotations.clone(), root=walk.root.clone())


@pytest.mark.parametrize("fps", [30.0, 120.0])
def test_a_sound_clip_has_none(fps: float) -> None:
    assert not find_damage(clip(fps)).joints.any()


def test_a_spike_is_found_on_its_joint_and_frames() -> None:
    walk = clip()
    walk.rotations[40:43, 5] = walk.rotations[40:43, 5] @ axis_angle_to_rotmat("X", torch.tensor(1.2))
    damage = find_damage(walk)
    assert damage.joints.nonzero().tolist() == [[40, 5], [41, 5], [42, 5]]
    assert damage.counts() == {"missing": 0, "spike": 3, "jump": 0, "frozen": 0}


def test_a_root_that_leaps_away_and_comes_back_is_a_spike() -> None:
    walk = clip()
    walk.root[40:43, 1] += 0.4
    assert find_damage(walk).kinds["spike"].nonzero().tolist() == [[40, 0], [41, 0], [42, 0]]


def test_a_jump_gives_up_the_frames_on_both_sides() -> None:
    walk = clip()
    walk.root[60:] += torch.tensor([0.5, 0, 0])
    assert find_damage(walk).kinds["jump"].nonzero().tolist() == [[59, 0], [60, 0]]


def test_what_is_not_finite_and_what_stands_still() -> None:
    walk = clip()
    walk.rotations[10, 3] = torch.nan
    walk.rotations[50:62], walk.root[50:62] = walk.rotations[50], walk.root[50]
    damage = find_damage(walk)
    assert damage.kinds["missing"].nonzero().tolist() == [[10, 3]]
    assert damage.kinds["frozen"].any(1).nonzero()[:, 0].tolist() == list(range(51, 62))


def test_points_without_confidence_are_missing() -> None:
    points = clip().points()
    sure = torch.ones(points.positions.shape[:-1])
    sure[5, 2] = 0
    assert find_damage(replace(points, confidence=sure)).joints.nonzero().tolist() == [[5, 2]]


def test_short_clips_and_odd_strengths() -> None:
    assert not find_damage(clip()[:2]).joints.any()
    with pytest.raises(UsageError, match="strength"):
        find_damage(clip(), strength=0.0)


@pytest.mark.parametrize("gap", [1, 2, 6])
def test_a_good_frame_after_a_gap_is_no_jump_and_a_step_across_it_is(gap: int) -> None:
    walk = clip(30.0).points()
    positions = walk.positions.clone()
    positions[20 : 20 + gap] = torch.nan
    damage = find_damage(replace(walk, positions=positions))
    assert damage.counts() == {"missing": gap, "spike": 0, "jump": 0, "frozen": 0}
    positions[20 + gap :] += torch.tensor([5.0, 0.0, 0.0])
    found = find_damage(replace(walk, positions=positions)).kinds["jump"]
    assert found.any(1).nonzero()[:, 0].tolist() == [20 + gap]


def test_keypoints_with_two_frames_left_out_lose_nothing_else() -> None:
    loaded = load_clip(Path(__file__).parent / "cases" / "gap2.json", fps=30.0)
    assert find_damage(loaded).counts() == {"missing": 2, "spike": 0, "jump": 0, "frozen": 0}
