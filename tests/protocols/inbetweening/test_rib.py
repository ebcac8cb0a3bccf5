"""`rib`: clips, views and the three numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kinema.core.errors import UsageError
from kinema.data.synthetic import perform
from kinema.models.render_in_between.model import RenderInBetween
from kinema.motion.edit import face_forward
from kinema.pipeline.checkpoints.checkpoint import feature_shape
from kinema.pipeline.pipeline import Pipeline
from kinema.protocols.inbetweening.classical import CLASSICAL, Classical
from kinema.protocols.inbetweening.render_in_between import RIB, keypoints, middle, question
from kinema.protocols.registry import PROTOCOLS
from kinema.representations.picture import PictureKeypointsConfig

WALK = face_forward(perform("walk", seconds=3.0, fps=30.0, seed=1))


def test_it_has_a_name() -> None:
    assert PROTOCOLS["rib"] is RIB


def test_a_clip_is_the_middle_in_whole_steps() -> None:
    flat = keypoints(WALK)
    assert flat.fps == 60
    assert flat.positions.shape[-2:] == (19, 2)
    head, ankle = (flat.positions[:, flat.skeleton.index(name), 1] for name in ("head", "l_ankle"))
    assert bool((head < ankle).all())  # y down
    assert middle(flat[:160], 16).frames == 145  # type: ignore[union-attr]
    assert middle(flat[:16], 16) is None
    long = replace(flat, positions=flat.positions.repeat(3, 1, 1))
    cut = middle(long, 8)
    assert cut is not None
    assert cut.frames == 321
    assert torch.equal(cut.positions, long.positions[(long.frames - 321) // 2 :][:321])


def test_lines_through_keys_err_more_at_sixteen_and_hold_most() -> None:
    flat = keypoints(WALK)

    def errors(rate: int, method: str) -> dict[str, float]:
        cut = middle(flat, rate)
        assert cut is not None
        asked = question(cut, rate, {})
        return RIB.errors(asked, asked.answer(CLASSICAL[method]))

    assert 0 < errors(8, "linear")["mae"] < errors(16, "linear")["mae"] < errors(16, "hold")["mae"]
    assert errors(8, "linear")["mae"] < errors(8, "linear")["max"]


def test_a_model_of_rotations_has_no_pictures() -> None:
    with pytest.raises(UsageError, match="a method that completes picture"):
        RIB.evaluate(replace(Classical("linear"), kinds=frozenset({"rotations"})))


def test_a_model_of_pictures_that_has_learnt_nothing_answers_the_curve() -> None:
    representation = PictureKeypointsConfig(fps=30.0).build(WALK.skeleton)
    model = RenderInBetween.Config().tiny().build(feature_shape(representation, 0))
    run = Pipeline.of("fresh", model, representation, observed=32, trained=32)
    cut = middle(keypoints(WALK), 8)
    assert cut is not None
    asked = question(cut, 8, {})
    assert "picture" in run.kinds
    own, curve, lines = (asked.answer(one).points().positions for one in (run, CLASSICAL["pchip"], CLASSICAL["linear"]))
    assert torch.equal(own[:, asked.known], curve[:, asked.known])
    # The same curve but for what it goes through: places of joints, or their places relative to the hips.
    assert (own - curve).abs().mean() < (lines - curve).abs().mean()
