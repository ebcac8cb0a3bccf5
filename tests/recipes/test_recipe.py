"""Recipes: the table, overrides by path, the tiny twin, and no key that is not read."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kinema.core.errors import UsageError
from kinema.data.augment import Augment
from kinema.data.synthetic import Synthetic
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.train import Means, train
from kinema.recipes import RECIPES, Optim, Phase, Recipe, Stage, recipe


def test_an_unknown_recipe_is_answered_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean simlpe") as caught:
        recipe("simple")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_called_by_its_key_and_says_what_it_is(name: str) -> None:
    assert recipe(name).name == name
    assert (RECIPES[name].__doc__ or "").strip()


@pytest.mark.parametrize(
    ("path", "text", "read"),
    [
        ("seed", "7", lambda r: r.seed == 7),
        ("stages.0.optim.lr", "1e-5", lambda r: r.stages[0].optim.lr == 1e-5),
        ("stage.0.optim.lr", "1e-5", lambda r: r.stages[0].optim.lr == 1e-5),
        ("stages.model.optim.lr", "1e-5", lambda r: r.stages[0].optim.lr == 1e-5),
        ("stages.model.model.layers", "3", lambda r: r.stages[0].model.layers == 3),
        ("stages.model.augment.speed", "0.9,1.1", lambda r: r.stages[0].augment.speed == (0.9, 1.1)),
        ("stages.model.ema", "none", lambda r: r.stages[0].ema is None),
        ("source.actions", "walk,run", lambda r: r.source.actions == ("walk", "run")),
        ("source", '{"kind": "Synthetic", "seed": 3}', lambda r: r.source == Synthetic(seed=3)),
    ],
)
def test_a_value_is_replaced_and_nothing_else(path: str, text: str, read: Callable[[Any], bool]) -> None:
    before = recipe("simlpe")
    after = before.with_value(path, text)
    assert read(after)
    assert before == recipe("simlpe")


def test_an_optimiser_among_several_is_found_by_its_turn() -> None:
    before = recipe("simlpe")
    phases = (Phase("critic", Optim()), Phase("maker", Optim()))
    before = dataclasses.replace(before, stages=(dataclasses.replace(before.stages[0], optim=phases),))
    after = before.with_value("stages.model.optim.maker.optim.lr", "0.5").with_value("stages.0.optim.0.repeats", "5")
    assert after.stages[0].optim == (Phase("critic", Optim(), 5), Phase("maker", Optim(lr=0.5)))


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("stages.model.optim.rl", "1", ["a key of stages.model.optim", "Did you mean lr"]),
        ("stages.modle.optim.lr", "1", ["a part of stages", "Did you mean model"]),
        ("stages.5.optim.lr", "1", ["a part of stages", "'5'"]),
        ("stages.0", "1", ["a single value"]),
        ("protcols", "x", ["a key of the recipe", "Did you mean protocols"]),
        ("seed.x", "1", ["a path that ends at seed"]),
        ("stages.model.optim.lr", "fast", ["a number for stages.model.optim.lr", "'fast'"]),
        ("stages.model.optim.lr", "-1", ["optim.lr above 0"]),
        ("stages.model.optim.schedule", "linear", ["constant, cosine, step"]),
        ("stages.model.steps", "0", ["model.steps of at least 1"]),
        ("stages.model.ema", "1.0", ["model.ema between 0 and 1"]),
        ("stages.model.augment.mirror", "2", ["a probability"]),
        ("", "1", ["a key of the recipe"]),
    ],
)
def test_what_cannot_be_set_is_named(path: str, text: str, says: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        recipe("simlpe").with_value(path, text)
    assert caught.value.cure
    for part in says:
        assert part in str(caught.value)


def test_stages_have_names_of_their_own() -> None:
    stage = recipe("simlpe").stages[0]
    with pytest.raises(UsageError, match="different names"):
        dataclasses.replace(recipe("simlpe"), stages=(stage, stage))
    with pytest.raises(UsageError, match="letters and digits"):
        dataclasses.replace(stage, name="../elsewhere")


@pytest.mark.parametrize("name", RECIPES)
def test_the_twin_is_small_and_needs_no_data(name: str) -> None:
    tiny = recipe(name).tiny()
    assert isinstance(tiny.source, Synthetic)
    assert tiny.name == f"{name}-tiny"
    for stage, whole in zip(tiny.stages, recipe(name).stages, strict=True):
        assert stage.steps <= 50
        assert stage.batch_size <= 8
        assert type(stage.model) is type(whole.model)
        assert stage.task == whole.task
        assert stage.augment == whole.augment


KEYS = {
    (kind, field.name)
    for kind in (Recipe, Stage, Optim, Phase, Augment)
    for field in dataclasses.fields(kind)
    # Its title, and what it is meant to be scored by: neither is needed here.
    if (kind, field.name) not in ((Recipe, "name"), (Recipe, "protocols"))
}
# Whoever copies or checks a recipe as a whole does not use it.
BOOKKEEPING = ("dataclasses", "kinema.recipes.codec", "kinema.recipes.recipe", "copy")


def test_every_key_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training a recipe and opening the run read every key: one that nobody reads would promise something."""
    read: set[tuple[type, str]] = set()

    def watch(kind: type) -> None:
        def look(self: Any, name: str) -> Any:
            caller = sys._getframe(1)
            checking = caller.f_code.co_name == "__post_init__" and caller.f_locals.get("self") is self
            if not checking and caller.f_globals.get("__name__") not in BOOKKEEPING:
                read.add((kind, name))
            return object.__getattribute__(self, name)

        monkeypatch.setattr(kind, "__getattribute__", look, raising=False)

    base = recipe("simlpe").tiny().with_steps(5)
    variants = [base.with_value("stages.0.optim", f'{{"schedule": "{kind}"}}') for kind in ("step", "cosine")]
    variants.append(base.with_value("stages.0.optim", '[{"name": "model", "optim": {}}]'))
    descent = base.with_value("stages.0.optim", '{"kind": "sgd", "momentum": 0.9}')
    variants.append(descent.with_value("representation.standardise", "true"))
    for kind in (Recipe, Stage, Optim, Phase, Augment):
        watch(kind)
    for number, variant in enumerate(variants):
        open_pipeline(train(variant, tmp_path / str(number), means=Means(device="cpu")))
    assert KEYS - read == set()
