"""Biovision Hierarchy (BVH): load and save.

Conventions. Euler angles in degrees, intrinsic, in the order of the CHANNELS line. Position channels *replace* the
OFFSET of their joint; they are not added to it. End sites become joints without channels. The file says neither its
unit nor its up axis: the unit is given or inferred from the size of the body (see `bvh_units`), y is taken to be up.
What the motion itself cannot say (names, channel orders, unit, frame time) is kept in `Motion.layout`.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import KinemaWarning, UsageError
from kinema.core.progress import pieces
from kinema.geometry.kinematics import forward_kinematics
from kinema.geometry.rotations import euler_to_rotmat
from kinema.io.bvh.parser import BvhText, parse_bvh
from kinema.io.bvh.save import save_bvh as save
from kinema.io.bvh.units import UNITS, frame_rate, infer_unit, unit_name
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.skeleton import Skeleton

__all__ = ["load", "save"]
ChannelPositions = dict[int, Float[np.ndarray, "frame 3"]]
_CHUNK = 256  # frames turned at a time: what they need stays in the cache
_SAME_PLACE = 1e-4  # metres: position channels this near to the OFFSET say nothing new
_CMU_TRIAL = re.compile(r"(?:cmu_)?(\d{2,3}_\d{2})", re.IGNORECASE)


def load(path: Path | str, *, fps: float | None = None, unit: float | None = None) -> Motion:
    """The clip in a BVH file.

    `unit` is the length of one file unit in metres; without it the unit is inferred from the size of the body and
    kept in `layout.unit`. `fps` overrides the file's frame time. Warns with KinemaWarning of what is odd but
    survivable (a wrong frame count, joints of one name, a unit that is not the centimetre, an implausible body).
    Raises FormatError, naming line or frame, where the file is not a whole BVH.
    """
    path = Path(path)
    text = parse_bvh(path.read_bytes(), path.name)
    if unit is not None and not unit > 0:
        raise UsageError(expected="a positive unit in metres", got=f"{unit}", cure="A file in centimetres has 0.01.")
    rotations = _rotations(text)
    positions = _channel_positions(text)
    if unit is None:
        unit = _infer_unit(text, rotations, positions)
    for note in text.notes:
        warnings.warn(f"{path.name}: {note}", KinemaWarning, stacklevel=2)
    root, offsets = _metres(text, positions, unit)
    rest = np.array(text.offsets) * unit
    rest[0] = 0  # a root's own offset is kept in the layout; forward kinematics does not use it
    layout = FileLayout(tuple(text.joints), tuple(text.channels), unit, text.frame_time, text.offsets[0])
    return Motion(
        Skeleton(path.stem, tuple(text.joints), tuple(text.parents), torch.from_numpy(rest)),
        rotations,
        root,
        frame_rate(text.frame_time) if fps is None else fps,
        identity=recording_name(path.stem),
        offsets=offsets,
        layout=layout,
    )


def recording_name(stem: str) -> str:
    """The identity of a recording from its file name: "cmu/02_01" for cmu_02_01 and 02_01, else "file/<stem>"."""
    trial = _CMU_TRIAL.fullmatch(stem)
    return f"cmu/{trial.group(1)}" if trial else f"file/{stem}"


def _columns(text: BvhText, kind: str) -> list[tuple[str, list[int]]]:
    """For every joint the letters of its channels of that kind ("rotation", "position") and their columns."""
    found: list[tuple[str, list[int]]] = []
    column = 0
    for channels in text.channels:
        here = [(name[0], column + i) for i, name in enumerate(channels) if name.endswith(kind)]
        found.append(("".join(letter for letter, _ in here), [position for _, position in here]))
        column += len(channels)
    return found


def _rotations(text: BvhText) -> Float[Tensor, "frame joint 3 3"]:
    """Local rotations; joints of the same channel order are turned into matrices together, in float64."""
    frames = len(text.values)
    groups: dict[str, list[tuple[int, list[int]]]] = defaultdict(list)
    for joint, (letters, columns) in enumerate(_columns(text, "rotation")):
        groups[letters].append((joint, columns))
    rotations = torch.empty(frames, len(text.joints), 3, 3)
    for letters, members in groups.items():
        joints = [joint for joint, _ in members]
        if not letters:
            rotations[:, joints] = torch.eye(3)
            continue
        # Fewer than three turns: the missing ones are zero, and their place in the order does not matter.
        order = letters + "".join(axis for axis in "XYZ" if axis not in letters)[: 3 - len(letters)]
        columns = [column for _, columns in members for column in columns]
        for span in pieces(frames, _CHUNK):
            rows = text.values[span, columns].reshape(-1, len(members), len(letters))
            angles = np.zeros((len(rows), len(members), 3))
            angles[..., : len(letters)] = np.deg2rad(rows)
            turned = euler_to_rotmat(torch.from_numpy(angles), order)
            rotations[span, joints] = turned.float()
    return rotations


def _channel_positions(text: BvhText) -> ChannelPositions:
    """Places in file units of the root and of the joints with position channels."""
    positions: ChannelPositions = {}
    for joint, (letters, columns) in enumerate(_columns(text, "position")):
        if joint == 0 or letters:
            positions[joint] = np.tile(np.array(text.offsets[joint]), (len(text.values), 1))
            positions[joint][:, ["XYZ".index(letter) for letter in letters]] = text.values[:, columns]
    return positions


def _offsets(text: BvhText, positions: ChannelPositions, frames: slice) -> Float[Tensor, "kept joint 3"]:
    count = len(range(*frames.indices(len(text.values))))
    offsets = np.tile(np.array(text.offsets), (count, 1, 1))
    for joint, position in positions.items():
        offsets[:, joint] = position[frames]
    offsets[:, 0] = 0
    return torch.from_numpy(offsets)


def _infer_unit(text: BvhText, rotations: Float[Tensor, "frame joint 3 3"], positions: ChannelPositions) -> float:
    """The unit that makes the body between 1.1 and 2.3 m; what was inferred, or not, is noted."""
    size = _size(text, rotations, positions)
    unit, plausible = infer_unit(size)
    if not plausible:
        text.notes.append(
            f"no usual unit makes this body between 1.1 and 2.3 m ({size:.4g} file units); taken as centimetres. "
            "Give the unit in metres (unit=, --unit) if that is wrong"
        )
    elif unit != UNITS["cm"]:
        text.notes.append(
            f"the unit is taken to be the {unit_name(unit)} because the body is then {size * unit:.2f} m. "
            "Give the unit in metres (unit=, --unit) if that is wrong"
        )
    return unit


def _size(text: BvhText, rotations: Float[Tensor, "frame joint 3 3"], positions: ChannelPositions) -> float:
    """The greatest extent of the body along an axis in file units: the median of up to sixteen frames."""
    step = slice(None, None, max(1, len(text.values) // 16))
    root = torch.from_numpy(positions[0][step])
    joints, _ = forward_kinematics(rotations[step].double(), root, _offsets(text, positions, step), text.parents)
    # A joint that merely carries the body (a root left on the ground while the hips move away) is no part of it.
    far = 0.05 * float((joints.amax(1) - joints.amin(1)).max())
    away = {
        joint: np.abs(position - np.array(text.offsets[joint])).max() for joint, position in positions.items() if joint
    }
    carriers = {text.parents[joint] for joint, distance in away.items() if distance > far}
    body = joints[:, [joint for joint in range(len(text.joints)) if joint not in carriers]]
    return float((body.amax(1) - body.amin(1)).amax(-1).median())


def _metres(
    text: BvhText, positions: ChannelPositions, unit: float
) -> tuple[Float[Tensor, "frame 3"], Float[Tensor, "frame joint 3"] | None]:
    """The path of the root, and the animated offsets: None where they never leave the OFFSET lines."""
    root = torch.from_numpy(positions[0] * unit).float()
    away = sum(
        float(np.abs(position - np.array(text.offsets[joint])).max()) * unit
        for joint, position in positions.items()
        if joint
    )
    if away < _SAME_PLACE:
        return root, None
    return root, (_offsets(text, positions, slice(None)) * unit).float()
