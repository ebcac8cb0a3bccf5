"""Repair: what a model doubts is given up or weighs less, and the report says what it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.query import Batch, Query
from kinema.data.synthetic import perform
from kinema.models.base import Model, repeat_samples
from kinema.motion.interpolation import even_times
from kinema.motion.motion import Motion
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.complete import repair
from kinema.pipeline.completion.evidence import Evidence, OutlierScorer, outlier_scores
from kinema.pipeline.pipeline import Pipeline
from kinema.representations.rotations import RootedRotationsConfig

WALK = perform("walk", seconds=3.0, fps=30.0, seed=1)
BODY = WALK.skeleton


class Wary(Model):
    """Doubts what is far from the mean of the window, and otherwise repeats what it sees."""

    completes = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Query] = []

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        raise NotImplementedError

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Float[Tensor, "s b t f"]:
        self.asked.append(query)
        there = (query.confidence > 0)[..., list(RootedRotationsConfig(30.0).build(BODY).token_of_feature)]
        return repeat_samples(torch.where(there, query.observed, query.observed[:, :1]), samples)

    def outlier_scores(self, query: Query) -> Float[Tensor, "b t j"]:
        knee = RootedRotationsConfig(30.0).build(BODY).token_of_feature
        own = [place for place, token in enumerate(knee) if token == BODY.index("l_knee")]
        away = (query.observed - query.observed.median(1, keepdim=True).values)[..., own].norm(dim=-1)
        out = torch.zeros(*query.confidence.shape)
        out[..., BODY.index("l_knee")] = torch.where(away > 1.0, 0.9, 0.1)
        return out * (query.confidence > 0)


def wary() -> Adapter:
    return Adapter("wary", Wary(), RootedRotationsConfig(30.0).build(BODY), observed=45, trained=45)


def bent(first: int, last: int) -> Motion:
    """A knee that is turned away over a second and comes back slowly: nothing that a step would show."""
    rotations, knee = WALK.rotations.clone(), BODY.index("l_knee")
    turned = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    rotations[first : last + 1, knee] = rotations[first : last + 1, knee] @ turned
    return replace(WALK, rotations=rotations)


def test_outliers_are_named_joint_by_joint_and_frame_by_frame() -> None:
    clip, known = bent(40, 60), torch.ones(90, len(BODY), dtype=torch.bool)
    known[50] = False
    run = wary()
    assert isinstance(run.model, OutlierScorer)
    for fps in (30.0, 60.0, 24.0):
        wrong = outlier_scores(
            run, Evidence(replace(clip, fps=fps), known, even_times(90, fps), torch.full(known.shape, 0.5))
        )
        where = (wrong > 0.5).nonzero()
        assert set(where[:, 1].tolist()) == {BODY.index("l_knee")}
        assert set(where[:, 0].tolist()) >= {*range(41, 50), *range(51, 60)}
        assert not wrong[50].any()


@pytest.mark.parametrize("keys", ["exact", "soft"])
def test_outliers_are_dropped_or_weigh_less(keys: str) -> None:
    clip, run = bent(40, 60), wary()
    done, found = repair(clip, keys=keys, method=run, strength=0.9)  # type: ignore[arg-type]
    assert found["outlier"] == 19  # the ends are jumps, which need no model
    assert any("wary finds outliers, by frames: l_knee (41-59)" in line for line in done.report.lines())
    knee, other = BODY.index("l_knee"), BODY.index("r_knee")
    assert isinstance(run.model, Wary)
    confidence = torch.cat(
        [query.confidence[0] for query in run.model.asked if query.confidence.shape[1] == 90] or [torch.zeros(0)]
    )
    if keys == "exact":
        assert isinstance(done.motion, Motion)
        assert torch.equal(done.motion.rotations[:39], clip.rotations[:39])
        moved = (done.motion.rotations - clip.rotations).abs().amax((-1, -2))
        assert bool((moved[41:60, knee] > 0.1).all())
        assert not moved[:, other].any()
    elif len(confidence):
        assert bool((confidence[41:60, knee] < 0.1).all())
        assert bool((confidence[:, other] > 0.4).all())
    named, none = repair(clip, bad=torch.arange(90) < 3, method=run)
    assert none == {}
    assert not any("outliers" in line for line in named.report.lines())


def test_the_python_interface_says_the_same() -> None:
    opened = Pipeline("wary", wary())
    done = opened.repair(bent(40, 60))
    assert "outlier in 19 frames" in done.report.notes[0]
    assert any("l_knee (41-59)" in note for note in done.report.notes)
