"""Writing BVH: the way the clip's own file was written where that is known, else the way most programs expect."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from kinema.core.atomic import write_text
from kinema.core.errors import UsageError
from kinema.geometry.rotations import euler_to_rotmat, rotmat_to_euler
from kinema.io.bvh.units import frame_rate
from kinema.motion.bvh_layout import FileLayout
from kinema.motion.motion import Motion
from kinema.motion.names import is_end_point
from kinema.motion.skeleton import Skeleton

_PLACE = ("Xposition", "Yposition", "Zposition")
_TURN = ("Zrotation", "Xrotation", "Yrotation")
_SAME_PLACE = 1e-6  # metres
_SAME_TURN = 1e-4  # the largest difference between two matrices that still count as the same


def save_bvh(motion: Motion, path: Path | str) -> None:
    """Write a clip as BVH, atomically.

    A clip whose `layout` fits its skeleton is written as its file was: names, hierarchy, channel orders, offsets, unit
    and frame time (1/fps where the rate was changed); channels are added only where a joint moves in a way that its
    own cannot say. Without a layout: centimetres, six channels on the root and on joints whose offset is animated,
    three on the others (Z, X, Y), an End Site for every leaf. Angles are unwrapped, so that curves have no jumps of
    360 degrees. Raises UsageError for a clip with batch axes.
    """
    if motion.batch_shape:
        raise UsageError(
            expected="one clip",
            got=f"a batch of shape {tuple(motion.batch_shape)}",
            cure="Save one at a time: clip.one(0).",
        )
    plan = _kept(motion, motion.layout) if _fits(motion.layout, motion.skeleton) else _usual(motion)
    order = _depth_first(motion.skeleton)
    columns = [_column(motion, plan, joint, name) for joint in order for name in plan.channels[joint]]
    rows = np.round(np.stack(columns, -1), 6) + 0.0 if columns else np.zeros((motion.frames, 0))
    line = " ".join(["%.6f"] * rows.shape[1])
    text = ["HIERARCHY", *_hierarchy(motion, plan), "MOTION", f"Frames: {motion.frames}"]
    text += [f"Frame Time: {plan.frame_time}", *(line % tuple(row) for row in rows.tolist())]
    write_text(path, "\n".join(text) + "\n")


@dataclass
class _Plan:
    """How each joint is to be written. `end_sites` have no channels; `capped` leaves get a synthetic End Site."""

    channels: list[tuple[str, ...]]
    end_sites: set[int]
    capped: set[int]
    unit: float
    frame_time: str
    root_offset: tuple[float, float, float]
    angles: dict[int, Float[np.ndarray, "frame 3"]]  # of the joints with rotation channels: degrees


def _fits(layout: FileLayout | None, skeleton: Skeleton) -> bool:
    return layout is not None and layout.joints == skeleton.joints


def _kept(motion: Motion, layout: FileLayout | None) -> _Plan:
    assert layout is not None
    skeleton, channels = motion.skeleton, list(layout.channels)
    ends = {
        joint
        for joint, parent in enumerate(skeleton.parents)
        if parent >= 0 and not channels[joint] and not skeleton.children[joint] and _named_after_parent(skeleton, joint)
    }
    same_rate = math.isclose(frame_rate(layout.frame_time), motion.fps, rel_tol=1e-6)
    time = layout.frame_time if same_rate else _frame_time(motion.fps)
    plan = _Plan(channels, ends, set(), layout.unit, time, layout.root_offset, {})
    for joint in set(range(len(skeleton))) - ends:
        if not _says_place(motion, plan, joint):
            turns = tuple(name for name in channels[joint] if name.endswith("rotation"))
            channels[joint] = (*_PLACE, *turns)
        if not _says_turn(motion, plan, joint):
            channels[joint] = (*(name for name in channels[joint] if name.endswith("position")), *_TURN)
            _says_turn(motion, plan, joint)
    return plan


def _usual(motion: Motion) -> _Plan:
    skeleton = motion.skeleton
    leaves = {joint for joint in range(1, len(skeleton)) if not skeleton.children[joint]}
    ends = {joint for joint in leaves if is_end_point(skeleton.joints[joint])}
    channels: list[tuple[str, ...]] = [() if joint in ends else _TURN for joint in range(len(skeleton))]
    plan = _Plan(channels, ends, leaves - ends, 0.01, _frame_time(motion.fps), (0.0, 0.0, 0.0), {})
    for joint in range(len(skeleton)):
        if joint == 0 or not _says_place(motion, plan, joint):
            channels[joint] = (*_PLACE, *channels[joint])
            plan.end_sites.discard(joint)
        if channels[joint]:
            _says_turn(motion, plan, joint)
    return plan


def _named_after_parent(skeleton: Skeleton, joint: int) -> bool:
    parent = skeleton.joints[skeleton.parents[joint]]
    return re.fullmatch(re.escape(parent) + r"_end\d*", skeleton.joints[joint]) is not None


def _frame_time(fps: float) -> str:
    return f"{1 / fps:.9g}"


def _places(motion: Motion, joint: int) -> Float[np.ndarray, "frame 3"] | None:
    """Where the joint stands in its parent's frame, in metres; None where that never changes."""
    if joint == 0:
        return motion.root.double().numpy()
    return None if motion.offsets is None else motion.offsets[:, joint].double().numpy()


