"""`HeadingRotations`: 6-D rotations and the velocity of the root, relative to the body's heading.

The features do not depend on where in the room and in which direction a motion was recorded. `encode` works over a
whole recording; `decode` integrates the velocities, with gradients, from the origin and facing +z.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import axis_angle_to_rotmat, rotmat_to_sixd, sixd_to_rotmat
from kinema.motion.edit import reflections
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting.bone_directions import retarget_trajectory
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.representations.base import JointsConfig, Representation, Statistics, with_rotations
from kinema.representations.rotations import whole_body

_PATH = 4  # columns of the root's trajectory, which are last
_LEAST = 0.05  # deviation of a 6-D number (3 degrees): a joint that barely moves must not outweigh all others


class HeadingRotations(Representation):
    """6-D rotations of chosen joints (the root is always one), then four numbers for the root trajectory; y is up.

    With J joints the columns are: 0..5 the root's rotation relative to the heading; 6 j .. 6 j + 5 the local rotation
    of joint j, in the skeleton's order (the first two columns of the matrix, one after the other); 6 J the heading's
    velocity (rad/s, positive towards +x); 6 J + 1 and 6 J + 2 the root's velocity to the left and ahead in the frame's
    own heading (m/s); 6 J + 3 the root's height (m). Velocities are those from the frame before to this one; the first
    frame of a recording has the next one's. The heading is at right angles to the root's left, in the floor's plane.
    Joints that are not chosen keep their rest rotation.

    Raises UsageError where the choice of joints lacks the mirror of one, or the root's left cannot be found.
    """

    space = "rotations"
    reference = "heading"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str] | None = None) -> None:
        self.skeleton, self.fps = skeleton, fps
        self._chosen = sorted({0, *skeleton.indices(joints or skeleton.joints)})
        self.joints = tuple(skeleton.joints[joint] for joint in self._chosen)
        self.width = 6 * len(self._chosen) + _PATH
        self.statistics = Statistics.none(self.width)
        swap = skeleton.mirrored_indices(self._chosen)
        above, own = reflections(skeleton)
        # Column k of A R S is A times column k times S_k.
        signs = torch.cat((above * own[:, :1], above * own[:, 1:2]), -1)[self._chosen].flatten()
        self._signs = torch.cat((signs, torch.tensor([-1.0, -1.0, 1.0, 1.0])))
        swapped = [6 * place + column for place in swap for column in range(6)]
        self._swap = [*swapped, *range(6 * len(swap), self.width)]
        self._left = _left_of_root(skeleton, own[0])

    def bounded(self, measured: Statistics) -> Statistics:
        """The deviation of a number of a rotation is at least 0.05."""
        std = measured.std.clone()
        std[:-_PATH] = std[:-_PATH].clamp(min=_LEAST)
        return Statistics(measured.mean, std)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Six features per joint; the trajectory belongs to the root."""
        return (*(feature // 6 for feature in range(self.width - _PATH)), *([0] * _PATH))

    def heading(self, clip: Motion) -> Float[Tensor, "*batch frame"]:
        """The direction that the root faces, as an angle about y in radians: 0 is +z, positive towards +x."""
        left = clip.rotations[..., 0, :, :] @ self._left.to(clip.rotations)
        return torch.atan2(-left[..., 2], left[..., 0])

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Features of a recording. A clip of a single frame has no velocity."""
        clip = with_rotations(clip)
        self.check(clip)
        heading = self.heading(clip)
        back = axis_angle_to_rotmat("Y", -heading)
        rotations = clip.rotations[..., self._chosen, :, :].clone()
        rotations[..., 0, :, :] = back @ rotations[..., 0, :, :]
        yaw = torch.remainder(heading.diff(dim=-1) + math.pi, 2 * math.pi) - math.pi
        step = (back[..., 1:, :, :] @ clip.root.diff(dim=-2)[..., None])[..., 0]
        moved = torch.cat((yaw[..., None], step[..., [0, 2]]), -1) * self.fps
        first = moved[..., :1, :] if clip.frames > 1 else moved.new_zeros(*clip.batch_shape, 1, 3)
        trajectory = torch.cat((torch.cat((first, moved), -2), clip.root[..., 1:2]), -1)
        return torch.cat((rotmat_to_sixd(rotations).flatten(-2), trajectory), -1)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Motion:
        """The clip, its first frame above the origin and facing +z; the first frame's velocities are not used."""
        rotated = sixd_to_rotmat(features[..., :-_PATH].unflatten(-1, (-1, 6)))
        trajectory = features[..., -_PATH:]
        moved = torch.cat((torch.zeros_like(trajectory[..., :1, :3]), trajectory[..., 1:, :3] / self.fps), -2)
        heading = axis_angle_to_rotmat("Y", moved[..., 0].cumsum(-1))
        flat = torch.stack((moved[..., 1], torch.zeros_like(moved[..., 1]), moved[..., 2]), -1)
        path = (heading @ flat[..., None])[..., 0].cumsum(-2)
        root = torch.stack((path[..., 0], trajectory[..., 3], path[..., 2]), -1)
        rotated = torch.cat((heading[..., None, :, :] @ rotated[..., :1, :, :], rotated[..., 1:, :, :]), -3)
        return Motion(self.skeleton, whole_body(rotated, self._chosen, len(self.skeleton)), root, self.fps)

    def place(
        self, features: Float[Tensor, "*batch frame feat"], observed: Motion, read: Motion | None = None
    ) -> Motion:
        """See `Representation.place`; these features hold the root's path."""
        past = read or cast("Motion", self.read(observed))
        return retarget_trajectory(self.onward(features, past[-1:]), observed)

    def onward(self, features: Float[Tensor, "*batch frame feat"], last: Motion) -> Motion:
        """The frames that follow the single frame `last` (no batch axes), from its position and heading."""
        before = self.encode(last).expand(*features.shape[:-2], 1, -1)
        ahead = self.decode(torch.cat((before, features), -2))[1:]
        yaw = axis_angle_to_rotmat("Y", self.heading(last))[0]
        rotations = torch.cat((yaw @ ahead.rotations[..., :1, :, :], ahead.rotations[..., 1:, :, :]), -3)
        ground = last.root[0] * last.root.new_tensor([1.0, 0.0, 1.0])
        return replace(ahead, rotations=rotations, root=(yaw @ ahead.root[..., None])[..., 0] + ground)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Left and right joints exchanged; rotations and steps to the left become those to the right."""
        return features[..., self._swap] * self._signs.to(features)


@dataclass(frozen=True)
class HeadingRotationsConfig(JointsConfig):
    """`HeadingRotations` as data."""

    standardise: bool = True

    def build(self, skeleton: Skeleton) -> HeadingRotations:
        """The representation on a skeleton, without statistics."""
        return HeadingRotations(skeleton, self.fps, self.joints or None)


def _left_of_root(skeleton: Skeleton, own: Float[Tensor, " 3"]) -> Float[Tensor, " 3"]:
    """The direction of the body's left in the root's frame, along the axes that a mirror negates.

    It uses those axes alone, so the mirror image's heading is exactly the heading's mirror image.
    """
    place = skeleton.rest_positions
    for part in ("hip", "shoulder", "knee", "elbow"):
        names = (f"l_{part}", f"r_{part}")
        if has_joint(skeleton, *names):
            left, right = skeleton.indices(names)
            across = (place[left] - place[right]) * (own < 0)
            if float(across.norm()) > 1e-4:
                return torch.nn.functional.normalize(across, dim=0)
    raise UsageError(
        expected="a skeleton with left and right hips or shoulders",
        got=skeleton.name,
        cure="Give the skeleton aliases for l_hip, r_hip, l_shoulder, r_shoulder.",
    )
