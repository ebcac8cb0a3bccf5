"""What can be trained: one file per system, and the table of all recipes."""

from __future__ import annotations

from collections.abc import Callable

from kinema.core.errors import unknown_name
from kinema.recipes.action_gan import (
    action_gan,
    action_gan_bandai2,
    action_gan_faithful,
    action_gan_faithful_bandai2,
)
from kinema.recipes.classifier import classifier_bandai2, classifier_open, classifier_posegpt
from kinema.recipes.conv_seq2seq import (
    conv_seq2seq,
    conv_seq2seq_faithful,
    conv_seq2seq_faithful_h36m,
    conv_seq2seq_h36m,
)
from kinema.recipes.posegpt import posegpt, posegpt_bandai2, posegpt_faithful
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage
from kinema.recipes.render_in_between import (
    render_in_between,
    render_in_between_2d,
    render_in_between_3d,
    render_in_between_faithful,
    render_in_between_faithful_gan,
    render_in_between_noisy,
)
from kinema.recipes.simlpe import simlpe, simlpe_cmu, simlpe_faithful, simlpe_faithful_h36m, simlpe_free, simlpe_open
from kinema.recipes.smrnet import (
    smrnet,
    smrnet_faithful,
    smrnet_faithful_humaneva,
    smrnet_faithful_open,
    smrnet_hdm05,
)

RECIPES: dict[str, Callable[[], Recipe]] = {
    "action-gan": action_gan,
    "action-gan-bandai2": action_gan_bandai2,
    "action-gan-faithful": action_gan_faithful,
    "action-gan-faithful-bandai2": action_gan_faithful_bandai2,
    "classifier-bandai2": classifier_bandai2,
    "classifier-open": classifier_open,
    "classifier-posegpt": classifier_posegpt,
    "conv-seq2seq": conv_seq2seq,
    "conv-seq2seq-faithful": conv_seq2seq_faithful,
    "conv-seq2seq-faithful-h36m": conv_seq2seq_faithful_h36m,
    "conv-seq2seq-h36m": conv_seq2seq_h36m,
    "posegpt": posegpt,
    "posegpt-bandai2": posegpt_bandai2,
    "posegpt-faithful": posegpt_faithful,
    "render-in-between": render_in_between,
    "render-in-between-2d": render_in_between_2d,
    "render-in-between-3d": render_in_between_3d,
    "render-in-between-faithful": render_in_between_faithful,
    "render-in-between-faithful-gan": render_in_between_faithful_gan,
    "render-in-between-noisy": render_in_between_noisy,
    "simlpe": simlpe,
    "simlpe-cmu": simlpe_cmu,
    "simlpe-faithful": simlpe_faithful,
    "simlpe-faithful-h36m": simlpe_faithful_h36m,
    "simlpe-free": simlpe_free,
    "simlpe-open": simlpe_open,
    "smrnet": smrnet,
    "smrnet-faithful": smrnet_faithful,
    "smrnet-faithful-humaneva": smrnet_faithful_humaneva,
    "smrnet-faithful-open": smrnet_faithful_open,
    "smrnet-hdm05": smrnet_hdm05,
}


def register(name: str, make: Callable[[], Recipe]) -> None:
    """Make a recipe known by `name`; one of the same name is replaced."""
    RECIPES[name] = make


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises UsageError, with the nearest name, where there is none."""
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return RECIPES[name]()


__all__ = ["RECIPES", "Optim", "Phase", "Recipe", "Stage", "recipe", "register"]