def _rest(motion: Motion, plan: _Plan, joint: int) -> Float[np.ndarray, " 3"]:
    """The OFFSET of a joint in file units: as it was read, not as float32 rounded it (427.239, not 427.23899)."""
    if joint == 0:
        return np.array(plan.root_offset)
    return np.array([float(str(metres)) for metres in motion.skeleton.offsets[joint].numpy()]) / plan.unit


def _says_place(motion: Motion, plan: _Plan, joint: int) -> bool:
    """Whether the axes without a position channel stand still at the OFFSET."""
    places = _places(motion, joint)
    still = [axis for axis, name in enumerate(_PLACE) if name not in plan.channels[joint]]
    if places is None or not still:
        return True
    away = np.abs(places - _rest(motion, plan, joint) * plan.unit)[:, still]
    return bool(away.max() < _SAME_PLACE)


def _says_turn(motion: Motion, plan: _Plan, joint: int) -> bool:
    """Fills the angles of a joint; whether its channels can say its rotations (two channels cannot say them all)."""
    letters = "".join(name[0] for name in plan.channels[joint] if name.endswith("rotation"))
    order = letters + "".join(axis for axis in "XYZ" if axis not in letters)[: 3 - len(letters)]
    rotations = motion.rotations[:, joint].double()
    angles = unwrapped_euler(rotations.numpy(), order)
    angles[:, len(letters) :] = 0
    plan.angles[joint] = np.rad2deg(angles)
    return bool((euler_to_rotmat(torch.from_numpy(angles), order) - rotations).abs().max() < _SAME_TURN)


def unwrapped_euler(rotations: Float[np.ndarray, "frame 3 3"], order: str) -> Float[np.ndarray, "frame 3"]:
    """Euler angles in radians whose curves follow each frame from the one before.

    Every rotation has two triples, (a, b, c) and (a + pi, pi - b, c + pi) (for orders like ZXZ: (a + pi, -b, c + pi)),
    each up to whole turns. The first frame has the middle angle nearest to rest; each later one the triple that is
    nearest to the frame before it.
    """
    angles = rotmat_to_euler(torch.from_numpy(np.ascontiguousarray(rotations)), order).numpy()
    middle = (np.pi - angles[:, 1]) if len(set(order)) == 3 else -angles[:, 1]
    other = np.stack((angles[:, 0] + np.pi, middle, angles[:, 2] + np.pi), -1)
    turn = 2 * np.pi
    # Few frames ever prefer the other triple: unwrap as it is, and go step by step only from where a jump is left.
    smooth = np.unwrap(angles, axis=0)
    jumps = np.flatnonzero(np.abs(np.diff(smooth, axis=0)).max(-1, initial=0) > np.pi / 2)
    for frame in range(int(jumps[0]) + 1 if len(jumps) else len(angles), len(angles)):
        before = smooth[frame - 1]
        pair = np.stack((angles[frame], other[frame]))
        pair += turn * np.round((before - pair) / turn)
        smooth[frame] = pair[np.abs(pair - before).sum(-1).argmin()]
    return smooth


def _column(motion: Motion, plan: _Plan, joint: int, name: str) -> Float[np.ndarray, " frame"]:
    axis = "XYZ".index(name[0])
    if name.endswith("position"):
        places = _places(motion, joint)
        if places is None:
            return np.full(motion.frames, _rest(motion, plan, joint)[axis])
        return places[:, axis] / plan.unit
    turns = [other for other in plan.channels[joint] if other.endswith("rotation")]
    return plan.angles[joint][:, turns.index(name)]


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
