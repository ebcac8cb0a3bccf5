"""Render-In-Between's recipes: what lies between key frames, mended and as its code was released."""

from __future__ import annotations

from kinema.data.augment import Augment
from kinema.data.keys import Keys
from kinema.data.packs import RotationPack
from kinema.models.render_in_between import RenderInBetween
from kinema.motion.represent_world import RootedRotationsConfig
from kinema.recipes.recipe import Optim, Recipe, Stage

# The joints of the CMU files that turn at all.
_TURNING = (
    "hip", "abdomen", "chest", "neck", "head", "rShldr", "rForeArm", "rHand", "lShldr", "lForeArm", "lHand",
    "rThigh", "rShin", "rFoot", "lThigh", "lShin", "lFoot",
)  # fmt: skip
_MENDED = Optim(
    kind="adamw", lr=1e-3, betas=(0.9, 0.98), weight_decay=1e-3, warmup_steps=200, schedule="cosine", clip_norm=1.0
)


def render_in_between() -> Recipe:
    """Render-In-Between, mended, on rotations with the root's path, 30 frames per second: windows of 64 frames."""
    stage = Stage(
        name="model",
        model=RenderInBetween.Config(),
        task=Keys(),
        optim=_MENDED,
        steps=6_000,
        batch_size=32,
        augment=Augment(mirror=0.5, reverse=0.2),
        balance="windows",
        ema=0.998,
    )
    return Recipe(
        name="render-in-between",
        source=RotationPack("cmu_bvh", clean_only=True),
        representation=RootedRotationsConfig(fps=30.0, joints=_TURNING),
        stages=(stage,),
        phases=2,
    )
