"""Where the stochastic benchmarks have their recordings from: joint places in metres, at the benchmark's rate."""

from __future__ import annotations

from collections.abc import Iterator

from kinema.data.packs import RotationPack
from kinema.data.source import Split
from kinema.motion.catalog import skeleton
from kinema.motion.edit import resample
from kinema.motion.motion import Points
from kinema.motion.names import CANON17

OPEN_PACKS = ("cmu_bvh", "hdm05")
OPEN_FPS = 50.0


def open_takes(root: str | None, split: Split) -> Iterator[Points]:
    """The canonical seventeen joints of the open packs at 50 Hz; the action is the pack's own label."""
    body = skeleton("canon17")
    for pack in OPEN_PACKS:
        for clip in RotationPack(pack, root).clips(split):
            points = resample(clip, OPEN_FPS).points()
            chosen = points.positions[:, clip.skeleton.indices(CANON17)]
            yield Points(body, chosen, OPEN_FPS, clip.action, clip.identity)
