"""Six short motions that come with the package: recordings of the CMU archive on which no shipped model was trained.

ACKNOWLEDGEMENT.txt beside the files says where they are from and what may be done with them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from kinema.core.errors import unknown_name
from kinema.io.formats import load
from kinema.motion.motion import Motion

TRIALS: dict[str, str] = {
    "walk": "12_01", "run": "09_06", "jump": "131_07", "dance": "05_07", "drink": "13_09", "punch": "02_05",
}  # fmt: skip
"""The samples by name, and the trial of the CMU archive that each is from."""
PREFIX = "sample:"


def sample(name: str) -> Motion:
    """A short recording: walk, run, jump, dance, drink or punch; 60 frames per second, metres, y up.

    Each lasts four to five seconds, the run 1.2. Raises UsageError for a name that is not one of these.
    """
    return replace(load(sample_file(name)), action=name, identity=f"cmu/{TRIALS[name]}")


def sample_file(name: str) -> Path:
    """The BVH file of a sample. Raises UsageError for an unknown name."""
    if name not in TRIALS:
        raise unknown_name("sample", name, TRIALS)
    return Path(__file__).parent / f"{name}.bvh"
