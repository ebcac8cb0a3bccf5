"""`GapTransformer`: exact values stay, what is known of single joints is met, and the answer turns with the room."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query, even_time
from kinema.data.keyframe_task import Keys
from kinema.data.synthetic import Synthetic
from kinema.geometry.rotations import quat_xyzw_to_rotmat
from kinema.models.base import FeatureShape
from kinema.models.render_in_between.gap_transformer import GapTransformer
from kinema.models.render_in_between.question import read_frames, read_table
from kinema.motion.edit import mirror, resample, rotate, shift
from kinema.motion.motion import Motion
from kinema.pipeline.checkpoints.checkpoint import feature_shape
from kinema.representations.rotations import RootedRotations, RootedRotationsConfig

FRAMES = 60
SOURCE = Synthetic(clips_per_action=1, seconds=4.0, fps=30.0, actions=("walk", "wave"))
# Rotations go through quaternions and 6-D columns and back, in float32.
ROUNDING = 2e-5


@cache
def representation() -> RootedRotations:
    return RootedRotationsConfig(30.0).build(SOURCE.skeleton)


@cache
def clips() -> tuple[Motion, ...]:
    """On one body: bones of procedural motion differ by clip."""
    own = representation()
    return tuple(own.decode(own.encode(resample(clip, 30.0)[:FRAMES])) for clip in SOURCE.clips("train"))


@cache
def model(seed: int = 0) -> GapTransformer:
    """Measured on two clips; its corrections are random and small."""
    torch.manual_seed(seed)
    found = GapTransformer.Config().tiny().build(feature_shape(representation(), 0))
    target = torch.stack([representation().encode(clip) for clip in clips()])
    batch = Batch(asked(target, range(0, FRAMES, 5)), target)
    found.measure(iter([batch]))
    torch.nn.init.normal_(found.network.leave.weight, std=0.002)
    return found.eval()


def asked(features: torch.Tensor, keys: range | list[int], fps: float = 30.0) -> Query:
    known = torch.zeros(features.shape[1], dtype=torch.bool)
    known[list(keys)] = True
    confidence = known[None, :, None].float().expand(len(features), -1, representation().tokens)
    observed = torch.where(known[None, :, None], features, 0.0)
    time = even_time(features.shape[1], fps, len(features))
    return Query(
        observed, confidence, time, torch.ones(features.shape[:2], dtype=torch.bool), torch.zeros(len(features), 0)
    )


def answer(query: Query, seed: int = 0) -> torch.Tensor:
    with torch.inference_mode():
        return model(seed).predict(query, 1, torch.Generator())[0]


def features(*moved: Motion) -> torch.Tensor:
    return torch.stack([representation().encode(clip) for clip in moved or clips()])


PARTS = ("observed", "confidence", "time", "valid", "action")
KEYS = [*range(10), 25, *range(45, 55)]


def test_exact_keys_come_back_bit_for_bit_and_gaps_are_filled() -> None:
    target = features()
    found = answer(asked(target, KEYS))
    assert torch.equal(found[:, KEYS], target[:, KEYS])
    assert not torch.allclose(found[:, 10:25], target[:, 9:10].expand(-1, 15, -1), atol=1e-3)


def test_before_the_first_key_and_after_the_last_the_nearest_pose_is_held() -> None:
    target = features()
    found = answer(asked(target, [5, 20]))
    assert torch.allclose(found[:, :5], target[:, 5:6].expand(-1, 5, -1), atol=ROUNDING)
    assert torch.allclose(found[:, 21:], target[:, 20:21].expand(-1, FRAMES - 21, -1), atol=ROUNDING)


def test_a_row_is_answered_as_if_it_were_alone() -> None:
    target = features()
    one, other = asked(target[:1], KEYS), asked(target[1:], [0, 7, 30])
    both = Query(*(torch.cat((getattr(one, name), getattr(other, name))) for name in PARTS))
    assert torch.allclose(answer(both)[:1], answer(one), atol=ROUNDING)
    assert torch.allclose(answer(both)[1:], answer(other), atol=ROUNDING)


def test_the_answer_moves_and_turns_with_the_room() -> None:
    def placed(clip: Motion) -> Motion:
        return shift(rotate(clip, torch.tensor(1.3)), torch.tensor([2.0, 0.0, -3.0]))

    here = answer(asked(features(), KEYS))
    there = answer(asked(features(*map(placed, clips())), KEYS))
    moved = features(*(placed(representation().decode(each)) for each in here))
    assert torch.allclose(there, moved, atol=1e-4)  # metres at four from the origin, in float32


def test_the_answer_to_the_mirrored_question_is_mirrored() -> None:
    here = answer(asked(features(), KEYS))
    there = answer(asked(features(*map(mirror, clips())), KEYS))
    assert torch.allclose(there, features(*(mirror(representation().decode(each)) for each in here)), atol=1e-4)


def test_a_joint_that_is_known_inside_a_gap_is_met_and_bends_its_neighbourhood() -> None:
    target = features()
    query, free = asked(target, [0, 30, 59]), answer(asked(target, [0, 30, 59]))
    token = representation().joints.index("l_elbow")
    own = [place for place, owner in enumerate(representation().token_of_feature) if owner == token]
    confidence, observed = query.confidence.clone(), query.observed.clone()
    confidence[:, 15, token] = 1.0
    observed[:, 15, own] = target[:, 15, own]
    found = answer(replace(query, confidence=confidence, observed=observed))
    assert torch.equal(found[:, 15, own], target[:, 15, own])
    others = [place for place in range(target.shape[-1]) if place not in own]
    assert torch.allclose(found[..., others], free[..., others], atol=ROUNDING)
    bend = (found - free)[:, :31, own].abs().amax((0, 2))
    # The correction falls to nothing at the keys: no frame beside the known one differs by more than it does.
    assert float(bend[15]) == float(bend.max())
    assert float(bend[[1, 29]].max()) < 0.3 * float(bend[15])


def test_a_gap_longer_than_any_that_was_learnt_is_asked_about_faster() -> None:
    """A gap of 105 frames is answered as if its motion were so fast that it took 60, the longest that was learnt."""
    long = torch.cat((features(), features().flip(1)), 1)
    query = asked(long, [*range(8), *range(113, 120)])
    found, faster = answer(query), answer(replace(query, time=query.time * 61 / 106))
    assert bool(found.isfinite().all())
    assert torch.allclose(found, faster, atol=1e-3)  # times are rounded to thousandths of a frame


def test_keys_may_lie_at_any_time() -> None:
    target = features()
    even = asked(target, KEYS)
    late = even.time.clone()
    late[:, 25] += 0.4 / 30
    found = answer(replace(even, time=late))
    assert torch.equal(found[:, 25], target[:, 25])
    change = (found - answer(even))[:, 10:45].abs()
    assert float(change.max()) > 1e-4
    assert float(change.mean()) < 0.02  # a key that comes 13 ms later changes little


def test_an_untrained_network_answers_with_the_fitted_curve_which_beats_straight_lines() -> None:
    target = features()
    plain = GapTransformer.Config().tiny().build(feature_shape(representation(), 0)).eval()
    fitted = GapTransformer.Config(measured=96).tiny().build(feature_shape(representation(), 0)).eval()
    batch = Batch(asked(target, range(0, FRAMES, 5)), target)
    fitted.measure(iter([batch]))
    keys = list(range(0, FRAMES, 9))
    with torch.inference_mode():
        errors = [
            float((each.predict(asked(target, keys), 1, torch.Generator())[0] - target).abs().mean())
            for each in (plain, fitted)
        ]
    assert errors[1] < errors[0]


def test_the_loss_of_a_batch_with_one_layout_has_gradients() -> None:
    task = Keys(frames_in_window=FRAMES, together=True, noisy=0.0, shortened=0.0, mix=(0.0, 0.0, 0.0, 0.0, 1.0))
    seeds = torch.tensor([3, 8])
    batch = task.draw(features(), representation(), seeds)
    assert torch.equal(batch.query.confidence[0], batch.query.confidence[1])
    torch.manual_seed(0)
    fresh = GapTransformer.Config().tiny().build(feature_shape(representation(), 0))
    losses = fresh.loss(batch, "model")
    losses["loss"].backward()
    assert set(losses) == {"loss", "positions", "rotations", "velocity"}
    gradient = fresh.network.leave.weight.grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0


def test_other_features_are_refused() -> None:
    with pytest.raises(UsageError, match="RootedRotations"):
        GapTransformer.Config().build(FeatureShape(width=6, tokens=3))
    with pytest.raises(UsageError, match="rise"):
        GapTransformer.Config(lengths=(8, 1))


def test_which_known_frames_are_read() -> None:
    assert read_frames([0, 1, 2, 3, 4, 5], (0, 1, 2, 4)) == [0, 1, 2, 4]
    assert read_frames([0, 8, 16, 24, 32], (0, 1, 2, 4)) == [0, 1, 2, 3]
    assert read_frames([0, 30, 60, 90], (0, 1, 2, 4)) == [0, 1, 2]  # what is further away than 64 frames is not read
    table = torch.tensor([1.0, 3.0, 7.0])
    assert [float(read_table(table, torch.tensor(float(frames)), (2, 4, 8))) for frames in (1, 2, 3, 6, 8, 90)] == [
        1,
        1,
        2,
        5,
        7,
        7,
    ]


def test_the_tree_of_a_body_places_joints_as_kinematics_do() -> None:
    clip = clips()[0]
    body = model().body
    local = body.local(representation().encode(clip))
    turned = body.chained(local)
    places = body.positions(quat_xyzw_to_rotmat(turned.turns).transpose(-1, -2), turned.hips)
    assert torch.allclose(places, clip.points().positions, atol=1e-4)  # a tenth of a millimetre
    assert torch.allclose(body.features(body.unchained(turned)), representation().encode(clip), atol=ROUNDING)


def test_it_can_be_trained_after_it_was_asked() -> None:
    """Tables that are kept between questions must not be tensors of inference mode."""
    query = asked(features(), KEYS)
    answer(query)
    torch.manual_seed(0)
    fresh = GapTransformer.Config().tiny().build(feature_shape(representation(), 0))
    fresh.loss(Batch(query, features()), "model")["loss"].backward()
