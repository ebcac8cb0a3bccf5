"""The skeleton of a request as a body of kinema, and the key poses of a request on it.

A request gives each joint a rest translation and a rest rotation in its parent's frame, and local rotations that take
the place of the rest rotation. kinema's rotations are zero in the rest pose, in the world's axes. With N_j the global
rest rotation of joint j and p its parent: L'_j = N_p L_j N_j^T and offset'_j = N_p offset_j.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.motion.constraints.kinds import Pose, Triple
from kinema.motion.interpolation.curves import continuous
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

if TYPE_CHECKING:
    from motionmcp.schemas import PoseKeyframeConstraint
    from motionmcp.schemas import Skeleton as AskedSkeleton

MOST_JOINTS = 1024
_UNIT = 1e-3  # how far the length of a quaternion may be from 1 and still come back as it was sent
_SAME = 1e-6  # of a rotation matrix or in metres: a key that is no farther away is met

Quaternion = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Rig:
    """The skeleton of a request. `turns` are the global rotations of its rest pose, `stand` is where its root rests."""

    skeleton: Skeleton
    turns: Float[Tensor, "joint 3 3"]
    stand: Triple
    at_rest: tuple[Quaternion, ...]

    @classmethod
    def of(cls, asked: AskedSkeleton) -> Rig:
        """Raises UsageError for too many joints, for numbers that are not finite, and for a rotation of length zero."""
        joints = asked.joints
        if len(joints) > MOST_JOINTS:
            raise UsageError(
                expected=f"a skeleton of at most {MOST_JOINTS} joints",
                got=str(len(joints)),
                cure="Send the bones that deform the body.",
            )
        place = {joint.name: index for index, joint in enumerate(joints)}
        parents = [-1 if joint.parent is None else place[joint.parent] for joint in joints]
        local = quat_xyzw_to_rotmat(torch.tensor([unit(joint.rest_rotation) for joint in joints]).double())
        turns: list[Tensor] = []
        for index, parent in enumerate(parents):
            turns.append(local[index] if parent < 0 else turns[parent] @ local[index])
        offsets = torch.tensor([joint.rest_translation for joint in joints], dtype=torch.float64)
        own = torch.stack(
            [torch.zeros(3).double(), *(turns[p] @ o for p, o in zip(parents, offsets, strict=True) if p >= 0)]
        )
        skeleton = Skeleton("request", tuple(joint.name for joint in joints), tuple(parents), own.float())
        at_rest = tuple(joint.rest_rotation for joint in joints)
        return cls(skeleton, torch.stack(turns), joints[0].rest_translation, at_rest)

    def rotations(self, local: Float[Tensor, "*batch joint 4"]) -> Float[Tensor, "*batch joint 3 3"]:
        """kinema's rotations from the request's quaternions xyzw."""
        return (self._above @ quat_xyzw_to_rotmat(local.double()) @ self.turns.mT).float()

    def quaternions(self, rotations: Float[Tensor, "frame joint 3 3"]) -> Float[Tensor, "frame joint 4"]:
        """The request's quaternions from kinema's rotations, without jumps of sign between frames."""
        return continuous(rotmat_to_quat_xyzw(self._above.mT @ rotations.double() @ self.turns))

    def in_the_world(self, joint: str, rotations: Sequence[Quaternion]) -> tuple[Quaternion, ...]:
        """Global rotations of a bone of the request as global rotations of the joint."""
        asked = quat_xyzw_to_rotmat(torch.tensor([unit(one) for one in rotations]).double())
        own = rotmat_to_quat_xyzw(asked @ self.turns[self.skeleton.index(joint)].mT)
        return tuple((x, y, z, w) for x, y, z, w in own.tolist())

    def still(self, frames: int, fps: float) -> Motion:
        """The rest pose for some frames."""
        rotations = torch.eye(3).expand(frames, len(self.skeleton), 3, 3)
        return Motion(self.skeleton, rotations, torch.tensor(self.stand).expand(frames, 3), fps)

    @property
    def _above(self) -> Float[Tensor, "joint 3 3"]:
        return torch.cat((torch.eye(3).double()[None], self.turns[list(self.skeleton.parents[1:])]))


def unit(quaternion: Quaternion) -> Quaternion:
    """The quaternion of length 1. Raises UsageError where it has no length."""
    length = math.sqrt(sum(part * part for part in quaternion))
    if not (length > 1e-6 and math.isfinite(length)):
        raise UsageError(
            expected="a rotation as a quaternion (x, y, z, w) of length 1",
            got=", ".join(f"{part:g}" for part in quaternion),
            cure="Send 0, 0, 0, 1 for no rotation.",
        )
    x, y, z, w = (part / length for part in quaternion)
    return x, y, z, w


@dataclass(frozen=True, eq=False)
class KeyPoses:
    """The key poses of a request: which joints are known in which frames, and where the root is known.

    `root` is the asked place of the root where it is `placed`, and in between along straight lines. `sent` are the
    quaternions as they were sent, by frame and joint.
    """

    rig: Rig
    rotations: Float[Tensor, "frame joint 3 3"]
    root: Float[Tensor, "frame 3"]
    known: Bool[Tensor, "frame joint"]
    placed: Bool[Tensor, " frame"]
    sent: dict[tuple[int, int], Quaternion] = field(default_factory=dict[tuple[int, int], Quaternion])
    places: dict[int, Triple] = field(default_factory=dict[int, Triple])

    @classmethod
    def of(cls, rig: Rig, asked: Sequence[PoseKeyframeConstraint], frames: int) -> KeyPoses:
        """Raises UsageError where two keys contradict each other, and for a rotation of length zero."""
        sent: dict[tuple[int, int], Quaternion] = {}
        places: dict[int, Triple] = {}
        for key in asked:
            given = {rig.skeleton.index(name): turn for name, turn in key.joint_rotations.items()}
            if key.fill_mode == "rest":
                given = {**dict(enumerate(rig.at_rest)), **given}
            for joint, turn in given.items():
                unit(turn)
                if sent.setdefault((key.frame, joint), turn) != turn:
                    raise _twice(key.frame, rig.skeleton.joints[joint])
            if key.root_position and places.setdefault(key.frame, key.root_position) != key.root_position:
                raise _twice(key.frame, "the root's position")
        known = torch.zeros(frames, len(rig.skeleton), dtype=torch.bool)
        local = torch.tensor(rig.at_rest).repeat(frames, 1, 1)
        for (frame, joint), turn in sent.items():
            known[frame, joint] = True
            local[frame, joint] = torch.tensor(unit(turn))
        at = sorted(places)
        path = np.array([places[frame] for frame in at] or [rig.stand], dtype=np.float64)
        root = np.stack([np.interp(np.arange(frames), at or [0], path[:, axis]) for axis in range(3)], -1)
        placed = torch.zeros(frames, dtype=torch.bool)
        placed[at] = True
        rotations = rig.rotations(torch.nn.functional.normalize(local, dim=-1))
        return cls(rig, rotations, torch.from_numpy(root).float(), known, placed, sent, places)

    @property
    def frames(self) -> list[int]:
        """The frames with a key."""
        return self.known.any(1).nonzero()[:, 0].tolist()

    @property
    def never(self) -> Bool[Tensor, " joint"]:
        """Joints that no key names."""
        return ~self.known.any(0)

    @property
    def whole(self) -> Bool[Tensor, " frame"]:
        """Frames in which all that is keyed anywhere is known, and the root's place: nothing may move them."""
        return (self.known | self.never).all(1) & self.known.any(1) & self.placed

    def put_into(self, motion: Motion) -> Motion:
        """The motion with what is known in its place."""
        if not self.sent:
            return motion
        rotations = torch.where(self.known[..., None, None], self.rotations, motion.rotations)
        return replace(motion, rotations=rotations, root=torch.where(self.placed[:, None], self.root, motion.root))

    def missed(self, motion: Motion) -> list[Pose]:
        """Key poses that the motion does not have, as constraints; the root stays where it is if it was not placed."""
        found: list[Pose] = []
        for frame in self.frames:
            here, joints = motion[frame : frame + 1], self.known[frame]
            rotations = torch.where(joints[:, None, None], self.rotations[frame], here.rotations[0])
            root = self.root[frame] if self.placed[frame] else here.root[0]
            apart = max(float((rotations - here.rotations[0]).abs().max()), float((root - here.root[0]).abs().max()))
            if apart > _SAME:
                names = tuple(name for name, own in zip(motion.skeleton.joints, joints.tolist(), strict=True) if own)
                found.append(Pose(frame, replace(here, rotations=rotations[None], root=root[None]), names, root=True))
        return found

    def as_sent(self, quaternions: NDArray[np.float32], root: NDArray[np.float32]) -> None:
        """Write the keys' own numbers into an answer of shapes (frame, joint, 4) and (frame, 3), in place.

        Between keys the signs of the quaternions follow the key before.
        """
        by_joint: dict[int, list[int]] = {}
        for frame, joint in sorted(self.sent):
            by_joint.setdefault(joint, []).append(frame)
        for joint, at in by_joint.items():
            for start, stop in zip(at, [*at[1:], len(quaternions)], strict=True):
                turn = np.array(self.sent[start, joint], dtype=np.float32)
                if abs(float(np.linalg.norm(turn)) - 1) > _UNIT:
                    turn = np.array(unit(self.sent[start, joint]), dtype=np.float32)
                if float(turn @ quaternions[start, joint]) < 0:
                    quaternions[0 if start == at[0] else start : stop, joint] *= -1
                quaternions[start, joint] = turn
        for frame, place in self.places.items():
            root[frame] = np.array(place, dtype=np.float32)


def _twice(frame: int, what: str) -> UsageError:
    return UsageError(
        expected="key poses that agree", got=f"two for {what} at frame {frame}", cure="Leave one of the two out."
    )
