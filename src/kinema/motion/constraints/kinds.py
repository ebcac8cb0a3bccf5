"""The constraints: what a motion must meet, one frozen dataclass each.

Positions are metres in the world (y up), headings radians about y (0 faces +z), frames count from 0 in the answer. The
same classes serve Python, the command line, JSON files, the studio and the server. They hold plain numbers; this module
imports no torch until a pose is used.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from kinema.core.errors import UsageError, unknown_name
from kinema.motion.names import PARTS

if TYPE_CHECKING:
    from kinema.motion.motion import Motion
    from kinema.motion.skeleton import Skeleton

Triple = tuple[float, float, float]
SAME = 1e-4  # metres within which two demands on one joint agree


@dataclass(frozen=True)
class Pin:
    """A joint at given positions.

    `positions` are one per frame; `rotations`, where given, are global rotations as quaternions xyzw, one per frame.
    `hold` keeps the joint on the line between one frame's position and the next.
    """

    kind: ClassVar[str] = "pin"
    joint: str
    frames: tuple[int, ...]
    positions: tuple[Triple, ...]
    rotations: tuple[tuple[float, float, float, float], ...] | None = None
    hold: bool = False

    def __str__(self) -> str:
        return f"pin of {self.joint} at {_frames(self.frames)}"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError where the joint is unknown or a frame or a number cannot be."""
        skeleton.index(self.joint)
        _check_frames(self, self.frames, frames)
        _check_numbers(self, self.positions, len(self.frames), 3, "--pin r_wrist@40=0.3,1.2,0.5")
        if self.rotations is not None:
            _check_numbers(self, self.rotations, len(self.frames), 4, "--pin r_wrist@40=0.3,1.2,0.5")


@dataclass(frozen=True)
class RootPath:
    """Where the root is on the floor: x and z in metres by frame, and, where given, which way the body faces.

    Without `headings` the body keeps its angle to the direction of travel.
    """

    kind: ClassVar[str] = "root_path"
    frames: tuple[int, ...]
    positions: tuple[tuple[float, float], ...]
    headings: tuple[float, ...] | None = None

    def __str__(self) -> str:
        return f"root path at {_frames(self.frames)}"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError where it has fewer than two points, or a frame or a number cannot be."""
        del skeleton
        _check_frames(self, self.frames, frames)
        _check_numbers(self, self.positions, len(self.frames), 2, '--path "0:0,0 60:1.5,0.2"')
        if len(self.frames) < 2:
            raise UsageError(
                expected="a path of at least two points", got="one", cure='Give two: --path "0:0,0 60:1.5,0.2".'
            )
        if self.headings is not None:
            rows = [(heading,) for heading in self.headings]
            _check_numbers(self, rows, len(self.frames), 1, "headings in radians, one per frame")

    @classmethod
    def along(cls, points: Sequence[tuple[float, float]], speed: float, fps: float) -> RootPath:
        """The path along a line of points (x, z), from frame 0 on, at `speed` metres per second.

        Raises UsageError for fewer than two points and for a speed that is not positive.
        """
        if len(points) < 2 or not speed > 0 or not math.isfinite(speed):
            raise UsageError(
                expected="at least two points (x, z) and a positive speed in metres per second",
                got=f"{len(points)} points, speed {speed:g}",
                cure="Give, for example, [(0, 0), (1.5, 0.2)] and a speed of 1.2.",
            )
        distance = 0.0
        frames, positions = [0], [points[0]]
        for start, end in itertools.pairwise(points):
            distance += math.dist(start, end)
            frame = round(distance / speed * fps)
            if frame > frames[-1]:
                frames.append(frame)
                positions.append(end)
        return cls(tuple(frames), tuple(positions))


@dataclass(frozen=True)
class Plant:
    """A foot ("left" or "right") that stands still from frame `start` to frame `end`, both included.

    `position` is where its ankle stands; by default where the motion has it on average.
    """

    kind: ClassVar[str] = "plant"
    foot: str
    start: int
    end: int
    position: Triple | None = None

    def __str__(self) -> str:
        return f"plant of the {self.foot} foot at frames {self.start} to {self.end}"

    @property
    def joint(self) -> str:
        """The canonical name of its ankle."""
        return f"{self.foot[:1]}_ankle"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError where the foot is unknown or the frames cannot be."""
        if self.foot not in ("left", "right"):
            raise unknown_name("foot", self.foot, ("left", "right"))
        skeleton.index(self.joint)
        _check_frames(self, (self.start, self.end) if self.end > self.start else (self.start,), frames)
        if self.end < self.start:
            raise UsageError(expected=f"{self} to end after it starts", got=f"{self.end}", cure="Exchange the two.")
        if self.position is not None:
            _check_numbers(self, (self.position,), 1, 3, '"position": [0.1, 0.08, 0.4]')


