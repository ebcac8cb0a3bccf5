import json
from dataclasses import asdict
from itertools import pairwise

import numpy as np
import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import ACTIONS, Style, Synthetic, perform, sequence
from kinema.motion.motion import Motion
from kinema.motion.skeletons import skeleton

FPS = 30.0
SEEDS = (0, 5, 11)
STANDING = tuple(action for action in ACTIONS if action not in ("walk", "run", "sneak", "turn"))
TOE = 0.02  # the toe joint's height above the sole, of a body of size 1


def positions(motion: Motion) -> dict[str, np.ndarray]:
    values = motion.points().positions.double().numpy()
    return {name: values[:, place] for place, name in enumerate(motion.skeleton.joints)}


def size(motion: Motion) -> float:
    return motion.skeleton.height / skeleton("kinema24").height


def slides(motion: Motion) -> np.ndarray:
    """Metres that a foot travels over the floor per frame, while its toe is down in both frames."""
    joints, found = positions(motion), []
    for side in "lr":
        toe = joints[f"{side}_toe"]
        down = np.maximum(toe[1:, 1], toe[:-1, 1]) < 0.025
        found.append(np.linalg.norm(np.diff(toe[:, [0, 2]], axis=0), axis=-1)[down])
    return np.concatenate(found)


def acceleration(motion: Motion) -> np.ndarray:
    values = motion.points().positions.double().numpy()
    return np.linalg.norm(np.diff(values, 2, axis=0), axis=-1) * motion.fps**2


def knee_flexion(motion: Motion, side: str) -> np.ndarray:
    """Radians, positive where the shank is bent backwards from the thigh's line, as a human knee is."""
    joints = positions(motion)
    hips = motion.rotations[:, 0] @ motion.rotations[:, motion.skeleton.index(f"{side}_hip")]
    thigh = joints[f"{side}_knee"] - joints[f"{side}_hip"]
    shank = joints[f"{side}_ankle"] - joints[f"{side}_knee"]
    left = hips[:, :, 0].double().numpy()
    return np.arctan2((np.cross(thigh, shank) * left).sum(-1), (thigh * shank).sum(-1))


def airborne(motion: Motion) -> np.ndarray:
    joints, tall = positions(motion), size(motion)
    low = [joints[f"{side}_toe"][:, 1] - TOE * tall for side in "lr"]
    heels = [joints[f"{side}_ankle"][:, 1] - 0.08 * tall for side in "lr"]
    return np.min([*low, *heels], axis=0) > 0.01


@pytest.fixture(scope="module")
def clips() -> dict[tuple[str, int], Motion]:
    return {(action, seed): perform(action, seconds=4, fps=FPS, seed=seed) for action in ACTIONS for seed in SEEDS}


@pytest.mark.parametrize("action", ACTIONS)
class TestEveryAction:
    def test_is_labelled(self, clips, action):
        clip = clips[action, 5]
        assert clip.action == action
        assert clip.identity == f"synthetic/{action}_5"
        assert clip.rotations.shape == (120, 24, 3, 3)
        assert clip.fps == FPS
        assert clip.skeleton.same_tree(skeleton("kinema24"))

    def test_is_a_rotation(self, clips, action):
        rotations = clips[action, 0].rotations
        assert torch.isfinite(clips[action, 0].root).all()
        torch.testing.assert_close(rotations @ rotations.mT, torch.eye(3).expand_as(rotations), atol=1e-5, rtol=0)
        assert (torch.linalg.det(rotations) > 0.99).all()

    def test_begins_at_the_origin_facing_z(self, clips, action):
        for seed in SEEDS:
            clip = clips[action, seed]
            facing = clip.rotations[0, 0, :, 2]
            assert facing[2] > 0.8
            assert clip.root[0, [0, 2]].norm() < 0.15

    def test_same_seed_same_motion(self, clips, action):
        again = perform(action, seconds=4, fps=FPS, seed=5)
        assert torch.equal(again.rotations, clips[action, 5].rotations)
        assert torch.equal(again.root, clips[action, 5].root)

    def test_another_seed_another_motion(self, clips, action):
        difference = clips[action, 5].rotations - clips[action, 11].rotations
        assert difference.abs().max() > 0.05

    def test_feet_do_not_slide(self, clips, action):
        for seed in SEEDS:
            found = slides(clips[action, seed])
            assert len(found) > 60
            assert found.max() < 0.01
            assert found.mean() < 0.0005

    def test_nothing_below_the_floor(self, clips, action):
        for seed in SEEDS:
            assert clips[action, seed].points().positions[..., 1].min() > 0.0

    def test_knees_bend_forward_only(self, clips, action):
        for seed in SEEDS:
            for side in "lr":
                flexion = knee_flexion(clips[action, seed], side)
                assert flexion.min() > 0.0
                assert flexion.max() < np.radians(150)

    def test_moves_smoothly(self, clips, action):
        for seed in SEEDS:
            clip = clips[action, seed]
            steps = clip.points().positions.diff(dim=0).norm(dim=-1)
            assert steps.max() < 0.4  # of a fist: 12 m/s
            assert acceleration(clip).max() < 230

    def test_hands_stay_out_of_the_trunk(self, clips, action):
        for seed in SEEDS:
            joints = positions(clips[action, seed])
            for side in "lr":
                for part in ("wrist", "hand_end"):
                    for low, high in pairwise(("pelvis", "spine", "chest", "neck")):
                        assert distance(joints[f"{side}_{part}"], joints[low], joints[high]).min() > 0.12

    def test_any_rate_is_the_same_motion(self, clips, action):
        fast = perform(action, seconds=4, fps=60, seed=5)
        there = fast.points().positions[::2] - clips[action, 5].points().positions
        assert there.norm(dim=-1).max() < 0.02


