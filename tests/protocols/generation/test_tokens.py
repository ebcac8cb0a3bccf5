"""The protocol of codes on coders whose quality is known, and both protocols of a tiny run from end to end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.data.synthetic import Synthetic
from kinema.models.baselines import ZeroVelocity
from kinema.motion.motion import Clip
from kinema.motion.skeletons import skeleton
from kinema.pipeline.adapter import Card
from kinema.pipeline.evaluate import ClassifierTrainer
from kinema.pipeline.pipeline import Pipeline, open_generator
from kinema.pipeline.train import train
from kinema.protocols.base import Options
from kinema.protocols.generation.actions import ACTION_GENERATION
from kinema.protocols.generation.scores import Effort
from kinema.protocols.generation.tokens import TOKENS, code_use
from kinema.protocols.interface import PartialMethod
from kinema.recipes import recipe
from kinema.representations.heading import HeadingRotations

SOURCE = Synthetic(clips_per_action=2, seconds=2.2, actions=("walk", "jump"))


@dataclass(frozen=True, eq=False)
class Plain(PartialMethod):
    """Codes of no loss, or with every height raised by `high` metres; a future that stands still, `low` metres down."""

    high: float = 0.0
    low: float = 0.0
    name: str = "plain"
    trained_on: frozenset[str] = frozenset()
    actions: tuple[str, ...] = ("walk", "jump")
    fps: float = 30.0
    code_count: tuple[int, int] = (2, 4)

    def source(self, data: Path | str | None) -> Source:
        return SOURCE

    def as_represented(self, clip: Clip) -> Clip:
        return clip

    def make(self, labels: Tensor, frames: int, seed: int) -> Clip:
        raise NotImplementedError

    def cut(self, clip: Clip, frames: int) -> Tensor:
        return _BODY.encode(clip)[None, :frames]

    def joint_positions(self, features: Tensor) -> Tensor:
        return _BODY.decode(features).points().positions

    def coded(self, features: Tensor) -> tuple[Tensor, Tensor]:
        raised = features.clone()
        raised[..., -1] += self.high
        codes = torch.tensor([[0, 1], [0, 2]])
        return codes.expand(len(features), 2, 2), raised

    def continued(self, past: Tensor, frames: int, samples: int, seed: int) -> Tensor:
        still = past[:, -1:].clone()
        still[..., -4:-1] = 0
        still[..., -1] -= self.low
        whole = torch.cat((past, still.expand(-1, frames, -1)), 1)
        return whole.expand(samples, *whole.shape)


_BODY = HeadingRotations(skeleton("kinema24"), 30.0)


def scores(coder: Plain) -> dict[str, float]:
    found = TOKENS.evaluate(coder)["scores"]["mean of windows"]
    return {name: value for name, value in found.items() if value is not None}


def test_what_is_not_lost_is_no_error_and_a_raised_body_is_as_wrong_as_it_is_high() -> None:
    assert scores(Plain())["mpjpe"] == pytest.approx(0, abs=1e-3)
    raised = scores(Plain(high=0.05))
    assert raised["mpjpe"] == pytest.approx(50, abs=0.1)
    assert raised["mpjpe_still"] == pytest.approx(0, abs=1e-3)


def test_who_stands_still_is_as_good_as_zero_velocity() -> None:
    still = scores(Plain())
    assert still["zero_velocity"] > 50
    assert still["forecast"] == pytest.approx(still["zero_velocity"], rel=1e-4)
    assert still["forecast_mean"] == pytest.approx(still["zero_velocity"], rel=1e-4)
    assert scores(Plain(low=0.5))["forecast"] > still["forecast"]


def test_codes_are_counted_book_by_book() -> None:
    found = scores(Plain())
    assert found["used"] == pytest.approx((1 / 4 + 2 / 4) / 2)
    assert found["perplexity"] == pytest.approx((1 / 4 + 2 / 4) / 2)
    everything = code_use(torch.arange(8)[:, None], 8)
    assert everything == {"used": 1.0, "perplexity": pytest.approx(1.0)}


def test_a_tiny_run_is_scored_by_both_protocols(tmp_path: Path) -> None:
    chosen = recipe("posegpt").tiny().with_steps(2)
    run = open_generator(train(chosen, tmp_path / "run"))
    found = TOKENS.evaluate(run).to_json(full=True)
    assert found["scores"]["mean of windows"]["mpjpe"] > 0
    assert found["scores"]["mean of windows"]["zero_velocity"] > 0
    assert 0 < found["scores"]["mean of windows"]["used"] <= 1
    effort = Effort(repetitions=2, most=6, evaluator_steps=3, classifier_steps=3)
    made = replace(ACTION_GENERATION, effort=effort).evaluate(run, options=Options(trainer=ClassifierTrainer(tmp_path)))
    assert set(made["scores"]["mean over repetitions"]) >= {"accuracy", "fid", "jerk", "speed", "teaches"}
    assert made["setting"]["classes"] == ["walk", "jump", "wave", "squat"]


def test_a_model_without_codes_is_refused() -> None:
    body = HeadingRotations(skeleton("kinema24"), 30.0)
    other = Pipeline.of("other", ZeroVelocity(), body, card=Card(actions=("walk", "jump")))
    with pytest.raises(UsageError, match="codes of motion"):
        TOKENS.evaluate(other)
