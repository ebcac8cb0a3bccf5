"""`lafan22`, `bandai21` and `humaneva15`: the bodies of three motion-capture sets.

Names and parents are facts of their files. The sets are licensed for non-commercial use only, so their numbers are not
here: the rest offsets are a T-pose body of average proportions (`skeletons.body`), not the files' own (LaFAN1's and
Bandai's bones lie along the joints' local x axis). A file that is read brings its own.
"""

from __future__ import annotations

from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import Place, skeleton_of_places

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
