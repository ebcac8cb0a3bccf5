"""`Viewed`: the recordings of another source, each seen from several sides.

A view turns the whole recording about the vertical and tilts it, puts its mean place at the origin and makes it a
little larger or smaller, as another focal length does; a representation with a fixed camera then projects it frame by
frame. Views are drawn by the recording's name, so they are the same in every run and every split.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from kinema.core.errors import UsageError
from kinema.data.source import Source, Split
from kinema.data.synthetic import Synthetic
from kinema.geometry.camera import view
from kinema.motion.edit import face_forward
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.representations.base import with_rotations


@dataclass(frozen=True)
class Viewed(Source):
    """`views` views of every clip of `of`: yaw up to +-`yaw`, tilt up to +-`tilt` (radians), size within `zoom`.

    The defaults are Render-In-Between's training views (its evaluation had +-1 radian only). Raises UsageError for less
    than one view or a range that cannot be.
    """

    of: Source = Synthetic()  # noqa: RUF009 - sources are frozen
    views: int = 4
    yaw: float = math.pi
    tilt: float = 0.2 * math.pi
    zoom: tuple[float, float] = (0.9, 1.1)

    def __post_init__(self) -> None:
        if self.views < 1 or self.yaw < 0 or self.tilt < 0 or not 0 < self.zoom[0] <= self.zoom[1]:
            raise UsageError(
                expected="at least one view, and ranges",
                got=f"{self}",
                cure="Give views=1 or more, yaw and tilt of 0 or more, and zoom=(small, large).",
            )

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The source's name, viewed."""
        return f"{self.of.name}-viewed"

    @property
    def licence(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the source."""
        return self.of.licence

    @property
    def actions(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Those of the source."""
        return self.of.actions

    @property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """That of the source."""
        return self.of.skeleton

    def clips(self, split: Split) -> Iterator[Motion]:
        """Every clip of the source, `views` times."""
        for number, clip in enumerate(self.of.clips(split)):
            for place in range(self.views):
                yield self._view(with_rotations(clip), f"{clip.identity}/{number}/{place}")

    def subject(self, identity: str) -> str:
        """As the source says."""
        return self.of.subject(identity)

    def stamp(self) -> str:
        """The fields, and the stamp of the source."""
        return f"{self!r} {self.of.stamp()}"

    def rooted(self, root: str | None) -> Viewed:
        """Of the source's recordings below another folder."""
        return replace(self, of=self.of.rooted(root))

    def _view(self, clip: Motion, name: str) -> Motion:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:7], "big")
        yaw, tilt, size = torch.rand(3, generator=torch.Generator().manual_seed(seed)).tolist()
        turn = view(torch.tensor(self.yaw * (2 * yaw - 1)), torch.tensor(self.tilt * (2 * tilt - 1)))
        zoom = self.zoom[0] + (self.zoom[1] - self.zoom[0]) * size
        clip = face_forward(clip)
        root = zoom * (clip.root - clip.root.mean(-2, keepdim=True)) @ turn.T
        rotations = clip.rotations.clone()
        rotations[..., 0, :, :] = turn @ rotations[..., 0, :, :]
        offsets = clip.skeleton.offsets if clip.offsets is None else clip.offsets
        moving = (zoom * offsets).expand(*rotations.shape[:-2], 3)
        return replace(clip, rotations=rotations, root=root, offsets=moving)
