"""What can be trained: one file per system, and the table of all recipes."""

from __future__ import annotations

from collections.abc import Callable

from kinema.core.errors import unknown_name
from kinema.recipes import action_gan, classifier, conv_seq2seq, posegpt, render_in_between, simlpe, smrnet
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage

RECIPES: dict[str, Callable[[], Recipe]] = {
    "action-gan": action_gan.action_gan,
    "action-gan-bandai2": action_gan.action_gan_bandai2,
    "action-gan-faithful": action_gan.action_gan_faithful,
    "action-gan-faithful-bandai2": action_gan.action_gan_faithful_bandai2,
    "classifier-bandai2": classifier.classifier_bandai2,
    "classifier-open": classifier.classifier_open,
    "classifier-posegpt": classifier.classifier_posegpt,
    "conv-seq2seq": conv_seq2seq.conv_seq2seq,
    "conv-seq2seq-faithful": conv_seq2seq.conv_seq2seq_faithful,
    "conv-seq2seq-faithful-h36m": conv_seq2seq.conv_seq2seq_faithful_h36m,
    "conv-seq2seq-h36m": conv_seq2seq.conv_seq2seq_h36m,
    "posegpt": posegpt.posegpt,
    "posegpt-bandai2": posegpt.posegpt_bandai2,
    "posegpt-faithful": posegpt.posegpt_faithful,
    "render-in-between": render_in_between.render_in_between,
    "render-in-between-2d": render_in_between.render_in_between_2d,
    "render-in-between-3d": render_in_between.render_in_between_3d,
    "render-in-between-faithful": render_in_between.render_in_between_faithful,
    "render-in-between-faithful-gan": render_in_between.render_in_between_faithful_gan,
    "render-in-between-noisy": render_in_between.render_in_between_noisy,
    "simlpe": simlpe.simlpe,
    "simlpe-cmu": simlpe.simlpe_cmu,
    "simlpe-faithful": simlpe.simlpe_faithful,
    "simlpe-faithful-h36m": simlpe.simlpe_faithful_h36m,
    "simlpe-free": simlpe.simlpe_free,
    "simlpe-open": simlpe.simlpe_open,
    "smrnet": smrnet.smrnet,
    "smrnet-faithful": smrnet.smrnet_faithful,
    "smrnet-faithful-humaneva": smrnet.smrnet_faithful_humaneva,
    "smrnet-faithful-open": smrnet.smrnet_faithful_open,
    "smrnet-hdm05": smrnet.smrnet_hdm05,
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
