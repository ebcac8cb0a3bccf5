"""Classifiers of actions, as recipes: on Bandai-2 by content and style, and on motion under free licences."""

from __future__ import annotations

from kinema.data.augment import Augment
from kinema.data.source import Source
from kinema.data.sources.composed import open_actions
from kinema.data.sources.packs import LabelledPack
from kinema.data.tasks import Generate
from kinema.models.classifier import Classifier
from kinema.recipes.recipe import Optim, Recipe, Stage
from kinema.representations.heading import HeadingRotationsConfig

_OPTIM = Optim(kind="adamw", lr=2e-3, weight_decay=1e-3, warmup_steps=50, schedule="cosine", clip_norm=1.0)


def classifier_bandai2() -> Recipe:
    """A classifier of Bandai-2's ten contents and seven styles, 64 frames at 30 per second."""
    return _recipe("classifier-bandai2", LabelledPack("bandai2", label="both"))


def classifier_open() -> Recipe:
    """A classifier of the nineteen actions of recordings and procedural motion under free licences."""
    return _recipe("classifier-open", open_actions())


def classifier_posegpt() -> Recipe:
    """PoseGPT's transformer classifier on Bandai-2; its size is the published one for 168 numbers and 60 classes.

    The released classifier reads axis-angle and absolute positions, and trains for 149,000 steps.
    """
    model = Classifier.Config(body="posegpt", width=256)
    return _recipe("classifier-posegpt", LabelledPack("bandai2", label="both"), model, lr=4e-5, steps=20_000)


def _recipe(
    name: str, source: Source, model: Classifier.Config | None = None, *, lr: float | None = None, steps: int = 2_000
) -> Recipe:
    stage = Stage(
        name="model", model=model or Classifier.Config(), task=Generate(length=64),
        optim=_OPTIM if lr is None else Optim(kind="adam", lr=lr), steps=steps, batch_size=64 if lr is None else 32,
        augment=Augment(noise=0.005), balance="sqrt-actions",
    )  # fmt: skip
    return Recipe(name=name, source=source, representation=HeadingRotationsConfig(fps=30.0), stages=(stage,))
