"""Where the stochastic benchmarks have their recordings from: joint positions in metres, at the benchmark's rate."""

from __future__ import annotations

from collections.abc import Iterator

from kinema.data.source import Split
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions
from kinema.motion.motion import Points

OPEN_FPS = 50.0


def open_takes(root: str | None, split: Split) -> Iterator[Points]:
    """The canonical seventeen joints of the open packs at 50 Hz; the action is the pack's own label."""
    return OpenMotion(root=root, fps=OPEN_FPS).clips(split)


def h36m_takes(root: str | None, split: Split) -> Iterator[Points]:
    """Human3.6M's seventeen joints at 50 Hz, by action; every subject but S9 and S11 is training."""
    return H36MPositions(root=root, validation=()).clips(split)


def humaneva_takes(root: str | None, split: Split) -> Iterator[Points]:
    """HumanEva-I's fifteen joints at 60 Hz, by action."""
    return HumanEvaPositions(root=root).clips(split)
