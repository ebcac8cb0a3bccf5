"""kinema: some of a motion is known; say the rest.

The public names. They are imported when first used, so that `import kinema` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from kinema.version import VERSION as __version__

if TYPE_CHECKING:
    from kinema.api import Opened, open  # noqa: A004  kn.open
    from kinema.batch import Batch, Query
    from kinema.errors import KinemaError
    from kinema.motion.catalog import skeleton
    from kinema.motion.edit import resample
    from kinema.motion.files import load, save
    from kinema.motion.motion import Motion, Points
    from kinema.motion.skeleton import Skeleton
    from kinema.recipes import recipe
    from kinema.run import Answer, Run, evaluate, open_run, train
    from kinema.run.complete import Completed
    from kinema.run.streaming import Forecaster
    from kinema.shown import Shown, show

_WHERE = {
    "Answer": "kinema.run",
    "Batch": "kinema.batch",
    "Forecaster": "kinema.run.streaming",
    "Completed": "kinema.run.complete",
    "KinemaError": "kinema.errors",
    "Motion": "kinema.motion.motion",
    "Opened": "kinema.api",
    "Points": "kinema.motion.motion",
    "Query": "kinema.batch",
    "Run": "kinema.run",
    "Shown": "kinema.shown",
    "Skeleton": "kinema.motion.skeleton",
    "evaluate": "kinema.run",
    "load": "kinema.motion.files",
    "open": "kinema.api",
    "open_run": "kinema.run",
    "recipe": "kinema.recipes",
    "resample": "kinema.motion.edit",
    "save": "kinema.motion.files",
    "show": "kinema.shown",
    "skeleton": "kinema.motion.catalog",
    "train": "kinema.run",
}

__all__ = [
    "Answer",
    "Batch",
    "Completed",
    "Forecaster",
    "KinemaError",
    "Motion",
    "Opened",
    "Points",
    "Query",
    "Run",
    "Shown",
    "Skeleton",
    "__version__",
    "evaluate",
    "load",
    "open",
    "open_run",
    "recipe",
    "resample",
    "save",
    "show",
    "skeleton",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _WHERE:
        return getattr(import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'kinema' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
