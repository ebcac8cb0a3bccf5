"""PoseGPT's recipes: a tokeniser, then the prior over its tokens; as published, and mended and compact."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.sources.composed import open_actions
from kinema.data.sources.packs import LabelledPack
from kinema.data.tasks import Forecast
from kinema.models.posegpt.inputs import InputsConfig
from kinema.models.posegpt.model import PoseGPT
from kinema.models.posegpt.quantizers import QuantiserConfig
from kinema.models.posegpt.sampling import Choice
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.recipes.recipe import Optim, Recipe, Stage
from kinema.representations.heading import HeadingRotationsConfig

_TASK = Forecast(observed=16, predicted=48, labelled=True)  # both stages learn whole windows
_MENDED = Optim(
    kind="adamw", lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4, warmup_steps=100, schedule="cosine", clip_norm=1.0
)
_TOKENS = PoseTokens.Config(
    preset="causal", width=128, layers=(3,), straight=True,
    quantiser=QuantiserConfig(kind="residual", books=4, codes=128, dim=128, drop=0.0),
    # An error of the path, four of some 150 numbers, adds up over a window.
    path_weight=4.0,
    # Metres, m/s and m/s², beside standardised features of which many hardly move: smaller weights have no effect.
    points_weight=10.0, velocity_weight=1.0, acceleration_weight=0.1,
    standing_weight=1.0,  # what touches the ground stays there
)  # fmt: skip
_PRIOR = PoseGPT.Config(
    width=128, layers=4, block=32, inputs=InputsConfig(places="none", lengths=0), keep=0.95,
    choice=Choice(top_p=0.95, guidance=1.5), calm=0.6,
)  # fmt: skip
_RELEASED_TOKENS = PoseTokens.Config(
    preset="causal", inner_dropout=0.1, attention_dropout=0.1, upsample_trim="front", padding="seen",
    places="interleaved", quantiser=QuantiserConfig(kind="product", legacy_beta=True), law="l2", points_law="l1",
    points_weight=100.0, velocity_weight=0.0, codebook_weight=0.25,
)  # fmt: skip
_RELEASED_PRIOR = PoseGPT.Config(
    dropout=0.2,
    attention_dropout=0.2,
    inputs=InputsConfig(action_rows=64, action_start=1.0, length_start=1.0, small_fuse=False, shared_row=True),
    dependent=False,
    forget=0.0,
)


def posegpt() -> Recipe:
    """PoseGPT, mended and compact, on nineteen actions of free motion: 64 frames at 30 per second."""
    return Recipe(
        name="posegpt", source=open_actions(), representation=HeadingRotationsConfig(fps=30.0), stages=_compact()
    )


def posegpt_bandai2() -> Recipe:
    """The same on the Bandai-Namco motion data set 2: ten contents (non-commercial: for results only)."""
    return replace(posegpt(), name="posegpt-bandai2", source=LabelledPack("bandai2"))


def posegpt_faithful() -> Recipe:
    """PoseGPT at the paper's sizes and as its code was released, on the Bandai-Namco motion data set 2."""
    adam = Optim(kind="adam", lr=5e-5, betas=(0.95, 0.999))
    tokens = Stage(
        name="tokens", model=_RELEASED_TOKENS,
        # Differs: the released code pads recordings of 16 to 63 frames; here those under 64 are left out.
        task=_TASK, optim=adam,
        # Differs: the released script asks for two million steps; this is where a day on one GPU ends.
        steps=400_000, batch_size=64, augment=Augment(mirror=0.5),
    )  # fmt: skip
    prior = replace(
        tokens, name="prior", model=_RELEASED_PRIOR, optim=replace(adam, lr=1e-5, betas=(0.9, 0.999)), steps=600_000,
        batch_size=32,
    )  # fmt: skip
    return Recipe(
        name="posegpt-faithful",
        source=LabelledPack("bandai2"),
        representation=HeadingRotationsConfig(fps=30.0),
        stages=(tokens, prior),
    )


def _compact() -> tuple[Stage, Stage]:
    tokens = Stage(
        name="tokens", model=_TOKENS, task=_TASK, optim=_MENDED, steps=4_000, batch_size=16,
        augment=Augment(mirror=0.5), balance="sqrt-actions", stride=4,
    )  # fmt: skip
    prior = replace(
        tokens, name="prior", model=_PRIOR, optim=replace(_MENDED, lr=6e-4), steps=5_000, batch_size=32, ema=0.999,
        precision="auto",
    )  # fmt: skip
    return tokens, prior
