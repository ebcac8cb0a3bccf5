"""The catalogue: skeletons by name, each built when it is asked for.

What a published protocol needs to know of a body (which joints a model sees, which coincide, which do not move) is in
constants in the file of its family: `skeletons.cmu`, `skeletons.h36m`, `skeletons.keypoints`.
"""

from __future__ import annotations

from collections.abc import Callable

from kinema.core.errors import UsageError, unknown_name
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import bandai21, canon17, humaneva15, kinema24, lafan22
from kinema.motion.skeletons.cmu import cmu38
from kinema.motion.skeletons.h36m import h36m17, h36m32
from kinema.motion.skeletons.keypoints import body25, coco17
from kinema.motion.skeletons.smpl import smpl22, smpl24, smplh52, smplx55

SKELETONS: dict[str, Callable[[], Skeleton]] = {
    "bandai21": bandai21,
    "body25": body25,
    "canon17": canon17,
    "cmu38": cmu38,
    "coco17": coco17,
    "h36m17": h36m17,
    "h36m32": h36m32,
    "humaneva15": humaneva15,
    "kinema24": kinema24,
    "lafan22": lafan22,
    "smpl22": smpl22,
    "smpl24": smpl24,
    "smplh52": smplh52,
    "smplx55": smplx55,
}
"""Name -> builder of every skeleton that kinema knows."""
_SHORT = {"smpl": "smpl24", "smplh": "smplh52", "smplx": "smplx55", "h36m": "h36m17", "coco": "coco17"}


def register(name: str, build: Callable[[], Skeleton]) -> None:
    """Make a skeleton known by `name`; one of the same name is replaced."""
    SKELETONS[name] = build


def skeleton(name: str) -> Skeleton:
    """The skeleton of that name. Raises UsageError, with the names there are, where there is none."""
    name = _SHORT.get(name, name)
    if name not in SKELETONS:
        error = unknown_name("skeleton", name, SKELETONS)
        if "." in name:
            cure = f"For the skeleton of a file type kinema retarget IN {name} -o OUT."
            raise UsageError(expected=error.expected, got=error.got, cure=cure)
        raise error
    return SKELETONS[name]()
