"""kinema: part of a motion is known; predict the rest.

The public names. They are imported when first used, so that `import kinema` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kinema.core.constants import VERSION as __version__

if TYPE_CHECKING:
    from kinema.apps.onnx import runtime as onnx
    from kinema.apps.show import Shown, show
    from kinema.core.errors import KinemaError
    from kinema.core.query import Batch, Query
    from kinema.data.samples import sample
    from kinema.io.formats import load, save
    from kinema.motion.constraints.kinds import Ground, Loop, Pin, Plant, Pose, RootPath
    from kinema.motion.constraints.solver import meet
    from kinema.motion.edit import resample
    from kinema.motion.motion import Motion, Points
    from kinema.motion.skeleton import Skeleton
    from kinema.motion.skeletons import skeleton
    from kinema.pipeline.completion.complete import Completed
    from kinema.pipeline.evaluate import evaluate
    from kinema.pipeline.forecasting import Answer
    from kinema.pipeline.pipeline import Pipeline, open  # noqa: A004  kn.open
    from kinema.pipeline.streaming import Forecaster
    from kinema.pipeline.train import train
    from kinema.recipes import recipe

_WHERE = {
    "Answer": "kinema.pipeline.forecasting",
    "Batch": "kinema.core.query",
    "Completed": "kinema.pipeline.completion.complete",
    "Forecaster": "kinema.pipeline.streaming",
    "Ground": "kinema.motion.constraints.kinds",
    "KinemaError": "kinema.core.errors",
    "Loop": "kinema.motion.constraints.kinds",
    "Motion": "kinema.motion.motion",
    "Pin": "kinema.motion.constraints.kinds",
    "Pipeline": "kinema.pipeline.pipeline",
    "Plant": "kinema.motion.constraints.kinds",
    "Points": "kinema.motion.motion",
    "Pose": "kinema.motion.constraints.kinds",
    "Query": "kinema.core.query",
    "RootPath": "kinema.motion.constraints.kinds",
    "Shown": "kinema.apps.show",
    "Skeleton": "kinema.motion.skeleton",
    "evaluate": "kinema.pipeline.evaluate",
    "load": "kinema.io.formats",
    "meet": "kinema.motion.constraints.solver",
    "open": "kinema.pipeline.pipeline",
    "recipe": "kinema.recipes",
    "resample": "kinema.motion.edit",
    "sample": "kinema.data.samples",
    "save": "kinema.io.formats",
    "show": "kinema.apps.show",
    "skeleton": "kinema.motion.skeletons",
    "train": "kinema.pipeline.train",
}

__all__ = [
    "Answer",
    "Batch",
    "Completed",
    "Forecaster",
    "Ground",
    "KinemaError",
    "Loop",
    "Motion",
    "Pin",
    "Pipeline",
    "Plant",
    "Points",
    "Pose",
    "Query",
    "RootPath",
    "Shown",
    "Skeleton",
    "__version__",
    "evaluate",
    "load",
    "meet",
    "onnx",
    "open",
    "recipe",
    "resample",
    "sample",
    "save",
    "show",
    "skeleton",
    "train",
]


_GONE = {"open_run": "kn.open", "load_run": "kn.open", "Run": "kn.Pipeline", "Opened": "kn.Pipeline"}


def __getattr__(name: str) -> object:
    if name == "onnx":
        return import_module("kinema.apps.onnx.runtime")
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    instead = f": use {_GONE[name]}" if name in _GONE else ""
    raise AttributeError(f"module 'kinema' has no attribute '{name}'{instead}")


def __dir__() -> list[str]:
    return __all__
