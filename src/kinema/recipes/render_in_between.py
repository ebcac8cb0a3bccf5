"""Render-In-Between's recipes: what lies between key frames, mended and as its code was released."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.keyframe_task import Keys, ReleasedKeys
from kinema.data.sources.composed import Mixed, Viewed
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.packs import RotationPack
from kinema.data.synthetic import Synthetic
from kinema.models.render_in_between.gap_model import GapReader
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.render_in_between.released import RenderInBetweenReleased
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage
from kinema.representations.picture import PictureKeypointsConfig
from kinema.representations.positions import WorldPositionsConfig
from kinema.representations.rotations import RootedRotationsConfig

# The joints of the CMU files that turn at all.
_TURNING = (
    "hip", "abdomen", "chest", "neck", "head", "rShldr", "rForeArm", "rHand", "lShldr", "lForeArm", "lHand",
    "rThigh", "rShin", "rFoot", "lThigh", "lShin", "lFoot",
)  # fmt: skip
# Bodies that differ: a model that knew one alone was worse than a curve on the others.
_OPEN = (RotationPack("cmu_bvh", clean_only=True), RotationPack("hdm05", clean_only=True), Synthetic(8, 6.0))
_MENDED = Optim(
    kind="adamw", lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3, warmup_steps=200, schedule="cosine", clip_norm=1.0
)
# Motion played backwards is another motion, and was learnt at the cost of this one; limbs of another clip are not.
_VARIED = Augment(mirror=0.5, speed=(0.7, 1.4), graft=0.5)


def render_in_between() -> Recipe:
    """Render-In-Between, mended, on rotations with the root's path, 30 frames per second: windows of 64 frames.

    First gaps between exact keys alone, which is quick, then keys of which none is sure.
    """
    gaps = Stage(
        name="gaps",
        model=GapReader.Config(),
        task=Keys(mix=(0.05, 0.1, 0.0, 0.0, 0.85), frames_in_window=72, noisy=0.0, shortened=0.0),
        optim=replace(_MENDED, weight_decay=0.05),
        steps=6_000,
        batch_size=192,
        augment=_VARIED,
        ema=0.998,
        precision="auto",
    )
    model = Stage(
        name="model",
        model=RenderInBetween.Config(),
        task=Keys(mix=(0.6, 0.1, 0.15, 0.15, 0.0), rates=(2, 16), noisy=1.0),
        optim=_MENDED,
        steps=6_500,
        batch_size=32,
        augment=_VARIED,
        ema=0.998,
        precision="auto",
    )
    return Recipe(
        name="render-in-between",
        source=Mixed(_OPEN, onto="", fps=60.0),
        representation=RootedRotationsConfig(fps=30.0, joints=_TURNING),
        stages=(gaps, model),
        phases=2,
    )


def render_in_between_3d() -> Recipe:
    """Render-In-Between, mended, on the places in the room of the seventeen canonical joints."""
    return Recipe(
        name="render-in-between-3d",
        source=OpenMotion(fps=30.0),
        representation=WorldPositionsConfig(fps=30.0),
        stages=_of_places(GapReader.Config(), RenderInBetween.Config()),
    )


def render_in_between_2d() -> Recipe:
    """Render-In-Between, mended, on nineteen keypoints of a picture, from any side."""
    recipe = render_in_between()
    return replace(
        recipe,
        name="render-in-between-2d",
        source=Viewed(recipe.source, views=6),
        representation=PictureKeypointsConfig(fps=30.0),
        stages=_of_places(GapReader.Config(space=0.0), RenderInBetween.Config(space=0.0)),
        phases=1,
    )


def _of_places(reader: GapReader.Config, model: RenderInBetween.Config) -> tuple[Stage, Stage]:
    """The same two stages, shorter; another clip's limbs can be put in place of one's own in rotations only."""
    gaps, noisy = render_in_between().stages
    whole = replace(_VARIED, graft=0.0)
    return (
        replace(gaps, model=reader, augment=whole, steps=2_500),
        replace(noisy, model=model, augment=whole, steps=2_000),
    )


def render_in_between_faithful() -> Recipe:
    """Render-In-Between as its code was released: 321 frames, every 8th a key, seen by a camera from any side."""
    # Differs: the released statistics are of frontal views; here, of the views that are trained on. A released epoch
    # goes through the clips; here they are drawn with replacement, each as often as any other.
    stage = Stage(
        name="model",
        model=RenderInBetweenReleased.Config(),
        task=ReleasedKeys(),
        # The released schedule halves the rate every 100 of 1,000 epochs; an epoch here is 100 steps.
        optim=Optim(
            kind="adam",
            lr=1e-4,
            betas=(0.5, 0.999),
            schedule="step",
            milestones=tuple(range(10_000, 100_000, 10_000)),
            gamma=0.5,
            clip_norm=1.0,
            amsgrad=True,
        ),
        steps=100_000,
        batch_size=64,
        balance="clips",
    )
    return Recipe(
        name="render-in-between-faithful",
        source=Viewed(RotationPack("cmu_bvh")),
        representation=PictureKeypointsConfig(fps=60.0, own_scale=False, standardise=True),
        stages=(stage,),
        deviation="clips",
    )


def render_in_between_faithful_gan() -> Recipe:
    """Render-In-Between as released, with the patch critic that its configuration leaves off (`use_dis`)."""
    recipe = render_in_between_faithful()
    (stage,) = recipe.stages
    assert isinstance(stage.optim, Optim)
    critic = replace(
        stage.optim,
        kind="sgd",
        lr=4 * stage.optim.lr,
        momentum=0.9,
        weight_decay=1e-4,
        amsgrad=False,
        clip_norm=None,
    )
    stage = replace(
        stage,
        model=RenderInBetweenReleased.Config(critic=True),
        optim=(Phase("critic", critic), Phase("model", stage.optim)),
    )
    return replace(recipe, name="render-in-between-faithful-gan", stages=(stage,))
