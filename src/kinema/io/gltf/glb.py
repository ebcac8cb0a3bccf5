"""Binary glTF (GLB): an animated, skinned body that Blender, Unity, Unreal and web viewers open.

One node per joint, at its rest offset and unturned; rotations (quaternions xyzw) and the path of the root as animation
channels, key times in seconds; a capsule per bone as the visible skin (`glb_body`). Metres, y up, right-handed, as glTF
wants.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray

from kinema.core.atomic import atomic_path
from kinema.core.constants import VERSION
from kinema.core.progress import pieces
from kinema.geometry.rotations import rotmat_to_quat_xyzw
from kinema.io.conventions import check_one
from kinema.io.gltf.load import Curves, Numbers, glb_parts, save_into
from kinema.motion.interpolation.curves import continuous
from kinema.motion.motion import Motion
from kinema.motion.names import side_and_stem
from kinema.motion.skeleton import Skeleton, has_joint

_PIECE = 4096  # frames turned into quaternions together
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


def save(motion: Motion, path: Path | str) -> None:
    """Write a clip as GLB, atomically. The rest pose stands with its lowest joint on the ground.

    A clip on the skeleton of a glTF file goes into a copy of that file, with its mesh (`kinema.io.gltf.load`).

    The frame rate is in `animations[0].extras.fps`; programs that play at a rate of their own (Blender: 24) need to be
    told. Raises UsageError for a clip with batch axes.
    """
    check_one(motion)
    if motion.layout is not None and motion.layout.source and motion.layout.joints == motion.skeleton.joints:
        save_into(motion, Path(path))
        return
    document, arrays = _document(motion)
    with atomic_path(path) as beside, beside.open("wb") as file:
        for part in glb_parts(document, [array.data.cast("B") for array in arrays]):
            file.write(part)


def _document(motion: Motion) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    skeleton, document = motion.skeleton, dict[str, Any]()
    buffer = Numbers(document, 0)
    rest = _rest_places(skeleton)
    parts = body_parts(motion, rest)
    joints = list(range(len(skeleton)))
    local = [rest[0], *(skeleton.offsets[joint].numpy() for joint in joints[1:])]
    nodes: list[dict[str, Any]] = []
    for joint, name in enumerate(skeleton.joints):
        node: dict[str, Any] = {"name": name, "translation": [float(x) for x in local[joint]]}
        if skeleton.children[joint]:
            node["children"] = list(skeleton.children[joint])
        nodes.append(node)
    nodes.append({"name": f"{skeleton.name} body", "mesh": 0, "skin": 0})
    inverse = np.tile(np.eye(4, dtype=np.float32), (len(skeleton), 1, 1))
    inverse[:, 3, :3] = -rest  # column-major: the last row holds the translation
    document |= {
        "asset": {"version": "2.0", "generator": f"kinema {VERSION}", "extras": {"fps": motion.fps}},
        "scene": 0,
        "scenes": [{"nodes": [0, len(skeleton)]}],
        "nodes": nodes,
        "meshes": [{"name": "body", "primitives": [_primitive(i, part, buffer) for i, part in enumerate(parts)]}],
        "materials": [_MATERIALS[part.side] for part in parts],
        "skins": [{"joints": joints, "skeleton": 0, "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16))}],
        "animations": [_animation(motion, buffer)],
    }
    document["buffers"] = [{"byteLength": buffer.size}]
    return document, buffer.arrays


def _material(name: str, *colour: float) -> dict[str, Any]:
    surface = {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
    return {"name": name, "pbrMetallicRoughness": surface}


_MATERIALS = {
    "": _material("middle", 0.45, 0.47, 0.5),
    "l": _material("left", 0.1, 0.33, 0.75),
    "r": _material("right", 0.8, 0.27, 0.08),
}


def _rest_places(skeleton: Skeleton) -> Float[np.ndarray, "joint 3"]:
    """Joint positions of the rest pose, standing on the ground and above the origin."""
    rest = skeleton.rest_positions.clone()
    rest[:, 1] -= rest[:, 1].min()
    middle = skeleton.index("pelvis") if has_joint(skeleton, "pelvis") else 0
    rest[:, [0, 2]] -= rest[middle, [0, 2]].clone()
    return rest.numpy()


def _animation(motion: Motion, buffer: Numbers) -> dict[str, Any]:
    curves, quats = Curves(buffer, motion), _quaternions(motion)
    curves.add(0, "translation", motion.root.numpy())
    for joint in range(len(motion.skeleton)):
        curves.add(joint, "rotation", quats[joint])
        if joint and motion.offsets is not None:
            curves.add(joint, "translation", motion.offsets[:, joint].numpy())
    return curves.animation(motion.action or motion.identity or "motion")


def _quaternions(motion: Motion) -> Float[np.ndarray, "joint frame 4"]:
    """Of the two quaternions of each rotation, the one nearer to the frame before: players blend them linearly."""
    found = np.empty((len(motion.skeleton), motion.frames, 4), np.float32)
    last = None
    for span in pieces(motion.frames, _PIECE, "find quaternions"):
        quats = rotmat_to_quat_xyzw(motion.rotations[span].double())
        together = quats if last is None else torch.cat((last, quats))
        quats = continuous(together)[-len(quats) :]
        found[:, span] = quats.transpose(0, 1).numpy()
        last = quats[-1:]
    return found


def _primitive(material: int, part: MeshPart, buffer: Numbers) -> dict[str, Any]:
    none = np.zeros_like(part.owners)
    attributes = {
        "POSITION": buffer.add(part.places, target=34962, bounds=True),
        "NORMAL": buffer.add(part.normals, target=34962),
        "JOINTS_0": buffer.add(np.stack((part.owners, none, none, none), -1), target=34962),
        "WEIGHTS_0": buffer.add(np.tile([1.0, 0, 0, 0], (len(part.owners), 1)), target=34962),
    }
    faces = buffer.add(part.faces.reshape(-1), target=34963)
    return {"attributes": attributes, "indices": faces, "material": material}


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
    skeleton, radii, wander = motion.skeleton, _radii(motion.skeleton), _wander(motion)
    # A body without a bone worth showing is a ball at its root.
    bones = [(parent, joint) for parent, joint in skeleton.bones if wander[joint] <= _FAR] or [(0, 0)]
    sides = [side_and_stem(name)[0] for name in skeleton.joints]
    parts: list[MeshPart] = []
    for side in SIDES:
        capsules: list[MeshPart] = []
        for parent, joint in bones:
            if (sides[parent] if skeleton.mirror[parent] != parent else "") == side:
                ends = radii[parent], _TAPER * radii[joint]
                owners = parent, joint if wander[joint] > _STRETCH else parent
                capsules.append(_capsule(side, rest[parent], rest[joint], ends, owners))
        if capsules:
            parts.append(_joined(side, capsules))
    return parts


def _wander(motion: Motion) -> Float[np.ndarray, " joint"]:
    """How far the offset of each joint leaves its rest, in metres."""
    if motion.offsets is None:
        return np.zeros(len(motion.skeleton))
    return (motion.offsets - motion.skeleton.offsets).abs().amax((0, 2)).numpy()


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
