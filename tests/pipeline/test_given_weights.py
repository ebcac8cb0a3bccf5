"""`train(..., init_from=...)`: what is taken from the run it starts from, what is said of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import kinema as kn
from kinema.core.errors import CheckpointError, KinemaWarning, UsageError
from kinema.data.synthetic import Synthetic
from kinema.pipeline.train import Means, train
from kinema.recipes import Optim, Recipe, recipe
from kinema.training.checkpoint import RunFolder
from kinema.training.loop import _Fit  # pyright: ignore[reportPrivateUsage]

CPU = Means(device="cpu")
STILL = Optim(kind="adam", lr=1e-12)  # nothing moves


def small(name: str = "simlpe", steps: int = 2) -> Recipe:
    made = recipe(name).tiny().with_steps(steps)
    return replace(made, representation=replace(made.representation, standardise=True))  # pyright: ignore


def other(made: Recipe) -> Recipe:
    """The same on other motion, which changes statistics and identities."""
    return replace(made, source=Synthetic(clips_per_action=1, seconds=4.0, fps=30.0, actions=("kick", "squat")))


def still(made: Recipe) -> Recipe:
    return replace(made, stages=tuple(replace(stage, optim=STILL, ema=None) for stage in made.stages))


def weights(run: Path) -> dict[str, Tensor]:
    return RunFolder(run).weights()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(small(), tmp_path_factory.mktemp("first") / "run", means=CPU)


def test_weights_and_statistics_are_those_of_the_run(first: Path, tmp_path: Path) -> None:
    second = train(still(other(small())), tmp_path / "second", init_from=first, means=CPU)
    fresh = train(still(other(small())), tmp_path / "fresh", means=CPU)
    for name, value in weights(first).items():
        # Two steps of 1e-12, rounded to float32.
        torch.testing.assert_close(weights(second)[name], value, atol=1e-9, rtol=1e-6)
    assert not torch.equal(weights(fresh)["representation.std"], weights(first)["representation.std"])
    assert kn.open(second).verbs


def test_the_config_says_where_it_began(first: Path, tmp_path: Path) -> None:
    second = kn.train(other(small()), tmp_path / "second", init_from=str(first), means=CPU)
    facts, before = RunFolder(second).facts(), RunFolder(first).facts()
    assert facts["init_from"]["name"] == str(first)
    assert facts["init_from"]["stage"] == "model"
    own = {identity for identity in facts["trained_on"] if identity not in before["trained_on"]}
    assert own  # what it learnt from itself, beside
    assert set(before["trained_on"]) < set(facts["trained_on"])
    assert before["licence"] in facts["licence"]
    assert "init_from" not in before


def test_a_resumed_run_goes_on_to_the_same_bits(first: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = other(small(steps=4)).with_value("stages.model.save_every", "2")
    whole = train(made, tmp_path / "whole", init_from=first, means=CPU)
    report = _Fit.report

    def stop(self: _Fit, step: int, *rest: object) -> None:
        if step == 3:
            raise KeyboardInterrupt
        report(self, step, *rest)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patched:
        patched.setattr(_Fit, "report", stop)
        with pytest.raises(KeyboardInterrupt):
            train(made, tmp_path / "cut", init_from=first, means=CPU)
    assert RunFolder(tmp_path / "cut").facts()["step"] == 2
    with pytest.raises(UsageError, match="Leave --init-from out"):
        train(made, tmp_path / "cut", init_from=first, resume=True, means=CPU)
    train(made, tmp_path / "cut", resume=True, means=CPU)
    for name, value in weights(whole).items():
        assert torch.equal(weights(tmp_path / "cut")[name], value), name
    assert RunFolder(tmp_path / "cut").facts()["init_from"] == RunFolder(whole).facts()["init_from"]


def test_stages_before_are_not_trained_and_what_was_measured_stays(tmp_path: Path) -> None:
    made = recipe("render-in-between-noisy").tiny().with_steps(1)
    before = train(made, tmp_path / "before", means=CPU)
    moved = replace(made, source=Synthetic(clips_per_action=1, seconds=4.0, actions=("kick",)))
    after = train(still(moved), tmp_path / "after", init_from=before, means=CPU)
    assert not (after / "stages").exists()
    for name, value in weights(before).items():  # whitening and the reading of gaps among them
        torch.testing.assert_close(weights(after)[name], value, atol=1e-9, rtol=1e-6)


def test_another_architecture_is_refused_by_the_first_tensors_that_differ(first: Path, tmp_path: Path) -> None:
    wider = small().with_value("stages.model.model.width", "48")
    with pytest.raises(CheckpointError, match=r"enter\.weight of shape \(32, \d+\) for \(48, \d+\).* more") as caught:
        train(wider, tmp_path / "wider", init_from=first, means=CPU)
    assert "recipe" in caught.value.cure
    fewer = small().with_value("stages.model.model.layers", "2")
    with pytest.raises(CheckpointError, match="unexpected"):
        train(fewer, tmp_path / "fewer", init_from=first, means=CPU)
    with pytest.raises(UsageError, match="a formula"):
        train(small(), tmp_path / "formula", init_from="zero-velocity", means=CPU)
    staged = replace(small(), stages=tuple(replace(stage, name="other") for stage in small().stages))
    with pytest.raises(UsageError, match="those of stage 'model'"):
        train(staged, tmp_path / "staged", init_from=first, means=CPU)
    assert not any(RunFolder(tmp_path / name).exists() for name in ("wider", "fewer", "formula", "staged"))


def test_other_features_are_told(first: Path, tmp_path: Path) -> None:
    faster = small()
    faster = replace(faster, representation=replace(faster.representation, fps=25.0))  # pyright: ignore
    with pytest.warns(KinemaWarning, match=r"fps = 30\.0; here it is 25\.0"):
        train(faster, tmp_path / "run", init_from=first, means=CPU)


def test_other_actions_are_refused(tmp_path: Path) -> None:
    made = recipe("posegpt").tiny().with_steps(1)
    before = train(made, tmp_path / "before", means=CPU)
    moved = replace(made, source=replace(made.source, actions=("walk", "jump", "wave", "kick")))  # pyright: ignore
    with pytest.raises(CheckpointError, match="the actions of"):
        train(moved, tmp_path / "after", init_from=before, means=CPU)


def test_a_run_can_begin_with_an_earlier_stage_alone(tmp_path: Path) -> None:
    made = recipe("posegpt").tiny().with_steps(1)
    tokens = train(made, tmp_path / "before", means=CPU) / "stages" / "tokens"
    after = train(still(made), tmp_path / "after", init_from=tokens, means=CPU)
    for name, value in weights(tokens).items():
        if "quantiser" in name:  # the codebook follows its codes, whatever the rate
            continue
        torch.testing.assert_close(weights(after / "stages" / "tokens")[name], value, atol=1e-9, rtol=1e-6)
    assert RunFolder(after).facts()["init_from"]["stage"] == "tokens"
