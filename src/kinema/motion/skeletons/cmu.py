"""`cmu38`: the CMU archive's body as the forecasting benchmark has it, and which of its joints a model predicts."""

from __future__ import annotations

from dataclasses import replace

import torch

from kinema.motion.skeleton import Skeleton

UNIT = 0.0564444
"""Metres per ASF unit: 0.0254 / 0.45. Published code multiplies by 70 mm instead of 56.4444 mm."""

# Name, parent, offset in ASF units; one actor's body, which the benchmark uses for everybody.
_CMU38: tuple[tuple[str, int, float, float, float], ...] = (
    ("Hips", -1, 0.0, 0.0, 0.0),
    ("LHipJoint", 0, 0.0, 0.0, 0.0),
    ("LeftUpLeg", 1, 1.65674, -1.80282, 0.62477),
    ("LeftLeg", 2, 2.5972, -7.13576, 0.0),
    ("LeftFoot", 3, 2.49236, -6.8477, 0.0),
    ("LeftToeBase", 4, 0.19704, -0.54136, 2.14581),
    ("LToe_End", 5, 0.0, 0.0, 1.11249),
    ("RHipJoint", 0, 0.0, 0.0, 0.0),
    ("RightUpLeg", 7, -1.6107, -1.80282, 0.62476),
    ("RightLeg", 8, -2.59502, -7.12977, 0.0),
    ("RightFoot", 9, -2.4678, -6.78024, 0.0),
    ("RightToeBase", 10, -0.23024, -0.63258, 2.13368),
    ("RToe_End", 11, 0.0, 0.0, 1.11569),
    ("LowerBack", 0, 0.0, 0.0, 0.0),
    ("Spine", 13, 0.01961, 2.0545, -0.14112),
    ("Spine1", 14, 0.01021, 2.06436, -0.05921),
    ("Neck", 15, 0.0, 0.0, 0.0),
    ("Neck1", 16, 0.00713, 1.56711, 0.14968),
    ("Head", 17, 0.03429, 1.56041, -0.10006),
    ("Head_End", 18, 0.01305, 1.6256, -0.05265),
    ("LeftShoulder", 15, 0.0, 0.0, 0.0),
    ("LeftArm", 20, 3.54205, 0.90436, -0.17364),
    ("LeftForeArm", 21, 4.86513, 0.0, 0.0),
    ("LeftHand", 22, 3.35554, 0.0, 0.0),
    ("LeftFingerBase", 23, 0.0, 0.0, 0.0),
    ("LeftHandIndex1", 24, 0.66117, 0.0, 0.0),
    ("LIndex_End", 25, 0.53306, 0.0, 0.0),
    ("LThumb", 23, 0.0, 0.0, 0.0),
    ("LThumb_End", 27, 0.5412, 0.0, 0.5412),
    ("RightShoulder", 15, 0.0, 0.0, 0.0),
    ("RightArm", 29, -3.49802, 0.75994, -0.32616),
    ("RightForeArm", 30, -5.02649, 0.0, 0.0),
    ("RightHand", 31, -3.36431, 0.0, 0.0),
    ("RightFingerBase", 32, 0.0, 0.0, 0.0),
    ("RightHandIndex1", 33, -0.73041, 0.0, 0.0),
    ("RIndex_End", 34, -0.58887, 0.0, 0.0),
    ("RThumb", 32, 0.0, 0.0, 0.0),
    ("RThumb_End", 36, -0.59786, 0.0, 0.59786),
)

CMU38_STATIC: tuple[int, ...] = (0, 1, 2, 7, 8, 13)
"""Joints that stand still once the rotation and the trajectory of the root are removed."""

CMU38_COPIES: dict[int, int] = {16: 15, 20: 15, 29: 15, 24: 23, 27: 23, 33: 32, 36: 32}
"""Joints that coincide with another one: joint -> the one that a model predicts."""

CMU38_MODEL_JOINTS: tuple[int, ...] = tuple(
    joint for joint in range(38) if joint not in CMU38_STATIC and joint not in CMU38_COPIES
)
"""The 25 joints (75 numbers) that the benchmark's models see and predict."""

CMU38_NOT_CAPTURED: tuple[int, ...] = (24, 25, 26, 27, 28, 33, 34, 35, 36, 37)
"""Fingers and thumbs: CMU's own note says that they were never captured, although the benchmark scores them."""

# fmt: off
CMU38_VARYING: tuple[int, ...] = (
    *range(6), *range(9, 14), *range(15, 20), *range(27, 32), *range(33, 38), *range(42, 60), 66, 67, 68, 70, 71, 72,
    75, 76, 77, 80, 84, 85, 86, 93, 94, 95, 97, 98, 99, 102, 103, 104, 107, 111, 112, 113,
)
# fmt: on
"""The 70 of 117 columns of the benchmark's rows that vary by 1e-4 or more: 6 of the root, 64 of the pose."""


def cmu38() -> Skeleton:
    """The 38 joints of the CMU benchmark files; T-pose with the legs apart, offsets in true metres (`UNIT`)."""
    offsets = torch.tensor([row[2:] for row in _CMU38], dtype=torch.float64) * UNIT
    names, parents = tuple(row[0] for row in _CMU38), tuple(row[1] for row in _CMU38)
    body = Skeleton("cmu38", names, parents, offsets)
    return replace(body, aliases={**body.aliases, "neck": "Neck1"})  # "Neck" stands where the chest does
