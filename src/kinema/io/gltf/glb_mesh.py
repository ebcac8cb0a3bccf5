"""The visible body of a GLB: a capsule for every bone, as thick as that part of a person is.

A capsule follows the joint at its head and does not bend; its round ends close the gap that a bent elbow would leave.
Only a bone that changes its length follows two joints: its far end goes with the joint there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from kinema.motion.motion import Motion
from kinema.motion.names import side_and_stem
from kinema.motion.skeleton import Skeleton, has_joint

SIDES = ("", "l", "r")
"""The middle, the body's left, its right: each is a part of its own, so that it can have its own colour."""

_FAR = 0.1  # metres: a joint whose offset wanders further is carried, not held by a bone
_STRETCH = 1e-3  # metres: a bone whose length changes by less is as good as stiff
_CORNERS, _RINGS = 10, 3  # about a capsule, and in each of its ends
# Radius at each joint in metres for a body of 1.7 m, by canonical name; the limbs' for both sides.
_RADII = {
    "pelvis": 0.105, "spine": 0.1, "chest": 0.11, "neck": 0.052, "head": 0.08, "head_end": 0.07, "hip": 0.08,
    "knee": 0.055, "ankle": 0.038, "toe": 0.028, "shoulder": 0.05, "elbow": 0.038, "wrist": 0.027, "hand_end": 0.018,
}  # fmt: skip
_LEGS = ("l_knee", "l_ankle", "r_knee", "r_ankle")
_USUAL_LEGS, _USUAL_HEIGHT = 1.64, 2.46  # metres: both legs, and `Skeleton.height`, of that body
_TAPER = 0.94  # the far end of a capsule hides in the next one
_THIN = 0.14  # radius of a bone that no name tells about, as a share of its length


@dataclass(frozen=True)
class MeshPart:
    """Triangles of one side of the body in its rest pose, and the joint that each vertex follows."""

    side: str
    places: Float[np.ndarray, "vertex 3"]
    normals: Float[np.ndarray, "vertex 3"]
    owners: Int[np.ndarray, " vertex"]
    faces: Int[np.ndarray, "face 3"]


def body_parts(motion: Motion, rest: Float[np.ndarray, "joint 3"]) -> list[MeshPart]:
    """The body of a clip around joints that stand at `rest` (metres); sides without bones are left out."""
    bones = _held(motion)
    radii = _radii(motion.skeleton)
    stretched = _wander(motion) > _STRETCH
    parts: list[MeshPart] = []
    for side in SIDES:
        capsules: list[MeshPart] = []
        for parent, joint in bones:
            if _side(motion.skeleton, parent) == side:
                ends = radii[parent], _TAPER * radii[joint]
                owners = parent, joint if stretched[joint] else parent
                capsules.append(_capsule(side, rest[parent], rest[joint], ends, owners))
        if capsules:
            parts.append(_joined(side, capsules))
    return parts


def _held(motion: Motion) -> list[tuple[int, int]]:
    """The bones worth showing; a body without any is a ball at its root."""
    far = _wander(motion) > _FAR
    return [(parent, joint) for parent, joint in motion.skeleton.bones if not far[joint]] or [(0, 0)]


def _wander(motion: Motion) -> Float[np.ndarray, " joint"]:
    """How far the offset of each joint leaves its rest, in metres."""
    if motion.offsets is None:
        return np.zeros(len(motion.skeleton))
    return (motion.offsets - motion.skeleton.offsets).abs().amax((0, 2)).numpy()


def _side(skeleton: Skeleton, joint: int) -> str:
    return side_and_stem(skeleton.joints[joint])[0] if skeleton.mirror[joint] != joint else ""


def _radii(skeleton: Skeleton) -> list[float]:
    """The radius at every joint: by its name, else between the named joints above and below it, else ever thinner."""
    scale = _scale(skeleton)
    known: dict[int, float] = {}
    for canon, name in skeleton.aliases.items():
        part = canon[2:] if canon[1:2] == "_" else canon
        if part in _RADII:
            known.setdefault(skeleton.joints.index(name), _RADII[part] * scale)
    below = dict(known)
    for joint in reversed(range(1, len(skeleton))):
        if joint in below:
            below.setdefault(skeleton.parents[joint], below[joint])
    radii: list[float] = []
    for joint, parent in enumerate(skeleton.parents):
        if joint in known:
            radii.append(known[joint])
        elif joint in below:
            radii.append((below[joint] + radii[parent]) / 2 if parent >= 0 else below[joint])
        else:
            thin = _THIN * float(skeleton.bone_lengths[joint]) if parent >= 0 else 0.03 * scale
            radii.append(max(min(thin, 0.8 * radii[parent] if known else thin), 0.004 * scale) if parent >= 0 else thin)
    return radii


def _scale(skeleton: Skeleton) -> float:
    """How large a body is against the one of `_RADII`: by its legs, else by its longest way along the bones."""
    legs = [skeleton.bone_lengths[skeleton.index(name)] for name in _LEGS if has_joint(skeleton, name)]
    return float(sum(legs)) / _USUAL_LEGS if len(legs) == len(_LEGS) else skeleton.height / _USUAL_HEIGHT


def _capsule(
    side: str,
    head: Float[np.ndarray, " 3"],
    tip: Float[np.ndarray, " 3"],
    radii: tuple[float, float],
    owners: tuple[int, int],
) -> MeshPart:
    """Two half balls and the cone between them; the wider end is made no wider than the bone is long."""
    along = tip - head
    length = float(np.linalg.norm(along))
    axis = along / length if length > 0 else np.array([0.0, 1.0, 0.0])
    side_way = np.cross(axis, (1.0, 0, 0) if abs(axis[0]) < 0.9 else (0, 1.0, 0))
    side_way /= np.linalg.norm(side_way)
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)[:, None]
    around = np.cos(turn) * side_way + np.sin(turn) * np.cross(axis, side_way)
    start, end = (min(radius, min(radii) + length) for radius in radii)
    lift = np.linspace(0, np.pi / 2, _RINGS + 1)[:-1]
    normals = np.concatenate(
        (
            -axis[None],
            *(np.cos(rise) * around - np.sin(rise) * axis for rise in lift[::-1]),
            *(np.cos(rise) * around + np.sin(rise) * axis for rise in lift),
            axis[None],
        )
    )
    half = len(normals) // 2
    places = np.concatenate((head + start * normals[:half], tip + end * normals[half:]))
    return MeshPart(side, places, normals, np.repeat(owners, half), _FACES)


def _faces() -> Int[np.ndarray, "face 3"]:
    """Rings of corners from pole to pole, counter-clockwise seen from outside."""
    here = np.arange(_CORNERS)
    there = (here + 1) % _CORNERS
    last = 2 * _RINGS * _CORNERS + 1
    faces = [np.stack((0 * here, there + 1, here + 1), -1)]
    for ring in range(2 * _RINGS - 1):
        low, high = 1 + ring * _CORNERS, 1 + (ring + 1) * _CORNERS
        faces.append(np.stack((low + here, low + there, high + there), -1))
        faces.append(np.stack((low + here, high + there, high + here), -1))
    top = last - _CORNERS
    faces.append(np.stack((top + here, top + there, 0 * here + last), -1))
    return np.concatenate(faces)


_FACES = _faces()


def _joined(side: str, parts: list[MeshPart]) -> MeshPart:
    starts = np.cumsum([0, *(len(part.places) for part in parts[:-1])])
    return MeshPart(
        side,
        np.concatenate([part.places for part in parts]),
        np.concatenate([part.normals for part in parts]),
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)]),
    )