@dataclass(frozen=True)
class Ground:
    """The floor, which no joint goes through: a height in metres, or points (x, z, height) of uneven ground.

    Between points the nearest ones count, by the inverse of their squared distance.
    """

    kind: ClassVar[str] = "ground"
    height: float = 0.0
    points: tuple[Triple, ...] = ()

    def __str__(self) -> str:
        return f"ground of {len(self.points)} points" if self.points else f"ground at {self.height:g} m"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError for numbers that are not finite."""
        del skeleton, frames
        _check_numbers(self, ((self.height,),), 1, 1, "--ground 0")
        _check_numbers(self, self.points, len(self.points), 3, '"points": [[0, 0, 0.1], [1, 0, 0.2]]')


@dataclass(frozen=True)
class Loop:
    """The last frame continues into the first: the same pose, height and velocity, moved on by one cycle.

    `in_place` takes the travel out: every cycle starts where the one before it did.
    """

    kind: ClassVar[str] = "loop"
    in_place: bool = False

    def __str__(self) -> str:
        return "loop in place" if self.in_place else "loop"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError for a clip of fewer than eight frames."""
        del skeleton
        if frames < 8:
            raise UsageError(
                expected="a loop of at least 8 frames", got=f"{frames}", cure="Ask for a longer motion: --seconds 2."
            )


@dataclass(frozen=True, eq=False)
class Pose:
    """A pose at a frame: that of the first frame of `pose`, a clip on any skeleton with canonical names.

    `joints` names the joints or parts (`names.PARTS`: left_arm ...) that count (a partial pose); None is all. With
    `root` the pelvis also stands where the pose has it; without, only the pose counts and the answer keeps its own
    place and heading.
    """

    kind: ClassVar[str] = "pose"
    frame: int
    pose: Motion
    joints: tuple[str, ...] | None = None
    root: bool = False

    def __str__(self) -> str:
        return f"pose at frame {self.frame}"

    def check(self, skeleton: Skeleton, frames: int) -> None:
        """Raises UsageError where a joint is unknown or the frame is outside the clip."""
        _check_frames(self, (self.frame,), frames)
        for name in self.joints or ():
            if not _named(name, skeleton):
                raise unknown_name("joint or part", name, [*skeleton.joints, *skeleton.aliases, *PARTS])

    def indices(self, skeleton: Skeleton) -> list[int]:
        """The joints that count."""
        if self.joints is None:
            return list(range(len(skeleton)))
        return skeleton.indices([joint for name in self.joints for joint in _named(name, skeleton)])


Constraint = Pin | RootPath | Plant | Ground | Loop | Pose
KINDS: dict[str, type[Constraint]] = {
    "pin": Pin, "root_path": RootPath, "plant": Plant, "ground": Ground, "loop": Loop, "pose": Pose,
}  # fmt: skip


def check(constraints: Sequence[Constraint], skeleton: Skeleton, frames: int) -> None:
    """Raises UsageError where a constraint cannot be, or where two of them contradict each other (both are named)."""
    demands: dict[tuple[int, int], tuple[Constraint, Triple]] = {}
    single: dict[str, Constraint] = {}
    for each in constraints:
        each.check(skeleton, frames)
        if each.kind in ("root_path", "loop", "ground"):
            if each.kind in single:
                raise _contradiction(single[each.kind], each)
            single[each.kind] = each
        if isinstance(each, Pin):
            joint = skeleton.index(each.joint)
            for frame, position in zip(each.frames, each.positions, strict=True):
                other, there = demands.setdefault((joint, frame), (each, position))
                if math.dist(there, position) > SAME:
                    raise _contradiction(other, each)


def _named(name: str, skeleton: Skeleton) -> tuple[str, ...]:
    """A joint by its name, or the joints of a part that the skeleton has."""
    every = {*skeleton.joints, *skeleton.aliases}
    return (name,) if name in every else tuple(joint for joint in PARTS.get(name, ()) if joint in every)


def _contradiction(first: Constraint, second: Constraint) -> UsageError:
    return UsageError(
        expected=f"constraints that can hold together ({first})",
        got=f"another demand on the same joint and frame ({second})",
        cure="Leave one of the two out.",
    )


def _frames(frames: Sequence[int]) -> str:
    if len(frames) == 1:
        return f"frame {frames[0]}"
    return f"{len(frames)} frames from {min(frames)} to {max(frames)}" if frames else "no frames"


def _check_frames(constraint: Constraint, given: Sequence[int], frames: int) -> None:
    rising = all(first < second for first, second in itertools.pairwise(given))
    if not given or not rising or given[0] < 0 or given[-1] >= frames:
        raise UsageError(
            expected=f"frames of the clip (0 to {frames - 1}) in rising order, at least one",
            got=f"{constraint}",
            cure=f"Choose frames between 0 and {frames - 1}, or ask for a longer motion.",
        )


def _check_numbers(
    constraint: Constraint, rows: Sequence[Sequence[float]], count: int, width: int, example: str
) -> None:
    for row in rows:
        if len(row) != width or not all(math.isfinite(number) for number in row):
            raise UsageError(
                expected=f"{width} finite number{'s' if width > 1 else ''} for every point of the {constraint}",
                got=", ".join(f"{number:g}" for number in row) or "none",
                cure=f"Write {example}.",
            )
    if len(rows) != count:
        raise UsageError(
            expected=f"{count} rows of numbers, one per frame, for the {constraint}",
            got=str(len(rows)),
            cure=f"Write {example}.",
        )
