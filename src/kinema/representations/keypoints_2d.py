"""`PictureKeypoints`: nineteen joints as a camera sees them, the body's place in the picture with them.

Render-In-Between's layout: OpenPose's body without eyes and ears, with the middles of the hands. Joints are relative
to the middle of the hips; its own place stands last.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.camera import project
from kinema.motion.edit import resample
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting.inverse_kinematics import match_joints
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.representations.base import Representation, Statistics

# In the order of the features; the middle of the hips, which goes last, is left out. Where a body lacks the first name
# the next stands for it.
JOINTS19: tuple[tuple[str, ...], ...] = (
    ("head",), ("neck",), ("r_shoulder",), ("r_elbow",), ("r_wrist",), ("l_shoulder",), ("l_elbow",), ("l_wrist",),
    ("r_hip",), ("r_knee",), ("r_ankle",), ("l_hip",), ("l_knee",), ("l_ankle",),
    ("l_toe", "l_ankle"), ("r_toe", "r_ankle"), ("l_hand_end", "l_wrist"), ("r_hand_end", "r_wrist"),
)  # fmt: skip
PARTNERS19 = (0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16, 18)
_NAMES19 = (
    "hips", "neck", "head", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist",
    "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "l_toe", "r_toe", "l_hand", "r_hand",
)  # fmt: skip
_FEATURES = [2, 1, *range(3, 19)]  # joints in the order of the features; the middle of the hips goes last
_ONWARD = 0.3  # of a bone: how far beyond its end what hangs there is taken to be
_TREE19 = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13, 14, 11, 8, 5)


def skeleton19() -> Skeleton:
    """The nineteen joints as a tree from the middle of the hips; offsets are places in a picture (z 0)."""
    places = torch.zeros(19, 3)
    for joint, name in enumerate(_NAMES19[1:], start=1):
        side = {"l": 1.0, "r": -1.0}.get(name.split("_")[0], 0.0)
        down = -0.4 if name.endswith(("knee", "ankle", "toe")) else 0.0
        across = 0.25 if name.endswith(("elbow", "wrist", "hand")) else 0.15
        places[joint] = torch.tensor([side * across, down or (0.0 if side else 0.25), 0.0])
    return Skeleton("keypoints19", _NAMES19, _TREE19, places, aliases={"pelvis": "hips"})


class PictureKeypoints(Representation):
    """18 joints relative to the middle of the hips, then its place: 38 numbers, y up, a unit about a metre.

    The camera stands 4 m before the origin (`geometry.camera.project`); 3-D clips are projected as they stand (see
    `data.viewed`). 2-D points of `skeleton19`, which `decode` gives and `encode` takes too, have y down like all points
    of a picture. With `own_scale` a window is seen from its own place and size. Raises UsageError where a joint has no
    counterpart.
    """

    space = "positions"
    reference = "picture"
    guessed = 0.05  # a joint that a layout lacks is put where the bone before it points

    def __init__(self, skeleton: Skeleton, fps: float, focal: float, distance: float, own_scale: bool) -> None:
        self.skeleton, self.fps, self.own_scale = skeleton, fps, own_scale
        self.focal, self.distance = focal, distance
        self.picture = skeleton19()
        self.joints = tuple(_NAMES19[joint] for joint in (*_FEATURES, 0))
        self._chosen = [_first(skeleton, names) for names in JOINTS19]
        self.width = 38
        self.statistics = Statistics.none(38)

    @property
    def token_of_feature(self) -> tuple[int, ...]:
        """Two features to a joint."""
        return tuple(joint for joint in range(19) for _ in range(2))

    @property
    def partners(self) -> tuple[int, ...]:
        """The joint on the other side."""
        return PARTNERS19

    def encode(self, clip: Motion | Points) -> Float[Tensor, "*batch frame feat"]:
        """x and y, joint after joint."""
        positions = clip.points().positions
        if positions.shape[-1] == 2:
            upright = positions * positions.new_tensor([1.0, -1])
            hips, joints = upright[..., :1, :], upright[..., _FEATURES, :]
        else:
            observed = project(positions, focal=self.focal, distance=self.distance)
            hips, joints = observed[..., :1, :], observed[..., self._chosen, :]
        return torch.cat((joints - hips, hips), -2).flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """2-D points of `skeleton19`, y down."""
        places = features.unflatten(-1, (19, 2))
        hips = places[..., 18:, :]
        joints = places[..., :18, :] + hips
        ordered = torch.cat((hips, joints[..., [1, 0, *range(2, 18)], :]), -2)
        return Points(self.picture, ordered * ordered.new_tensor([1.0, -1]), self.fps)

    def read(self, clip: Clip) -> Clip:
        """See `Representation.read`; 2-D points of any set of keypoints come back as those of `skeleton19`."""
        if isinstance(clip, Motion) or clip.positions.shape[-1] != 2:
            return super().read(clip)
        if abs(clip.fps - self.fps) > 1e-6 * self.fps:
            clip = resample(clip, self.fps)
        found, positions = self._matches(clip.skeleton), list[Tensor]()
        for joint, parent in enumerate(_TREE19):
            if joint in found:
                positions.append(clip.positions[..., list(found[joint]), :].mean(-2))
            else:  # a joint that the layout lacks goes on as the bone before it does
                before = positions[max(0, _TREE19[parent])]
                positions.append(positions[parent] + _ONWARD * (positions[parent] - before))
        return Points(self.picture, torch.stack(positions, -2), clip.fps)

    def sources(self, skeleton: Skeleton) -> list[list[int]]:
        """See `Representation.sources`. Raises UsageError where hips or neck cannot be found."""
        found = self._matches(skeleton)
        return [list(found.get(joint, ())) for joint in self.picture.indices(self.joints)]

    def spread(self, change: Float[Tensor, "*b joint dim"], skeleton: Skeleton) -> Float[Tensor, "*b own dim"]:
        """See `Representation.spread`; joints that `skeleton19` does not have get 0."""
        own = {of[0]: joint for joint, of in self._matches(skeleton).items() if len(of) == 1}
        every = change.new_zeros(*change.shape[:-2], len(skeleton), change.shape[-1])
        every[..., list(own), :] = change[..., list(own.values()), :]
        return every

    def _matches(self, skeleton: Skeleton) -> dict[int, tuple[int, ...]]:
        """For the joints of `skeleton19` those of another set of keypoints, or the two that they stand midway between.

        Raises UsageError where the hips or the neck cannot be told, and where pictures have a fixed size (`own_scale`).
        """
        found = dict(match_joints(skeleton, self.picture).sources)
        if not skeleton.same_tree(self.picture):
            if 1 not in found and {3, 6} <= set(found):  # as OpenPose has it: between the shoulders
                found[1] = (*found[3], *found[6])
            if not {0, 1} <= set(found) or not self.own_scale:
                raise UsageError(
                    expected=f"points of {self.picture.name}, or hips and shoulders for a model of any size of picture",
                    got=f"{skeleton.name} ({len(skeleton)} joints)",
                    cure="Use a curve: --method auto, linear, cubic or pchip.",
                )
        return found

    def mirror(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame feat"]:
        """Joints exchanged, x turned round."""
        places = features.unflatten(-1, (19, 2))[..., PARTNERS19, :]
        return (places * places.new_tensor([-1.0, 1])).flatten(-2)

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """Where the hips are taken for somewhere else, so is what is told from them."""
        before, after = self.restore(features), self.restore(features + off)
        joints, hips = after.unflatten(-1, (19, 2)).tensor_split([18], -2)
        there = before.unflatten(-1, (19, 2))[..., 18:, :]
        return self.standardise(torch.cat((joints - (hips - there), hips), -2).flatten(-2))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> PictureAnchor | None:
        """The median place of the hips where they are known, and the median length from hips to neck."""
        if not self.own_scale:
            return None
        places = observed.unflatten(-1, (19, 2))
        rooted, necked = confidence[..., 18] > 0, (confidence[..., 1] > 0)
        hole = torch.full_like(places[..., 0, :], torch.nan)
        origin = torch.where(rooted[..., None], places[..., 18, :], hole).nanmedian(1).values.nan_to_num()
        length = torch.where(necked, places[..., 1, :].norm(dim=-1), hole[..., 0]).nanmedian(1).values
        length = torch.where(length > 1e-4, length, 0.5)  # also where nothing is known
        return PictureAnchor(origin, 0.5 / length)


@dataclass(frozen=True, eq=False)
class PictureAnchor:
    """A place in the picture, and the factor that makes a trunk half a unit long."""

    origin: Float[Tensor, "batch 2"]
    scale: Float[Tensor, " batch"]

    def into(self, features: Float[Tensor, "batch frame feat"]) -> Float[Tensor, "batch frame feat"]:
        """Features (own units) as seen from the anchor."""
        moved = torch.cat((features[..., :-2], features[..., -2:] - self.origin[:, None]), -1)
        return moved * self.scale[:, None, None]

    def back(self, features: Float[Tensor, "batch frame feat"]) -> Float[Tensor, "batch frame feat"]:
        """The way back to the picture."""
        sized = features / self.scale[:, None, None]
        return torch.cat((sized[..., :-2], sized[..., -2:] + self.origin[:, None]), -1)


def _first(skeleton: Skeleton, names: tuple[str, ...]) -> int:
    for name in names:
        if has_joint(skeleton, name):
            return skeleton.index(name)
    raise UsageError(expected=f"a skeleton with {names[0]}", got=skeleton.name, cure="Give it an alias for that joint.")


@dataclass(frozen=True)
class PictureKeypointsConfig:
    """`PictureKeypoints` as data. Focal length and distance as Render-In-Between has them: a unit is a metre."""

    fps: float
    focal: float = 4.0
    distance: float = 4.0
    own_scale: bool = True
    standardise: bool = False

    def build(self, skeleton: Skeleton) -> PictureKeypoints:
        """The representation on a skeleton, without statistics."""
        return PictureKeypoints(skeleton, self.fps, self.focal, self.distance, self.own_scale)
