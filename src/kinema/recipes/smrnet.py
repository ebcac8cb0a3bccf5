"""SMRNet's recipes: as its code was released, that at a compact width on open motion, and mended."""

from __future__ import annotations

from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.source import Source
from kinema.data.sources.composed import IDENTIFIED_TESTS
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions
from kinema.data.tasks import Forecast
from kinema.models.smrnet.model import SMRNet
from kinema.recipes.recipe import Optim, Recipe, Stage
from kinema.representations.positions import CentredPositionsConfig

_FREE = ("cmu_bvh", "cmu_amc", "cmu_neo30", "cmu_daz30", "m2m_cc0")  # what anybody may build upon
_BATCH = 64
_PER_EPOCH = 50_000 // _BATCH  # steps
# Differs: the released validation is made on the test subjects, with augmentation; here on clips held out of training,
# and where all training subjects are trained on, as released, there is none.
RELEASED_H36M = SMRNet.Config()
RELEASED_HUMANEVA = SMRNet.Config(
    observed=15, predicted=60, coefficients=10, layers=4, dropout=0.2, attention_dropout=0.2, uncond_answers=0.5
)
_MILESTONES = (75, 150, 225, 275, 350, 450, 600, 800, 1000, 1100, 1200, 1300, 1400)  # epochs


def released(name: str, source: Source, model: SMRNet.Config, *, fps: float, epochs: int) -> Recipe:
    """The released training on any source: Adam at 3e-4 with steps of 0.9, batches of 64, an average of 0.995."""
    milestones = tuple(epoch * _PER_EPOCH for epoch in _MILESTONES if epoch < epochs)
    stage = Stage(
        name="model", model=model, task=Forecast(observed=model.observed, predicted=model.predicted),
        optim=Optim(kind="adam", lr=3e-4, schedule="step", milestones=milestones, gamma=0.9), steps=epochs * _PER_EPOCH,
        batch_size=_BATCH,
        # Differs: the released code rotates and mirrors a whole batch at once, and mirrors without exchanging left
        # and right. Here each window has its own rotation, and its sides are exchanged.
        augment=Augment(mirror=0.5, yaw=3.1416),
        # Differs: the released draw of a start leaves out the last one of a take.
        balance="subjects", ema=0.995, ema_copied=2_000,
    )  # fmt: skip
    return Recipe(name=name, source=source, representation=CentredPositionsConfig(fps=fps), stages=(stage,))


def smrnet_faithful() -> Recipe:
    """SMRNet as released, on Human3.6M: 25 frames observed, 100 forecast, at 50 frames per second; five subjects."""
    source = H36MPositions(validation=())
    recipe = released("smrnet-faithful", source, RELEASED_H36M, fps=50.0, epochs=1501)
    return replace(recipe, protocols=("h36m-stochastic",))


def smrnet_faithful_humaneva() -> Recipe:
    """SMRNet as released, on HumanEva-I: 15 frames observed, 60 forecast, at 60 frames per second."""
    source = HumanEvaPositions()
    recipe = released("smrnet-faithful-humaneva", source, RELEASED_HUMANEVA, fps=60.0, epochs=501)
    return replace(recipe, protocols=("humaneva-stochastic",))


def smrnet_faithful_open() -> Recipe:
    """SMRNet as released, at a compact width, on open motion: 25 frames observed, 100 forecast, at 50 Hz."""
    model = SMRNet.Config(layers=4, width=256)
    recipe = released("smrnet-faithful-open", OpenMotion(fps=50.0), model, fps=50.0, epochs=13)
    return _compact(recipe)


def smrnet() -> Recipe:
    """SMRNet, mended, on open motion: three steps to clean data, windows that face forward, best of eight noises."""
    model = SMRNet.Config(
        coefficients=32, layers=4, width=128, dropout=0.0, attention_dropout=0.0, places=True, reading=512,
        reading_dropout=0.2, heading="own", start="awake", prediction="x0", solver="dpm++", steps=3, last_step="clean",
        code="residual", whiten=True, completion="estimate", uncond_fraction=0.1, drop="row", loss="distance",
        best_of=8,
    )  # fmt: skip
    stage = Stage(
        name="model", model=model, task=Forecast(observed=25, predicted=100),
        optim=Optim(lr=8e-4, betas=(0.9, 0.99), warmup_steps=200, schedule="cosine", clip_norm=1.0), steps=6_000,
        batch_size=_BATCH, augment=Augment(mirror=0.5, speed=(0.8, 1.25), scale=(0.9, 1.1)), ema=0.999,
        precision="auto",
    )  # fmt: skip
    return Recipe(
        name="smrnet",
        source=OpenMotion(packs=_FREE, validation=(), exclude=IDENTIFIED_TESTS, fps=50.0),
        representation=CentredPositionsConfig(fps=50.0),
        stages=(stage,),
        protocols=("open-stochastic",),
    )


def smrnet_hdm05() -> Recipe:
    """SMRNet, mended, on CMU and HDM05: better on actions of HDM05, share-alike as that is."""
    return replace(smrnet(), name="smrnet-hdm05", source=OpenMotion(fps=50.0))


def _compact(recipe: Recipe) -> Recipe:
    stage = replace(recipe.stages[0], precision="auto")
    return replace(recipe, stages=(stage,), protocols=("open-stochastic",))
