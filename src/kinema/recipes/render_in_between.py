"""Render-In-Between's recipes: what lies between key frames, mended and as its code was released."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.keyframe_task import Keys, ReleasedKeys
from kinema.data.sources.composed import IDENTIFIED_TESTS, Mixed, Viewed
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.packs import RotationPack
from kinema.data.synthetic import Synthetic
from kinema.models.render_in_between.gap_transformer import GapTransformer
from kinema.models.render_in_between.model import RenderInBetween
from kinema.models.render_in_between.released import RenderInBetweenReleased
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage
from kinema.representations.picture import PictureKeypointsConfig
from kinema.representations.positions import WorldPositionsConfig
from kinema.representations.rotations import RootedRotationsConfig

# The joints of the CMU files that rotate at all, in the order of the canonical seventeen.
_TURNING = (
    "hip", "rThigh", "rShin", "rFoot", "lThigh", "lShin", "lFoot", "abdomen", "chest", "neck", "head",
    "lShldr", "lForeArm", "lHand", "rShldr", "rForeArm", "rHand",
)  # fmt: skip
# What anybody may build upon; recordings that two packs have are taken once.
_FREE = (
    RotationPack("cmu_bvh", clean_only=True, exclude=IDENTIFIED_TESTS),
    RotationPack("cmu_amc", clean_only=True, exclude=IDENTIFIED_TESTS, new_only=True),
    RotationPack("cmu_neo30", clean_only=True, new_only=True),
    RotationPack("cmu_daz30", clean_only=True),
    RotationPack("m2m_cc0", clean_only=True),
)
_MENDED = Optim(
    kind="adamw", lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3, warmup_steps=200, schedule="cosine", clip_norm=1.0
)
# Motion played backwards is another motion, and was learnt at the cost of this one; limbs of another clip are not.
_VARIED = Augment(mirror=0.5, speed=(0.7, 1.4), graft=0.5)


def render_in_between() -> Recipe:
    """Render-In-Between, mended, on rotations with the root's path, 30 frames per second: one gap at a time.

    Two thirds of the questions are a single gap between runs of frames, the others single keys, most of them at even
    distances. All keys are exact: noisy ones are smoothed before the network sees them.
    """
    stage = Stage(
        name="model",
        model=GapTransformer.Config(),
        task=Keys(
            frames_in_window=80,
            rates=(2, 24),
            longest_gap=60,
            mix=(0.25, 0.05, 0.0, 0.0, 0.7),
            noisy=0.0,
            shortened=0.0,
            together=True,
        ),
        optim=replace(_MENDED, lr=1e-3, weight_decay=0.1, warmup_steps=300, final_lr=2e-5),
        steps=16_000,  # the error on other recordings still falls there
        batch_size=128,
        augment=replace(_VARIED, graft=0.4),
        ema=0.999,
        precision="auto",
    )
    return Recipe(
        name="render-in-between",
        source=Mixed(_FREE, onto="", fps=60.0, retargeted="rotations"),
        representation=RootedRotationsConfig(fps=30.0, joints=_TURNING, retargeted="rotations"),
        stages=(stage,),
        phases=2,
    )


def _of_evidence(steps: int, model: RenderInBetween.Config, augment: Augment) -> tuple[Stage]:
    """The stage of the network for keys of which none is sure."""
    stage = Stage(
        name="model",
        model=model,
        task=Keys(mix=(0.6, 0.1, 0.15, 0.15, 0.0), rates=(2, 16), noisy=1.0),
        optim=_MENDED,
        steps=steps,
        batch_size=32,
        augment=augment,
        ema=0.998,
        precision="auto",
    )
    return (stage,)


def render_in_between_noisy() -> Recipe:
    """The network for noisy keys on rotations: windows of 64 frames, local lines through evidence."""
    return Recipe(
        name="render-in-between-noisy",
        source=Mixed((*_FREE, Synthetic(8, 6.0)), onto="", fps=60.0, retargeted="rotations"),
        representation=RootedRotationsConfig(fps=30.0, joints=_TURNING, retargeted="rotations"),
        stages=_of_evidence(5_000, RenderInBetween.Config(), _VARIED),
        phases=2,
    )


def render_in_between_3d() -> Recipe:
    """Render-In-Between, mended, on the places in the room of the seventeen canonical joints."""
    return Recipe(
        name="render-in-between-3d",
        source=OpenMotion(fps=30.0),
        representation=WorldPositionsConfig(fps=30.0),
        stages=_of_evidence(2_000, RenderInBetween.Config(), replace(_VARIED, graft=0.0)),
    )


def render_in_between_2d() -> Recipe:
    """Render-In-Between, mended, on nineteen keypoints of a picture, from any side."""
    return Recipe(
        name="render-in-between-2d",
        source=Viewed(Mixed((*_FREE, Synthetic(8, 6.0)), onto="", fps=60.0), views=6),
        representation=PictureKeypointsConfig(fps=30.0),
        stages=_of_evidence(2_500, RenderInBetween.Config(space=0.0), replace(_VARIED, graft=0.0)),
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
