"""What a camera sees of a body: joints relative to the root (ActionGAN), or with its path (Render-In-Between)."""

from __future__ import annotations

from collections.abc import Sequence
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
from kinema.representations.base import JointsConfig, Statistics
from kinema.representations.positions import JointPositions


class ViewedPositions(JointPositions):
    """Picture coordinates of chosen joints relative to the root's, x to the picture's right and y up.

    The camera looks along -z from `distance` metres before the root and moves with it, so the body's size does not
    change: the centring and depth scaling of Yu et al. (AAAI 2020) in one step. In the plane of the root one unit is a
    metre. A clip that is 2-D already is taken as it is, relative to its root. `decode` gives 2-D points.
    Raises UsageError where a joint's mirror is not chosen, or the distance is not positive.
    """

    reference = "picture"
    dims = 2

    def __init__(self, skeleton: Skeleton, fps: float, joints: Sequence[str], distance: float) -> None:
        if not distance > 0:
            raise UsageError(expected="a camera's distance above 0 m", got=f"{distance:g}", cure="Set distance to 4.")
        super().__init__(skeleton, fps, joints)
        self.distance = distance

    def encode(self, clip: Motion | Points) -> Float[Tensor, "*batch frame feat"]:
        """x and y of the chosen joints, joint after joint."""
        self.check(clip)
        positions = clip.points().positions
        relative = positions - positions[..., :1, :]
        if relative.shape[-1] == 3:
            relative = project(relative, focal=self.distance, distance=self.distance)
        return relative[..., self._chosen, :].flatten(-2)

    def decode(self, features: Float[Tensor, "*batch frame feat"]) -> Points:
        """2-D points of all joints; one that is not chosen is put where its parent is, the root at the origin."""
        chosen = torch.nn.functional.pad(features.unflatten(-1, (-1, 2)), (0, 0, 0, 1))  # the origin is token -1
        return Points(self.skeleton, chosen[..., self.chosen_ancestors, :], self.fps)


@dataclass(frozen=True)
class ViewedPositionsConfig(JointsConfig):
    """`ViewedPositions` as data. No `joints` means every joint but the root."""

    standardise: bool = True
    distance: float = 4.0

    def build(self, skeleton: Skeleton) -> ViewedPositions:
        """The representation on a skeleton, without statistics."""
        return ViewedPositions(skeleton, self.fps, self.joints or skeleton.joints[1:], self.distance)


# In the order of the features, without the middle of the hips, which is last. A body that lacks the first name uses the
# next.
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
_ONWARD = 0.3  # of a bone: the length at which a joint that a layout lacks is put beyond the bone's end
_TREE19 = (-1, 0, 1, 1, 3, 4, 1, 6, 7, 0, 9, 10, 0, 12, 13, 14, 11, 8, 5)


def skeleton19() -> Skeleton:
    """The nineteen joints as a tree from the middle of the hips; offsets are positions in a picture (z 0)."""
    positions = torch.zeros(19, 3)
    for joint, name in enumerate(_NAMES19[1:], start=1):
        side = {"l": 1.0, "r": -1.0}.get(name.split("_")[0], 0.0)
        down = -0.4 if name.endswith(("knee", "ankle", "toe")) else 0.0
        across = 0.25 if name.endswith(("elbow", "wrist", "hand")) else 0.15
        positions[joint] = torch.tensor([side * across, down or (0.0 if side else 0.25), 0.0])
    return Skeleton("keypoints19", _NAMES19, _TREE19, positions, aliases={"pelvis": "hips"})


