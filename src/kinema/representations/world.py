"""Representations of a motion where it is: the body's path and turn in the room are part of the features.

What is filled in between key poses must meet them in the room, so nothing is integrated and nothing is taken out
frame by frame. `anchor` gives a window a place and heading of its own, read from what is known of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry.rotations import rotmat_to_sixd, sixd_to_rotmat
from kinema.motion.edit import mirror
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.representations.anchor import FloorAnchor, ahead, floor_anchor, is_left
from kinema.representations.base import Representation, Statistics, with_rotations


class RootedRotations(Representation):
    """Root position (metres) and 6-D rotations (Zhou et al. 2019) of the root and of chosen joints, in world axes.

    Token 0 is the root with its path; the others are the chosen joints in order. Joints that are not chosen keep their
    rest rotation.
    """

    space = "rotations"
    reference = "room"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        self.skeleton, self.fps = skeleton, fps
        names = joints or skeleton.joints
        self._chosen = [0, *(joint for joint in skeleton.indices(names) if joint != 0)]
        self.joints = tuple(skeleton.joints[joint] for joint in self._chosen)
        self.width = 3 + 6 * len(self._chosen)
        self.statistics = Statistics.none(self.width)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """The root's path belongs to the root."""
        return (0, 0, 0, *(token for token in range(len(self._chosen)) for _ in range(6)))

    @property
    def partners(self) -> tuple[int, ...]:
        """The token of the joint on the other side."""
        place = {joint: token for token, joint in enumerate(self._chosen)}
        return tuple(place.get(self.skeleton.mirror[joint], token) for token, joint in enumerate(self._chosen))

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Root position, then six numbers for each chosen joint."""
        clip = with_rotations(clip)
        self.check(clip)
        turned = rotmat_to_sixd(clip.rotations[..., self._chosen, :, :]).flatten(-2)
        return torch.cat((clip.root, turned), -1)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """The motion, in the room."""
        turned = sixd_to_rotmat(features[..., 3:].unflatten(-1, (-1, 6)))
        rotations = torch.eye(3).to(features).expand(*features.shape[:-1], len(self.skeleton), 3, 3).clone()
        rotations[..., self._chosen, :, :] = turned
        return Motion(self.skeleton, rotations, features[..., :3], self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Left and right exchanged, x turned round: see `edit.mirror`."""
        return self.encode(mirror(self.decode(features)))

    @property
    def places(self) -> tuple[bool, ...]:
        """The root's path."""
        return tuple(feature < 3 for feature in range(self.width))

    @property
    def limbs(self) -> tuple[tuple[int, ...], ...]:
        """What turns at and below the shoulders, and from the neck up."""
        found: list[tuple[int, ...]] = []
        for name in ("l_shoulder", "r_shoulder", "neck"):
            if has_joint(self.skeleton, name):
                moved = self.skeleton.below(self.skeleton.index(name))
                own = [token for token, joint in enumerate(self._chosen) if joint in moved]
                found.append(tuple(3 + 6 * token + number for token in own for number in range(6)))
        return tuple(features for features in found if features)

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """Six numbers stand for a rotation only where they are two directions at right angles."""
        root, turned = self.restore(features + off).tensor_split([3], -1)
        turned = rotmat_to_sixd(sixd_to_rotmat(turned.unflatten(-1, (-1, 6)))).flatten(-2)
        return self.standardise(torch.cat((root, turned), -1))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor:
        """Around the known root: its mean place on the floor becomes the origin, its mean heading +z."""
        known = (confidence[..., 0] > 0).to(observed)
        forward = torch.linalg.cross(
            observed[..., 3:6], observed[..., 6:9], dim=-1
        )  # the third column: where +z is turned to
        return floor_anchor(observed[..., :3], forward, known, vectors=slice(3, 9))


class WorldPositions(Representation):
    """Positions of chosen joints in metres, in world axes, the root's path with them."""

    space = "positions"
    reference = "room"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        self.skeleton, self.fps = skeleton, fps
        self._chosen = skeleton.indices(joints or skeleton.joints)
        self.joints = tuple(joints or skeleton.joints)
        self.width = 3 * len(self._chosen)
        self.statistics = Statistics.none(self.width)
        self._swap = skeleton.mirrored_places(self._chosen)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Three features to a joint."""
        return tuple(joint for joint in range(len(self._chosen)) for _ in range(3))

    @property
    def partners(self) -> tuple[int, ...]:
        """The token of the joint on the other side."""
        return tuple(self._swap)

    def encode(self, clip: Motion | Points) -> Float[Tensor, "*batch frame feat"]:
        """Positions of the chosen joints, joint after joint."""
        if isinstance(clip, Motion):
            self.check(clip)
        return clip.points().positions[..., self._chosen, :].flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """Positions of all joints; one that is not chosen stands where its nearest chosen ancestor stands."""
        chosen = features.unflatten(-1, (-1, 3))
        place = {joint: token for token, joint in enumerate(self._chosen)}
        source: list[int] = []
        for joint, parent in enumerate(self.skeleton.parents):
            source.append(place.get(joint, source[parent] if parent >= 0 else 0))
        return Points(self.skeleton, chosen[..., source, :], self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Joints exchanged, x turned round."""
        chosen = features.unflatten(-1, (-1, 3))[..., self._swap, :]
        return (chosen * chosen.new_tensor([-1.0, 1, 1])).flatten(-2)

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor:
        """Around what is known: the mean place on the floor becomes the origin, the mean heading +z.

        The heading is at right angles to the lines from right to left joints of which both are known.
        """
        places = observed.unflatten(-1, (-1, 3))
        known = (confidence > 0).to(observed)
        count = known.sum(-1).clamp(min=1)
        middle = (places * known[..., None]).sum(-2) / count[..., None]
        left = [
            token
            for token, other in enumerate(self._swap)
            if token != other and is_left(self.skeleton, self._chosen[token])
        ]
        right = [self._swap[token] for token in left]
        forward = ahead(places, known, left, right)
        return floor_anchor(middle, forward, (known.sum(-1) > 0).to(observed), vectors=slice(0, 0))


@dataclass(frozen=True)
class RootedRotationsConfig:
    """`RootedRotations` as data. No `joints` means every joint."""

    fps: float
    joints: tuple[str, ...] = ()
    standardise: bool = False

    def build(self, skeleton: Skeleton) -> RootedRotations:
        """The representation on a skeleton, without statistics."""
        return RootedRotations(skeleton, self.fps, self.joints or None)


@dataclass(frozen=True)
class WorldPositionsConfig:
    """`WorldPositions` as data. No `joints` means every joint."""

    fps: float
    joints: tuple[str, ...] = ()
    standardise: bool = False

    def build(self, skeleton: Skeleton) -> WorldPositions:
        """The representation on a skeleton, without statistics."""
        return WorldPositions(skeleton, self.fps, self.joints or None)
