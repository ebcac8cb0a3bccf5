"""siMLPe's recipes."""

from __future__ import annotations

from kinema.data.augment import Augment
from kinema.data.cmu_forecast import CmuForecast
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast
from kinema.models.simlpe import SiMLPe
from kinema.motion.represent import RootPositionsConfig
from kinema.recipes.recipe import Optim, Recipe, Stage


def simlpe() -> Recipe:
    """siMLPe on procedural motion: 2 s seen, 0.4 s forecast, at 25 frames per second."""
    stage = Stage(
        name="model",
        model=SiMLPe.Config(observed=50, predicted=10, layers=48),
        task=Forecast(observed=50, predicted=10),
        optim=Optim(kind="adam", lr=3e-4, weight_decay=1e-4, schedule="step", milestones=(30_000,), gamma=1 / 30),
        steps=40_000,
        batch_size=256,
        augment=Augment(reverse=0.5),
    )
    return Recipe(
        name="simlpe", source=Synthetic(), representation=RootPositionsConfig(fps=25.0), stages=(stage,), seed=888
    )


def simlpe_cmu() -> Recipe:
    """siMLPe on the CMU forecasting benchmark: every second frame of 120 Hz, 25 of 38 joints."""
    stage = Stage(
        name="model",
        model=SiMLPe.Config(observed=50, predicted=25, layers=48),
        task=Forecast(observed=50, predicted=25),
        optim=Optim(kind="adamw", lr=1e-3, weight_decay=1e-4, warmup_steps=200, schedule="cosine", final_lr=1e-5),
        steps=10_000,
        batch_size=256,
        augment=Augment(reverse=0.5, mirror=0.5),
        ema=0.999,
    )
    return Recipe(
        name="simlpe-cmu",
        source=CmuForecast(),
        representation=RootPositionsConfig(fps=60.0),
        stages=(stage,),
        protocols=("cmu-legacy", "cmu-physical"),
        seed=888,
    )
