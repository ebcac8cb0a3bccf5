"""Representations of joint positions: in the frame of the root, about the root, and in the room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.edit import root_free
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.representations.base import ChosenJoints, FloorAnchor, JointsConfig, floor_anchor, with_rotations


class JointPositions(ChosenJoints):
    """Base of the representations of positions of chosen joints, metres.

    Raises UsageError where the choice is empty or lacks the mirror of one of its joints.
    """

    space = "positions"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        super().__init__(skeleton, fps, joints)
        self._swap = skeleton.mirrored_indices(self._chosen)

    @property
    def chosen_ancestors(self) -> list[int]:
        """For each joint the token of the nearest chosen joint from it to the root; -1 where there is none."""
        token = {joint: token for token, joint in enumerate(self._chosen)}
        found: list[int] = []
        for joint, parent in enumerate(self.skeleton.parents):
            found.append(token.get(joint, found[parent] if parent >= 0 else -1))
        return found

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Left and right joints exchanged, x negated."""
        chosen = features.unflatten(-1, (-1, self.dims))[..., self._swap, :]
        return (chosen * chosen.new_tensor([-1.0, 1, 1][: self.dims])).flatten(-2)


class RootPositions(JointPositions):
    """Positions in the frame of the root: the root's own position and rotation are removed.

    A joint that is not chosen is decoded from `copies` (it coincides with a chosen one) or from the rest pose (nothing
    moves it once the root is removed).
    """

    def __init__(
        self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None, copies: dict[str, str] | None = None
    ) -> None:
        super().__init__(skeleton, fps, joints)
        self._source = list(range(len(skeleton)))  # for every joint: itself, or the joint that it coincides with
        for name, source in (copies or {}).items():
            self._source[skeleton.index(name)] = skeleton.index(source)

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Positions of the chosen joints, metres, joint after joint."""
        self.check(clip)
        positions = root_free(with_rotations(clip)).points().positions
        return positions[..., self._chosen, :].flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """Positions of all joints, in the frame of the root."""
        positions = self.skeleton.rest_positions.to(features).expand(*features.shape[:-1], -1, -1).clone()
        positions[..., self._chosen, :] = features.unflatten(-1, (-1, 3))
        return Points(self.skeleton, positions[..., self._source, :], self.fps)


class CentredPositions(JointPositions):
    """Positions minus the root's, in world axes: the features of stochastic forecasting (DLow, SMRNet).

    The root's path is removed, its rotation stays. The root itself is left out: 3 (J - 1) numbers. Clips of rotations
    and of positions are both read. A joint that is not chosen is decoded at its rest offset from its parent.
    """

    reference = "centred"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str]) -> None:
        super().__init__(skeleton, fps, [skeleton.joints[joint] for joint in skeleton.indices(joints) if joint != 0])
        self._left = [  # of the pairs of joints whose parent lies on the middle line: hips and shoulders
            token
            for token, joint in enumerate(self._chosen)
            if skeleton.mirror[joint] != joint
            and skeleton.mirror[skeleton.parents[joint]] == skeleton.parents[joint]
            and _is_left(skeleton, joint)
        ]

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Chosen joints minus the root, metres, joint after joint. Raises UsageError for positions in a picture."""
        self.check(clip)
        positions = clip.points().positions
        if positions.shape[-1] != 3:
            raise UsageError(
                expected="positions in space, three numbers per joint",
                got=f"{positions.shape[-1]}",
                cure="Lift the keypoints to three dimensions first.",
            )
        return (positions[..., self._chosen, :] - positions[..., :1, :]).flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """Positions of all joints with the root at the origin, in world axes."""
        chosen, offsets = features.unflatten(-1, (-1, 3)), self.skeleton.offsets.to(features)
        positions = [features.new_zeros(*features.shape[:-1], 3)]
        for joint, parent in enumerate(self.skeleton.parents[1:], start=1):
            known = joint in self._chosen
            positions.append(chosen[..., self._chosen.index(joint), :] if known else positions[parent] + offsets[joint])
        return Points(self.skeleton, torch.stack(positions, -2), self.fps)

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor | None:
        """The heading of the last known pose becomes +z; None where no pair of hips or shoulders is chosen."""
        positions, known = observed.unflatten(-1, (-1, 3)), (confidence > 0).to(observed)
        left, right = self._left, [self._swap[token] for token in self._left]
        if not left:
            return None
        forward = _ahead(positions, known, left, right)
        both = (known[..., left] * known[..., right]).amax(-1)
        last = both * (both.flip(1).cumsum(1).flip(1) == 1)
        return floor_anchor(torch.zeros_like(forward), forward, last, vectors=slice(0, 0))


