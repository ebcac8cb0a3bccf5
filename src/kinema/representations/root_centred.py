"""`CentredPositions`: joint positions about the root, in the axes of the world. What stochastic forecasters see.

The benchmark's features (Yuan and Kitani 2020, DLow; SMRNet): the root's path is taken out, its turn is not, so that a
body that faces about is seen to do so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.motion import Clip, Points
from kinema.motion.skeleton import Skeleton
from kinema.representations.anchor import FloorAnchor, ahead, floor_anchor, is_left
from kinema.representations.base import Representation, Statistics


class CentredPositions(Representation):
    """Positions in metres of chosen joints minus the root's, y up; the root itself is left out, so 3 (J - 1) numbers.

    It takes clips of rotations and clips of positions alike. A joint that is not chosen is answered where it hangs on
    its parent in the rest pose. Raises UsageError where the choice is empty or lacks the mirror of one of its joints.
    """

    space = "positions"
    reference = "centred"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str]) -> None:
        self.skeleton, self.fps = skeleton, fps
        self._chosen = [joint for joint in skeleton.indices(joints) if joint != 0]
        self.joints = tuple(skeleton.joints[joint] for joint in self._chosen)
        self._swap = skeleton.mirrored_places(self._chosen)
        self._pairs = _pairs_of_the_trunk(skeleton, self._chosen, self._swap)
        self.width = 3 * len(self._chosen)
        self.statistics = Statistics.none(self.width)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Three features to a joint; the root has none."""
        return tuple(joint for joint in range(len(self._chosen)) for _ in range(3))

    def encode(self, clip: Clip) -> Float[Tensor, "*batch frame feat"]:
        """Chosen joints minus the root, metres, joint after joint. Raises UsageError for positions in a picture."""
        self.check(clip)
        positions = clip.points().positions
        if positions.shape[-1] != 3:
            raise UsageError(
                expected="positions in space, three numbers to a joint",
                got=f"{positions.shape[-1]}",
                cure="Lift the keypoints to three dimensions first.",
            )
        return (positions[..., self._chosen, :] - positions[..., :1, :]).flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """Positions of all joints with the root at the origin, turned as the body was."""
        chosen = features.unflatten(-1, (-1, 3))
        offsets = self.skeleton.offsets.to(features)
        places = [features.new_zeros(*features.shape[:-1], 3)]
        for joint in range(1, len(self.skeleton)):
            hanging = joint not in self._chosen
            parent = self.skeleton.parents[joint]
            place = places[parent] + offsets[joint] if hanging else chosen[..., self._chosen.index(joint), :]
            places.append(place)
        return Points(self.skeleton, torch.stack(places, -2), self.fps)

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> FloorAnchor | None:
        """The last known pose faces +z, at right angles to the lines across hips and shoulders (to all pairs of joints
        that hang on the middle line); None where there are none. The root is the origin already."""
        places, known = observed.unflatten(-1, (-1, 3)), (confidence > 0).to(observed)
        left, right = self._pairs
        if not left:
            return None
        forward = ahead(places, known, left, right)
        told = (known[..., left] * known[..., right]).amax(-1)
        last = told * (told.flip(1).cumsum(1).flip(1) == 1)
        return floor_anchor(torch.zeros_like(forward), forward, last, vectors=slice(0, 0))

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Left and right joints exchanged, x turned round."""
        chosen = features.unflatten(-1, (-1, 3))[..., self._swap, :]
        return (chosen * chosen.new_tensor([-1.0, 1, 1])).flatten(-2)


@dataclass(frozen=True)
class CentredPositionsConfig:
    """`CentredPositions` as data. No `joints` means every joint; the root may be named, it is left out all the same.

    With `standardise` the features are given the training set's mean 0 and deviation 1; without, they stay metres.
    """

    fps: float
    joints: tuple[str, ...] = ()
    standardise: bool = False

    def build(self, skeleton: Skeleton) -> CentredPositions:
        """The representation on a skeleton, without statistics."""
        return CentredPositions(skeleton, self.fps, self.joints or skeleton.joints)


def _pairs_of_the_trunk(skeleton: Skeleton, chosen: Sequence[int], swap: Sequence[int]) -> tuple[list[int], list[int]]:
    """Places in `chosen` of the left and the right ones of all pairs that hang on a joint of the middle line."""
    left = [
        place
        for place, joint in enumerate(chosen)
        if skeleton.mirror[joint] != joint
        and skeleton.mirror[skeleton.parents[joint]] == skeleton.parents[joint]
        and is_left(skeleton, joint)
    ]
    return left, [swap[place] for place in left]
