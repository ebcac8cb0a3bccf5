"""Where the stochastic benchmarks have their recordings from: joint places in metres, at the benchmark's rate."""

from __future__ import annotations

from collections.abc import Iterator

from kinema.data.open_motion import OpenMotion
from kinema.data.source import Split
from kinema.motion.motion import Points

OPEN_FPS = 50.0


def open_takes(root: str | None, split: Split) -> Iterator[Points]:
    """The canonical seventeen joints of the open packs at 50 Hz; the action is the pack's own label."""
    return OpenMotion(root=root, fps=OPEN_FPS).clips(split)
