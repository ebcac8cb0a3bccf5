"""`Representation`: what a frame is, as numbers for a model.

The one place where a clip becomes features and features become a clip. It is an object, it is stored in the checkpoint
with its statistics, and nobody else subtracts a root or multiplies by a scale. `encode` and `decode` work frame by
frame, so features of a long recording can be cached and cut into windows afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import ClassVar, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.motion.edit import reflections, resample, root_free
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.bone_directions import carry
from kinema.motion.retargeting.inverse_kinematics import match_joints
from kinema.motion.skeleton import Skeleton
from kinema.representations.anchor import Anchor

DEVIATION_FLOOR = 1e-4  # a feature that varies less keeps its scale
Reference = Literal["root", "centred", "heading", "room", "picture"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Mean and standard deviation of every feature over the training frames (std 1 where a feature is constant)."""

    mean: Float[Tensor, " feat"]
    std: Float[Tensor, " feat"]

    @classmethod
    def none(cls, width: int) -> Statistics:
        """Leave the features as they are."""
        return cls(torch.zeros(width), torch.ones(width))

    @classmethod
    def of(cls, features: Float[Tensor, "frame feat"], *, floor: float = DEVIATION_FLOOR) -> Statistics:
        """Measured; a feature that varies less than `floor` keeps its scale."""
        std = features.std(0)
        return cls(features.mean(0), torch.where(std < floor, torch.ones_like(std), std))


