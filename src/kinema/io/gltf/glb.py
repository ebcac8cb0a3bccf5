"""Binary glTF (GLB): an animated, skinned body that Blender, Unity, Unreal and web viewers open.

One node per joint, at its rest offset and unturned; rotations (quaternions xyzw) and the path of the root as animation
channels, key times in seconds; a capsule per bone as the visible skin (`glb_body`). Metres, y up, right-handed, as glTF
wants.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from kinema.core.atomic import atomic_path
from kinema.core.constants import VERSION
from kinema.core.errors import UsageError
from kinema.core.progress import pieces
from kinema.geometry.rotations import rotmat_to_quat_xyzw
from kinema.io.gltf.glb_mesh import MeshPart, body_parts
from kinema.io.gltf.load import save_into
from kinema.motion.interpolation.quaternions import continuous
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton, has_joint

_PIECE = 4096  # frames turned into quaternions together
_KINDS = {np.dtype(np.float32): 5126, np.dtype(np.uint16): 5123, np.dtype(np.uint32): 5125}
_TYPES = {1: "SCALAR", 3: "VEC3", 4: "VEC4", 16: "MAT4"}


def save(motion: Motion, path: Path | str) -> None:
    """Write a clip as GLB, atomically. The rest pose stands with its lowest joint on the ground.

    A clip on the skeleton of a glTF file goes into a copy of that file, with its mesh (`kinema.io.gltf.load`).

    The frame rate is in `animations[0].extras.fps`; programs that play at a rate of their own (Blender: 24) need to be
    told. Raises UsageError for a clip with batch axes.
    """
    if motion.batch_shape:
        got = f"a batch of shape {tuple(motion.batch_shape)}"
        raise UsageError(expected="one clip", got=got, cure="Save one at a time: clip.one(0).")
    if motion.layout is not None and motion.layout.source and motion.layout.joints == motion.skeleton.joints:
        save_into(motion, Path(path))
        return
    document, arrays = _document(motion)
    with atomic_path(path) as beside, beside.open("wb") as file:
        for part in _packed(document, arrays):
            file.write(part)


class _Buffer:
    """Collects arrays as accessors of one binary buffer."""

    def __init__(self) -> None:
        self.size = 0
        self.arrays: list[NDArray[Any]] = []
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], *, target: int | None = None, bounds: bool = False) -> int:
        """The index of the accessor that holds `array` (element, component)."""
        array = array[:, None] if array.ndim == 1 else array
        whole = np.uint16 if array.dtype.kind in "iu" and array.max() < 2**16 - 1 else np.uint32
        array = np.ascontiguousarray(array, dtype=whole if array.dtype.kind in "iu" else np.float32)
        self.size += -self.size % 4
        view: dict[str, Any] = {"buffer": 0, "byteOffset": self.size, "byteLength": array.nbytes}
        if target is not None:
            view["target"] = target
        accessor: dict[str, Any] = {
            "bufferView": len(self.views),
            "componentType": _KINDS[array.dtype],
            "count": len(array),
            "type": _TYPES[array.shape[1]],
        }
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.size += array.nbytes
        self.arrays.append(array)
        self.views.append(view)
        self.accessors.append(accessor)
        return len(self.accessors) - 1


def _document(motion: Motion) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    skeleton, buffer = motion.skeleton, _Buffer()
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
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": f"kinema {VERSION}", "extras": {"fps": motion.fps}},
        "scene": 0,
        "scenes": [{"nodes": [0, len(skeleton)]}],
        "nodes": nodes,
        "meshes": [{"name": "body", "primitives": [_primitive(i, part, buffer) for i, part in enumerate(parts)]}],
        "materials": [_MATERIALS[part.side] for part in parts],
        "skins": [{"joints": joints, "skeleton": 0, "inverseBindMatrices": buffer.add(inverse.reshape(-1, 16))}],
        "animations": [_animation(motion, buffer)],
    }
    document |= {"bufferViews": buffer.views, "accessors": buffer.accessors}
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


def _animation(motion: Motion, buffer: _Buffer) -> dict[str, Any]:
    times = buffer.add(np.arange(motion.frames) / motion.fps, bounds=True)
    quats = _quaternions(motion)
    samplers: list[dict[str, Any]] = []
    channels: list[dict[str, Any]] = []

    def channel(joint: int, path: str, values: NDArray[Any]) -> None:
        channels.append({"sampler": len(samplers), "target": {"node": joint, "path": path}})
        samplers.append({"input": times, "output": buffer.add(values), "interpolation": "LINEAR"})

    channel(0, "translation", motion.root.numpy())
    for joint in range(len(motion.skeleton)):
        channel(joint, "rotation", quats[joint])
        if joint and motion.offsets is not None:
            channel(joint, "translation", motion.offsets[:, joint].numpy())
    name = motion.action or motion.identity or "motion"
    return {"name": name, "samplers": samplers, "channels": channels, "extras": {"fps": motion.fps}}


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


def _primitive(material: int, part: MeshPart, buffer: _Buffer) -> dict[str, Any]:
    none = np.zeros_like(part.owners)
    attributes = {
        "POSITION": buffer.add(part.places, target=34962, bounds=True),
        "NORMAL": buffer.add(part.normals, target=34962),
        "JOINTS_0": buffer.add(np.stack((part.owners, none, none, none), -1), target=34962),
        "WEIGHTS_0": buffer.add(np.tile([1.0, 0, 0, 0], (len(part.owners), 1)), target=34962),
    }
    faces = buffer.add(part.faces.reshape(-1), target=34963)
    return {"attributes": attributes, "indices": faces, "material": material}


def _packed(document: dict[str, Any], arrays: list[NDArray[Any]]) -> Iterator[bytes | memoryview]:
    """Header, JSON chunk padded with spaces, binary chunk padded with zeros."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    sizes = [array.nbytes + -array.nbytes % 4 for array in arrays]
    yield struct.pack("<4sII", b"glTF", 2, 12 + 8 + len(text) + 8 + sum(sizes))
    yield struct.pack("<I4s", len(text), b"JSON")
    yield text
    yield struct.pack("<I4s", sum(sizes), b"BIN\0")
    for array, size in zip(arrays, sizes, strict=True):
        yield array.data.cast("B")
        yield b"\0" * (size - array.nbytes)
