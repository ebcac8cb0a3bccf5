"""`Motion` and `Points`: a clip as joint rotations, and a clip as joint positions.

Both are frozen and carry any leading batch axes, so ten sampled futures are one clip of batch shape (10,). Metres,
seconds, radians; right-handed, y up, facing +z. `Motion -> Points` is forward kinematics and free (`points()`);
`Points -> Motion` is inverse kinematics and is always asked for by name
(`kinema.motion.retargeting.inverse_kinematics`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import joint_positions
from kinema.motion.bvh_layout import FileLayout
from kinema.motion.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class Motion:
    """Local joint rotations and the path of the root.

    `offsets` is None where bones keep their rest length; a file that animates the place of a joint in its parent's
    frame fills it (metres). `layout` remembers how the file that the clip came from was written, so that it can be
    written back the same way. `identity` names the recording ("cmu/06_07"): it is what leak checks compare.
    Raises UsageError where shapes do not fit the skeleton or `fps` is not positive.
    """

    skeleton: Skeleton
    rotations: Float[Tensor, "*batch frame joint 3 3"]
    root: Float[Tensor, "*batch frame 3"]
    fps: float
    action: str | None = None
    identity: str = ""
    offsets: Float[Tensor, "*batch frame joint 3"] | None = None
    layout: FileLayout | None = None

    def __post_init__(self) -> None:
        frames, joints = self.rotations.shape[-4], self.rotations.shape[-3]
        _check(self.skeleton, joints, frames, self.root.shape[-2], self.fps)

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.rotations.shape[-4]

    @property
    def batch_shape(self) -> torch.Size:
        """The leading axes: () for one clip, (10,) for ten."""
        return self.rotations.shape[:-4]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames - 1) / self.fps

    def __getitem__(self, frames: slice) -> Motion:
        """Some of the frames (a slice without a step: a rate is changed with `edit.resample`)."""
        frames = _plain_slice(frames, self.frames)
        offsets = None if self.offsets is None else self.offsets[..., frames, :, :]
        return replace(
            self, rotations=self.rotations[..., frames, :, :, :], root=self.root[..., frames, :], offsets=offsets
        )

    def one(self, *index: int) -> Motion:
        """One clip of the batch."""
        offsets = None if self.offsets is None else self.offsets[index]
        return replace(self, rotations=self.rotations[index], root=self.root[index], offsets=offsets)

    def points(self) -> Points:
        """Joint positions, by forward kinematics."""
        offsets = self.skeleton.offsets if self.offsets is None else self.offsets
        positions = joint_positions(self.rotations, self.root, offsets.to(self.root), self.skeleton.parents)
        return Points(self.skeleton, positions, self.fps, self.action, self.identity)

    def places(self, joints: Sequence[int]) -> Float[Tensor, "*batch frame chosen 3"]:
        """Positions of some of the joints: `points` for what they hang on alone."""
        needed, pending = {0}, set(joints)
        while pending - needed:
            needed |= pending
            pending = {self.skeleton.parents[joint] for joint in needed - {0}}
        order = sorted(needed)
        part = {joint: place for place, joint in enumerate(order)}
        parents = [-1, *(part[self.skeleton.parents[joint]] for joint in order[1:])]
        offsets = (self.skeleton.offsets if self.offsets is None else self.offsets)[..., order, :].to(self.root)
        positions = joint_positions(self.rotations[..., order, :, :], self.root, offsets, parents)
        return positions[..., [part[joint] for joint in joints], :]


@dataclass(frozen=True, eq=False)
class Points:
    """Joint positions in metres (`dim` 3), or in the unit of a picture (`dim` 2).

    `confidence` says how far each place is to be believed: 0 unknown (the place is then NaN or of no meaning), 1 exact;
    None where everything is as good as known. Raises UsageError where shapes do not fit the skeleton or `fps` is not
    positive.
    """

    skeleton: Skeleton
    positions: Float[Tensor, "*batch frame joint dim"]
    fps: float
    action: str | None = None
    identity: str = ""
    confidence: Float[Tensor, "*batch frame joint"] | None = None

    def __post_init__(self) -> None:
        frames, joints = self.positions.shape[-3], self.positions.shape[-2]
        _check(self.skeleton, joints, frames, frames, self.fps)
        if self.confidence is not None and self.confidence.shape != self.positions.shape[:-1]:
            raise UsageError(
                expected=f"one confidence for each of the positions: shape {tuple(self.positions.shape[:-1])}",
                got=f"shape {tuple(self.confidence.shape)}",
                cure="Check the shapes of the arrays.",
            )

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self.positions.shape[-3]

    @property
    def batch_shape(self) -> torch.Size:
        """The leading axes: () for one clip, (10,) for ten."""
        return self.positions.shape[:-3]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames - 1) / self.fps

    def __getitem__(self, frames: slice) -> Points:
        """Some of the frames (a slice without a step)."""
        frames = _plain_slice(frames, self.frames)
        confidence = None if self.confidence is None else self.confidence[..., frames, :]
        return replace(self, positions=self.positions[..., frames, :, :], confidence=confidence)

    def one(self, *index: int) -> Points:
        """One clip of the batch."""
        confidence = None if self.confidence is None else self.confidence[index]
        return replace(self, positions=self.positions[index], confidence=confidence)

    def points(self) -> Points:
        """Itself, so that whatever draws or measures positions takes both kinds of clip."""
        return self


Clip = Motion | Points


def stack(clips: Sequence[Motion]) -> Motion:
    """One clip of batch shape (len(clips),) from clips of the same length, rate and skeleton tree."""
    first = clips[0]
    return replace(
        first,
        rotations=torch.stack([clip.rotations for clip in clips]),
        root=torch.stack([clip.root for clip in clips]),
        offsets=None
        if first.offsets is None
        else torch.stack([clip.offsets for clip in clips if clip.offsets is not None]),
    )


def concatenate(first: Motion, second: Motion) -> Motion:
    """`second` after `first` along the time axis; same skeleton tree and rate. Raises UsageError where they differ."""
    if not first.skeleton.same_tree(second.skeleton) or abs(first.fps - second.fps) > 1e-6 * first.fps:
        raise UsageError(
            expected=f"clips of one skeleton and rate ({first.skeleton.name}, {first.fps:g} fps)",
            got=f"{second.skeleton.name}, {second.fps:g} fps",
            cure="Resample or convert one of them first.",
        )
    offsets = None
    if first.offsets is not None and second.offsets is not None:
        offsets = torch.cat((first.offsets, second.offsets), -3)
    return replace(
        first,
        rotations=torch.cat((first.rotations, second.rotations), -4),
        root=torch.cat((first.root, second.root), -2),
        offsets=offsets,
    )


def _plain_slice(frames: slice, count: int) -> slice:
    start, stop, step = frames.indices(count)
    if step != 1 or stop <= start:
        raise UsageError(
            expected="a slice of at least one frame, without a step",
            got=f"[{frames.start}:{frames.stop}:{frames.step}] of {count} frames",
            cure="Change the rate with kinema.motion.edit.resample.",
        )
    return slice(start, stop)


def _check(skeleton: Skeleton, joints: int, frames: int, root_frames: int, fps: float) -> None:
    if joints != len(skeleton) or frames != root_frames or frames < 1:
        raise UsageError(
            expected=f"{len(skeleton)} joints ({skeleton.name}) and as many root positions as frames, at least one",
            got=f"{joints} joints, {frames} frames, {root_frames} root positions",
            cure="Check the shapes of the arrays.",
        )
    if not fps > 0:
        raise UsageError(expected="a positive frame rate", got=f"{fps}", cure="Give fps in frames per second.")
