"""siMLPe's recipes: as the paper has it, and mended."""

from __future__ import annotations

import math
from dataclasses import replace

from kinema.data.augment import Augment
from kinema.data.sources.cmu import ACTIONS, TRIALS, CmuForecast
from kinema.data.sources.composed import BENCHMARK_TESTS, Mixed
from kinema.data.sources.h36m_rotations import H36MExpmap
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.packs import RotationPack
from kinema.data.synthetic import Synthetic
from kinema.data.tasks import Forecast
from kinema.models.simlpe.model import SiMLPe
from kinema.motion.skeletons import skeleton
from kinema.motion.skeletons.cmu import CMU38_COPIES, CMU38_MODEL_JOINTS
from kinema.motion.skeletons.h36m import H36M32_COPIES, H36M32_MODEL_JOINTS
from kinema.recipes.recipe import Optim, Recipe, Stage
from kinema.representations.positions import CentredPositionsConfig, RootPositionsConfig

_MENDED = Optim(
    kind="adamw", lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-4, warmup_steps=300, schedule="cosine", clip_norm=1.0
)
# How often the benchmark's mean over 38 joints counts each of the 25: once, and once for every copy.
_COUNTED = tuple(1.0 + list(CMU38_COPIES.values()).count(joint) for joint in CMU38_MODEL_JOINTS)
_CMU = SiMLPe.Config(
    observed=10, predicted=25, layers=8, mixing="gelu", tokens=40, width=128, dropout=0.2, weights=_COUNTED
)
_VARIED = Augment(reverse=0.5, mirror=0.5, speed=(0.8, 1.25), scale=(0.88, 1.14), tilt=0.25, yaw=0.25)


def simlpe() -> Recipe:
    """siMLPe, mended, on procedural motion: 0.5 s observed, 1 s forecast, at 30 frames per second."""
    stage = Stage(
        name="model", model=SiMLPe.Config(observed=15, predicted=30, layers=8, mixing="gelu", tokens=40, width=128),
        task=Forecast(observed=15, predicted=30), optim=_MENDED, steps=10_000, batch_size=128, augment=_VARIED,
        ema=0.999,
    )  # fmt: skip
    return Recipe(
        name="simlpe",
        source=Synthetic(clips_per_action=16),
        representation=RootPositionsConfig(fps=30.0),
        stages=(stage,),
    )


def simlpe_cmu() -> Recipe:
    """siMLPe, mended, on the CMU forecasting benchmark: 10 frames observed, 25 forecast, at 60 frames per second."""
    representation = _cmu_positions()
    stage = Stage(
        name="model",
        model=_CMU,
        task=Forecast(observed=10, predicted=25), optim=_MENDED, steps=8_000, batch_size=128, augment=_VARIED,
        balance="sqrt-actions", ema=0.999,
    )  # fmt: skip
    return Recipe(
        name="simlpe-cmu", source=CmuForecast(), representation=representation, stages=(stage,),
        protocols=("cmu-legacy", "cmu-physical"), phases=2, symmetric=True,
    )  # fmt: skip


def simlpe_free() -> Recipe:
    """siMLPe, mended, on the CMU benchmark's training files and all other motion under free licences, at 60 Hz.

    Meant to go on from weights of `simlpe-cmu` (`--init-from`): a lower rate, and little dropout.
    """
    base = simlpe_cmu()
    stage = replace(
        base.stages[0], model=replace(_CMU, dropout=0.05), optim=replace(_MENDED, lr=6e-4), steps=5_000,
        precision="auto",
    )  # fmt: skip
    # Beyond its horizon the forecast fades into the last pose, as was best on recordings of another body.
    share = ((0.7, 1.0), (1.0, 0.9), (1.5, 0.75))
    return replace(base, name="simlpe-free", source=_all_motion(), stages=(stage,), share=share)


def simlpe_open() -> Recipe:
    """siMLPe, mended, on open motion as in the stochastic benchmarks: 25 frames observed, 100 forecast, at 50 Hz.

    One future, to compare with models that sample many.
    """
    stage = Stage(
        name="model",
        model=SiMLPe.Config(observed=25, predicted=100, layers=8, mixing="gelu", tokens=125, width=128, dropout=0.2),
        task=Forecast(observed=25, predicted=100), optim=_MENDED, steps=6_000, batch_size=128,
        # The world's axes are kept, so a body may face anywhere.
        augment=Augment(mirror=0.5, speed=(0.8, 1.25), scale=(0.88, 1.14), yaw=math.pi), balance="sqrt-actions",
        ema=0.999,
    )  # fmt: skip
    return Recipe(
        name="simlpe-open",
        source=OpenMotion(),
        representation=CentredPositionsConfig(fps=50.0),
        stages=(stage,),
        protocols=("open-stochastic",),
    )


def simlpe_faithful() -> Recipe:
    """siMLPe as published (50 frames observed, 10 forecast and fed back, 48 linear blocks), on the CMU benchmark."""
    stage = Stage(
        name="model",
        model=SiMLPe.Config(observed=50, predicted=10, layers=48),
        task=Forecast(observed=50, predicted=10),
        # Differs: the released code runs its first step at 1e-5; the paper's schedule has no such step.
        optim=Optim(kind="adam", lr=3e-4, weight_decay=1e-4, schedule="step", milestones=(30_000,), gamma=1 / 30),
        steps=40_000,
        batch_size=256,
        augment=Augment(reverse=0.5),
    )
    return Recipe(
        name="simlpe-faithful", source=CmuForecast(), representation=_cmu_positions(), stages=(stage,),
        protocols=("cmu-legacy", "cmu-physical"), seed=888,
    )  # fmt: skip


def simlpe_faithful_h36m() -> Recipe:
    """siMLPe as published, on its own data: Human3.6M, 22 joints, 25 frames per second."""
    names = skeleton("h36m32").joints
    copies = tuple((names[joint], names[source]) for joint, source in H36M32_COPIES.items())
    joints = tuple(names[joint] for joint in H36M32_MODEL_JOINTS)
    return replace(
        simlpe_faithful(),
        name="simlpe-faithful-h36m",
        source=H36MExpmap(),
        representation=RootPositionsConfig(fps=25.0, joints=joints, copies=copies),
        protocols=("h36m-legacy",),
    )


def _all_motion() -> Mixed:
    """The benchmark's training files, and all other motion under free licences as one action more.

    Recordings that the benchmark tests on, or may test on, are left out; those that several files have are taken once.
    """
    known = tuple(f"cmu/{trial}" for trial in TRIALS.values())
    packs = (
        RotationPack("cmu_bvh", exclude=(*BENCHMARK_TESTS, *known), drop_first=True),
        RotationPack("cmu_amc", exclude=(*BENCHMARK_TESTS, *known), new_only=True),
        RotationPack("cmu_neo30", new_only=True),
        RotationPack("cmu_daz30"),
        RotationPack("m2m_cc0"),
    )
    return Mixed((CmuForecast(), *packs), onto="cmu38", fps=None, keep=ACTIONS, others="other")


def _cmu_positions() -> RootPositionsConfig:
    """The 25 of 38 joints that the benchmark's models observe; the others coincide with one of them or do not move."""
    names = skeleton("cmu38").joints
    copies = tuple((names[joint], names[source]) for joint, source in CMU38_COPIES.items())
    return RootPositionsConfig(fps=60.0, joints=tuple(names[joint] for joint in CMU38_MODEL_JOINTS), copies=copies)