class WorldPositions(JointPositions):
    """Positions in the room, world axes, with the root's path.

    In-betweening must meet key poses in the room, so nothing is integrated and nothing is removed frame by frame;
    `anchor` gives each window its own frame of reference.
    """

    reference = "room"

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
        """Positions of all joints; one that is not chosen is put where its nearest chosen ancestor is."""
        source = [max(token, 0) for token in self.chosen_ancestors]
        return Points(self.skeleton, features.unflatten(-1, (-1, 3))[..., source, :], self.fps)

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor:
        """The mean position of the known joints on the floor becomes the origin, the mean heading +z."""
        positions, known = observed.unflatten(-1, (-1, 3)), (confidence > 0).to(observed)
        middle = (positions * known[..., None]).sum(-2) / known.sum(-1).clamp(min=1)[..., None]
        pairs = [(token, other) for token, other in enumerate(self._swap) if token != other]
        left = [token for token, _ in pairs if _is_left(self.skeleton, self._chosen[token])]
        forward = _ahead(positions, known, left, [self._swap[token] for token in left])
        return floor_anchor(middle, forward, (known.sum(-1) > 0).to(observed), vectors=slice(0, 0))


@dataclass(frozen=True)
class RootPositionsConfig(JointsConfig):
    """`RootPositions` as data; `copies` are pairs (joint, chosen joint that it coincides with)."""

    copies: tuple[tuple[str, str], ...] = ()

    def build(self, skeleton: Skeleton) -> RootPositions:
        """The representation on a skeleton, without statistics."""
        return RootPositions(skeleton, self.fps, self.joints or None, dict(self.copies))


@dataclass(frozen=True)
class CentredPositionsConfig(JointsConfig):
    """`CentredPositions` as data. The root may be among `joints`; it is left out all the same."""

    def build(self, skeleton: Skeleton) -> CentredPositions:
        """The representation on a skeleton, without statistics."""
        return CentredPositions(skeleton, self.fps, self.joints or skeleton.joints)


@dataclass(frozen=True)
class WorldPositionsConfig(JointsConfig):
    """`WorldPositions` as data."""

    def build(self, skeleton: Skeleton) -> WorldPositions:
        """The representation on a skeleton, without statistics."""
        return WorldPositions(skeleton, self.fps, self.joints or None)


def _ahead(
    positions: Float[Tensor, "*b joint 3"], known: Float[Tensor, "*b joint"], left: list[int], right: list[int]
) -> Float[Tensor, "*b 3"]:
    """A horizontal vector at right angles to the sum of the lines from right to left joints, of known pairs."""
    both = known[..., left] * known[..., right]
    across = ((positions[..., left, :] - positions[..., right, :]) * both[..., None]).sum(-2)
    up = across.new_tensor([0.0, 1.0, 0.0]).expand_as(across)
    return torch.linalg.cross(across, up, dim=-1)


def _is_left(skeleton: Skeleton, joint: int) -> bool:
    """Whether a joint is on the body's left: by the first offset towards the root that leaves the middle plane."""
    while joint >= 0:
        if abs(float(skeleton.offsets[joint, 0])) > 1e-3:
            return float(skeleton.offsets[joint, 0]) > 0
        joint = skeleton.parents[joint]
    return False
