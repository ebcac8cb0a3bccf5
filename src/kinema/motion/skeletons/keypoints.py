"""Two-dimensional keypoint sets, `coco17` and `body25`, as trees.

Detectors give no tree and no rest pose: the trees run from the nose (COCO) or the middle of the hips (BODY-25), and
the offsets are those of a T-pose body of average proportions seen from the front, with no depth.
"""

from __future__ import annotations

from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import place, skeleton_of_places

# Name, parent, landmark. COCO's order; a parent stands before its children, so the nose is the root.
_COCO17: tuple[tuple[str, int, str], ...] = (
    ("nose", -1, "nose"),
    ("left_eye", 0, "l_eye"),
    ("right_eye", 0, "r_eye"),
    ("left_ear", 1, "l_ear"),
    ("right_ear", 2, "r_ear"),
    ("left_shoulder", 0, "l_shoulder"),
    ("right_shoulder", 0, "r_shoulder"),
    ("left_elbow", 5, "l_elbow"),
    ("right_elbow", 6, "r_elbow"),
    ("left_wrist", 7, "l_wrist"),
    ("right_wrist", 8, "r_wrist"),
    ("left_hip", 5, "l_hip"),
    ("right_hip", 6, "r_hip"),
    ("left_knee", 11, "l_knee"),
    ("right_knee", 12, "r_knee"),
    ("left_ankle", 13, "l_ankle"),
    ("right_ankle", 14, "r_ankle"),
)
# OpenPose numbers the joints from the nose; as a tree from the middle of the hips they stand in another order.
_BODY25: tuple[tuple[str, int, str, int], ...] = (
    ("MidHip", -1, "pelvis", 8),
    ("Neck", 0, "neck", 1),
    ("Nose", 1, "nose", 0),
    ("RShoulder", 1, "r_shoulder", 2),
    ("RElbow", 3, "r_elbow", 3),
    ("RWrist", 4, "r_wrist", 4),
    ("LShoulder", 1, "l_shoulder", 5),
    ("LElbow", 6, "l_elbow", 6),
    ("LWrist", 7, "l_wrist", 7),
    ("RHip", 0, "r_hip", 9),
    ("RKnee", 9, "r_knee", 10),
    ("RAnkle", 10, "r_ankle", 11),
    ("LHip", 0, "l_hip", 12),
    ("LKnee", 12, "l_knee", 13),
    ("LAnkle", 13, "l_ankle", 14),
    ("REye", 2, "r_eye", 15),
    ("LEye", 2, "l_eye", 16),
    ("REar", 15, "r_ear", 17),
    ("LEar", 16, "l_ear", 18),
    ("LBigToe", 14, "l_toe", 19),
    ("LSmallToe", 14, "l_small_toe", 20),
    ("LHeel", 14, "l_heel", 21),
    ("RBigToe", 11, "r_toe", 22),
    ("RSmallToe", 11, "r_small_toe", 23),
    ("RHeel", 11, "r_heel", 24),
)

BODY25_FILE_ORDER: tuple[int, ...] = tuple(number for _, _, _, number in _BODY25)
"""For every joint of `body25`, its number in OpenPose's files: `keypoints[..., BODY25_FILE_ORDER, :]`."""

_LIMBS = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")


def coco17() -> Skeleton:
    """COCO's 17 keypoints in their order; no pelvis, spine or neck, so only the limbs have canonical names."""
    aliases = {f"{side[0]}_{part}": f"{side}_{part}" for side in ("left", "right") for part in _LIMBS}
    return skeleton_of_places("coco17", [(j, p, _flat(spot)) for j, p, spot in _COCO17], aliases)


def body25() -> Skeleton:
    """OpenPose's BODY-25 as a tree from the middle of the hips; `BODY25_FILE_ORDER` gives the numbers in its files."""
    aliases = {f"{side}_{part}": f"{side.upper()}{part.title()}" for side in "lr" for part in _LIMBS}
    aliases |= {"pelvis": "MidHip", "neck": "Neck", "l_toe": "LBigToe", "r_toe": "RBigToe"}
    return skeleton_of_places("body25", [(j, p, _flat(spot)) for j, p, spot, _ in _BODY25], aliases)


def _flat(landmark: str) -> tuple[float, float, float]:
    x, y, _ = place(landmark)
    return x, y, 0.0
