"""ConvSeq2Seq's recipes: as its code was released, and mended; on the CMU benchmark and on Human3.6M."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.sources.cmu import CmuForecast
from kinema.data.sources.h36m_rotations import H36MExpmap
from kinema.data.tasks import Forecast
from kinema.models.conv_seq2seq.model import ConvSeq2Seq
from kinema.motion.skeletons.cmu import CMU38_VARYING, UNIT
from kinema.motion.skeletons.h36m import H36M32_VARYING
from kinema.recipes.recipe import Optim, Phase, Recipe, Stage
from kinema.representations.cmu_rows import BenchmarkRowsConfig

_ROOT = 6  # the first columns: the root's position and rotation, which no protocol scores
_TASK = Forecast(observed=50, predicted=25, labelled=True)
_RELEASED = ConvSeq2Seq.Config(
    padding="valid", long_frames=49, window=20, teacher="late", seam=True, class_head=True, feedback=0.95,
    loss="squares", l2=0.001,
    # Differs: the released code draws dropout masks for every window of a roll-out ("window"). Shared by the windows
    # that a row is part of they have the same law in each window, and a generator's step takes a third of the time.
    masks="frame", still=False,
)  # fmt: skip
_RELEASED_ADAM = Optim(kind="adam", lr=5e-5, schedule="step", milestones=(10_000, 20_000), gamma=0.99)
_MENDED = ConvSeq2Seq.Config(
    padding="front", window=24, discriminator_features=8, loss="distance", dropout=0.5, masks="frame"
)
_MENDED_ADAM = Optim(
    kind="adamw", lr=5e-4, betas=(0.9, 0.99), weight_decay=1e-4, warmup_steps=200, schedule="cosine", clip_norm=1.0
)


def conv_seq2seq() -> Recipe:
    """ConvSeq2Seq, mended, on the CMU forecasting benchmark: 50 frames observed, 25 forecast, at 60 Hz."""
    stage = Stage(
        name="model", model=_MENDED, task=_TASK,
        optim=(
            Phase("discriminator", replace(_MENDED_ADAM, lr=1e-4, betas=(0.5, 0.9)), fresh=True),
            Phase("generator", _MENDED_ADAM, fresh=True),
        ),
        steps=20_000, batch_size=16, augment=Augment(reverse=0.5, mirror=0.5), balance="sqrt-actions", ema=0.999,
    )  # fmt: skip
    return Recipe(
        name="conv-seq2seq", source=CmuForecast(),
        representation=BenchmarkRowsConfig(fps=60.0, columns=CMU38_VARYING[_ROOT:], unit=UNIT, standardise=False),
        stages=(stage,), protocols=("cmu-legacy", "cmu-physical"), phases=2, symmetric=True,
    )  # fmt: skip


def conv_seq2seq_faithful() -> Recipe:
    """ConvSeq2Seq as its code was released (late teacher, seam, short past, cut padding), on the CMU benchmark."""
    stage = Stage(
        name="model", model=_RELEASED, task=_TASK,
        optim=(Phase("discriminator", _RELEASED_ADAM, fresh=True), Phase("generator", _RELEASED_ADAM, fresh=True)),
        steps=20_000, batch_size=16, balance="clips",
    )  # fmt: skip
    return Recipe(
        name="conv-seq2seq-faithful",
        source=CmuForecast(drop_first=False),
        representation=BenchmarkRowsConfig(fps=60.0, columns=CMU38_VARYING, unit=UNIT),
        stages=(stage,),
        protocols=("cmu-legacy", "cmu-physical"),
    )


def conv_seq2seq_h36m() -> Recipe:
    """ConvSeq2Seq, mended, on Human3.6M: 50 frames observed, 25 forecast, at 25 Hz; subject 11 held out."""
    return replace(
        conv_seq2seq(),
        name="conv-seq2seq-h36m",
        source=H36MExpmap(),
        representation=BenchmarkRowsConfig(fps=25.0, columns=H36M32_VARYING[_ROOT:], unit=0.001, standardise=False),
        protocols=("h36m-legacy",),
    )


def conv_seq2seq_faithful_h36m() -> Recipe:
    """ConvSeq2Seq as its code was released, on Human3.6M: zero padding, wrapped paths, subject 11 trained on."""
    recipe = conv_seq2seq_faithful()
    stage = replace(recipe.stages[0], model=replace(_RELEASED, padding="same"))
    return replace(
        recipe,
        name="conv-seq2seq-faithful-h36m",
        source=H36MExpmap(validation=()),
        representation=BenchmarkRowsConfig(fps=25.0, columns=H36M32_VARYING, unit=0.001, wrap_path=True),
        stages=(stage,),
        protocols=("h36m-legacy",),
    )
