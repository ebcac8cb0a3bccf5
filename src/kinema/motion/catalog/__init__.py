"""The catalogue: skeletons by name, each built when it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from kinema.errors import unknown_name
from kinema.motion.catalog.kinema import canon17, kinema24
from kinema.motion.skeleton import Skeleton

SKELETONS: dict[str, Callable[[], Skeleton]] = {
    "canon17": canon17,
    "kinema24": kinema24,
}


def skeleton(name: str) -> Skeleton:
    """The skeleton of that name. Raises UsageError, with the names there are, where there is none."""
    if name not in SKELETONS:
        raise unknown_name("skeleton", name, SKELETONS)
    return SKELETONS[name]()
