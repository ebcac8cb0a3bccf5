"""kinema's own bodies: `kinema24`, in which synthetic motion is made, and `canon17`, the common ground of all sets."""

from __future__ import annotations

from kinema.motion.names import CANON17, CANON17_PARENTS, EXTREMITIES
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import skeleton_of_places

_KINEMA24: tuple[tuple[str, int], ...] = (
    ("pelvis", -1), ("spine", 0), ("chest", 1), ("neck", 2), ("head", 3), ("head_end", 4),
    ("l_clavicle", 2), ("l_shoulder", 6), ("l_elbow", 7), ("l_wrist", 8), ("l_hand_end", 9),
    ("r_clavicle", 2), ("r_shoulder", 11), ("r_elbow", 12), ("r_wrist", 13), ("r_hand_end", 14),
    ("l_hip", 0), ("l_knee", 16), ("l_ankle", 17), ("l_toe", 18),
    ("r_hip", 0), ("r_knee", 20), ("r_ankle", 21), ("r_toe", 22),
)  # fmt: skip


def kinema24() -> Skeleton:
    """Our own T-pose body of 24 joints, 1.72 m tall, with the crown, the finger tips and the toe tips as joints."""
    return skeleton_of_places(
        "kinema24",
        [(joint, parent, joint) for joint, parent in _KINEMA24],
        {joint: joint for joint in (*CANON17, *EXTREMITIES)},
    )


def canon17() -> Skeleton:
    """The canonical seventeen joints in a T-pose; the head is a point inside the skull."""
    rows = [(joint, parent, joint) for joint, parent in zip(CANON17, CANON17_PARENTS, strict=True)]
    return skeleton_of_places("canon17", rows, {joint: joint for joint in CANON17})
