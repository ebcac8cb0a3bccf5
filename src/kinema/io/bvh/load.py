"""Biovision Hierarchy (BVH): load and save.

Conventions. Euler angles in degrees, intrinsic, in the order of the CHANNELS line. Position channels *replace* the
OFFSET of their joint; they are not added to it. End sites become joints without channels. The file says neither its
unit nor its up axis: the unit is given or inferred from the size of the body; `kinema.io.formats` finds which is up.
What the motion itself cannot say (names, channel orders, unit, frame time) is kept in `Motion.layout`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError, damaged, warn_of_file
from kinema.core.progress import pieces
from kinema.geometry.rotations import euler_to_rotmat, quat_xyzw_to_rotmat
from kinema.io.bvh.parser import BvhText, parse_bvh
from kinema.io.bvh.save import save_bvh as save
from kinema.io.conventions import MILLISECONDS, UNITS, frame_rate, infer_unit, unit_name
from kinema.motion.motion import FileLayout, Motion
from kinema.motion.orientation import body_height
from kinema.motion.skeleton import Skeleton

__all__ = ["load", "save"]
ChannelPositions = dict[int, Float[np.ndarray, "frame 3"]]
_CHUNK = 256  # frames turned at a time: what they need stays in the cache
_SAME_PLACE = 1e-4  # metres: position channels this near to the OFFSET say nothing new
_TRAVELS = 0.5  # of the length of a bone: a joint whose position channels move further is carried, not held by it
_SLOW = 5.0  # frames per second
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
    rate = _rate(text, fps, path.name)
    rotations, positions = joint_rotations(text), channel_positions(text)
    rest = _rest(text, positions)
    skeleton = Skeleton(path.stem, tuple(text.joints), tuple(text.parents), torch.from_numpy(rest))
    if unit is None:
        root = torch.from_numpy(positions[0]).float()
        unit = _infer_unit(text, Motion(skeleton, rotations, root, rate))  # joints that are carried: as they rest
    for note in text.notes:
        warn_of_file(path, f"{note}")
    rest = rest * unit
    metres = {joint: places * unit for joint, places in positions.items()}
    away = [float(np.abs(places - rest[joint]).max()) for joint, places in metres.items() if joint]
    offsets = _offsets(rest, metres) if sum(away) >= _SAME_PLACE else None
    return Motion(
        replace(skeleton, offsets=torch.from_numpy(rest)),
        rotations,
        torch.from_numpy(metres[0]).float(),
        rate,
        identity=recording_name(path.stem),
        offsets=offsets,
        layout=FileLayout(
            tuple(text.joints), tuple(text.channels), unit, text.frame_time, text.offsets[0], encoding=text.encoding
        ),
    )


def _rate(text: BvhText, fps: float | None, name: str) -> float:
    """Frames per second. Raises FormatError where neither the file nor the caller gives a usable one."""
    if fps is not None:
        return fps
    if not (rate := frame_rate(text.frame_time)):
        got, cure = f"'{text.frame_time}'", "Say the rate: fps=30, --source-fps 30."
        raise damaged(name, "a positive frame time in seconds", got, cure, line=text.frame_time_line)
    if float(text.frame_time) >= MILLISECONDS:
        text.notes.append(
            f"'Frame Time: {text.frame_time}' is taken as milliseconds, {rate:g} frames per second; --source-fps "
            "overrides it"
        )
    elif rate < _SLOW:
        text.notes.append(
            f"'Frame Time: {text.frame_time}' is {rate:g} frames per second, less than any recording has; "
            "if it is wrong, say --source-fps 30"
        )
    return rate


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


def joint_rotations(text: BvhText) -> Float[Tensor, "frame joint 3 3"]:
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
        if len(letters) == 4:
            columns = [own[letters.index(letter)] for _, own in members for letter in "XYZW"]
            quats = torch.from_numpy(text.values[:, columns].reshape(frames, -1, 4))
            # A quaternion of zeros is no rotation; files that lack a joint's data have them.
            quats[quats.norm(dim=-1) < 1e-6] = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=quats.dtype)
            rotations[:, joints] = quat_xyzw_to_rotmat(torch.nn.functional.normalize(quats, dim=-1)).float()
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


def channel_positions(text: BvhText) -> ChannelPositions:
    """Positions in file units, in the parent's frame, of the root and of the joints with position channels."""
    found: ChannelPositions = {}
    for joint, (letters, columns) in enumerate(_columns(text, "position")):
        if joint == 0 or letters:
            found[joint] = np.tile(np.array(text.offsets[joint]), (len(text.values), 1))
            found[joint][:, ["XYZ".index(letter) for letter in letters]] = text.values[:, columns]
    return found


def _rest(text: BvhText, positions: ChannelPositions) -> Float[np.ndarray, "joint 3"]:
    """The OFFSET lines, zero for the root: its own is kept in the layout, forward kinematics does not use it.

    Where all of them are zero, the bones are in the position channels: their median over the frames, but for a joint
    that travels (the hips below a root that stays on the ground).
    """
    rest = np.array(text.offsets)
    rest[0] = 0
    inner = [joint for joint in range(1, len(rest)) if joint not in text.end_sites]
    if inner and not rest[inner].any():
        for joint in positions.keys() - {0}:
            middle = np.median(positions[joint], 0)
            if np.ptp(positions[joint], axis=0).max() < _TRAVELS * np.linalg.norm(middle):
                rest[joint] = middle
    return rest


def _offsets(rest: Float[np.ndarray, "joint 3"], positions: ChannelPositions) -> Float[Tensor, "frame joint 3"]:
    offsets = np.tile(rest.astype(np.float32), (len(positions[0]), 1, 1))
    for joint, places in positions.items():
        offsets[:, joint] = places
    offsets[:, 0] = 0
    return torch.from_numpy(offsets)


def _infer_unit(text: BvhText, motion: Motion) -> float:
    """The unit that makes the body between 1.1 and 2.3 m tall; what was inferred, or not, is noted."""
    size = body_height(motion)
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
