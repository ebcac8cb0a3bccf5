"""`Motion` and `Points`: a clip as joint rotations, and a clip as joint positions.

Both are frozen and carry any leading batch axes, so ten sampled futures are one clip of batch shape (10,). Metres,
seconds, radians; right-handed, y up, facing +z. `Motion -> Points` is forward kinematics and free (`points()`);
`Points -> Motion` is inverse kinematics and is always asked for by name
(`kinema.motion.retargeting.inverse_kinematics`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.kinematics import global_rotations, joint_positions
from kinema.motion.skeleton import Skeleton

_Some = TypeVar("_Some", bound="_Arrays")


@dataclass(frozen=True)
class FileLayout:
    """What a file holds beyond the motion itself.

    `channels[j]` are the joint's channel names in the file's order, empty for an end site; `unit` is the length of one
    file unit in metres (0.01 for centimetres); `frame_time` is the text of the `Frame Time:` line as it stood there;
    `root_offset` the OFFSET of the root, in file units, which a root with position channels does not use; `encoding`
    is that of the names (`kinema.core.text`). `up` is the axis of the file that became y when it was read, and
    `rest_turned` says whether its rest pose was turned with it; a file is written in its own axes again. `source` is
    the path of a glTF file, whose mesh a new animation keeps; it has no channels. `betas` and `gender` are the shape
    of a body of the SMPL family, as its file has them.
    """

    joints: tuple[str, ...]
    channels: tuple[tuple[str, ...], ...]
    unit: float
    frame_time: str
    root_offset: tuple[float, float, float] = (0.0, 0.0, 0.0)
    encoding: str = "utf-8"
    up: str = "y"
    rest_turned: bool = False
    source: str = ""
    betas: tuple[float, ...] = ()
    gender: str = ""


class _Arrays:
    """What `Motion` and `Points` share: arrays with a frame axis, handled together."""

    FRAME_AXES: ClassVar[Mapping[str, int]]
    """Name of each array -> its frame axis, counted from the end; the first one is never None."""
    skeleton: Skeleton
    fps: float
    identity: str

    @property
    def frames(self) -> int:
        """Number of frames."""
        return self._shape[next(iter(self.FRAME_AXES.values()))]

    @property
    def batch_shape(self) -> torch.Size:
        """The leading axes: () for one clip, (10,) for ten."""
        return self._shape[: next(iter(self.FRAME_AXES.values()))]

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the last."""
        return (self.frames - 1) / self.fps

    def map(self: _Some, function: Callable[[Tensor, int], Tensor]) -> _Some:
        """The clip with `function(values, axis)` instead of each array; `axis` is its frame axis, negative."""
        return combine([self], lambda arrays, axis: function(arrays[0], axis))

    def __getitem__(self: _Some, frames: slice | Int[Tensor, "*window frame"]) -> _Some:
        """Some of the frames: a slice without a step (a rate is changed with `edit.resample`), or frame numbers.

        Frame numbers of shape [window, frame] give as many windows, as the last batch axis. Raises UsageError for a
        slice with a step, or without a frame, and for a number.
        """
        if isinstance(frames, int):
            cure = f"Write [{frames}:{frames + 1}] for one frame, or clip.one({frames}) for one clip of a batch."
            raise UsageError(expected="a slice of frames, or a tensor of their numbers", got=f"[{frames}]", cure=cure)
        chosen = _plain_slice(frames, self.frames) if isinstance(frames, slice) else frames
        return self.map(lambda values, axis: values[(..., chosen, *[slice(None)] * (-axis - 1))])

    def one(self: _Some, *index: int) -> _Some:
        """One clip of the batch."""
        return self.map(lambda values, axis: values[index])

    def expand(self: _Some, *batch: int) -> _Some:
        """The clip with these leading axes, without a copy; its own batch shape must broadcast to them."""
        return self.map(lambda values, axis: values.expand(*batch, *values.shape[axis:]))

    def _as_tensors(self) -> None:
        """Arrays of numpy become tensors that share their memory."""
        for name in self.FRAME_AXES:
            if (values := getattr(self, name)) is not None and not isinstance(values, Tensor):
                object.__setattr__(self, name, torch.as_tensor(values))

    def __repr__(self) -> str:
        batch = f", batch {tuple(self.batch_shape)}" if self.batch_shape else ""
        name = f" {self.identity!r}" if self.identity else ""
        body = f"{len(self.skeleton)} joints of {self.skeleton.name}"
        return f"<{type(self).__name__}{name}: {self.frames} frames at {self.fps:g} per second, {body}{batch}>"

    @property
    def _shape(self) -> torch.Size:
        return getattr(self, next(iter(self.FRAME_AXES))).shape


