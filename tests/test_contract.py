"""What every model promises, whatever is inside: asked of the tiny twin of every recipe, and of every baseline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest
import torch

from kinema.core.query import Batch, Query
from kinema.data.loader import Loader
from kinema.data.windows import WindowSet
from kinema.models.base import Model
from kinema.models.baselines import BASELINES
from kinema.motion.edit import resample
from kinema.pipeline.checkpoints.checkpoint import facts_of, feature_shape, fresh_model, load_model, save_model
from kinema.recipes import RECIPES, Stage, recipe
from kinema.representations.base import Representation


@dataclass(frozen=True, eq=False)
class Made:
    """A tiny recipe's last stage, built and not trained, with one batch of its data."""

    stage: Stage
    representation: Representation
    model: Model
    batch: Batch


@cache
def made(name: str) -> Made:
    tiny = recipe(name).tiny()
    stage = tiny.stages[-1]
    representation = tiny.representation.build(tiny.source.skeleton)
    windows = WindowSet.build(tiny.source, "train", representation)
    if tiny.representation.standardise:
        representation.statistics = windows.statistics()
    loader = Loader(windows, representation, stage.task, batch_size=4, seed=0)
    batch = loader.batch(0)
    torch.manual_seed(0)
    model = fresh_model(tiny, stage, feature_shape(representation, batch.query.action.shape[-1]))
    return Made(stage, representation, model.eval(), batch)


@dataclass(frozen=True, eq=False)
class Asked:
    """A model with a query that fits it."""

    model: Model
    query: Query


def asked(name: str) -> Asked:
    if name in RECIPES:
        return Asked(made(name).model, made(name).batch.query)
    return Asked(BASELINES[name](), made("simlpe").batch.query)


ALL = [*RECIPES, *BASELINES]


def answer(model: Model, query: Query, samples: int = 1) -> torch.Tensor:
    with torch.inference_mode():
        return model.predict(query, samples, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", RECIPES)
def test_the_loss_of_every_turn_is_finite_and_falls(name: str) -> None:
    parts = made(name)
    phases = {phase.name: phase for phase in parts.stage.phases(parts.model)}
    torch.manual_seed(0)
    shape = feature_shape(parts.representation, parts.batch.query.action.shape[-1])
    model = fresh_model(recipe(name).tiny(), parts.stage, shape).train()
    for name_of_turn in model.phases:
        optimiser = replace(phases[name_of_turn].optim, lr=3e-4).build(model.phase_parameters(name_of_turn))
        losses: list[float] = []
        for _ in range(25):
            torch.manual_seed(1)  # the same dropout, so that what falls is the loss and not its noise
            loss = model.loss(parts.batch, name_of_turn)["loss"]
            assert loss.shape == ()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        assert all(torch.isfinite(torch.tensor(losses)))
        assert min(losses[-3:]) < losses[0], f"{name_of_turn}: {losses}"


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_asked_for_never_reaches_the_query(name: str) -> None:
    """On the raw clip: change every frame that is not observed, and the question stays as it was."""
    tiny, parts = recipe(name).tiny(), made(name)
    clip = resample(next(iter(tiny.source.clips("train"))), parts.representation.fps)[: parts.stage.task.frames]
    features = parts.representation.standardise(parts.representation.encode(clip))[None]
    hidden = parts.stage.task.query(features, parts.representation).confidence[0].sum(-1) == 0
    assert hidden.any()
    rotations, root = clip.rotations.clone(), clip.root.clone()
    rotations[hidden], root[hidden] = rotations[hidden].transpose(-1, -2), root[hidden] + 1.0
    changed = parts.representation.standardise(
        parts.representation.encode(replace(clip, rotations=rotations, root=root))
    )[None]
    assert not torch.equal(features, changed)
    one, other = (parts.stage.task.query(window, parts.representation) for window in (features, changed))
    assert torch.equal(one.observed, other.observed)
    assert torch.equal(one.confidence, other.confidence)


@pytest.mark.parametrize("name", ALL)
def test_the_same_generator_gives_the_same_motion(name: str) -> None:
    this = asked(name)
    first, second = answer(this.model, this.query, 3), answer(this.model, this.query, 3)
    assert first.shape == (3, *this.query.observed.shape)
    assert torch.equal(first, second)
    if this.model.deterministic:
        assert torch.equal(first[0], first[2])


@pytest.mark.parametrize("name", ALL)
def test_what_was_observed_comes_back(name: str) -> None:
    this = asked(name)
    exact = (this.query.confidence >= 1).all(-1) & this.query.valid  # what is known with less trust may be corrected
    assert torch.allclose(answer(this.model, this.query)[0][exact], this.query.observed[exact], atol=1e-6)


@pytest.mark.parametrize("name", ALL)
def test_a_batch_of_one_is_answered_as_in_a_batch(name: str) -> None:
    this = asked(name)
    alone = answer(this.model, this.query.map(lambda tensor: tensor[:1]))
    assert torch.allclose(alone[:, 0], answer(this.model, this.query)[:, 0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", ALL)
def test_padding_changes_nothing(name: str) -> None:
    this, more = asked(name), 7
    query = this.query
    step = query.time[:, -1:] - query.time[:, -2:-1]
    padded = Query(
        observed=torch.nn.functional.pad(query.observed, (0, 0, 0, more)),
        confidence=torch.nn.functional.pad(query.confidence, (0, 0, 0, more)),
        time=torch.cat((query.time, query.time[:, -1:] + step * torch.arange(1, more + 1)), 1),
        valid=torch.nn.functional.pad(query.valid, (0, more), value=False),
        action=query.action,
    )
    frames = query.observed.shape[1]
    assert torch.allclose(answer(this.model, padded)[:, :, :frames], answer(this.model, query), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("observed", ["one frame", "all frames", "nothing"])
@pytest.mark.parametrize("name", ALL)
def test_any_prefix_is_answered_in_finite_numbers(name: str, observed: str) -> None:
    this = asked(name)
    count = {"one frame": 1, "all frames": this.query.observed.shape[1], "nothing": 0}[observed]
    known = (torch.arange(this.query.observed.shape[1]) < count)[None, :, None]
    truth = made(name if name in RECIPES else "simlpe").batch.target
    query = replace(this.query, observed=truth * known, confidence=known.expand_as(this.query.confidence).float())
    found = answer(this.model, query)
    assert torch.isfinite(found).all()
    assert torch.allclose(found[0, :, :count], truth[:, :count], atol=1e-6)


@pytest.mark.parametrize("name", RECIPES)
def test_saved_and_loaded_it_answers_the_same(name: str, tmp_path: Path) -> None:
    parts, tiny = made(name), recipe(name).tiny()
    classes = parts.batch.query.action.shape[-1]
    facts = facts_of(
        tiny, parts.stage, parts.representation, trained_on=["synthetic/x"], licence="none", classes=classes
    )
    save_model(tmp_path, parts.model, facts, parts.representation, step=1)
    again = load_model(tmp_path)
    assert torch.equal(answer(again.model, parts.batch.query), answer(parts.model, parts.batch.query))
    assert again.trained_on == {"synthetic/x"}
