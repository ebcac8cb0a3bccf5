"""A body of average proportions, 1.72 m tall, that gives T-pose skeletons their positions.

Segment lengths are near the classic shares of body height (Drillis and Contini 1966; Winter, Biomechanics and Motor
Control of Human Movement): no licensed body model was measured. Metres, y up, facing +z, the left hand towards +x,
feet on the floor at y = 0. Synthetic motion is made on `kinema24`; `canon17` is the common ground of all sets.

`lafan22`, `bandai21` and `humaneva15` have the names and parents of three motion-capture sets, which are facts of their
files. The sets are licensed for non-commercial use only, so their numbers are not here (LaFAN1's and Bandai's bones lie
along the joints' local x axis). A file that is read brings its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from kinema.motion.names import CANON17, CANON17_PARENTS
from kinema.motion.skeleton import Skeleton

Place = tuple[float, float, float]

# The middle line and the left side; the right side is its reflection.
PLACES: dict[str, Place] = {
    "pelvis": (0.0, 0.95, 0.0),
    "spine": (0.0, 1.06, -0.01),
    "spine_low": (0.0, 1.05, -0.01),
    "spine_mid": (0.0, 1.17, -0.015),
    "chest": (0.0, 1.26, -0.015),
    "neck": (0.0, 1.47, -0.015),
    "head": (0.0, 1.56, 0.015),
    "head_end": (0.0, 1.72, 0.01),
    "jaw": (0.0, 1.55, 0.03),
    "nose": (0.0, 1.58, 0.12),
    "l_eye": (0.032, 1.615, 0.09),
    "l_ear": (0.075, 1.59, 0.01),
    "l_clavicle": (0.03, 1.42, -0.01),
    "l_collar": (0.075, 1.41, -0.015),
    "l_shoulder": (0.175, 1.42, -0.015),
    "l_elbow": (0.46, 1.42, -0.015),
    "l_wrist": (0.71, 1.42, -0.015),
    "l_hand": (0.79, 1.42, -0.015),
    "l_hand_end": (0.885, 1.42, -0.015),
    "l_hip": (0.09, 0.90, 0.0),
    "l_knee": (0.093, 0.49, 0.005),
    "l_ankle": (0.095, 0.08, -0.025),
    "l_heel": (0.095, 0.02, -0.075),
    "l_ball": (0.1, 0.02, 0.11),
    "l_toe": (0.105, 0.02, 0.17),
    "l_small_toe": (0.135, 0.02, 0.12),
}


def place(name: str) -> Place:
    """The position in metres of a landmark in the T-pose; names of the right side start with "r_"."""
    if name.startswith("r_"):
        x, y, z = PLACES[f"l_{name[2:]}"]
        return -x, y, z
    return PLACES[name]


def skeleton_of_places(name: str, table: Sequence[tuple[str, int, str | Place]]) -> Skeleton:
    """A T-pose skeleton from rows (joint, parent's index, landmark or position in metres)."""
    where = torch.tensor([place(spot) if isinstance(spot, str) else spot for _, _, spot in table])
    parents = tuple(parent for _, parent, _ in table)
    offsets = where - where[[max(parent, 0) for parent in parents]]
    return Skeleton(name, tuple(joint for joint, _, _ in table), parents, offsets)


_KINEMA24: tuple[tuple[str, int], ...] = (
    ("pelvis", -1), ("spine", 0), ("chest", 1), ("neck", 2), ("head", 3), ("head_end", 4),
    ("l_clavicle", 2), ("l_shoulder", 6), ("l_elbow", 7), ("l_wrist", 8), ("l_hand_end", 9),
    ("r_clavicle", 2), ("r_shoulder", 11), ("r_elbow", 12), ("r_wrist", 13), ("r_hand_end", 14),
    ("l_hip", 0), ("l_knee", 16), ("l_ankle", 17), ("l_toe", 18),
    ("r_hip", 0), ("r_knee", 20), ("r_ankle", 21), ("r_toe", 22),
)  # fmt: skip


def kinema24() -> Skeleton:
    """Our own T-pose body of 24 joints, 1.72 m tall, with the crown, the finger tips and the toe tips as joints."""
    return skeleton_of_places("kinema24", [(joint, parent, joint) for joint, parent in _KINEMA24])


def canon17() -> Skeleton:
    """The canonical seventeen joints in a T-pose; the head is a point inside the skull."""
    rows = [(joint, parent, joint) for joint, parent in zip(CANON17, CANON17_PARENTS, strict=True)]
    return skeleton_of_places("canon17", rows)


_LAFAN22: tuple[tuple[str, int, str], ...] = (
    ("Hips", -1, "pelvis"),
    ("LeftUpLeg", 0, "l_hip"),
    ("LeftLeg", 1, "l_knee"),
    ("LeftFoot", 2, "l_ankle"),
    ("LeftToe", 3, "l_ball"),
    ("RightUpLeg", 0, "r_hip"),
    ("RightLeg", 5, "r_knee"),
    ("RightFoot", 6, "r_ankle"),
    ("RightToe", 7, "r_ball"),
    ("Spine", 0, "spine_low"),
    ("Spine1", 9, "spine_mid"),
    ("Spine2", 10, "chest"),
    ("Neck", 11, "neck"),
    ("Head", 12, "head"),
    ("LeftShoulder", 11, "l_clavicle"),
    ("LeftArm", 14, "l_shoulder"),
    ("LeftForeArm", 15, "l_elbow"),
    ("LeftHand", 16, "l_wrist"),
    ("RightShoulder", 11, "r_clavicle"),
    ("RightArm", 18, "r_shoulder"),
    ("RightForeArm", 19, "r_elbow"),
    ("RightHand", 20, "r_wrist"),
)
_BANDAI21: tuple[tuple[str, int, str], ...] = (
    ("Hips", -1, "pelvis"),
    ("Spine", 0, "spine"),
    ("Chest", 1, "chest"),
    ("Neck", 2, "neck"),
    ("Head", 3, "head"),
    ("Shoulder_L", 2, "l_clavicle"),
    ("UpperArm_L", 5, "l_shoulder"),
    ("LowerArm_L", 6, "l_elbow"),
    ("Hand_L", 7, "l_wrist"),
    ("Shoulder_R", 2, "r_clavicle"),
    ("UpperArm_R", 9, "r_shoulder"),
    ("LowerArm_R", 10, "r_elbow"),
    ("Hand_R", 11, "r_wrist"),
    ("UpperLeg_L", 0, "l_hip"),
    ("LowerLeg_L", 13, "l_knee"),
    ("Foot_L", 14, "l_ankle"),
    ("Toes_L", 15, "l_ball"),
    ("UpperLeg_R", 0, "r_hip"),
    ("LowerLeg_R", 17, "r_knee"),
    ("Foot_R", 18, "r_ankle"),
    ("Toes_R", 19, "r_ball"),
)
_HUMANEVA15: tuple[tuple[str, int, str | Place], ...] = (
    ("Pelvis", -1, "pelvis"),
    ("Thorax", 0, (0.0, 1.43, -0.01)),
    ("LeftShoulder", 1, "l_shoulder"),
    ("LeftElbow", 2, "l_elbow"),
    ("LeftWrist", 3, "l_wrist"),
    ("RightShoulder", 1, "r_shoulder"),
    ("RightElbow", 5, "r_elbow"),
    ("RightWrist", 6, "r_wrist"),
    ("LeftHip", 0, "l_hip"),
    ("LeftKnee", 8, "l_knee"),
    ("LeftAnkle", 9, "l_ankle"),
    ("RightHip", 0, "r_hip"),
    ("RightKnee", 11, "r_knee"),
    ("RightAnkle", 12, "r_ankle"),
    ("Head", 1, (0.0, 1.62, 0.02)),
)


def lafan22() -> Skeleton:
    """LaFAN1's 22 joints, in a T-pose."""
    return skeleton_of_places("lafan22", _LAFAN22)


def bandai21() -> Skeleton:
    """The 21 moving joints of Bandai-Namco-Research-Motiondataset (its `joint_Root` left out), in a T-pose."""
    return skeleton_of_places("bandai21", _BANDAI21)


def humaneva15() -> Skeleton:
    """HumanEva-I's 15 joints on a T-pose body of average proportions; it has no spine and no neck."""
    return skeleton_of_places("humaneva15", _HUMANEVA15)
