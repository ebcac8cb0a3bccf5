"""`humaneva15`: the fifteen joints of HumanEva-I as the forecasting benchmarks have them."""

from __future__ import annotations

from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import Place, skeleton_of_places

_HUMANEVA15: tuple[tuple[str, int, str | Place, str], ...] = (
    ("Pelvis", -1, "pelvis", "pelvis"),
    ("Thorax", 0, (0.0, 1.43, -0.01), "chest"),
    ("LeftShoulder", 1, "l_shoulder", "l_shoulder"),
    ("LeftElbow", 2, "l_elbow", "l_elbow"),
    ("LeftWrist", 3, "l_wrist", "l_wrist"),
    ("RightShoulder", 1, "r_shoulder", "r_shoulder"),
    ("RightElbow", 5, "r_elbow", "r_elbow"),
    ("RightWrist", 6, "r_wrist", "r_wrist"),
    ("LeftHip", 0, "l_hip", "l_hip"),
    ("LeftKnee", 8, "l_knee", "l_knee"),
    ("LeftAnkle", 9, "l_ankle", "l_ankle"),
    ("RightHip", 0, "r_hip", "r_hip"),
    ("RightKnee", 11, "r_knee", "r_knee"),
    ("RightAnkle", 12, "r_ankle", "r_ankle"),
    ("Head", 1, (0.0, 1.62, 0.02), "head"),
)


def humaneva15() -> Skeleton:
    """HumanEva-I's 15 joints on a T-pose body of average proportions; it has no spine and no neck."""
    rows = [(joint, parent, spot) for joint, parent, spot, _ in _HUMANEVA15]
    return skeleton_of_places("humaneva15", rows, {canon: joint for joint, _, _, canon in _HUMANEVA15})