def distance(point: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    bone = end - start
    along = np.clip(((point - start) * bone).sum(-1) / (bone**2).sum(-1), 0, 1)
    return np.linalg.norm(point - start - along[:, None] * bone, axis=-1)


@pytest.mark.parametrize(("action", "slowest", "fastest"), [("walk", 0.8, 1.7), ("run", 2.2, 4.5), ("sneak", 0.2, 0.9)])
def test_speed_of_gaits(action, slowest, fastest):
    for seed in range(12):
        root = perform(action, seconds=4, fps=FPS, seed=seed).root[:, [0, 2]]
        assert slowest < root.diff(dim=0).norm(dim=-1).mean() * FPS < fastest


@pytest.mark.parametrize(("action", "fastest", "share"), [("walk", 3.6, (0.35, 0.51)), ("run", 2.3, (0.77, 0.84))])
@pytest.mark.parametrize("seed", range(8))
def test_feet_swing_at_human_speeds(action, fastest, share, seed):
    # The bounds are those of recorded people: the ankle's top speed over the body's, and how long it is on its way.
    clip = perform(action, seconds=4, fps=60, seed=seed)
    speed = {name: np.linalg.norm(np.diff(place, axis=0), axis=-1) * 60 for name, place in positions(clip).items()}
    ankles = np.stack((speed["l_ankle"], speed["r_ankle"]))
    assert ankles.max() < fastest * speed["pelvis"].mean()
    assert share[0] <= (ankles > 1.0).mean() <= share[1]


def test_the_ankle_moves_before_the_toe_leaves_and_lands_slowly():
    for seed in range(4):
        clip = perform("walk", seconds=4, fps=60, seed=seed)
        joints, tall = positions(clip), size(clip)
        toe, ankle = joints["l_toe"], joints["l_ankle"]
        speed = np.linalg.norm(np.diff(ankle, axis=0), axis=-1) * 60
        planted = (toe[:-1, 1] < 0.024 * tall) & (np.linalg.norm(np.diff(toe, axis=0), axis=-1) < 0.001)
        assert speed[planted].max() > 0.8
        # The heel is down, with the toe still up, where the foot rolls onto the floor.
        rolls = (toe[:-1, 1] > 0.06 * tall) & (toe[1:, 1] < toe[:-1, 1]) & (ankle[:-1, 1] < 0.105 * tall)
        assert rolls.any()
        assert speed[rolls].max() < 1.0


def test_run_flies_and_walk_does_not(clips):
    for seed in SEEDS:
        assert airborne(clips["run", seed]).mean() > 0.06
        assert not airborne(clips["walk", seed]).any()


def test_jump_is_ballistic():
    for seed in SEEDS:
        clip = perform("jump", seconds=4, fps=120, seed=seed)
        flying = airborne(clip)
        assert flying.sum() > 0.3 * 120
        height = clip.root[:, 1].double().numpy()
        pull = np.diff(height, 2) * 120**2
        inside = flying[:-2] & flying[1:-1] & flying[2:]
        np.testing.assert_allclose(np.median(pull[inside]), -9.81, rtol=0.02)
        assert height.max() - height[0] > 0.2


def test_turn_turns_in_place(clips):
    for seed in SEEDS:
        clip = clips["turn", seed]
        facing = clip.rotations[:, 0, :, 2]
        turned = torch.atan2(facing[:, 0], facing[:, 2]).diff()
        turned = torch.remainder(turned + torch.pi, 2 * torch.pi) - torch.pi
        assert turned.sum().abs() > 2.0
        assert clip.root[:, [0, 2]].norm(dim=-1).max() < 0.6


def test_squat_and_sit_go_down_and_come_up(clips):
    for action in ("squat", "sit"):
        height = clips[action, 5].root[:, 1] / size(clips[action, 5])
        assert height[0] > 0.88
        assert height.min() < 0.66
        assert height[-1] > 0.86


def test_wave_raises_the_preferred_hand():
    right = positions(perform("wave", seconds=4, fps=FPS, seed=1, style=Style(handed=1)))
    left = positions(perform("wave", seconds=4, fps=FPS, seed=1, style=Style(handed=-1)))
    assert right["r_wrist"][60, 1] > right["r_shoulder"][60, 1] > right["l_wrist"][60, 1] + 0.3
    assert left["l_wrist"][60, 1] > left["l_shoulder"][60, 1] > left["r_wrist"][60, 1] + 0.3


def test_kick_goes_up_and_punch_goes_out(clips):
    kick, punch = positions(clips["kick", 5]), positions(clips["punch", 5])
    assert max(kick["r_ankle"][:, 1].max(), kick["l_ankle"][:, 1].max()) > 0.5
    reach = [np.linalg.norm(punch[f"{side}_wrist"] - punch[f"{side}_shoulder"], axis=-1) for side in "lr"]
    for arm in reach:
        assert arm.max() > 0.5 * size(clips["punch", 5])


def test_size_scales_the_body():
    small, large = (perform("idle", seconds=1, fps=FPS, seed=0, style=Style(size=s)) for s in (0.9, 1.1))
    torch.testing.assert_close(large.skeleton.offsets, small.skeleton.offsets * (1.1 / 0.9))
    assert large.root[0, 1] > 1.15 * small.root[0, 1]


@pytest.mark.parametrize(("seconds", "fps", "frames"), [(0.02, 30, 1), (0.5, 24, 12), (1.0, 5, 5), (6.0, 29.97, 180)])
def test_lengths_and_rates(seconds, fps, frames):
    for action in ACTIONS:
        clip = perform(action, seconds=seconds, fps=fps, seed=3)
        assert clip.frames == frames
        assert torch.isfinite(clip.rotations).all()


PLAN = [
    ("walk", 2.0), ("wave", 2.0), ("jump", 2.0), ("run", 2.0), ("kick", 2.0), ("walk", 2.0), ("sit", 3.0),
    ("turn", 2.0), ("punch", 2.0), ("hop", 2.0), ("squat", 2.0), ("sneak", 2.0), ("bow", 2.0), ("reach", 2.0),
]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_sequence_neither_slides_nor_pops(seed):
    clip = sequence(PLAN, fps=FPS, seed=seed)
    assert clip.frames == round(sum(seconds for _, seconds in PLAN) * FPS)
    assert clip.action is None
    assert slides(clip).max() < 0.01
    assert acceleration(clip).max() < 230
    assert clip.points().positions.diff(dim=0).norm(dim=-1).max() < 0.4
    assert clip.points().positions[..., 1].min() > 0.0
    for side in "lr":
        assert knee_flexion(clip, side).min() > 0.0


@pytest.mark.parametrize("first", ACTIONS)
def test_every_transition(first):
    for second in ACTIONS:
        clip = sequence([(first, 2.0), (second, 2.0)], fps=FPS, seed=7)
        assert slides(clip).max() < 0.01, second
        assert acceleration(clip).max() < 230, second


def test_sequence_is_deterministic():
    once, again = (sequence(PLAN[:3], fps=FPS, seed=4) for _ in range(2))
    assert torch.equal(once.rotations, again.rotations)


def test_sequence_of_one_part_is_labelled():
    assert sequence([("bow", 1.0)], fps=FPS, seed=0).action == "bow"


def test_errors_say_what_to_do():
    with pytest.raises(UsageError, match="Did you mean walk"):
        perform("wallk", seconds=1, fps=FPS, seed=0)
    with pytest.raises(UsageError, match="squat"):
        Synthetic(actions=("squad",))
    with pytest.raises(UsageError, match="positive"):
        perform("walk", seconds=0, fps=FPS, seed=0)
    with pytest.raises(UsageError, match="time enough"):
        sequence([("walk", 2.0), ("jump", 0.4)], fps=FPS, seed=0)
    with pytest.raises(UsageError, match="one part"):
        sequence([], fps=FPS, seed=0)


class TestSource:
    def test_clips(self):
        source = Synthetic(clips_per_action=2, seconds=1.0, actions=("walk", "bow"))
        clips = list(source.clips("train"))
        assert [clip.action for clip in clips] == ["walk", "walk", "bow", "bow"]
        assert all(clip.frames == 30 for clip in clips)
        assert all(clip.skeleton.same_tree(source.skeleton) for clip in clips)
        assert len({clip.identity for clip in clips}) == 4

    def test_splits_share_no_recording(self):
        source = Synthetic(seconds=0.2)
        observed = [{clip.identity for clip in source.clips(split)} for split in ("train", "val", "test")]
        assert all(len(one) == 4 * len(ACTIONS) for one in observed)
        assert len(set.union(*observed)) == sum(map(len, observed))

    def test_same_settings_same_clips(self):
        source = Synthetic(clips_per_action=1, seconds=0.5)
        for one, other in zip(source.clips("val"), source.clips("val"), strict=True):
            assert torch.equal(one.rotations, other.rotations)

    def test_another_seed_is_another_set(self):
        one, other = (next(Synthetic(seconds=0.5, seed=seed).clips("train")) for seed in (0, 1))
        assert one.identity != other.identity
        assert not torch.equal(one.rotations, other.rotations)

    @pytest.mark.usefixtures("unchecked")  # JSON has lists, no tuples
    def test_settings_survive_json(self):
        source = Synthetic(clips_per_action=3, fps=25.0, actions=("run", "sit"))
        assert Synthetic(**json.loads(json.dumps(asdict(source)))) == source
