"""`ViewedPositions`: what a camera in front of the body sees of it, as numbers for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.camera import project
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.representations.base import Representation, Statistics


class ViewedPositions(Representation):
    """Picture coordinates of chosen joints relative to the root's, x to the picture's right and y up.

    The camera looks along -z from `distance` metres before the root and moves with it, so that the body's size does not
    change: the centring and depth scaling of Yu et al. (AAAI 2020) at once. In the plane of the root one
    unit is a metre. A clip that is 2-D already is taken as it is, relative to its root. `decode` gives 2-D points.
    Raises UsageError where a joint's mirror is not chosen, or the distance is not positive.
    """

    space = "positions"
    reference = "picture"

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str], distance: float) -> None:
        if not distance > 0:
            raise UsageError(expected="a camera's distance above 0 m", got=f"{distance:g}", cure="Give a few metres.")
        self.skeleton, self.fps, self.distance = skeleton, fps, distance
        self.joints = tuple(joints)
        self._chosen = skeleton.indices(joints)
        self.width = 2 * len(self._chosen)
        self.statistics = Statistics.none(self.width)
        self._swap = skeleton.mirrored_places(self._chosen)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Two features to a joint."""
        return tuple(joint for joint in range(len(self._chosen)) for _ in range(2))

    def encode(self, clip: Motion | Points) -> Float[Tensor, "*batch frame feat"]:
        """x and y of the chosen joints, joint after joint."""
        self.check(clip)
        positions = clip.points().positions
        relative = positions - positions[..., :1, :]
        if relative.shape[-1] == 2:
            return relative[..., self._chosen, :].flatten(-2)
        observed = project(relative, focal=self.distance, distance=self.distance)
        return observed[..., self._chosen, :].flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """2-D points of all joints; those that are not chosen lie where their parent does."""
        chosen = features.unflatten(-1, (-1, 2))
        place: list[Tensor] = []
        for joint, parent in enumerate(self.skeleton.parents):
            if joint in self._chosen:
                place.append(chosen[..., self._chosen.index(joint), :])
            else:
                place.append(place[parent] if parent >= 0 else torch.zeros_like(chosen[..., 0, :]))
        return Points(self.skeleton, torch.stack(place, -2), self.fps)

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Joints exchanged, x turned round."""
        chosen = features.unflatten(-1, (-1, 2))[..., self._swap, :]
        return (chosen * chosen.new_tensor([-1.0, 1])).flatten(-2)


@dataclass(frozen=True)
class ViewedPositionsConfig:
    """`ViewedPositions` as data. No `joints` means every joint but the root."""

    fps: float
    joints: tuple[str, ...] = ()
    distance: float = 4.0
    standardise: bool = True

    def build(self, skeleton: Skeleton) -> ViewedPositions:
        """The representation on a skeleton, without statistics."""
        return ViewedPositions(skeleton, self.fps, self.joints or skeleton.joints[1:], self.distance)
