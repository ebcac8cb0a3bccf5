"""glTF, GLB, VRM and VRMA: the skeleton and the animation of a character, and a new animation put into its own file.

Read are the joints of the largest skin (of a file without one: what is animated), with all that lies between them; the
first animation or the one that is asked for, or one frame of the bind pose where there is none. The rest pose is the
bind pose. VRM says which bone is which, and that becomes the skeleton's aliases. glTF is in metres with y up; a file in
other units shows by its size, one with another axis up by its motion.
"""

from __future__ import annotations

import base64
import itertools
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.atomic import write_bytes
from kinema.core.errors import FormatError, UsageError, damaged, unknown_name, warn_of_file
from kinema.core.text import parse_json
from kinema.geometry.curves import hermite
from kinema.geometry.rotations import nearest_rotation, quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.io.conventions import metres_or
from kinema.motion.interpolation.curves import continuous, curve, interval, rotation_curve
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.names import CANON17
from kinema.motion.orientation import body_height, from_up
from kinema.motion.retargeting.rest_poses import with_rest
from kinema.motion.skeleton import Skeleton

Json = dict[str, Any]
_KINDS = {5120: "i1", 5121: "u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_SIZES = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}
_MOST_FRAMES, _MOST_NODES = 200_000, 20_000
_STILL = 1e-4  # metres: an offset that moves less is that of a stiff bone
_PARTS = {"UpperLeg": "hip", "LowerLeg": "knee", "Foot": "ankle", "Toes": "toe", "UpperArm": "shoulder",
          "LowerArm": "elbow", "Hand": "wrist"}  # fmt: skip
_VRM = {"hips": "pelvis", "spine": "spine", "upperChest": "chest", "neck": "neck", "head": "head"} | {
    f"{side}{own}": f"{side[0]}_{part}" for side in ("left", "right") for own, part in _PARTS.items()
}


@dataclass
class _File:
    """The JSON of a file and its binary buffers."""

    path: Path
    page: Json
    buffers: list[bytes]

    def array(self, index: int) -> NDArray[np.float64]:
        """The numbers of an accessor, one row for each element; normalised integers as what they mean."""
        accessor = self.page["accessors"][index]
        kind, width = np.dtype(_KINDS[accessor["componentType"]]), _SIZES[accessor["type"]]
        view = self.page["bufferViews"][accessor["bufferView"]]
        buffer = self.buffers[view["buffer"]]
        start = int(view.get("byteOffset", 0)) + int(accessor.get("byteOffset", 0))
        step, count = int(view.get("byteStride", kind.itemsize * width)), int(accessor["count"])
        if min(start, count - 1, step - 1) < 0 or start + step * (count - 1) + kind.itemsize * width > len(buffer):
            raise ValueError("an accessor beyond its buffer")
        rows = np.ndarray((count, width), kind, buffer, start, (step, kind.itemsize)).astype(np.float64)
        return rows / np.iinfo(kind).max if kind.kind in "iu" and accessor.get("normalized") else rows


@dataclass
class _Rig:
    """The nodes that are joints, a parent before its children, with names and parents as joints; `up`: all parents."""

    nodes: list[int]
    names: list[str]
    parents: list[int]
    up: dict[int, int]


def load(
    path: Path | str, *, fps: float | None = None, unit: float | None = None, animation: str | None = None
) -> Motion:
    """The motion of a character. `fps` resamples nothing: it is the rate at which the animation's curves are read.

    `animation` is the name or the number (from 1) of one; None: the first. Raises FormatError where the file is not
    whole, or nothing in it is a skeleton, UsageError where there is no such animation.
    """
    path = Path(path)
    file = _read(path)
    try:
        chosen = _chosen(file, animation)
        clip = _motion(file, _rig(file, _skin(file, chosen)), fps, chosen)
    except (FormatError, UsageError):
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(path.name, "a whole glTF file", str(error)[:60] or type(error).__name__) from error
    if unit is None:
        unit = metres_or(path, body_height(clip))
    layout = FileLayout(clip.skeleton.joints, (), unit, "", source=str(path.resolve()))
    offsets = None if clip.offsets is None else clip.offsets * unit
    body = replace(clip.skeleton, offsets=clip.skeleton.offsets * unit)
    return replace(clip, skeleton=body, root=clip.root * unit, offsets=offsets, layout=layout)


def save_into(motion: Motion, path: Path) -> None:
    """Write the motion into a copy of the file that its skeleton came from (`layout.source`), first of its animations.

    Mesh, materials and all else stay as they are. Raises UsageError where that file is no longer there or has another
    skeleton.
    """
    assert motion.layout is not None
    source = Path(motion.layout.source)
    if not source.is_file():
        cure = f"Put it back, or write .bvh: {path.with_suffix('.bvh').name}."
        raise UsageError(expected=f"the character's own file {source.name}", got="no such file", cure=cure)
    file = _read(source)
    try:
        _put(motion, file)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise damaged(source.name, "a whole glTF file", str(error)[:60] or type(error).__name__) from error
    _write(file, path)


def _put(motion: Motion, file: _File) -> None:
    """Add a motion to the page of a file, in the axes of the file."""
    layout = motion.layout
    assert layout is not None
    if layout.up != "y":
        motion = from_up(motion, layout.up, rest=layout.rest_turned)
    source = file.path
    rigs = [_rig(file, skin) for skin in file.page.get("skins") or (None,)]
    rig = next((rig for rig in rigs if tuple(rig.names) == motion.skeleton.joints), None)
    if rig is None:
        got = f"{max(len(rig.names) for rig in rigs)} other joints"
        raise UsageError(
            expected=f"the joints of {source.name}", got=got, cure="Retarget the motion to that file again."
        )
    bind, unit = _bind(file, rig), layout.unit
    world = [_world(file, node, rig.up) for node in rig.nodes]
    turns = torch.stack([torch.from_numpy(_turn(matrix)) for matrix in world])  # N: bind pose, in the world
    above = torch.cat((torch.eye(3, dtype=torch.float64)[None], turns[rig.parents[1:]]))
    local = above.mT @ motion.rotations.double() @ turns
    outside = rig.up.get(rig.nodes[0], -1)
    stand = _world(file, outside, rig.up) if outside >= 0 else np.eye(4)
    back, turn = np.linalg.inv(stand), torch.from_numpy(_turn(stand))
    local[:, 0] = turn.T @ motion.rotations[:, 0].double() @ turns[0]
    root = (motion.root.double().numpy() / unit) @ back[:3, :3].T + back[:3, 3]
    _animate(file, rig, motion, local, root, turns, world, bind.skeleton.offsets * unit)


def _animate(
    file: _File,
    rig: _Rig,
    motion: Motion,
    local: Float[Tensor, "frame joint 3 3"],
    root: Float[np.ndarray, "frame 3"],
    turns: Float[Tensor, "joint 3 3"],
    world: Sequence[NDArray[np.float64]],
    bones: Float[Tensor, "joint 3"],
) -> None:
    """Add the animation, and its numbers as one more buffer."""
    page, numbers = file.page, Numbers(file.page, len(file.buffers))
    curves = Curves(numbers, motion)
    quats = continuous(rotmat_to_quat_xyzw(local)).numpy()
    offsets = motion.offsets
    if offsets is None and bool((motion.skeleton.offsets - bones).abs().max() > _STILL):
        offsets = motion.skeleton.offsets.expand(motion.frames, -1, -1)
    for joint, node in enumerate(rig.nodes):
        _as_parts(page["nodes"][node])
        curves.add(node, "rotation", quats[:, joint])
        if joint == 0:
            curves.add(node, "translation", root)
        elif offsets is not None and motion.layout is not None:
            parent = rig.parents[joint]
            scale = _scale(world[parent]) * motion.layout.unit
            own = (turns[parent].T @ offsets[:, joint].double()[..., None])[..., 0].numpy() / scale
            curves.add(node, "translation", own)
    page["animations"] = [curves.animation(motion.action or "kinema"), *page.get("animations", ())]
    file.buffers.append(b"".join(padded(array.data.cast("B")) for array in numbers.arrays))


class Numbers:
    """Collects arrays as accessors of one buffer of a page, each beginning at a multiple of four bytes."""

    def __init__(self, page: Json, buffer: int) -> None:
        self._buffer = buffer
        self._views, self._accessors = page.setdefault("bufferViews", []), page.setdefault("accessors", [])
        self.size = 0
        self.arrays: list[NDArray[Any]] = []

    def add(self, array: NDArray[Any], *, target: int | None = None, bounds: bool = False) -> int:
        """The index of the accessor that holds `array` (element, component)."""
        array = array[:, None] if array.ndim == 1 else array
        whole = "<u2" if array.dtype.kind in "iu" and array.max() < 2**16 - 1 else "<u4"
        array = np.ascontiguousarray(array, dtype=whole if array.dtype.kind in "iu" else "<f4")
        view: Json = {"buffer": self._buffer, "byteOffset": self.size, "byteLength": array.nbytes}
        self._views.append(view if target is None else {**view, "target": target})
        kind = next(code for code, name in _KINDS.items() if np.dtype(name) == array.dtype)
        shape = next(name for name, size in _SIZES.items() if size == array.shape[1])
        accessor: Json = {"bufferView": len(self._views) - 1, "componentType": kind, "count": len(array), "type": shape}
        self._accessors.append(accessor)
        if bounds:
            accessor |= {"min": array.min(0).tolist(), "max": array.max(0).tolist()}
        self.size += array.nbytes + -array.nbytes % 4
        self.arrays.append(array)
        return len(self._accessors) - 1


class Curves:
    """The channels of an animation, one key for every frame of a motion."""

    def __init__(self, numbers: Numbers, motion: Motion) -> None:
        self._numbers, self._fps = numbers, motion.fps
        self._clock = numbers.add(np.arange(motion.frames) / motion.fps, bounds=True)
        self._samplers, self._channels = list[Json](), list[Json]()

    def add(self, node: int, path: str, values: NDArray[Any]) -> None:
        """A channel: `path` is rotation or translation."""
        self._channels.append({"sampler": len(self._samplers), "target": {"node": node, "path": path}})
        output = self._numbers.add(values)
        self._samplers.append({"input": self._clock, "output": output, "interpolation": "LINEAR"})

    def animation(self, name: str) -> Json:
        """The entry of the page's animations."""
        return {"name": name, "samplers": self._samplers, "channels": self._channels, "extras": {"fps": self._fps}}


def padded(data: bytes | memoryview) -> bytes:
    """The bytes with zeros up to a multiple of four."""
    return bytes(data) + b"\0" * (-len(data) % 4)


def glb_parts(page: Json, buffers: Sequence[bytes | memoryview]) -> Iterator[bytes]:
    """A GLB in parts: header, JSON chunk padded with spaces, and the buffers one after the other as binary chunk."""
    text = json.dumps(page, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    size = sum(len(one) + -len(one) % 4 for one in buffers)
    yield struct.pack("<4sII", b"glTF", 2, 28 + len(text) + size) + struct.pack("<I4s", len(text), b"JSON") + text
    yield struct.pack("<I4s", size, b"BIN\0")
    yield from map(padded, buffers)


def _read(path: Path) -> _File:
    data = path.read_bytes()
    binary: bytes | None = None
    try:
        if data[:4] == b"glTF":
            parts, place = list[tuple[bytes, bytes]](), 12
            while place + 8 <= len(data):
                size, kind = struct.unpack_from("<I4s", data, place)
                parts.append((kind, data[place + 8 : place + 8 + size]))
                place += 8 + size
            page = parse_json(next(part for kind, part in parts if kind == b"JSON"), path.name)
            binary = next((part for kind, part in parts if kind == b"BIN\0"), None)
        else:
            page = parse_json(data, path.name)
        if not isinstance(page, dict) or not isinstance(page.get("asset"), dict):
            raise damaged(path.name, "a glTF file with an asset", "another JSON")
        page = cast("Json", page)
        for key in ("nodes", "skins", "animations", "accessors", "bufferViews", "buffers"):
            if not isinstance(page.get(key, []), list):
                raise TypeError(f"'{key}' that is no list")
        buffers = [
            _buffer(path, one, binary if place == 0 else None) for place, one in enumerate(page.get("buffers", ()))
        ]
        if len(page.get("nodes", ())) > _MOST_NODES:
            raise ValueError(f"more than {_MOST_NODES} nodes")
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError, struct.error) as error:
        raise damaged(path.name, "a whole glTF file", str(error)[:60] or "a part that is missing") from error
    return _File(path, page, buffers)


def _buffer(path: Path, entry: Json, binary: bytes | None) -> bytes:
    """The bytes of a buffer: in the file, in a data URI, or in a file beside it; never in another folder."""
    uri = entry.get("uri")
    if uri is None:
        if binary is None:
            raise ValueError("a buffer without its bytes")
        return binary
    if uri.startswith("data:"):
        return base64.b64decode(uri.partition(",")[2], validate=True)
    beside = path.parent / uri
    if "/" in uri or "\\" in uri or uri in (".", "..") or not beside.is_file():
        raise damaged(
            path.name, "its buffer in the same folder", f"'{uri[:40]}'", "Put the .bin file beside it, or export GLB."
        )
    return beside.read_bytes()


def _skin(file: _File, chosen: Json | None) -> Json | None:
    """The largest skin that the animation moves: a file may hold several characters."""
    channels = chosen["channels"] if chosen else ()
    targets = {channel["target"].get("node") for channel in channels}
    skins = file.page.get("skins", ())
    return max(skins, key=lambda skin: (not targets.isdisjoint(skin["joints"]), len(skin["joints"])), default=None)


def _rig(file: _File, skin: Json | None) -> _Rig:
    page, nodes = file.page, file.page.get("nodes", [])
    up = {int(child): index for index, node in enumerate(nodes) for child in node.get("children", ())}
    bones = _humanoid(page)
    if skin is not None:
        wanted = {int(joint) for joint in skin["joints"]}
    else:
        targets = (channel["target"] for one in page.get("animations", ())[:1] for channel in one["channels"])
        wanted = {int(target["node"]) for target in targets if target.get("path") in ("rotation", "translation")}
    wanted |= set(bones.values())
    if not wanted:
        raise damaged(
            file.path.name, "a skin, or an animation of nodes", "neither", "Export the armature with the mesh."
        )
    lines = {node: _line(node, up) for node in wanted}
    shared = set.intersection(*(set(line) for line in lines.values()))
    top = next((node for node in next(iter(lines.values())) if node in shared), None)
    if top is None:
        raise damaged(file.path.name, "one body", "joints of several trees", "Export one armature per file.")
    kept = {node for line in lines.values() for node in line[: line.index(top) + 1]}
    order = sorted(kept)
    if any(node != top and up[node] > node for node in kept):  # not a parent before its children
        order.sort(key=lambda node: _line(node, up)[::-1])
    place = {node: joint for joint, node in enumerate(order)}
    names, seen = list[str](), set[str]()
    for node in order:
        name = base = str(nodes[node].get("name") or f"node {node}")
        number = 1
        while name in seen:
            number += 1
            name = f"{base}{number}"
        seen.add(name)
        names.append(name)
    return _Rig(order, names, [-1, *(place[up[node]] for node in order[1:])], up)


def _line(node: int, up: dict[int, int]) -> list[int]:
    """A node, its parent, and so on to the top."""
    line = [node]
    while line[-1] in up:
        line.append(up[line[-1]])
        if len(line) > _MOST_NODES:
            raise ValueError("nodes that hang on themselves")
    return line


def _humanoid(page: Json) -> dict[str, int]:
    """Which node is which bone of a human, where a VRM or VRMA says so."""
    extensions = page.get("extensions", {})
    for key in ("VRMC_vrm", "VRMC_vrm_animation"):
        if key in extensions:
            return {bone: int(one["node"]) for bone, one in extensions[key]["humanoid"]["humanBones"].items()}
    if "VRM" in extensions:
        return {one["bone"]: int(one["node"]) for one in extensions["VRM"]["humanoid"]["humanBones"]}
    return {}


def _aliases(page: Json, rig: _Rig) -> dict[str, str]:
    place, bones = {node: joint for joint, node in enumerate(rig.nodes)}, _humanoid(page)
    if "upperChest" not in bones and "chest" in bones:
        bones["upperChest"] = bones["chest"]
    found = {_VRM[bone]: rig.names[place[node]] for bone, node in bones.items() if bone in _VRM and node in place}
    return found if len(found.keys() & set(CANON17)) > 3 else {}


def _parts(node: Json) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Translation, rotation (xyzw) and scale of a node."""
    if "matrix" in node:
        matrix = np.array(node["matrix"], dtype=np.float64).reshape(4, 4).T
        turn = rotmat_to_quat_xyzw(torch.from_numpy(_turn(matrix))).numpy()
        return matrix[:3, 3], turn, np.linalg.norm(matrix[:3, :3], axis=0)
    found = (node.get("translation", (0, 0, 0)), node.get("rotation", (0, 0, 0, 1)), node.get("scale", (1, 1, 1)))
    t, r, s = (np.array(one, dtype=np.float64) for one in found)
    if t.shape != (3,) or r.shape != (4,) or s.shape != (3,) or not np.isfinite([*t, *r, *s]).all():
        raise ValueError("a node without three, four and three finite numbers")
    return t, r, s


def _as_parts(node: Json) -> None:
    if "matrix" in node:
        t, r, s = _parts(node)
        del node["matrix"]
        node |= {"translation": t.tolist(), "rotation": r.tolist(), "scale": s.tolist()}


def _matrix(t: NDArray[Any], r: NDArray[Any], s: NDArray[Any]) -> NDArray[np.float64]:
    """4 x 4 matrices of any leading axes."""
    turn = quat_xyzw_to_rotmat(torch.nn.functional.normalize(torch.from_numpy(r), dim=-1)).numpy()
    matrix = np.zeros((*t.shape[:-1], 4, 4))
    matrix[..., :3, :3], matrix[..., :3, 3], matrix[..., 3, 3] = turn * s[..., None, :], t, 1
    return matrix


def _turn(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return nearest_rotation(torch.from_numpy(matrix[..., :3, :3] / _scale(matrix)[..., None, None])).numpy()


def _scale(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.maximum(np.linalg.norm(matrix[..., :3, :3], axis=-2).mean(-1), 1e-12))


def _world(file: _File, node: int, up: dict[int, int]) -> NDArray[np.float64]:
    matrix = np.eye(4)
    for one in reversed(_line(node, up)):
        matrix = matrix @ _matrix(*_parts(file.page["nodes"][one]))
    return matrix


def _clip(
    rig: _Rig, aliases: dict[str, str], world: Float[np.ndarray, "frame joint 4 4"], fps: float, name: str
) -> Motion:
    """A motion from where every joint is in every frame; its rest pose is that of zero rotations."""
    positions, turns = torch.from_numpy(world[..., :3, 3]), torch.from_numpy(_turn(world))
    above = turns[:, rig.parents[1:]]
    local = torch.cat((turns[:, :1], above.mT @ turns[:, 1:]), 1)
    away = positions[:, 1:] - positions[:, rig.parents[1:]]
    offsets = torch.cat((torch.zeros(len(world), 1, 3), (above.mT @ away[..., None])[..., 0]), 1).float()
    rest = offsets.median(0).values
    moves = bool((offsets - rest).abs().max() > _STILL * max(float(rest.abs().max()), 1e-6))
    body = Skeleton(name, tuple(rig.names), tuple(rig.parents), rest, aliases=aliases)
    return Motion(
        body, local.float(), positions[:, 0].float(), fps, identity=f"file/{name}", offsets=offsets if moves else None
    )


def _bind(file: _File, rig: _Rig) -> Motion:
    """The bind pose as one frame, with the bind pose as rest pose."""
    world = np.stack([_world(file, node, rig.up) for node in rig.nodes])[None]
    one = _clip(rig, _aliases(file.page, rig), world, 30.0, file.path.stem)
    return with_rest(one, one)


def _chosen(file: _File, wanted: str | None) -> Json | None:
    """One of the animations, by its name or its number from 1; the first where none is wanted; none of none."""
    path, animations = file.path, file.page.get("animations", ())
    if not animations:
        if wanted is not None:
            raise unknown_name("animation", wanted, ())
        warn_of_file(path, "no animation; the bind pose is one frame")
        return None
    names = [str(one.get("name") or f"animation {place}") for place, one in enumerate(animations, start=1)]
    if wanted is None:
        if len(animations) > 1:
            shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
            warn_of_file(path, f"{len(animations)} animations ({shown}); the first is read: --animation NAME or NUMBER")
        return animations[0]
    if wanted in names:
        return animations[names.index(wanted)]
    if wanted.isdecimal() and 1 <= int(wanted[:9]) <= len(animations):
        return animations[int(wanted) - 1]
    raise unknown_name("animation", wanted, names)


def _motion(file: _File, rig: _Rig, fps: float | None, chosen: Json | None) -> Motion:
    bind = _bind(file, rig)
    if chosen is None:
        return replace(bind, fps=fps or 30.0)
    curves: dict[tuple[int, str], tuple[Any, ...]] = {}
    for channel in chosen["channels"]:
        target, sampler = channel["target"], chosen["samplers"][channel["sampler"]]
        if "node" in target and target.get("path") in ("translation", "rotation", "scale"):
            keys = file.array(sampler["input"])[:, 0]
            values = file.array(sampler["output"])
            curves[int(target["node"]), target["path"]] = keys, values, sampler.get("interpolation", "LINEAR")
    if not curves:
        return replace(bind, fps=fps or 30.0)
    clock = max((keys for keys, *_ in curves.values()), key=len)
    start, stop = min(keys[0] for keys, *_ in curves.values()), max(keys[-1] for keys, *_ in curves.values())
    rate = fps or _rate(file, chosen, clock)
    count = round((stop - start) * rate) + 1
    if not 1 <= count <= _MOST_FRAMES or not np.isfinite([start, stop]).all():
        raise ValueError(f"an animation of {stop - start:.3g} s")
    at = start + np.arange(count) / rate
    chain = sorted({one for node in rig.nodes for one in _line(node, rig.up)}, key=lambda one: len(_line(one, rig.up)))
    world: dict[int, NDArray[np.float64]] = {}
    for node in chain:
        rest = dict(zip(("translation", "rotation", "scale"), _parts(file.page["nodes"][node]), strict=True))
        t, r, s = (_read_curve(curves.get((node, path)), at, value) for path, value in rest.items())
        own = _matrix(t, r, s)
        world[node] = world[rig.up[node]] @ own if node in rig.up else own
    frames = np.stack([world[node] for node in rig.nodes], 1)
    clip = _clip(rig, _aliases(file.page, rig), frames, rate, file.path.stem)
    # `bind` has its rest pose already; in the joints' own axes it is that of the raw clip's offsets.
    raw = _clip(rig, {}, np.stack([_world(file, node, rig.up) for node in rig.nodes])[None], rate, file.path.stem)
    return with_rest(clip, replace(raw, skeleton=clip.skeleton))


def _rate(file: _File, animation: Json, keys: NDArray[np.float64]) -> float:
    """What kinema noted, else the commonest step between keys, as a usual rate."""
    noted = animation.get("extras", {}).get("fps") if isinstance(animation.get("extras"), dict) else None
    if isinstance(noted, (int, float)) and 0 < noted < 1e4:
        return float(noted)
    steps = np.diff(keys)
    if not len(steps) or not (steps > 0).all():
        return 30.0
    rate = 1 / float(np.median(steps))
    if rate < 10:  # few key frames
        return 30.0
    return float(round(rate)) if abs(rate - round(rate)) < 0.02 * rate else rate


def _read_curve(
    channel: tuple[Any, ...] | None, at: NDArray[np.float64], rest: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The values of a channel at these times; the node's own where it has none."""
    if channel is None:
        return np.tile(rest, (len(at), 1))
    keys, values, how = channel
    if how == "CUBICSPLINE":
        values = values.reshape(len(keys), 3, -1)
    if (
        len(values) != len(keys)
        or values.shape[-1] != len(rest)
        or not np.isfinite(values).all()
        or (np.diff(keys) < 0).any()
    ):
        raise ValueError("an animation whose values do not fit its keys")
    last = np.append(np.diff(keys) > 0, True)  # of keys at one time
    keys, values = keys[last], values[last]
    times, clock = torch.from_numpy(keys), torch.from_numpy(at)
    if how == "CUBICSPLINE" and len(keys) > 1:
        index, share = interval(times, clock)
        left, span = index.numpy(), np.diff(keys)[index.numpy(), None]
        ends = values[left, 1], values[left + 1, 1], span * values[left, 2], span * values[left + 1, 0]
        start, end, leaving, arriving = (torch.from_numpy(each) for each in ends)
        return hermite(start, end, leaving, arriving, share[:, None]).numpy()
    given = torch.from_numpy(values[:, 1] if how == "CUBICSPLINE" else values)
    method = "hold" if how == "STEP" else "linear"
    if len(rest) == 4:
        return rotation_curve(torch.nn.functional.normalize(given, dim=-1), times, clock, method).numpy()
    return curve(given, times, clock, method).numpy()


def _write(file: _File, path: Path) -> None:
    """A GLB (or VRM) with all buffers in one, or a .gltf with them inside as data."""
    page = file.page
    if path.suffix.lower() == ".gltf":
        page["buffers"] = [
            {"byteLength": len(one), "uri": f"data:application/octet-stream;base64,{base64.b64encode(one).decode()}"}
            for one in file.buffers
        ]
        write_bytes(path, json.dumps(page).encode())
        return
    starts = [0, *itertools.accumulate(len(padded(one)) for one in file.buffers)]
    for view in page["bufferViews"]:
        view["byteOffset"] = int(view.get("byteOffset", 0)) + starts[view["buffer"]]
        view["buffer"] = 0
    page["buffers"] = [{"byteLength": starts[-1]}]
    write_bytes(path, b"".join(glb_parts(page, file.buffers)))