class PictureKeypoints(JointPositions):
    """18 joints relative to the middle of the hips, then its position: 38 numbers, y up, one unit about a metre.

    This is Render-In-Between's layout: OpenPose's body without eyes and ears, with the middles of the hands. The camera
    is 4 m before the origin (`geometry.camera.project`); 3-D clips are projected as they are (see
    `data.sources.composed`). 2-D points of `skeleton19`, which `decode` gives and `encode` also takes, have y down like
    all points of a picture. With `own_scale` each window is moved and scaled by its own anchor. Raises UsageError where
    a joint has no counterpart.
    """

    reference = "picture"
    dims = 2
    guessed = 0.05  # a joint that a layout lacks is extrapolated along the bone before it

    def __init__(self, skeleton: Skeleton, fps: float, focal: float, distance: float, own_scale: bool) -> None:
        self.skeleton, self.fps, self.own_scale = skeleton, fps, own_scale
        self.focal, self.distance = focal, distance
        self.picture = skeleton19()
        self.joints = tuple(_NAMES19[joint] for joint in (*_FEATURES, 0))
        self._chosen, self._swap = [_first(skeleton, names) for names in JOINTS19], list(PARTNERS19)
        self.width = 38
        self.statistics = Statistics.none(38)

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
        joints, hips = features.unflatten(-1, (19, 2)).tensor_split([18], -2)
        joints = joints + hips
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
            else:
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
        """For the joints of `skeleton19` those of another set of keypoints, or the two whose middle they are.

        Raises UsageError where hips or neck cannot be found, and without `own_scale`: pictures then have a fixed size.
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

    def disturbed(self, features: Float[Tensor, "*b feat"], off: Float[Tensor, "*b feat"]) -> Float[Tensor, "*b feat"]:
        """An error of the hips moves every joint, since joints are relative to the hips."""
        before, after = self.restore(features), self.restore(features + off)
        joints, hips = after.unflatten(-1, (19, 2)).tensor_split([18], -2)
        there = before.unflatten(-1, (19, 2))[..., 18:, :]
        return self.standardise(torch.cat((joints - (hips - there), hips), -2).flatten(-2))

    def anchor(
        self, observed: Float[Tensor, "batch frame feat"], confidence: Float[Tensor, "batch frame token"]
    ) -> PictureAnchor | None:
        """The median position of the known hips, and the median length from hips to neck; None without `own_scale`."""
        if not self.own_scale:
            return None
        positions = observed.unflatten(-1, (19, 2))
        rooted, necked = confidence[..., 18] > 0, (confidence[..., 1] > 0)
        hole = torch.full_like(positions[..., 0, :], torch.nan)
        origin = torch.where(rooted[..., None], positions[..., 18, :], hole).nanmedian(1).values.nan_to_num()
        length = torch.where(necked, positions[..., 1, :].norm(dim=-1), hole[..., 0]).nanmedian(1).values
        length = torch.where(length > 1e-4, length, 0.5)  # also where nothing is known
        return PictureAnchor(origin, 0.5 / length)


@dataclass(frozen=True, eq=False)
class PictureAnchor:
    """A position in the picture, and the factor that makes the trunk half a unit long."""

    origin: Float[Tensor, "batch 2"]
    scale: Float[Tensor, " batch"]

    def into(self, features: Float[Tensor, "batch frame feat"]) -> Float[Tensor, "batch frame feat"]:
        """Features (own units) relative to the anchor."""
        moved = torch.cat((features[..., :-2], features[..., -2:] - self.origin[:, None]), -1)
        return moved * self.scale[:, None, None]

    def back(self, features: Float[Tensor, "batch frame feat"]) -> Float[Tensor, "batch frame feat"]:
        """The inverse of `into`: features in the picture."""
        sized = features / self.scale[:, None, None]
        return torch.cat((sized[..., :-2], sized[..., -2:] + self.origin[:, None]), -1)


def _first(skeleton: Skeleton, names: tuple[str, ...]) -> int:
    for name in names:
        if has_joint(skeleton, name):
            return skeleton.index(name)
    raise UsageError(
        expected=f"a skeleton with {names[0]}", got=skeleton.name, cure=f"Give the skeleton an alias for {names[0]}."
    )


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
