"""The protocol on generators whose quality is known: real clips, frozen clips, clips under wrong labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from kinema.core.errors import CheckpointError, UsageError
from kinema.data.source import Source
from kinema.data.synthetic import Synthetic
from kinema.motion.motion import Clip, Motion
from kinema.pipeline.evaluate import ClassifierTrainer
from kinema.protocols.base import Options
from kinema.protocols.generation.actions import ACTION_GENERATION, ACTION_GENERATION_BANDAI2, MMD_LEGACY
from kinema.protocols.generation.scores import Effort
from kinema.protocols.generation.windows import aligned, labelled_windows, scored_joints
from kinema.protocols.interface import Evaluator, PartialMethod
from kinema.protocols.report import Report

ACTIONS = ("walk", "jump", "squat")
SOURCE = Synthetic(clips_per_action=6, seconds=2.2, actions=ACTIONS)
EFFORT = Effort(repetitions=2, most=18, evaluator_steps=60, classifier_steps=60)

pytestmark = pytest.mark.xdist_group("action generation")  # one process makes the reports once


@dataclass(frozen=True, eq=False)
class Player(PartialMethod):
    """Plays recordings of another seed back: a perfect generator, or a corrupted one."""

    name: str = "player"
    trained_on: frozenset[str] = frozenset()
    actions: tuple[str, ...] = ("squat", "walk", "jump")  # in an order of its own
    fps: float = 30.0
    pace: float = 1.0

    def source(self, data: Path | str | None) -> Source:
        return SOURCE

    def as_represented(self, clip: Motion) -> Clip:
        return clip.points()

    def make(self, labels: torch.Tensor, frames: int, seed: int) -> Clip:
        assert bool((labels.sum(1) == 1).all())
        other = clips_of_another_seed()
        rows = [other[self.actions[int(row.argmax())]][(seed + place) % 6] for place, row in enumerate(labels)]
        moved = torch.stack([row.positions[:frames] for row in rows])
        still = moved[:, :1]
        return replace(rows[0], positions=still + self.pace * (moved - still))


@cache
def clips_of_another_seed() -> dict[str, list]:  # pyright: ignore
    found: dict[str, list] = {}  # pyright: ignore
    for clip in replace(SOURCE, seed=5).clips("train"):
        found.setdefault(str(clip.action), []).append(clip.points())
    return found


@cache
def report(pace: float) -> Report:
    """Of a player that is not tested for what its clips teach, the classifiers that would tell are hardly trained."""
    effort = EFFORT if pace == 1 else replace(EFFORT, classifier_steps=1)
    return replace(ACTION_GENERATION, effort=effort).evaluate(Player(pace=pace), options=Options(trainer=Keeping()))


class Keeping(ClassifierTrainer):
    """Keeps evaluators in memory, for they are the same for every player; nothing on disk."""

    kept: ClassVar[dict[bytes, Evaluator]] = {}

    def train(self, clips, labels, *, steps, keep):  # pyright: ignore
        if not keep:
            return super().train(clips, labels, steps=steps, keep=False)
        key = clips.numpy().tobytes()
        if key not in self.kept:
            self.kept[key] = super().train(clips, labels, steps=steps, keep=False)
        return self.kept[key]


def of(found: Report, name: str = "player") -> dict[str, float]:
    ways = found["scores"] if name == "player" else found["beside"][name]
    return dict(ways["mean over repetitions"])  # pyright: ignore


def test_a_generator_that_plays_real_motion_scores_as_real_motion_does() -> None:
    ours, floor = of(report(1.0)), of(report(1.0), "real: train split")
    assert ours["accuracy"] > 0.9
    assert floor["accuracy"] > 0.9
    assert ours["teaches"] > 0.8
    assert ours["speed"] == pytest.approx(1, abs=0.25)
    itself = of(report(1.0), "real: test split itself")
    assert itself["fid"] == pytest.approx(0, abs=1e-6)
    assert (itself["speed"], itself["jerk"], itself["steps"]) == (1, 1, 0)


def test_half_of_the_real_clips_stand_against_the_other_half() -> None:
    some = labelled_windows(SOURCE.clips("train"), lambda clip: clip, ACTIONS, 20)
    ours, others = some.halves(0)
    assert sorted(ours + others) == list(range(len(some)))
    assert not {some.takes[row] for row in ours} & {some.takes[row] for row in others}
    assert (some.labels[ours].sum(0) - some.labels[others].sum(0)).abs().max() <= 3  # a recording has three windows
    assert some.halves(0) != some.halves(1)
    floor = of(report(1.0), "real: half of the test split")
    assert floor["fid"] > 0
    assert floor["accuracy"] > 0.9


def test_frozen_motion_is_seen_by_the_dynamics() -> None:
    assert of(report(0.2))["speed"] < 0.35
    assert of(report(0.2))["steps"] > 2 * of(report(1.0))["steps"]
    assert of(report(0.2))["fid_motion"] > of(report(1.0))["fid_motion"]


def test_baselines_are_worse_where_they_should_be() -> None:
    shuffled, mean = of(report(1.0), "real under shuffled labels"), of(report(1.0), "class-mean sequence")
    assert shuffled["accuracy"] < 0.75
    assert shuffled["fid_class"] > of(report(1.0))["fid_class"]
    assert mean["multimodality"] == pytest.approx(0, abs=1e-5)


def test_the_report_says_what_was_done_and_becomes_json_and_tables() -> None:
    found = report(1.0)
    assert found.to_json(full=True)["setting"]["repetitions"] == 2
    assert set(found["by_action"]) == set(ACTIONS)
    assert len(found["setting"]["evaluator"]) == 16
    interval = found["scores"]["half of the 95 % interval"]
    assert interval["fid"] is not None
    assert any("[recalled]" in row[0] for table in found.tables() for section in table.sections for row in section)


def test_a_generator_of_other_recordings_is_refused() -> None:
    with pytest.raises(UsageError, match="trained on bandai2"):
        ACTION_GENERATION_BANDAI2.evaluate(Player(), options=Options(trainer=Keeping()))


def test_mmd_legacy_by_class() -> None:
    found = MMD_LEGACY.evaluate(Player())
    assert set(found["by_action"]) == set(ACTIONS)
    real = found["scores"]["mean of classes"]["mmd_s"]
    apart = MMD_LEGACY.evaluate(Player(pace=4.0))["scores"]["mean of classes"]["mmd_s"]
    assert real is not None
    assert apart is not None
    assert 0 <= real < apart


def test_windows_stand_at_the_origin_and_face_ahead() -> None:
    some = labelled_windows(SOURCE.clips("test"), lambda clip: clip, ACTIONS, 30)
    assert some.positions.shape[2:] == (17, 3)
    assert torch.allclose(some.positions[:, 0, 0, [0, 2]], torch.zeros(len(some), 2), atol=1e-6)
    clip = next(iter(SOURCE.clips("test")))
    turn = torch.tensor([[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    placed = clip.points().positions[None, :, list(scored_joints(clip.skeleton))]
    assert torch.allclose(
        aligned(placed, clip.skeleton), aligned(placed @ turn.T + torch.tensor([3.0, 0, 1]), clip.skeleton), atol=1e-5
    )


def test_an_evaluator_is_the_same_each_time_and_is_read_back(tmp_path: Path) -> None:
    some = labelled_windows(SOURCE.clips("train"), lambda clip: clip, ACTIONS, 30)
    trainer = ClassifierTrainer(tmp_path / "evaluators")
    first = trainer.train(some.features(), some.labels, steps=5, keep=True)
    again = ClassifierTrainer(tmp_path / "others").train(some.features(), some.labels, steps=5, keep=True)
    assert first.digest == again.digest
    read = trainer.train(some.features(), some.labels, steps=5, keep=True)
    assert torch.equal(read.look(some.features())[0], first.look(some.features())[0])
    assert len(list((tmp_path / "evaluators").glob("*.safetensors"))) == 1
    for about in (tmp_path / "evaluators").glob("*.json"):
        about.write_text('{"digest": "other"}')
    with pytest.raises(CheckpointError, match="trained again"):
        trainer.train(some.features(), some.labels, steps=5, keep=True)
