"""Representations of joint rotations: local rotation vectors without a root path, and 6-D rotations in the room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import BodyTree
from kinema.geometry.rotations import rotmat_to_rotvec, rotmat_to_sixd, rotvec_to_rotmat, sixd_to_rotmat
from kinema.motion.edit import mirror, reflections, resample, rest_pose
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting import Method, retarget
from kinema.motion.retargeting.bone_directions import leg_length
from kinema.motion.retargeting.rest_poses import neutral_pose
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.representations.base import (
    ChosenJoints,
    FloorAnchor,
    JointsConfig,
    Representation,
    Statistics,
    floor_anchor,
    with_rotations,
)

_HIPS = ("l_hip", "r_hip")
_LEGS = (*_HIPS, "l_knee", "l_ankle", "r_knee", "r_ankle")


class RotationVectors(ChosenJoints):
    """Exponential maps (radians) of chosen joints; the others keep their rest rotation. The root's path is left out."""

    space = "rotations"

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Rotation vectors of the chosen joints, joint after joint."""
        self.check(clip)
        return rotmat_to_rotvec(with_rotations(clip).rotations[..., self._chosen, :, :]).flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """Rotations of all joints; the root is at the origin."""
        rotations = whole_body(rotvec_to_rotmat(features.unflatten(-1, (-1, 3))), self._chosen, len(self.skeleton))
        return Motion(self.skeleton, rotations, features.new_zeros(*features.shape[:-1], 3), self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Each joint's rotation becomes A R_m S, m the joint on the other side: see `edit.mirror`."""
        swap = [self._chosen.index(self.skeleton.mirror[joint]) for joint in self._chosen]
        swapped = features.unflatten(-1, (-1, 3))[..., swap, :]
        above, own = (signs[self._chosen].to(features) for signs in reflections(self.skeleton))
        if torch.equal(above, own):  # the usual rest pose: a reflection negates a rotation vector's other components
            return (-own * swapped).flatten(-2)
        return rotmat_to_rotvec(above[:, :, None] * rotvec_to_rotmat(swapped) * own[:, None, :]).flatten(-2)