@dataclass(frozen=True, eq=False, repr=False)
class Motion(_Arrays):
    """Local joint rotations and the root trajectory.

    `offsets` is None where bones keep their rest length; a file that animates the position of a joint in its parent's
    frame fills it (metres). `layout` remembers how the file that the clip came from was written, so that it can be
    written back the same way. `identity` names the recording ("cmu/06_07"): it is what leak checks compare.
    Raises UsageError where shapes do not fit the skeleton or `fps` is not positive.
    """

    FRAME_AXES: ClassVar = {"rotations": -4, "root": -2, "offsets": -3}

    skeleton: Skeleton
    rotations: Float[Tensor, "*batch frame joint 3 3"]
    root: Float[Tensor, "*batch frame 3"]
    fps: float
    action: str | None = None
    identity: str = ""
    offsets: Float[Tensor, "*batch frame joint 3"] | None = None
    layout: FileLayout | None = None

    def __post_init__(self) -> None:
        self._as_tensors()
        rotations, root = self.rotations.shape, self.root.shape
        if rotations[-2:] != (3, 3) or len(rotations) < 4 or root[-1:] != (3,) or len(root) != len(rotations) - 2:
            raise UsageError(
                expected="rotation matrices (..., frame, joint, 3, 3) and a root (..., frame, 3)",
                got=f"shapes {tuple(rotations)} and {tuple(root)}",
                cure="Make matrices with kinema.geometry.rotations, which has one function for each kind of rotation.",
            )
        _check(self.skeleton, rotations[-3], rotations[-4], root[-2], self.fps)

    @property
    def bones(self) -> Float[Tensor, "*#b joint 3"]:
        """Where each joint is in its parent's frame, metres: the animated offsets, else those of the rest pose."""
        return (self.skeleton.offsets if self.offsets is None else self.offsets).to(self.root)

    def points(self) -> Points:
        """Joint positions, by forward kinematics."""
        positions = joint_positions(self.rotations, self.root, self.bones, self.skeleton.parents)
        return Points(self.skeleton, positions, self.fps, self.action, self.identity)

    def global_rotations(self) -> Float[Tensor, "*batch frame joint 3 3"]:
        """Every joint's rotation in the world's axes."""
        return global_rotations(self.rotations, self.skeleton.parents)

    def positions_of(self, joints: Sequence[int]) -> Float[Tensor, "*batch frame chosen 3"]:
        """Positions of some of the joints: `points` for what they hang on alone."""
        order = sorted({0}.union(*(self.skeleton.ancestors(joint) for joint in joints)))
        part = {joint: place for place, joint in enumerate(order)}
        parents = [-1, *(part[self.skeleton.parents[joint]] for joint in order[1:])]
        positions = joint_positions(self.rotations[..., order, :, :], self.root, self.bones[..., order, :], parents)
        return positions[..., [part[joint] for joint in joints], :]


@dataclass(frozen=True, eq=False, repr=False)
class Points(_Arrays):
    """Joint positions in metres (`dim` 3), or in the unit of a picture (`dim` 2).

    `confidence` of each position: 0 unknown (the position is then NaN or has no meaning), 1 exact;
    None where every position is known. Raises UsageError where shapes do not fit the skeleton or `fps` is not
    positive.
    """

    FRAME_AXES: ClassVar = {"positions": -3, "confidence": -2}

    skeleton: Skeleton
    positions: Float[Tensor, "*batch frame joint dim"]
    fps: float
    action: str | None = None
    identity: str = ""
    confidence: Float[Tensor, "*batch frame joint"] | None = None

    def __post_init__(self) -> None:
        self._as_tensors()
        if self.positions.ndim < 3:
            raise UsageError(
                expected="positions of shape (..., frame, joint, 3)",
                got=f"shape {tuple(self.positions.shape)}",
                cure="Give rows of one frame as positions.reshape(frames, joints, 3).",
            )
        frames, joints = self.positions.shape[-3], self.positions.shape[-2]
        _check(self.skeleton, joints, frames, frames, self.fps)
        if self.confidence is not None and self.confidence.shape != self.positions.shape[:-1]:
            raise UsageError(
                expected=f"one confidence for each of the positions: shape {tuple(self.positions.shape[:-1])}",
                got=f"shape {tuple(self.confidence.shape)}",
                cure="Give confidence the shape of positions without its last axis.",
            )

    def points(self) -> Points:
        """Itself, so that whatever draws or measures positions takes both kinds of clip."""
        return self


Clip = Motion | Points
AnyClip = TypeVar("AnyClip", Motion, Points, Motion | Points)
"""A clip of either kind that goes in and comes out."""


def combine(clips: Sequence[_Some], function: Callable[[list[Tensor], int], Tensor]) -> _Some:
    """The first clip with `function(arrays, axis)` instead of each array, `arrays` being those of all clips.

    `axis` is the frame axis of these arrays, negative. An array that one of the clips lacks (offsets, confidence) is
    None in the answer.
    """
    first = clips[0]
    found: dict[str, Tensor | None] = {}
    for name, axis in first.FRAME_AXES.items():
        arrays: list[Tensor | None] = [getattr(clip, name) for clip in clips]
        given = [values for values in arrays if values is not None]
        found[name] = function(given, axis) if len(given) == len(clips) else None
    return replace(cast("Any", first), **found)


def stack(clips: Sequence[_Some]) -> _Some:
    """One clip of batch shape (len(clips), ...) from clips of the same shape, rate and skeleton tree."""
    return combine(clips, lambda arrays, axis: torch.stack(arrays))


def concatenate(*clips: _Some) -> _Some:
    """The clips one after the other along the time axis. Raises UsageError where skeleton trees or rates differ."""
    first = clips[0]
    for other in clips[1:]:
        if not first.skeleton.same_tree(other.skeleton) or abs(first.fps - other.fps) > 1e-6 * first.fps:
            raise UsageError(
                expected=f"clips of one skeleton and rate ({first.skeleton.name}, {first.fps:g} fps)",
                got=f"{other.skeleton.name}, {other.fps:g} fps",
                cure="Resample or convert one of them first.",
            )
    return combine(clips, torch.cat)


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
            cure=f"Give arrays of (..., frame, {len(skeleton)}, ...) and a root of (..., frame, 3).",
        )
    if not fps > 0:
        raise UsageError(expected="a positive frame rate", got=f"{fps}", cure="Give fps in frames per second.")
