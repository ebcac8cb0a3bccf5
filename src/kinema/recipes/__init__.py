"""What can be trained: one file per system, and the table of all recipes."""

from __future__ import annotations

from collections.abc import Callable

from kinema.errors import unknown_name
from kinema.recipes.conv_seq2seq import (
    conv_seq2seq,
    conv_seq2seq_faithful,
    conv_seq2seq_faithful_h36m,
    conv_seq2seq_h36m,
)
from kinema.recipes.recipe import Optim, Recipe, Stage, Turn
from kinema.recipes.render_in_between import render_in_between
from kinema.recipes.simlpe import simlpe, simlpe_cmu, simlpe_faithful

RECIPES: dict[str, Callable[[], Recipe]] = {
    "conv-seq2seq": conv_seq2seq,
    "conv-seq2seq-faithful": conv_seq2seq_faithful,
    "conv-seq2seq-faithful-h36m": conv_seq2seq_faithful_h36m,
    "conv-seq2seq-h36m": conv_seq2seq_h36m,
    "render-in-between": render_in_between,
    "simlpe": simlpe,
    "simlpe-cmu": simlpe_cmu,
    "simlpe-faithful": simlpe_faithful,
}


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises UsageError, with the nearest name, where there is none."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


__all__ = ["RECIPES", "Optim", "Recipe", "Stage", "Turn", "recipe"]
