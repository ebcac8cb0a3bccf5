"""Archives of joint positions as VideoPose3D writes them, with bodies of our own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions

ACTIONS, SUBJECTS = H36MPositions.actions, H36MPositions.train + H36MPositions.test


def take(frames: int, joints: int, seed: int) -> np.ndarray:
    """A body whose joints drift about their places; metres, z up."""
    generator = np.random.default_rng(seed)
    rest = np.random.default_rng(7).uniform(-0.5, 0.5, (1, joints, 3)) + np.eye(3)[2]
    return (rest + 0.01 * generator.standard_normal((frames, joints, 3)).cumsum(0)).astype(np.float32)


def write_archive(path: Path, subjects: Mapping[str, Mapping[str, Any]]) -> None:
    np.savez_compressed(path, positions_3d=np.array(subjects, dtype=object))


def h36m_subjects(frames: int = 130) -> dict[str, dict[str, Any]]:
    """All takes that the real file has, shorter."""
    names = [name for action in reversed(ACTIONS) for name in (f"{action} 1", action)]
    every = {subject: {name: take(frames, 32, place) for place, name in enumerate(names)} for subject in SUBJECTS[::-1]}
    del every["S11"]["Directions"]
    return every


def humaneva_subjects(frames: int = 80) -> dict[str, dict[str, Any]]:
    """Chunks of two actions, those that the benchmark drops, and short ones."""
    lengths = {f"Walking 1 chunk{chunk}": frames for chunk in (0, 2, 4)} | {"Jog 1 chunk1": 74, "Box 1 chunk0": 75}
    return {
        subject: {name: take(count, 15, place) for place, (name, count) in enumerate(lengths.items())}
        for subject in HumanEvaPositions.train + HumanEvaPositions.test
    }
