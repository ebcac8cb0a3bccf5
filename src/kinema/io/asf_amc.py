"""Acclaim: a skeleton (.asf) and a motion on it (.amc), as the CMU archive hands them out.

A bone has a direction and a length in the world of the rest pose, and axes of its own (`axis`), about which its angles
(`dof`) turn: L = C M C^-1, with C the rotation of the axes and M that of the angles. A joint stands where its bone
begins. The skeleton is the file that the motion's name begins with (02.asf for 02_01.amc), or the only one beside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from kinema.core.errors import MissingDataError, damaged, warn_of_file
from kinema.core.text import decode
from kinema.geometry.rotations import euler_to_rotmat
from kinema.io.conventions import UNITS, infer_unit, no_rate
from kinema.motion.motion import Motion
from kinema.motion.orientation import body_height
from kinema.motion.skeleton import Skeleton

_MOST = 10_000  # bones
_CMU_LENGTH = 0.45  # a file with this in :units counts in inches / 0.45


@dataclass
class _Bone:
    """A bone of the skeleton file: where it ends in the rest pose, its axes, and the names of its numbers."""

    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))
    axes: tuple[float, ...] = (0.0, 0.0, 0.0)
    order: str = "XYZ"
    numbers: tuple[str, ...] = ()


def load(path: Path | str, *, fps: float | None = None, unit: float | None = None) -> Motion:
    """The motion of an AMC on the skeleton of its ASF. The rate is not in the files.

    Raises MissingDataError where there is no skeleton beside it, FormatError naming the line where a file is not whole
    or the rate is not given.
    """
    path = Path(path)
    skeleton_file = _skeleton_of(path)
    bones, parents, length, degrees = _read_asf(skeleton_file)
    if fps is None:
        raise no_rate(path.name, "this format", "--source-fps 120 (the CMU archive has 120; fps=120)")
    frames = _read_amc(path, bones)
    names, count = list(bones), len(frames)
    scale = 1.0 if degrees else 180 / math.pi
    local = torch.empty(count, len(names), 3, 3, dtype=torch.float64)
    root = np.zeros((count, 3))
    for joint, name in enumerate(names):
        bone = bones[name]
        values = np.array([frame.get(name, (0.0,) * len(bone.numbers)) for frame in frames]).reshape(count, -1)
        columns = {letter: values[:, place] for place, letter in enumerate(bone.numbers)}
        if joint == 0:
            root = np.stack([columns.get(f"t{axis}", np.zeros(count)) for axis in "xyz"], -1)
        turning = "".join(number[1].upper() for number in bone.numbers if number[0] == "r")
        order = turning + "".join(axis for axis in "XYZ" if axis not in turning)
        angles = np.zeros((count, 3))
        for place, axis in enumerate(turning):
            angles[:, place] = columns[f"r{axis.lower()}"]
        # Angles turn about fixed axes, one after the other; ours are about turning ones, in the reverse order.
        turn = euler_to_rotmat(torch.from_numpy(np.deg2rad(scale * angles[:, ::-1].copy())), order[::-1])
        axes = torch.tensor([math.radians(scale * angle) for angle in bone.axes[::-1]], dtype=torch.float64)
        frame = euler_to_rotmat(axes, bone.order[::-1])
        local[:, joint] = frame @ turn @ frame.T
    if unit is None:
        unit = UNITS["ASF unit"] if math.isclose(length, _CMU_LENGTH) else None
    return _motion(path, bones, parents, local, root, fps, unit)


def _motion(
    path: Path,
    bones: dict[str, _Bone],
    parents: list[int],
    local: torch.Tensor,
    root: np.ndarray,
    fps: float,
    unit: float | None,
) -> Motion:
    """A joint stands where its bone begins, and turns with it; every leaf gets the end of its bone."""
    ends = [bone.offset for bone in bones.values()]
    leaves = [joint for joint in range(1, len(ends)) if joint not in parents]
    joints = (*bones, *(f"{list(bones)[joint]}_end" for joint in leaves))
    offsets = torch.from_numpy(
        np.stack([np.zeros(3), *(ends[parent] for parent in parents[1:]), *(ends[j] for j in leaves)])
    )
    rotations = torch.cat((local, torch.eye(3, dtype=local.dtype).expand(len(local), len(leaves), 3, 3)), 1).float()
    skeleton = Skeleton(path.stem, joints, (*parents, *leaves), offsets)
    trial = path.stem if path.stem.replace("_", "").isdigit() else None
    identity = f"cmu/{trial}" if trial else f"file/{path.stem}"
    clip = Motion(skeleton, rotations, torch.from_numpy(root).float(), fps, identity=identity)
    if unit is None:
        size = body_height(clip)
        unit = infer_unit(size)[0]
        warn_of_file(
            path,
            f"the unit is taken as {unit:g} m, with which the body is {size * unit:.2f} m tall; --unit overrides it",
        )
    return replace(clip, skeleton=replace(skeleton, offsets=skeleton.offsets * unit), root=clip.root * unit)


def _skeleton_of(path: Path) -> Path:
    near = sorted(one for one in path.parent.iterdir() if one.suffix.lower() == ".asf")
    own = [one for one in near if path.stem.lower().startswith(one.stem.lower())]
    if not own and len(near) != 1:
        got = f"{len(near)} .asf files in {path.parent}, none that {path.stem} begins with"
        cure = f"Put the skeleton beside it, as {path.stem.split('_')[0]}.asf."
        raise MissingDataError(expected=f"the skeleton (.asf) of {path.name}", got=got, cure=cure)
    return max(own, key=lambda one: len(one.stem)) if own else near[0]


def _read_asf(path: Path) -> tuple[dict[str, _Bone], list[int], float, bool]:
    """Bones by name, a parent before its children and the root first; their parents; the unit; degrees or radians."""
    bones, above = {"root": _Bone()}, dict[str, str]()
    length, degrees, section, bone, name = 1.0, True, "", _Bone(), ""
    for number, line in enumerate(decode(path.read_bytes())[0].splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            if words[0].startswith(":"):
                section = words[0]
            elif section == ":units" and words[0] in ("length", "angle"):
                length = float(words[1]) if words[0] == "length" else length
                degrees = degrees if words[0] == "length" else words[1].startswith("deg")
            elif section == ":root":
                one = bones["root"]
                if words[0] == "order":
                    one.numbers = tuple(word.lower() for word in words[1:])
                elif words[0] == "axis":
                    one.order = words[1].upper()
                elif words[0] == "orientation":
                    one.axes = tuple(float(word) for word in words[1:4])
            elif section == ":bonedata":
                key, rest = words[0].lower(), words[1:]
                if key == "begin":
                    bone, name = _Bone(), ""
                elif key == "name":
                    name = rest[0]
                elif key == "direction":
                    bone.offset = np.array([float(word) for word in rest[:3]]).reshape(3)
                elif key == "length":
                    bone.offset = bone.offset * float(rest[0])
                elif key == "axis":
                    bone.axes, bone.order = tuple(float(word) for word in rest[:3]), rest[3].upper()
                elif key == "dof":
                    bone.numbers = tuple(word.lower() for word in rest)
                elif key == "end" and len(bones) < _MOST:
                    bones[name] = bone
            elif section == ":hierarchy" and words[0] not in ("begin", "end"):
                above |= dict.fromkeys(words[1:], words[0])
        except (ValueError, IndexError, KeyError) as error:
            raise damaged(path.name, "a line of an Acclaim skeleton", line.strip()[:40], line=number) from error
    for one in bones.values():
        whole = len(one.axes) == 3 and np.isfinite([*one.offset, *one.axes]).all()
        if sorted(one.order) != ["X", "Y", "Z"] or not whole:
            raise damaged(path.name, "axes XYZ in some order, and finite numbers", one.order)
        if len({*one.numbers}) < len(one.numbers) or not {*one.numbers} <= {"tx", "ty", "tz", "rx", "ry", "rz", "l"}:
            raise damaged(path.name, "each of tx ty tz rx ry rz l at most once", " ".join(one.numbers)[:40])
    order, waiting = ["root"], ["root"]
    while waiting:
        parent = waiting.pop(0)
        below = [child for child, own in above.items() if own == parent and child in bones and child not in order]
        order += below
        waiting += below
    if len(order) < 2:
        raise damaged(path.name, "a :hierarchy of bones", "none")
    place = {one: index for index, one in enumerate(order)}
    return {one: bones[one] for one in order}, [-1, *(place[above[one]] for one in order[1:])], length, degrees


def _read_amc(path: Path, bones: dict[str, _Bone]) -> list[dict[str, tuple[float, ...]]]:
    """For every frame the numbers of each bone."""
    frames: list[dict[str, tuple[float, ...]]] = []
    for number, line in enumerate(decode(path.read_bytes())[0].splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words or words[0].startswith(":"):
            continue
        if len(words) == 1 and words[0].isdecimal():
            frames.append({})
            continue
        try:
            values = tuple(float(word) for word in words[1:])
        except ValueError as error:
            raise damaged(path.name, "numbers", line.strip()[:40], line=number) from error
        known = bones.get(words[0])
        fits = known is None or len(values) == len(known.numbers)
        if not frames or not fits or not all(map(math.isfinite, values)):
            expected = f"{len(known.numbers)} numbers of {words[0]}" if known and frames else "the number of a frame"
            raise damaged(path.name, expected, line.strip()[:40], line=number)
        frames[-1][words[0]] = values
    if not frames:
        raise damaged(path.name, "at least one frame", "none")
    return frames
