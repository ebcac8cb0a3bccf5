"""Write BVH: as the clip's own file was written where that is known, else as most programs expect."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.atomic import atomic_path
from kinema.core.errors import KinemaError
from kinema.core.progress import pieces
from kinema.core.text import encode
from kinema.geometry.kinematics import joint_positions
from kinema.geometry.rotations import euler_to_rotmat, rotmat_to_euler, rotmat_to_quat_xyzw
from kinema.io.bvh.parser import parse_bvh
from kinema.io.conventions import check_one, frame_rate
from kinema.motion.interpolation.curves import continuous
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.names import is_end_point
from kinema.motion.orientation import body_height, from_up
from kinema.motion.skeleton import Skeleton

_POSITION = ("Xposition", "Yposition", "Zposition")
_ROTATION = ("Zrotation", "Xrotation", "Yrotation")
_PIECE = 512  # frames written together: what they need stays in the cache
_SAME_PLACE = 1e-6  # metres
_TOLERANCE = 1e-4  # of the body's height: further from the motion no joint of a written file may be
_SAME_TURN = 1e-4  # the largest difference between two matrices that still count as the same


def save_bvh(motion: Motion, path: Path | str) -> None:
    """Write a clip as BVH, atomically and piece by piece.

    A clip whose `layout` fits its skeleton is written as its file was: names, hierarchy, channel orders, offsets, unit
    and frame time (1/fps where the rate was changed); channels are added only where a joint moves in a way that its
    own cannot say. Without a layout: centimetres, six channels on the root and on joints whose offset is animated,
    three on the others (Z, X, Y), an End Site for every leaf. Angles are unwrapped, so that curves have no jumps of
    360 degrees. What is written is read back before the file is kept. Raises UsageError for a clip with batch axes,
    KinemaError where a joint would not be where the motion has it (to 1e-4 of the body's height).
    """
    check_one(motion)
    layout = motion.layout if motion.layout and motion.layout.channels else None
    layout = layout if layout and layout.joints == motion.skeleton.joints else None
    if layout is not None and layout.up != "y":
        motion = from_up(motion, layout.up, rest=layout.rest_turned)
    plan = _usual(motion) if layout is None else _kept(motion, layout)
    text = ["HIERARCHY", *_hierarchy(motion, plan), "MOTION", f"Frames: {motion.frames}"]
    head = "\n".join([*text, f"Frame Time: {plan.frame_time}"]) + "\n"
    rows, check = _Rows(motion, plan), _Check(motion, plan, head.encode())
    with atomic_path(path) as beside, beside.open("wb") as file:
        file.write(encode(head, plan.encoding))
        for span in pieces(motion.frames, _PIECE, "write"):
            block = decimal_lines(rows.of(span))
            check.block(block, span, Path(path).name)
            file.write(encode(block.decode(), plan.encoding, first=False) if plan.encoding[:6] == "utf-16" else block)


class _Check:
    """Reads back what is written, and compares where the joints are with the motion, frame by frame."""

    def __init__(self, motion: Motion, plan: _Plan, head: bytes) -> None:
        self._motion, self._unit, self._head = motion, plan.unit, head
        self._size = max(body_height(motion), _SAME_PLACE)
        self._joints: list[tuple[int, int]] = []  # of the motion, and of the file
        here = 0
        for joint in _depth_first(motion.skeleton):
            self._joints.append((joint, here))
            here += 2 if joint in plan.capped else 1

    def block(self, rows: bytes, span: slice, name: str) -> None:
        """Raises KinemaError where these rows are not these frames of the motion."""
        from kinema.io.bvh.load import channel_positions, joint_rotations

        text = parse_bvh(self._head + rows, name)
        places = channel_positions(text)
        offsets = np.tile(np.array(text.offsets), (len(text.values), 1, 1))
        for joint, values in places.items():
            offsets[:, joint] = values
        root, rotations = torch.from_numpy(places[0]), joint_rotations(text).double()
        found = joint_positions(rotations, root, torch.from_numpy(offsets), text.parents) * self._unit
        own, there = zip(*self._joints, strict=True)
        clip = self._motion[span]
        own_bones, parents = clip.bones.double(), clip.skeleton.parents
        positions = joint_positions(clip.rotations.double(), clip.root.double(), own_bones, parents)
        away = (found[:, list(there)] - positions[:, list(own)]).norm(dim=-1)
        if away.shape[0] != span.stop - span.start or not bool((away < _TOLERANCE * self._size).all()):
            frame, joint = divmod(int(away.nan_to_num(math.inf).argmax()), len(own))
            raise KinemaError(
                expected=f"to read from {name} the motion that was written",
                got=f"'{self._motion.skeleton.joints[own[joint]]}' {float(away[frame, joint]):.3g} m away in frame "
                f"{span.start + frame}",
                cure="Write it as .npz or .glb, which keep rotations as they are.",
            )


@dataclass
class _Plan:
    """How each joint is to be written. `end_sites` have no channels; `capped` leaves get a synthetic End Site."""

    channels: list[tuple[str, ...]]
    end_sites: set[int]
    capped: set[int]
    unit: float
    frame_time: str
    root_offset: tuple[float, float, float]
    encoding: str = "utf-8"


def _kept(motion: Motion, layout: FileLayout) -> _Plan:
    skeleton, channels = motion.skeleton, list(layout.channels)
    ends = {
        joint
        for joint, parent in enumerate(skeleton.parents)
        if parent >= 0
        and not (channels[joint] or skeleton.children[joint])
        and re.fullmatch(re.escape(skeleton.joints[parent]) + r"_end\d*", skeleton.joints[joint])
    }
    same_rate = math.isclose(frame_rate(layout.frame_time), motion.fps, rel_tol=1e-6)
    time = layout.frame_time if same_rate else f"{1 / motion.fps:.9g}"
    plan = _Plan(channels, ends, set(), layout.unit, time, layout.root_offset, layout.encoding)
    for joint in set(range(len(skeleton))) - ends:
        if not _covers_position(motion, plan, joint):
            turns = tuple(name for name in channels[joint] if name.endswith("rotation"))
            channels[joint] = (*_POSITION, *turns)
        if not _covers_rotation(motion, plan, joint):
            channels[joint] = (*(name for name in channels[joint] if name.endswith("position")), *_ROTATION)
    return plan


def _usual(motion: Motion) -> _Plan:
    skeleton = motion.skeleton
    leaves = {joint for joint in range(1, len(skeleton)) if not skeleton.children[joint]}
    ends = {joint for joint in leaves if is_end_point(skeleton.joints[joint])}
    channels: list[tuple[str, ...]] = [() if joint in ends else _ROTATION for joint in range(len(skeleton))]
    plan = _Plan(channels, ends, leaves - ends, 0.01, f"{1 / motion.fps:.9g}", (0.0, 0.0, 0.0))
    for joint in range(len(skeleton)):
        if joint == 0 or not _covers_position(motion, plan, joint):
            channels[joint] = (*_POSITION, *channels[joint])
            plan.end_sites.discard(joint)
    return plan


def _rest(motion: Motion, plan: _Plan, joint: int) -> Float[np.ndarray, " 3"]:
    """The OFFSET of a joint in file units: as it was read, not as float32 rounded it (427.239, not 427.23899)."""
    if joint == 0:
        return np.array(plan.root_offset)
    return np.array([float(str(metres)) for metres in motion.skeleton.offsets[joint].numpy()]) / plan.unit


def _covers_position(motion: Motion, plan: _Plan, joint: int) -> bool:
    """Whether the axes without a position channel stand still at the OFFSET."""
    positions = motion.root if joint == 0 else None if motion.offsets is None else motion.offsets[:, joint]
    still = [axis for axis, name in enumerate(_POSITION) if name not in plan.channels[joint]]
    if positions is None or not still:
        return True
    away = np.abs(positions.double().numpy() - _rest(motion, plan, joint) * plan.unit)[:, still]
    return bool(away.max() < _SAME_PLACE)


def _covers_rotation(motion: Motion, plan: _Plan, joint: int) -> bool:
    """Whether the channels of a joint can say its rotations: three can say them all, fewer not always."""
    letters = _letters(plan, joint)
    if len(letters) > 2:
        return True
    order, unwrapped = _padded(letters), UnwrappedEuler(_padded(letters))
    for span in pieces(motion.frames, _PIECE):
        rotations = motion.rotations[span, [joint]].double()
        angles = unwrapped.after(rotations.numpy())
        angles[..., len(letters) :] = 0
        if not bool((euler_to_rotmat(torch.from_numpy(angles), order) - rotations).abs().max() < _SAME_TURN):
            return False
    return True


def _letters(plan: _Plan, joint: int) -> str:
    return "".join(name[0] for name in plan.channels[joint] if name.endswith("rotation"))


def _padded(letters: str) -> str:
    """An order of three letters: those that are missing have an angle of zero, wherever they stand."""
    return letters + "".join(axis for axis in "XYZ" if axis not in letters)[: 3 - len(letters)]


class UnwrappedEuler:
    """Euler angles in radians whose curves follow each frame from the one before; of many joints, piece by piece.

    Every rotation has two triples, (a, b, c) and (a + pi, pi - b, c + pi) (for orders like ZXZ: (a + pi, -b, c + pi)),
    each up to whole turns. The first frame has the middle angle nearest to rest. The curve goes on with that triple
    until it jumps by more than a quarter turn, and from there on with the triple nearest to the frame before.
    """

    def __init__(self, order: str) -> None:
        self.order = order
        self._proper = len(set(order)) < 3
        self._last: NDArray[np.float64] | None = None  # both triples of the last frame [2, joint, 3]
        self._turns: NDArray[np.float64] = np.zeros(0)  # whole turns added to that frame [joint, 3]
        self._other: NDArray[np.bool_] = np.zeros(0, bool)  # whether it has the second triple [joint]
        self._jumped: NDArray[np.bool_] = np.zeros(0, bool)

    def after(self, rotations: Float[np.ndarray, "frame joint 3 3"]) -> Float[np.ndarray, "frame joint 3"]:
        """The angles of the frames that follow those of the calls before."""
        angles = rotmat_to_euler(torch.from_numpy(np.ascontiguousarray(rotations)), self.order).numpy()
        flipped = -angles[..., 1] if self._proper else np.pi - angles[..., 1]
        both = np.stack((angles, np.stack((angles[..., 0] + np.pi, flipped, angles[..., 2] + np.pi), -1)), 1)
        last = both[0] if self._last is None else self._last
        if self._last is None:
            self._turns = np.zeros(angles.shape[1:])
            self._other = self._jumped = np.zeros(angles.shape[1], bool)
        before = np.concatenate((last[None], both[:-1]))
        other = self._choice(both, before)
        chosen = np.where(other[..., None], both[:, 1], both[:, 0])
        start = np.where(self._other[:, None], last[1], last[0])
        turns = self._turns + np.cumsum(-_whole_turns(np.diff(chosen, axis=0, prepend=start[None])), 0)
        self._last, self._turns, self._other = both[-1], turns[-1], other[-1]
        return chosen + 2 * np.pi * turns

    def _choice(self, both: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which frames have the second triple [frame, joint]."""
        steps = both[:, 0] - before[:, 0]
        jumps = (np.abs(steps - 2 * np.pi * _whole_turns(steps)) > np.pi / 2).any(-1)
        jumped = np.logical_or.accumulate(np.concatenate((self._jumped[None], jumps)))[1:]
        self._jumped = jumped[-1]
        if not bool(jumped.any()):
            return np.broadcast_to(self._other, jumped.shape)
        to = [[_distance(both[:, new], before[:, old]) for new in (0, 1)] for old in (0, 1)]
        # The triple that follows the first one, and that which follows the second; before a jump each follows itself.
        first, second = jumped & (to[0][1] < to[0][0]), ~jumped | (to[1][1] < to[1][0])
        # Where both lead to the same, it is that; between such frames the triples change places now and then.
        row = np.arange(len(jumped))[:, None]
        settled = np.maximum.accumulate(np.where(first == second, row, -1))
        changes = np.cumsum(first & ~second, 0)
        column = np.arange(jumped.shape[1])
        base = np.where(settled < 0, self._other, first[settled, column])
        since = changes - np.where(settled < 0, 0, changes[settled, column])
        return base ^ (since % 2 == 1)


class _Quaternions:
    """Quaternions in the order of a file's letters (WXYZ ...), each that sign which is nearer to the frame before."""

    def __init__(self, letters: str) -> None:
        self._order = ["XYZW".index(letter) for letter in letters]
        self._last: Float[Tensor, "1 joint 4"] | None = None

    def after(self, rotations: Float[np.ndarray, "frame joint 3 3"]) -> Float[np.ndarray, "frame joint 4"]:
        """Those of the frames that follow those of the calls before."""
        quats = rotmat_to_quat_xyzw(torch.from_numpy(np.ascontiguousarray(rotations)))
        quats = continuous(quats if self._last is None else torch.cat((self._last, quats)))[-len(quats) :]
        self._last = quats[-1:]
        return quats[..., self._order].numpy()


def _whole_turns(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.rint(angle / (2 * np.pi))


def _distance(angles: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    apart = angles - others
    return np.abs(apart - 2 * np.pi * _whole_turns(apart)).sum(-1)


class _Rows:
    """The channels of all joints, frame by frame, in the order of the file; asked for one piece after the other."""

    def __init__(self, motion: Motion, plan: _Plan) -> None:
        self._motion, self._unit = motion, plan.unit
        self._still: list[tuple[int, float]] = []  # column and value
        self._moving: list[tuple[int, int, int]] = []  # column, joint and axis of places
        rotating: dict[str, list[tuple[int, list[int]]]] = {}  # by order: joints and their columns
        self.width = 0
        for joint in _depth_first(motion.skeleton):
            columns: list[int] = []
            for name in plan.channels[joint]:
                axis = "XYZ".find(name[0])
                if name.endswith("rotation"):
                    columns.append(self.width)
                elif joint == 0 or motion.offsets is not None:
                    self._moving.append((self.width, joint, axis))
                else:
                    self._still.append((self.width, float(_rest(motion, plan, joint)[axis])))
                self.width += 1
            if columns:
                rotating.setdefault(_letters(plan, joint), []).append((joint, columns))
        self._rotating = [
            (
                _Quaternions(letters) if len(letters) == 4 else UnwrappedEuler(_padded(letters)),
                [joint for joint, _ in some],
                [columns for _, columns in some],
            )
            for letters, some in rotating.items()
        ]

    def of(self, span: slice) -> Float[np.ndarray, "frame column"]:
        """The rows of some frames: those after the last call's."""
        motion = self._motion
        rows = np.empty((span.stop - span.start, self.width))
        for column, value in self._still:
            rows[:, column] = value
        for column, joint, axis in self._moving:
            positions = motion.root if joint == 0 or motion.offsets is None else motion.offsets[:, joint]
            rows[:, column] = positions[span, axis].double().numpy() / self._unit
        for form, joints, columns in self._rotating:
            numbers = form.after(motion.rotations[span, joints].double().numpy())
            rows[:, columns] = numbers if len(columns[0]) == 4 else np.rad2deg(numbers[..., : len(columns[0])])
        return rows


def _depth_first(skeleton: Skeleton) -> list[int]:
    order, waiting = [], [0]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        waiting.extend(reversed(skeleton.children[joint]))
    return order


def _hierarchy(motion: Motion, plan: _Plan) -> list[str]:
    """The lines of the header, without recursion: a body may be a long chain."""
    skeleton, lines = motion.skeleton, list[str]()
    waiting: list[tuple[int, int]] = [(0, 0)]  # (joint, depth); ~joint closes its brace
    while waiting:
        joint, depth = waiting.pop()
        tab = "\t" * depth
        if joint < 0:
            lines.append(tab + "}")
            continue
        rest = _rest(motion, plan, joint)
        kind = "ROOT" if joint == 0 else "JOINT"
        head = "End Site" if joint in plan.end_sites else f"{kind} {skeleton.joints[joint]}"
        lines += [tab + head, tab + "{", f"{tab}\tOFFSET {' '.join(_plain(float(x)) for x in rest)}"]
        if joint not in plan.end_sites:
            names = plan.channels[joint]
            lines.append(" ".join((f"{tab}\tCHANNELS {len(names)}", *names)))
        if joint in plan.capped:
            lines += [f"{tab}\tEnd Site", f"{tab}\t{{", f"{tab}\t\tOFFSET 0 0 0", f"{tab}\t}}"]
        waiting.append((~joint, depth))
        waiting.extend((child, depth + 1) for child in reversed(skeleton.children[joint]))
    return lines


def _plain(value: float) -> str:
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")


# Numbers as text, six digits after the point: the bytes of "%.6f", several times as fast. A number is rounded to whole
# millionths, and these are looked up three digits at a time: four bytes each, of which the zero bytes are dropped.
_MILLION = 10**6
_LARGEST = 2.0**30  # whole millionths of larger numbers are not exact in float64, and their digits are not written here
_SIGNS = (b"\0", b"-")
_SEPARATORS = (b" ", b"\n")


def _words(before: tuple[bytes, ...], digits: list[bytes], after: tuple[bytes, ...] = (b"",)) -> NDArray[np.uint32]:
    """One four-byte word for each of `before`, `after` and `digits`, the last varying fastest."""
    return np.frombuffer(b"".join(a + number + b for a in before for b in after for number in digits), np.uint32)


_FULL = [b"%03d" % number for number in range(1000)]
_BARE = [(b"%d" % number).rjust(3, b"\0") for number in range(1000)]  # no zeros in front
_LEADING = [b"\0\0\0", *_BARE[1:]]  # and nothing at all for zero, where more digits follow
_UNITS = _words(_SIGNS, _BARE)
_FIRST = _words(_SIGNS, _LEADING)
_INNER = _words((b"\0",), [*_LEADING, *_FULL])  # then, from 1000 on, with zeros: there were digits before
_LAST = _words((b"\0",), [*_BARE, *_FULL])
_POINT = _words((b".",), _FULL)
_END = _words((b"",), _FULL, _SEPARATORS)


def decimal_lines(rows: Float[np.ndarray, "row column"]) -> bytes:
    """The rows as lines of numbers with a space between them; every line ends. Minus zero is written as 0."""
    if not rows.size:
        return b"\n" * len(rows)
    if not bool((np.abs(rows) < _LARGEST).all()):  # too large, or not a number
        line = " ".join(["%.6f"] * rows.shape[1]) + "\n"
        return "".join([line % tuple(row) for row in (np.round(rows, 6) + 0.0).tolist()]).encode()
    millionths = np.rint(rows * _MILLION).astype(np.int64)
    negative = (millionths < 0).astype(np.uint32) * np.uint32(1000)
    whole, rest = np.divmod(np.abs(millionths).astype(np.uint64), np.uint64(_MILLION))
    whole, rest = whole.astype(np.uint32), rest.astype(np.uint32)
    high = rest // np.uint32(1000)
    low = rest - high * np.uint32(1000)
    low[:, -1] += np.uint32(1000)
    words = [_POINT[high], _END[low]]
    if bool((whole < 1000).all()):
        words.insert(0, _UNITS[whole + negative])
    else:
        groups = [whole // np.uint32(1000**power) % np.uint32(1000) for power in (3, 2, 1, 0)]
        some = [(whole >= 1000**power).astype(np.uint32) * np.uint32(1000) for power in (3, 2, 1)]
        inner = [_INNER[groups[1] + some[0]], _INNER[groups[2] + some[1]]]
        words = [_FIRST[groups[0] + negative], *inner, _LAST[groups[3] + some[2]], *words]
    return np.stack(words, -1).tobytes().translate(None, b"\0")