class Representation(ABC):
    """Features of one skeleton at one frame rate. `space` says what `decode` gives: joint positions or rotations.

    `reference` is the frame of reference of the features: "root" (the root's own, without its path), "centred" (the
    root is the origin, the axes are the world's), "heading" (velocities of the root, seen from where it faces), "room"
    (the world itself), "picture" (a camera's image).
    """

    reference: ClassVar[Reference] = "root"
    guessed: ClassVar[float | None] = None
    """The confidence of a token of which a clip has no joint; None: as sure as the whole frame."""
    skeleton: Skeleton
    fps: float
    width: int
    space: str  # "positions" or "rotations"
    statistics: Statistics

    @abstractmethod
    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Features of a clip of this skeleton and rate, in their own units, not standardised."""

    @abstractmethod
    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Clip:
        """The clip of features in their own units: a pose in the frame of the root, with the root at the origin."""

    @abstractmethod
    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Features (own units) of the mirrored motion: left and right exchanged."""

    @property
    @abstractmethod
    def token_of_feature(self) -> tuple[int, ...]:
        """For each feature the joint (token of `Query.confidence`) that it belongs to."""

    def read(self, clip: Clip) -> Clip:
        """A user's clip as this representation encodes it: on its skeleton, at its rate.

        Raises UsageError for points that cannot be brought to the skeleton.
        """
        if abs(clip.fps - self.fps) > 1e-6 * self.fps:
            clip = cast("Clip", resample(cast("Motion", clip), self.fps))  # either kind comes back as it was
        if clip.skeleton.same_tree(self.skeleton):
            return clip
        if isinstance(clip, Motion):
            return retarget(clip, self.skeleton, by="directions")
        raise UsageError(
            expected=f"points on the model's skeleton {self.skeleton.name}",
            got=f"{clip.skeleton.name} ({len(clip.skeleton)} joints)",
            cure="Use a curve: --method auto, linear, cubic or pchip.",
        )

    def place(
        self, features: Float[Tensor, "*batch frame feat"], observed: Motion, read: Motion | None = None
    ) -> Motion:
        """The frames that follow `observed`, from features in their own units: on its skeleton, in the room.

        `observed` is on the user's skeleton, at this rate; `read` is what `read` makes of it, where that is known.
        Where features leave out the root's path, it follows from the feet that stand and from the last speed.
        """
        poses = self.decode(features)
        poses = root_free(poses) if isinstance(poses, Motion) else poses
        past = read or cast("Motion", self.read(observed))
        return carry(poses, observed, turned=self.reference == "centred", read=past)

    def sources(self, skeleton: Skeleton) -> list[list[int]]:
        """For each token the joints of another skeleton that it stands for; none where it has no counterpart."""
        found = match_joints(skeleton, self.skeleton).sources
        return [list(found.get(joint, ())) for joint in self.joint_of_token]

    @property
    def joint_of_token(self) -> list[int]:
        """For each token its joint; -1 where tokens are not joints."""
        names = getattr(self, "joints", ())
        return self.skeleton.indices(names) if len(names) == self.tokens else [-1] * self.tokens

    def spread(self, change: Float[Tensor, "*b joint dim"], skeleton: Skeleton) -> Float[Tensor, "*b own dim"]:
        """What is said of the joints of decoded points, for the joints of a clip that `read` took; 0 for others."""
        del skeleton
        return change

    @property
    def tokens(self) -> int:
        """How many joints `Query.confidence` speaks of."""
        return max(self.token_of_feature) + 1

    @property
    def partners(self) -> tuple[int, ...]:
        """For each token the one on the body's other side; itself where none is known."""
        return tuple(range(self.tokens))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> Anchor | None:
        """Where the known part of windows (own units) stands; None where features have no place in a room."""
        del observed, confidence

    def standardise(self, features: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """(features - mean) / std."""
        return (features - self.statistics.mean.to(features)) / self.statistics.std.to(features)

    def restore(self, features: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """features * std + mean."""
        return features * self.statistics.std.to(features) + self.statistics.mean.to(features)

    @property
    def places(self) -> tuple[bool, ...]:
        """Which features are lengths, and no turns."""
        return (self.space != "rotations",) * self.width

    @property
    def source_of_feature(self) -> tuple[int, ...]:
        """What may be wrong by itself: the tokens, and after them the places of those tokens that turn as well."""
        owner, places = self.token_of_feature, self.places
        both = sorted(set(compress(owner, places)) & set(compress(owner, (not place for place in places))))
        extra = {token: self.tokens + count for count, token in enumerate(both)}
        return tuple(extra.get(token, token) if place else token for token, place in zip(owner, places, strict=True))

    @property
    def limbs(self) -> tuple[tuple[int, ...], ...]:
        """The features of arms and head, where another motion's may stand in their place: none by default."""
        return ()

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """What is seen of a pose (standardised features) whose parts are off by this: features of a pose again."""
        return features + off

    def check(self, clip: Clip) -> None:
        """Raises UsageError where a clip is of another skeleton or rate."""
        if not clip.skeleton.same_tree(self.skeleton):
            raise UsageError(
                expected=f"a clip of skeleton {self.skeleton.name}",
                got=f"one of {clip.skeleton.name} ({len(clip.skeleton)} joints)",
                cure="Retarget it first (kinema convert IN OUT --to SKELETON).",
            )
        if abs(clip.fps - self.fps) > 1e-3 * self.fps:
            raise UsageError(
                expected=f"{self.fps:g} frames per second",
                got=f"{clip.fps:g}",
                cure="Resample it first (kinema.motion.edit.resample).",
            )


class RootPositions(Representation):
    """Positions in metres of chosen joints in the frame of the root: the root's own place and turn are removed.

    Joints that are not chosen are answered by `copies` (they coincide with a chosen one) or by the rest pose (nothing
    moves them once the root is removed). Raises UsageError where a joint is neither.
    """

    space = "positions"

    def __init__(
        self, skeleton: Skeleton, fps: float, joints: Sequence[str], copies: dict[str, str] | None = None
    ) -> None:
        self.skeleton, self.fps = skeleton, fps
        self.joints = tuple(joints)
        self._chosen = skeleton.indices(joints)
        self.width = 3 * len(self._chosen)
        self.statistics = Statistics.none(self.width)
        copies = copies or {}
        self._source = list(range(len(skeleton)))  # of every joint: itself, or the joint that it coincides with
        for name, source in copies.items():
            self._source[skeleton.index(name)] = skeleton.index(source)
        self._rest = skeleton.rest_places
        self._swap = skeleton.mirrored_places(self._chosen)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Three features to a joint."""
        return tuple(joint for joint in range(len(self._chosen)) for _ in range(3))

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Positions of the chosen joints, metres, joint after joint."""
        self.check(clip)
        positions = root_free(with_rotations(clip)).points().positions
        return positions[..., self._chosen, :].flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """Positions of all joints, in the frame of the root."""
        chosen = features.unflatten(-1, (-1, 3))
        positions = self._rest.to(features).expand(*features.shape[:-1], -1, -1).clone()
        positions[..., self._chosen, :] = chosen
        return Points(self.skeleton, positions[..., self._source, :], self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Joints exchanged, x turned round."""
        chosen = features.unflatten(-1, (-1, 3))[..., self._swap, :]
        return (chosen * chosen.new_tensor([-1.0, 1, 1])).flatten(-2)


class RotationVectors(Representation):
    """Exponential maps (radians) of chosen joints; the others keep their rest rotation. The root's path is left out."""

    space = "rotations"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        self.skeleton, self.fps = skeleton, fps
        self.joints = tuple(joints or skeleton.joints)
        self._chosen = skeleton.indices(self.joints)
        self.width = 3 * len(self._chosen)
        self.statistics = Statistics.none(self.width)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Three features to a joint."""
        return tuple(joint for joint in range(len(self._chosen)) for _ in range(3))

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Rotation vectors of the chosen joints, joint after joint."""
        self.check(clip)
        return rotmat_to_rotvec(with_rotations(clip).rotations[..., self._chosen, :, :]).flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """Rotations of all joints; the root stands at the origin."""
        turned = rotvec_to_rotmat(features.unflatten(-1, (-1, 3)))
        rotations = torch.eye(3).to(features).expand(*features.shape[:-1], len(self.skeleton), 3, 3).clone()
        rotations[..., self._chosen, :, :] = turned
        return Motion(self.skeleton, rotations, features.new_zeros(*features.shape[:-1], 3), self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Each joint's turn becomes A R_m S, m the joint on the other side: see `edit.mirror`."""
        swap = [self._chosen.index(self.skeleton.mirror[joint]) for joint in self._chosen]
        swapped = features.unflatten(-1, (-1, 3))[..., swap, :]
        above, own = (signs[self._chosen].to(features) for signs in reflections(self.skeleton))
        if torch.equal(
            above, own
        ):  # the usual rest pose: a reflection turns a rotation vector's other components round
            return (-own * swapped).flatten(-2)
        turned = above[:, :, None] * rotvec_to_rotmat(swapped) * own[:, None, :]
        return rotmat_to_rotvec(turned).flatten(-2)


def with_rotations(clip: Clip) -> Motion:
    """The clip itself where it is one of rotations; UsageError where it has positions only."""
    if isinstance(clip, Motion):
        return clip
    raise UsageError(
        expected="a clip of joint rotations",
        got=f"positions only ({clip.identity or clip.skeleton.name})",
        cure="Fit a skeleton first (kinema.motion.retargeting.inverse_kinematics), "
        "or take a representation of positions (CentredPositions).",
    )


@dataclass(frozen=True)
class RootPositionsConfig:
    """`RootPositions` as data: what a recipe and a checkpoint store. No `joints` means every joint.

    With `standardise` the features are given the training set's mean 0 and deviation 1; without, they stay metres.
    """

    fps: float
    joints: tuple[str, ...] = ()
    copies: tuple[tuple[str, str], ...] = ()
    standardise: bool = False

    def build(self, skeleton: Skeleton) -> RootPositions:
        """The representation on a skeleton, without statistics."""
        return RootPositions(skeleton, self.fps, self.joints or skeleton.joints, dict(self.copies))


@dataclass(frozen=True)
class RotationVectorsConfig:
    """`RotationVectors` as data. No `joints` means every joint."""

    fps: float
    joints: tuple[str, ...] = ()
    standardise: bool = True

    def build(self, skeleton: Skeleton) -> RotationVectors:
        """The representation on a skeleton, without statistics."""
        return RotationVectors(skeleton, self.fps, self.joints or None)
