"""A body of six joints and smooth random motion, for tests that need clips but no particular ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch

from kinema.data.source import Source, Split
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.representations.positions import RootPositions
from kinema.representations.rotations import RotationVectors

BODY = Skeleton(
    "little",
    ("Hips", "LeftUpLeg", "LeftLeg", "RightUpLeg", "RightLeg", "Head"),
    (-1, 0, 1, 0, 3, 0),
    torch.tensor([[0, 0, 0], [0.1, 0, 0], [0, -0.8, 0], [-0.1, 0, 0], [0, -0.8, 0], [0, 0.7, 0]]),
)


def smooth_motion(frames: int, *, fps: float = 30.0, seed: int = 0, **about: str) -> Motion:
    """Every angle a slow sine of its own."""
    generator = torch.Generator().manual_seed(seed)
    pace, phase = torch.rand(2, 6, 3, generator=generator)
    time = torch.arange(frames)[:, None, None] / fps
    angles = 0.6 * torch.sin(6 * pace * time + 6 * phase)
    root = torch.cat((time[:, 0], torch.ones(frames, 1), torch.zeros(frames, 1)), -1)
    return Motion(BODY, rotvec_to_rotmat(angles), root, fps, **about)  # pyright: ignore


@dataclass(frozen=True, eq=False)
class Clips(Source):
    """Motions in memory, all of them "train"."""

    motions: tuple[Motion, ...] = field(repr=False)
    version: int = 0

    name = "clips"
    licence = "none"
    skeleton = BODY
    actions = ("walk", "run")

    def clips(self, split: Split) -> Iterator[Motion]:
        return iter(self.motions if split == "train" else ())


def clips(*frames: int, fps: float = 30.0, actions: tuple[str, ...] = ("walk",)) -> Clips:
    """A source with one clip of each length, named a/0, a/1 ..."""
    return Clips(
        tuple(
            smooth_motion(count, fps=fps, seed=place, identity=f"a/{place}", action=actions[place % len(actions)])
            for place, count in enumerate(frames)
        )
    )


def positions(fps: float = 30.0) -> RootPositions:
    return RootPositions(BODY, fps, BODY.joints)


def rotations(fps: float = 30.0) -> RotationVectors:
    return RotationVectors(BODY, fps)
