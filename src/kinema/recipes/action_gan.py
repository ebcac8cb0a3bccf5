"""ActionGAN's recipes: as its code was released (2-D), and mended (rotations)."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.sources.composed import open_actions
from kinema.data.sources.h36m_camera import H36MCamera
from kinema.data.sources.packs import LabelledPack
from kinema.data.tasks import Generate
from kinema.models.action_gan.earlier_stages import PoseGAN, PretrainedWalk
from kinema.models.action_gan.model import ActionGAN
from kinema.motion.names import CANON17
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage
from kinema.representations.heading import HeadingRotationsConfig
from kinema.representations.picture import ViewedPositionsConfig

_JOINTS = tuple(name for name in CANON17 if name not in ("pelvis", "neck"))  # the released code's 15
_H36M_JOINTS = (
    "RightUpLeg", "RightLeg", "RightFoot", "LeftUpLeg", "LeftLeg", "LeftFoot", "Spine1", "Neck", "Head_End",
    "LeftArm", "LeftForeArm", "LeftHand", "RightArm", "RightForeArm", "RightHand",
)  # fmt: skip
_FRAMES = 64  # of the mended recipes' clips
_RELEASED = Optim(kind="adam", lr=1e-4, betas=(0.5, 0.9))
_HALVED = replace(_RELEASED, lr=1e-3, schedule="step", gamma=0.5, milestones=tuple(range(25_000, 125_001, 25_000)))
_MENDED = Optim(kind="adam", lr=2e-4, betas=(0.0, 0.99), schedule="cosine", final_lr=2e-5, clip_norm=10.0)
_AUTOENCODER = Optim(kind="adamw", lr=1e-3, weight_decay=1e-4, warmup_steps=100, schedule="cosine", clip_norm=1.0)


def action_gan_faithful_bandai2() -> Recipe:
    """ActionGAN as its code was released, on 2-D views of Bandai-Namco-2: 50 frames at 16.67 frames per second."""
    pose = Stage(
        name="pose", model=PoseGAN.Config(norm="batch"), task=Generate(1),
        optim=(Phase("critic", _HALVED, repeats=5), Phase("generator", _HALVED, fresh=True)), steps=100_000,
        batch_size=64, balance="actions",
    )  # fmt: skip
    motion = Stage(
        name="motion",
        model=ActionGAN.Config(
            walk="free", start="even", biases=1, readers="flat", reader_input="frames", classifier="shared",
            regulariser="sum", smooth=1e-4, magnitude=0.1, recognised=0.01, matching=0.0, penalty=0.0, blur=0.0,
        ),
        task=Generate(50), optim=(Phase("discriminator", _RELEASED), Phase("generator", _RELEASED, repeats=2)),
        steps=12_500, batch_size=32, balance="actions",
    )  # fmt: skip
    return Recipe(
        name="action-gan-faithful-bandai2",
        source=LabelledPack("bandai2"),
        representation=ViewedPositionsConfig(fps=50 / 3, joints=_JOINTS),
        stages=(pose, motion),
        protocols=("action-generation",),
    )


def action_gan_faithful() -> Recipe:
    """The same on what the paper uses: Human3.6M in the view of one camera, thinned from 50 frames per second."""
    return replace(
        action_gan_faithful_bandai2(),
        name="action-gan-faithful",
        source=H36MCamera(),
        representation=ViewedPositionsConfig(fps=50 / 3, joints=_H36M_JOINTS),
        phases=3,
    )


def action_gan() -> Recipe:
    """ActionGAN, mended, on nineteen actions of motion under free licences: recordings and procedural motion."""
    return replace(action_gan_bandai2(), name="action-gan", source=open_actions())


def action_gan_bandai2() -> Recipe:
    """ActionGAN, mended, on Bandai-Namco-2 (for results only: non-commercial data): 2 s at 30 frames per second."""
    pose = Stage(
        name="pose", model=PoseGAN.Config(latent=32, hidden=512, depth=2, learning="autoencoder"), task=Generate(8),
        optim=_AUTOENCODER, steps=3_000, batch_size=64, balance="actions",
    )  # fmt: skip
    motion = Stage(
        name="motion",
        # Few steps: with a discriminator that trains longer, runs rotate (docs/papers/action_gan.md).
        model=ActionGAN.Config(
            frames=_FRAMES, walk="aware", reader_input="rebuilt", recognised=0.5, matching=0.0, calm=0.5,
            reconstruction=1.0, lively=1.0,
        ),
        task=Generate(_FRAMES),
        optim=(
            Phase("discriminator", _MENDED), Phase("classifier", replace(_MENDED, lr=5e-4)),
            Phase("generator", _MENDED),
        ),
        steps=150, batch_size=32, balance="actions", stride=_FRAMES, ema=0.99, precision="auto",
    )  # fmt: skip
    return Recipe(
        name="action-gan-bandai2",
        source=LabelledPack("bandai2"),
        representation=HeadingRotationsConfig(fps=30.0),
        stages=(pose, *_pretrained_walk(), motion),
        protocols=("action-generation",),
    )


def _pretrained_walk() -> tuple[Stage, Stage]:
    """The latent walk learns from real motion: first poses, then how much it moves, which would hinder the poses."""
    # Windows follow one another from the start of a recording, so that a raised hand was down before.
    walk = Stage(
        name="walk", model=PretrainedWalk.Config(), task=Generate(_FRAMES),
        optim=replace(_AUTOENCODER, weight_decay=0.0), steps=1_500, batch_size=32, balance="actions", stride=_FRAMES,
        ema=0.995, precision="auto",
    )  # fmt: skip
    lively = replace(
        walk, name="lively", model=PretrainedWalk.Config(lively=1.0),
        optim=replace(_MENDED, lr=5e-4, betas=(0.9, 0.99), final_lr=5e-5, clip_norm=1.0), steps=400, ema=0.99,
    )  # fmt: skip
    return walk, lively
