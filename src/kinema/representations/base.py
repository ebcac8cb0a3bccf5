"""`Representation`: what a frame is, as numbers for a model.

This is the one place where a clip becomes features and features become a clip. A representation is an object that the
checkpoint stores with its statistics; nobody else subtracts a root or multiplies by a scale. `encode` and `decode` work
frame by frame, so features of a long recording can be cached and cut into windows afterwards.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import ClassVar, Literal, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import BodyTree
from kinema.motion.edit import resample, root_free
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.bone_directions import retarget_pose
from kinema.motion.retargeting.inverse_kinematics import match_joints
from kinema.motion.skeleton import Skeleton

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
    def of(cls, features: Float[Tensor, "frame feat"]) -> Statistics:
        """Measured; a feature that varies less than `DEVIATION_FLOOR` keeps its scale."""
        return cls.with_deviation(features.mean(0), features.std(0))

    @classmethod
    def with_deviation(cls, mean: Float[Tensor, " feat"], std: Float[Tensor, " feat"]) -> Statistics:
        """These; a deviation below `DEVIATION_FLOOR` becomes 1."""
        return cls(mean, torch.where(std < DEVIATION_FLOOR, torch.ones_like(std), std))


@runtime_checkable
class Anchor(Protocol):
    """A frame of reference for each window, so that a model need not learn every place in the room."""

    def into(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """Features (own units) relative to the anchor."""
        ...

    def back(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """The inverse of `into`."""
        ...


class Representation(ABC):
    """Features of one skeleton at one frame rate. `space` is what `decode` gives: joint positions or rotations.

    `reference` is the frame of reference of the features: "root" (the root's own, without its path), "centred" (the
    root is the origin, the axes are the world's), "heading" (velocities of the root, relative to where it faces),
    "room" (the world itself), "picture" (a camera's image).
    """

    reference: ClassVar[Reference] = "root"
    guessed: ClassVar[float | None] = None
    """The confidence of a token for which a clip has no joint; None: that of the whole frame."""
    skeleton: Skeleton
    fps: float
    width: int
    space: str  # "positions" or "rotations"
    _statistics: Statistics

    @property
    def statistics(self) -> Statistics:
        """Mean and deviation of the features."""
        return self._statistics

    @statistics.setter
    def statistics(self, measured: Statistics) -> None:
        self._statistics = self.bounded(measured)

    def bounded(self, measured: Statistics) -> Statistics:
        """The statistics that are kept of measured ones; unchanged by default."""
        return measured

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
        """A user's clip on this representation's skeleton and at its rate, ready for `encode`.

        Raises UsageError for points that cannot be brought to the skeleton.
        """
        if abs(clip.fps - self.fps) > 1e-6 * self.fps:
            clip = cast("Clip", resample(cast("Motion", clip), self.fps))  # the kind of clip stays
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

        `observed` is on the user's skeleton, at this rate; `read` is `self.read(observed)`, where it is known already.
        If the features leave out the root's path, the path follows from the standing feet and from the last velocity.
        """
        poses = self.decode(features)
        poses = root_free(poses) if isinstance(poses, Motion) else poses
        past = read or cast("Motion", self.read(observed))
        return retarget_pose(poses, observed, turned=self.reference == "centred", read=past)

    def sources(self, skeleton: Skeleton) -> list[list[int]]:
        """For each token the joints of another skeleton that it stands for; an empty list where there is none."""
        found = match_joints(skeleton, self.skeleton).sources
        return [list(found.get(joint, ())) for joint in self.joint_of_token]

    @property
    def joint_of_token(self) -> list[int]:
        """For each token its joint; -1 where tokens are not joints."""
        names = getattr(self, "joints", ())
        return self.skeleton.indices(names) if len(names) == self.tokens else [-1] * self.tokens

    def spread(self, change: Float[Tensor, "*b joint dim"], skeleton: Skeleton) -> Float[Tensor, "*b own dim"]:
        """Changes of the joints of decoded points, for the joints of a clip that `read` was given; 0 for others."""
        del skeleton
        return change

    @property
    def tokens(self) -> int:
        """The number of joints in `Query.confidence`."""
        return max(self.token_of_feature) + 1

    @property
    def partners(self) -> tuple[int, ...]:
        """For each token the one on the body's other side; itself where none is known."""
        return tuple(range(self.tokens))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> Anchor | None:
        """The frame of reference of the known part of windows (own units); None where features need none."""
        del observed, confidence

    @property
    def body(self) -> Callable[[], BodyTree] | None:
        """The tree that features of rotations in the room speak of; None for other features."""
        return None

    def standardise(self, features: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """(features - mean) / std."""
        return (features - self.statistics.mean.to(features)) / self.statistics.std.to(features)

    def restore(self, features: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """features * std + mean."""
        return features * self.statistics.std.to(features) + self.statistics.mean.to(features)

    @property
    def is_length(self) -> tuple[bool, ...]:
        """Which features are lengths (True) and which are rotations (False)."""
        return (self.space != "rotations",) * self.width

    @property
    def source_of_feature(self) -> tuple[int, ...]:
        """For each feature the unit that is corrupted as a whole: its token, or, for the position of a token that also
        has a rotation, a number after the tokens."""
        owner, lengths = self.token_of_feature, self.is_length
        both = sorted(set(compress(owner, lengths)) & set(compress(owner, (not length for length in lengths))))
        extra = {token: self.tokens + count for count, token in enumerate(both)}
        return tuple(extra.get(token, token) if length else token for token, length in zip(owner, lengths, strict=True))

    @property
    def limbs(self) -> tuple[tuple[int, ...], ...]:
        """The features of each arm and of the head, which augmentation may replace by another motion's; none here."""
        return ()

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """A pose (standardised features) with the error `off` added, as features of a valid pose."""
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
                cure=f"Resample it first: kinema.motion.edit.resample(clip, {self.fps:g}).",
            )


@dataclass(frozen=True)
class JointsConfig:
    """Base of the configs: a representation as data, as a recipe and a checkpoint store it.

    No `joints` means every joint. With `standardise` the features are given the training set's mean 0 and deviation 1;
    without, they keep their units. A subclass adds `build`.
    """

    fps: float
    joints: tuple[str, ...] = ()
    standardise: bool = False


class ChosenJoints(Representation):
    """Base of the representations that have `dims` numbers for each of some chosen joints, joint after joint."""

    dims: ClassVar[int] = 3

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        self.skeleton, self.fps, self.joints = skeleton, fps, tuple(skeleton.joints if joints is None else joints)
        self._chosen = skeleton.indices(self.joints)
        self.width = self.dims * len(self._chosen)
        self.statistics = Statistics.none(self.width)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """`dims` features per joint."""
        return tuple(feature // self.dims for feature in range(self.width))


def with_rotations(clip: Clip) -> Motion:
    """The clip itself if it has rotations. Raises UsageError if it has positions only."""
    if isinstance(clip, Motion):
        return clip
    raise UsageError(
        expected="a clip of joint rotations",
        got=f"positions only ({clip.identity or clip.skeleton.name})",
        cure="Fit a skeleton first (kinema.motion.retargeting.inverse_kinematics), "
        "or take a representation of positions (CentredPositions).",
    )


@dataclass(frozen=True, eq=False)
class FloorAnchor:
    """A position on the floor and a heading.

    The matrix `rotation` about the vertical acts on the features of the slice `vectors` (triples that rotate only).
    `rotation` and `origin` act on points: the triples before `vectors`, or all triples if `vectors` is empty. Other
    features stay.
    """

    rotation: Float[Tensor, "batch 3 3"]
    origin: Float[Tensor, "batch 3"]
    vectors: slice

    def into(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """Features (own units) relative to the anchor."""
        points, vectors, rest = self._parts(features)
        with torch.autocast(features.device.type, enabled=False):  # positions need all their digits
            rotation = self.rotation.transpose(-1, -2)[:, None]
            points = (points - self.origin[:, None, None]) @ rotation
            return torch.cat((points.flatten(-2), (vectors @ rotation).flatten(-2), rest), -1)

    def back(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """The inverse of `into`: features in the room."""
        points, vectors, rest = self._parts(features)
        with torch.autocast(features.device.type, enabled=False):
            points = points @ self.rotation[:, None] + self.origin[:, None, None]
            return torch.cat((points.flatten(-2), (vectors @ self.rotation[:, None]).flatten(-2), rest), -1)

    def _parts(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, stop = self.vectors.start, self.vectors.stop
        if first == stop:
            first = stop = features.shape[-1]
        points, vectors = features[..., :first], features[..., first:stop]
        return points.unflatten(-1, (-1, 3)), vectors.unflatten(-1, (-1, 3)), features[..., stop:]


def floor_anchor(
    place: Float[Tensor, "batch frame 3"],
    forward: Float[Tensor, "batch frame 3"],
    known: Float[Tensor, "batch frame"],
    *,
    vectors: slice,
) -> FloorAnchor:
    """The mean position and direction over the known frames (1, else 0). `vectors`: see `FloorAnchor`."""
    total = known.sum(1).clamp(min=1)
    origin = (place * known[..., None]).sum(1) / total[:, None]
    origin = origin * origin.new_tensor([1.0, 0.0, 1.0])  # heights stay: they are measured from the floor
    heading = (forward * known[..., None]).sum(1)
    length = heading[:, [0, 2]].norm(dim=-1)
    sure = length > 1e-6
    x = torch.where(sure, heading[:, 0] / length.clamp(min=1e-6), 0.0)
    z = torch.where(sure, heading[:, 2] / length.clamp(min=1e-6), 1.0)
    none, one = torch.zeros_like(x), torch.ones_like(x)
    rows = (torch.stack((z, none, -x), -1), torch.stack((none, one, none), -1), torch.stack((x, none, z), -1))
    return FloorAnchor(torch.stack(rows, -2), origin, vectors)