class RootedRotations(Representation):
    """Root position (metres) and 6-D rotations (Zhou et al. 2019) of the root and of chosen joints, in world axes.

    Token 0 is the root with its path; the others are the chosen joints in order. Joints that are not chosen keep their
    rest rotation. A clip on another skeleton is read by the method `retargeted` (see `retarget`). In-betweening must
    meet key poses in the room, so nothing is integrated; `anchor` gives each window its own frame of reference.
    """

    space = "rotations"
    reference = "room"

    def __init__(
        self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None, retargeted: Method = "directions"
    ) -> None:
        self.skeleton, self.fps, self._retargeted = skeleton, fps, retargeted
        self._chosen = [0, *(joint for joint in skeleton.indices(joints or skeleton.joints) if joint != 0)]
        self.joints = tuple(skeleton.joints[joint] for joint in self._chosen)
        self.width = 3 + 6 * len(self._chosen)
        self.statistics = Statistics.none(self.width)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """The root's path belongs to the root."""
        return (0, 0, 0, *(feature // 6 for feature in range(self.width - 3)))

    @property
    def partners(self) -> tuple[int, ...]:
        """The token of the joint on the other side."""
        token = {joint: token for token, joint in enumerate(self._chosen)}
        return tuple(token.get(self.skeleton.mirror[joint], own) for own, joint in enumerate(self._chosen))

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Root position, then six numbers for each chosen joint."""
        clip = with_rotations(clip)
        self.check(clip)
        return torch.cat((clip.root, rotmat_to_sixd(clip.rotations[..., self._chosen, :, :]).flatten(-2)), -1)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """The motion, in the room."""
        rotations = sixd_to_rotmat(features[..., 3:].unflatten(-1, (-1, 6)))
        rotations = whole_body(rotations, self._chosen, len(self.skeleton))
        return Motion(self.skeleton, rotations, features[..., :3], self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Left and right exchanged, x negated: see `edit.mirror`."""
        return self.encode(mirror(self.decode(features)))

    def read(self, clip: Clip) -> Clip:
        """See `Representation`: by "rotations" each joint is as far from the neutral pose as its counterpart."""
        if self._retargeted == "directions" or not isinstance(clip, Motion) or clip.skeleton.same_tree(self.skeleton):
            return super().read(clip)
        if abs(clip.fps - self.fps) > 1e-6 * self.fps:
            clip = resample(clip, self.fps)
        moved = retarget(clip, self.skeleton, by="rotations")
        if not all(has_joint(body, *_LEGS) for body in (clip.skeleton, self.skeleton)):
            return moved
        # `retarget` puts soles on the ground, which depends on the frames; what is given and what is drawn between
        # must be moved alike.
        size = leg_length(self.skeleton) / leg_length(clip.skeleton)
        there, here = (each.points().positions[..., each.skeleton.indices(_HIPS), :].mean(-2) for each in (clip, moved))
        return replace(moved, root=moved.root + size * there - here)

    @property
    def body(self) -> Callable[[], BodyTree]:
        """The chosen joints, as rotated away from the neutral pose."""
        return self._tree

    def _tree(self) -> BodyTree:
        skeleton, place = self.skeleton, {joint: token for token, joint in enumerate(self._chosen)}
        pose = _neutral(skeleton)
        turns = pose.global_rotations()[0]
        carrier: list[int] = []  # for each joint the token that turns it
        arms = torch.zeros(len(skeleton), len(self._chosen), 3)
        for joint, parent in enumerate(skeleton.parents):
            if parent >= 0:
                arms[joint] = arms[parent]
                arms[joint, carrier[parent]] += turns[parent] @ skeleton.offsets[joint]
            carrier.append(place.get(joint, carrier[parent] if parent >= 0 else 0))
        middle = torch.zeros(len(self._chosen), 3)
        if has_joint(skeleton, *_HIPS):
            middle = arms[skeleton.indices(_HIPS)].mean(0)
        across = tuple(
            (skeleton.index(f"l_{part}"), skeleton.index(f"r_{part}"))
            for part in ("hip", "shoulder")
            if has_joint(skeleton, f"l_{part}", f"r_{part}")
        )
        # The hips hang on the root; what lies between does not rotate.
        hips = turns[0].mT @ middle[0]
        parents = (-1, *(carrier[skeleton.parents[joint]] for joint in self._chosen[1:]))
        return BodyTree(parents, self.partners, turns[self._chosen], arms - middle, hips, across)

    @property
    def is_length(self) -> tuple[bool, ...]:
        """The root's path."""
        return tuple(feature < 3 for feature in range(self.width))

    @property
    def limbs(self) -> tuple[tuple[int, ...], ...]:
        """The rotations at and below each shoulder, and from the neck up."""
        found: list[tuple[int, ...]] = []
        for name in ("l_shoulder", "r_shoulder", "neck"):
            if has_joint(self.skeleton, name):
                moved = self.skeleton.below(self.skeleton.index(name))
                own = [token for token, joint in enumerate(self._chosen) if joint in moved]
                found.append(tuple(3 + 6 * token + number for token in own for number in range(6)))
        return tuple(features for features in found if features)

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """Six numbers are a rotation only if they are two unit vectors at right angles, so they are made that again."""
        root, rotations = self.restore(features + off).tensor_split([3], -1)
        rotations = rotmat_to_sixd(sixd_to_rotmat(rotations.unflatten(-1, (-1, 6)))).flatten(-2)
        return self.standardise(torch.cat((root, rotations), -1))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor:
        """The known root's mean position on the floor becomes the origin, its mean heading +z."""
        # The third column of the root's rotation: its own +z.
        forward = torch.linalg.cross(observed[..., 3:6], observed[..., 6:9], dim=-1)
        known = (confidence[..., 0] > 0).to(observed)
        return floor_anchor(observed[..., :3], forward, known, vectors=slice(3, 9))


@dataclass(frozen=True)
class RotationVectorsConfig(JointsConfig):
    """`RotationVectors` as data."""

    standardise: bool = True

    def build(self, skeleton: Skeleton) -> RotationVectors:
        """The representation on a skeleton, without statistics."""
        return RotationVectors(skeleton, self.fps, self.joints or None)


@dataclass(frozen=True)
class RootedRotationsConfig(JointsConfig):
    """`RootedRotations` as data."""

    retargeted: Method = "directions"

    def build(self, skeleton: Skeleton) -> RootedRotations:
        """The representation on a skeleton, without statistics."""
        return RootedRotations(skeleton, self.fps, self.joints or None, self.retargeted)


def _neutral(skeleton: Skeleton) -> Motion:
    """The neutral pose; the rest pose if the names of the joints are unknown."""
    try:
        return neutral_pose(rest_pose(skeleton))
    except UsageError:
        return rest_pose(skeleton)


def whole_body(
    rotations: Float[Tensor, "*b chosen 3 3"], chosen: Sequence[int], joints: int
) -> Float[Tensor, "*b joint 3 3"]:
    """The rotations of all joints: those of the chosen ones, the identity for the others."""
    whole = torch.eye(3).to(rotations).expand(*rotations.shape[:-3], joints, 3, 3).clone()
    whole[..., list(chosen), :, :] = rotations
    return whole
