"""Recipes as JSON: every recipe comes back as it was, and whatever is wrong is named."""

from __future__ import annotations

import copy
import dataclasses
import json
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinema.core.errors import UsageError
from kinema.data.augment import Augment
from kinema.models.simlpe.model import SiMLPe
from kinema.recipes import RECIPES, Optim, Phase, Recipe, Stage, recipe
from kinema.recipes.codec import KIND, differences, field_types, from_json, parse, to_json
from kinema.recipes.kinds import KINDS, register


def through_text(value: Any) -> Any:
    return json.loads(json.dumps(to_json(value), allow_nan=False))


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_and_its_twin_survive(name: str) -> None:
    for made in (recipe(name), recipe(name).tiny()):
        assert from_json(through_text(made), Recipe) == made


def test_a_stage_with_several_optimisers_survives() -> None:
    stage = recipe("simlpe").stages[0]
    phases = (Phase("critic", Optim(lr=1e-4), repeats=5), Phase("maker", Optim(clip_norm=1.0)))
    made = dataclasses.replace(stage, optim=phases)
    assert from_json(through_text(made), Stage) == made


rates = st.floats(min_value=1e-9, max_value=1e3, allow_nan=False)
optims = st.builds(
    Optim,
    kind=st.sampled_from(["adam", "adamw"]),
    lr=rates,
    betas=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    warmup_steps=st.integers(0, 10**6),
    schedule=st.sampled_from(["constant", "cosine", "step"]),
    milestones=st.lists(st.integers(0, 10**6)).map(lambda steps: tuple(sorted(steps))),
    gamma=st.floats(allow_nan=False, allow_infinity=False),
    clip_norm=st.none() | rates,
)


@given(optims)
def test_every_optimiser_survives(optim: Optim) -> None:
    assert from_json(through_text(optim), Optim) == optim


def test_the_tag_is_no_field_of_a_tagged_class() -> None:
    for name, made in KINDS.items():
        assert KIND not in field_types(made), name


def changed(way: list[Any], value: Any) -> dict[str, Any]:
    data = copy.deepcopy(through_text(recipe("simlpe")))
    at = data
    for key in way[:-1]:
        at = at[key]
    if value is KeyError:
        del at[way[-1]]
    else:
        at[way[-1]] = value
    return data


@pytest.mark.parametrize(
    ("way", "value", "says"),
    [
        (["sed"], 1, ["a key of recipe", "'sed'", "Did you mean seed"]),
        (["stages", 0, "optim", "learning_rate"], 1, ["a key of recipe.stages.0.optim", "'learning_rate'"]),
        (["stages", 0, "model", "layer"], 4, ["recipe.stages.0.model", "Did you mean layers"]),
        (["source"], KeyError, ["the key 'source' in recipe", "VALUE"]),
        (["stages", 0, "task", "observed"], KeyError, ["the key 'observed' in recipe.stages.0.task"]),
        (["source", "kind"], KeyError, ["the key 'kind' in recipe.source", "Synthetic"]),
        (["source", "kind"], "Sinthetic", ["a kind of recipe.source", "Did you mean Synthetic"]),
        (["source", "kind"], "SiMLPe", ["a kind of recipe.source", "CmuForecast"]),
        (["stages", 0, "model", "kind"], "os.system", ["a kind of recipe.stages.0.model"]),
        (["seed"], 1.5, ["a whole number for recipe.seed", "1.5"]),
        (["seed"], True, ["a whole number for recipe.seed", "True"]),
        (["stages", 0, "optim", "lr"], "fast", ["a number for recipe.stages.0.optim.lr", "'fast'"]),
        (["stages", 0, "optim", "betas"], [0.9], ["a list of 2 for recipe.stages.0.optim.betas"]),
        (["stages", 0, "optim", "schedule"], "linear", ["one of constant, cosine, step"]),
        (["stages", 0, "ema"], "yes", ["a number for recipe.stages.0.ema"]),
        (["stages"], {}, ["a list of Stages for recipe.stages"]),
        (["stages"], [], ["at least one stage"]),
        (["stages", 0, "augment"], [], ["an object for recipe.stages.0.augment"]),
    ],
)
def test_whatever_is_wrong_is_named(way: list[Any], value: Any, says: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        from_json(changed(way, value), Recipe)
    assert caught.value.expected
    assert caught.value.got
    assert caught.value.cure
    for part in says:
        assert part in str(caught.value)


def test_a_default_may_be_left_out_and_an_integer_is_a_number() -> None:
    assert from_json({"lr": 1}, Optim) == Optim(lr=1.0)
    assert isinstance(from_json({"lr": 1}, Optim).lr, float)


def test_a_class_that_is_not_in_the_table_is_not_written() -> None:
    @dataclasses.dataclass(frozen=True)
    class Other(SiMLPe.Config):
        pass

    stage = dataclasses.replace(recipe("simlpe").stages[0], model=Other())
    with pytest.raises(UsageError, match=r"kinds\.register"):
        to_json(stage)
    register("Other", Other)
    try:
        assert from_json(through_text(stage), Stage) == stage
    finally:
        del KINDS["Other"]


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("1e-4", float, 1e-4),
        ("3", float, 3.0),
        ("3", int, 3),
        ("3", str, "3"),
        ("none", float | None, None),
        ("None", str | None, None),
        ("none", str, "none"),
        ("True", bool, True),
        ("1,2,3", tuple[int, ...], (1, 2, 3)),
        ("[1, 2]", tuple[int, ...], (1, 2)),
        ("7", tuple[int, ...], (7,)),
        ("", tuple[int, ...], ()),
        ("walk,run", tuple[str, ...], ("walk", "run")),
        ('["walk"]', tuple[str, ...], ("walk",)),
        ("cosine", Literal["cosine", "step"], "cosine"),
        ('{"reverse": 0.5}', Augment, Augment(reverse=0.5)),
    ],
)
def test_values_as_they_are_typed(text: str, hint: Any, value: Any) -> None:
    assert parse(text, hint, "there") == value


@pytest.mark.parametrize(
    ("text", "hint", "expected"),
    [
        ("fast", float, "a number for there"),
        ("1.5", int, "a whole number for there"),
        ("yes", bool, "true or false for there"),
        ("a,b", tuple[int, ...], "for there"),
        ('{"revers": 0.5}', Augment, "a key of there"),
    ],
)
def test_values_that_do_not_fit(text: str, hint: Any, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parse(text, hint, "there")


def test_differences_are_named_by_their_path() -> None:
    one, other = through_text(recipe("simlpe")), changed(["stages", 0, "optim", "lr"], 0.5)
    assert differences(one, one) == []
    assert differences(one, other) == [("stages.0.optim.lr", one["stages"][0]["optim"]["lr"], 0.5)]
    assert differences({"a": [1, 2]}, {"a": [1]}) == [("a", [1, 2], [1])]
    assert differences({"a": 1}, {"b": 1}) == [("a", 1, None), ("b", None, 1)]


def test_former_keys_are_read_and_set_but_not_written() -> None:
    assert from_json({"turn": "model", "optim": {"lr": 1e-3}}, Phase) == Phase("model", Optim(lr=1e-3))
    stage = recipe("render-in-between-noisy").with_value("stages.model.task.corruption.untold", "0.5").stages[0]
    data = through_text(stage)["task"]["corruption"]
    assert (data["unrated"], "untold" in data) == (0.5, False)
