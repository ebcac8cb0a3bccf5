"""Human3.6M: the 32 joints of the recordings (many of them duplicates) and the 17 that are used of them."""

from __future__ import annotations

import math
from functools import cache

import torch

from kinema.motion.names import CANON17, CANON17_PARENTS
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import Place, skeleton_of_places

# Name, parent, offset in millimetres. The files call six end points "Site"; here they carry the name of their limb.
_H36M32: tuple[tuple[str, int, float, float, float], ...] = (
    ("Hips", -1, 0.0, 0.0, 0.0),
    ("RightUpLeg", 0, -132.949, 0.0, 0.0),
    ("RightLeg", 1, 0.0, -442.895, 0.0),
    ("RightFoot", 2, 0.0, -454.206, 0.0),
    ("RightToeBase", 3, 0.0, 0.0, 162.767),
    ("RightToeBase_End", 4, 0.0, 0.0, 74.9994),
    ("LeftUpLeg", 0, 132.949, 0.0, 0.0),
    ("LeftLeg", 6, 0.0, -442.894, 0.0),
    ("LeftFoot", 7, 0.0, -454.207, 0.0),
    ("LeftToeBase", 8, 0.0, 0.0, 162.767),
    ("LeftToeBase_End", 9, 0.0, 0.0, 74.9999),
    ("Spine", 0, 0.0, 0.1, 0.0),
    ("Spine1", 11, 0.0, 233.383, 0.0),
    ("Neck", 12, 0.0, 257.078, 0.0),
    ("Head", 13, 0.0, 121.135, 0.0),
    ("Head_End", 14, 0.0, 115.002, 0.0),
    ("LeftShoulder", 12, 0.0, 257.078, 0.0),
    ("LeftArm", 16, 0.0, 151.034, 0.0),
    ("LeftForeArm", 17, 0.0, 278.883, 0.0),
    ("LeftHand", 18, 0.0, 251.733, 0.0),
    ("LeftHandThumb", 19, 0.0, 0.0, 0.0),
    ("LeftHandThumb_End", 20, 0.0, 0.0, 99.9996),
    ("LeftWrist_End", 19, 0.0, 100.0, 0.0),
    ("LeftWrist_End_End", 22, 0.0, 0.0, 0.0),
    ("RightShoulder", 12, 0.0, 257.078, 0.0),
    ("RightArm", 24, 0.0, 151.031, 0.0),
    ("RightForeArm", 25, 0.0, 278.893, 0.0),
    ("RightHand", 26, 0.0, 251.729, 0.0),
    ("RightHandThumb", 27, 0.0, 0.0, 0.0),
    ("RightHandThumb_End", 28, 0.0, 0.0, 99.9999),
    ("RightWrist_End", 27, 0.0, 137.5, 0.0),
    ("RightWrist_End_End", 30, 0.0, 0.0, 0.0),
)

H36M32_TO_17: tuple[int, ...] = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The joints of h36m32 that make h36m17, in its order (VideoPose3D's choice)."""

H36M32_STATIC: tuple[int, ...] = (0, 1, 6, 11)
"""Joints that stand still (to a tenth of a millimetre) once the rotation and the trajectory of the root are removed."""

H36M32_COPIES: dict[int, int] = {16: 13, 24: 13, 20: 19, 28: 27, 23: 22, 31: 30}
"""Joints that coincide with another one: joint -> the one that a model predicts."""

H36M32_MODEL_JOINTS: tuple[int, ...] = tuple(
    joint for joint in range(32) if joint not in H36M32_STATIC and joint not in H36M32_COPIES
)
"""The 22 joints (66 numbers) that the benchmark's models see and predict."""

# fmt: off
H36M32_VARYING: tuple[int, ...] = (
    *range(6), 6, 7, 8, 9, 12, 13, 14, 15, 21, 22, 23, 24, 27, 28, 29, 30, *range(36, 48), *range(51, 58), 60, 61, 62,
    *range(75, 82), 84, 85, 86,
)
# fmt: on
"""The 54 of 99 columns of the benchmark's rows that vary: 6 of the root, 48 of the pose."""

H36M32_T_POSE: dict[str, tuple[float, float, float]] = {
    "LeftShoulder": (0.0, 0.0, -math.pi / 2),
    "RightShoulder": (0.0, 0.0, math.pi / 2),
}
"""Local rotation vectors that bring h36m32's arms, which point upwards at rest, into a T-pose."""

# The names by which the seventeen go; the thorax is where the arms branch off, the neck is near the chin.
_H36M17 = (
    "Hip", "RHip", "RKnee", "RFoot", "LHip", "LKnee", "LFoot", "Spine", "Thorax", "Neck", "Head",
    "LShoulder", "LElbow", "LWrist", "RShoulder", "RElbow", "RWrist",
)  # fmt: skip
_H36M17_PLACES: dict[str, Place] = {
    "pelvis": (0.0, 0.90, 0.0),
    "spine": (0.0, 1.15, 0.0),
    "chest": (0.0, 1.43, -0.01),
    "neck": (0.0, 1.56, 0.03),
    "head": (0.0, 1.68, 0.01),
}

_EXTREMITIES = {
    "r_toe": "RightToeBase",
    "l_toe": "LeftToeBase",
    "r_hand_end": "RightWrist_End",
    "l_hand_end": "LeftWrist_End",
}


@cache
def h36m32() -> Skeleton:
    """The 32 joints of the Human3.6M exponential-map files, in metres; in its rest pose the arms point upwards."""
    offsets = torch.tensor([row[2:] for row in _H36M32], dtype=torch.float64) / 1000
    names, parents = tuple(row[0] for row in _H36M32), tuple(row[1] for row in _H36M32)
    aliases = {canon: names[joint] for canon, joint in zip(CANON17, H36M32_TO_17, strict=True)}
    return Skeleton("h36m32", names, parents, offsets, aliases=aliases | _EXTREMITIES)


def h36m17() -> Skeleton:
    """The 17 joints of VideoPose3D's Human3.6M, in canon17's order, on a T-pose body of average proportions."""
    rows = [
        (joint, parent, _H36M17_PLACES.get(canon, canon))
        for joint, parent, canon in zip(_H36M17, CANON17_PARENTS, CANON17, strict=True)
    ]
    return skeleton_of_places("h36m17", rows)
