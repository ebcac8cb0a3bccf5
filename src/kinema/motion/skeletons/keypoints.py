"""Two-dimensional keypoint sets as trees: `coco17`, `body25`, and the orders in which detectors write them (`Layout`).

Detectors give no tree and no rest pose. The trees run from the nose (COCO) or the middle of the hips (BODY-25); the
offsets are those of a T-pose body of average proportions seen from the front, zero for points of the face and hands.
A file's order is no tree (OpenPose begins at the nose and the root is number 8), so a layout holds a skeleton in tree
order and, for every joint of it, the joint's number in the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import place

Row = tuple[str, str, str]  # joint, parent ("" for the root), landmark of `body` ("" where none), in the file's order
_BOTH = ("left", "right")
_ARMS: tuple[Row, ...] = (
    *((f"{s}_shoulder", "nose", f"{s[0]}_shoulder") for s in _BOTH),
    *((f"{s}_elbow", f"{s}_shoulder", f"{s[0]}_elbow") for s in _BOTH),
    *((f"{s}_wrist", f"{s}_elbow", f"{s[0]}_wrist") for s in _BOTH),
)
_LEGS: tuple[Row, ...] = (
    *((f"{s}_hip", f"{s}_shoulder", f"{s[0]}_hip") for s in _BOTH),
    *((f"{s}_knee", f"{s}_hip", f"{s[0]}_knee") for s in _BOTH),
    *((f"{s}_ankle", f"{s}_knee", f"{s[0]}_ankle") for s in _BOTH),
)
_EARS: tuple[Row, ...] = tuple((f"{s}_ear", f"{s}_eye", f"{s[0]}_ear") for s in _BOTH)
_FEET = (("big_toe", "toe"), ("small_toe", "small_toe"), ("heel", "heel"))
_COCO17: tuple[Row, ...] = (
    ("nose", "", "nose"),
    *((f"{s}_eye", "nose", f"{s[0]}_eye") for s in _BOTH),
    *_EARS, *_ARMS, *_LEGS,
)  # fmt: skip
_MEDIAPIPE33: tuple[Row, ...] = (
    ("nose", "", "nose"),
    *((f"{s}_eye{part}", "nose", f"{s[0]}_eye") for s in _BOTH for part in ("_inner", "", "_outer")),
    *_EARS,
    *((f"mouth_{s}", "nose", "nose") for s in _BOTH),
    *_ARMS,
    *((f"{s}_{finger}", f"{s}_wrist", f"{s[0]}_hand") for finger in ("pinky", "index", "thumb") for s in _BOTH),
    *_LEGS,
    *((f"{s}_heel", f"{s}_ankle", f"{s[0]}_heel") for s in _BOTH),
    *((f"{s}_foot_index", f"{s}_ankle", f"{s[0]}_toe") for s in _BOTH),
)
# With a neck and a hip there is a better tree than one from the nose.
_HALPE_PARENTS = {"nose": "neck", **{f"{s}_shoulder": "neck" for s in _BOTH}, **{f"{s}_hip": "hip" for s in _BOTH}}
_HALPE26: tuple[Row, ...] = (
    *((joint, _HALPE_PARENTS.get(joint, parent), spot) for joint, parent, spot in _COCO17),
    ("head_top", "nose", "head_end"),
    ("neck", "", "neck"),
    ("hip", "neck", "pelvis"),
    *((f"{s}_{part}", f"{s}_ankle", f"{s[0]}_{spot}") for part, spot in _FEET for s in _BOTH),
)
_BODY25: tuple[Row, ...] = (
    ("Nose", "Neck", "nose"),
    ("Neck", "MidHip", "neck"),
    ("RShoulder", "Neck", "r_shoulder"),
    ("RElbow", "RShoulder", "r_elbow"),
    ("RWrist", "RElbow", "r_wrist"),
    ("LShoulder", "Neck", "l_shoulder"),
    ("LElbow", "LShoulder", "l_elbow"),
    ("LWrist", "LElbow", "l_wrist"),
    ("MidHip", "", "pelvis"),
    ("RHip", "MidHip", "r_hip"),
    ("RKnee", "RHip", "r_knee"),
    ("RAnkle", "RKnee", "r_ankle"),
    ("LHip", "MidHip", "l_hip"),
    ("LKnee", "LHip", "l_knee"),
    ("LAnkle", "LKnee", "l_ankle"),
    ("REye", "Nose", "r_eye"),
    ("LEye", "Nose", "l_eye"),
    ("REar", "REye", "r_ear"),
    ("LEar", "LEye", "l_ear"),
    *((f"{s}{part}", f"{s}Ankle", f"{s.lower()}_{spot}") for s in "LR"
      for part, spot in (("BigToe", "toe"), ("SmallToe", "small_toe"), ("Heel", "heel"))),
)  # fmt: skip
# The first of them without the middle of the hips: the root is the neck.
_OPENPOSE18: tuple[Row, ...] = tuple(
    (joint, {"Neck": "", "RHip": "Neck", "LHip": "Neck"}.get(joint, parent), spot)
    for joint, parent, spot in _BODY25[:19]
    if joint != "MidHip"
)


def _points(stem: str, count: int, parent: str) -> tuple[Row, ...]:
    return tuple((f"{stem}_{index}", parent, "") for index in range(count))


def _hands(left: str, right: str) -> tuple[Row, ...]:
    """The wrist again, then five fingers of four, of both hands; their wrists' names are given."""
    return tuple(
        (f"{stem}_{at}", wrist if at == 0 else f"{stem}_{0 if at % 4 == 1 else at - 1}", "")
        for stem, wrist in (("left_hand", left), ("right_hand", right))
        for at in range(21)
    )


_WHOLE_FEET: tuple[Row, ...] = tuple(
    (f"{s}_{part}", f"{s}_ankle", f"{s[0]}_{spot}") for s in _BOTH for part, spot in _FEET
)
_FACE_AND_HANDS = (*_points("face", 68, "nose"), *_hands("left_wrist", "right_wrist"))
_ROWS: dict[str, tuple[Row, ...]] = {
    "coco17": _COCO17,
    "halpe26": _HALPE26,
    "mediapipe33": _MEDIAPIPE33,
    "wholebody133": (*_COCO17, *_WHOLE_FEET, *_FACE_AND_HANDS),
    "halpe136": (*_HALPE26, *_FACE_AND_HANDS),
    "body25": _BODY25,
    "openpose18": _OPENPOSE18,
}
LAYOUTS: dict[int, str] = {len(rows): name for name, rows in _ROWS.items() if name not in ("body25", "openpose18")}
"""Name of the layout by the number of keypoints of a person, for formats that hold one list of them."""


@dataclass(frozen=True)
class Layout:
    """A skeleton in tree order; `order[joint]` is the number of that joint in the file."""

    name: str
    skeleton: Skeleton
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.order)


@lru_cache
def layout(name: str) -> Layout:
    """The layout of that name: a value of `LAYOUTS`, or `body25` or `openpose18` with "+face", "+hands" after it.

    Parents are put before their children, else the order of the file is kept.
    """
    base, *more = name.split("+")
    rows = [*_ROWS[base]]
    rows += _points("face", 70, "Nose") if "face" in more else ()
    rows += _hands("LWrist", "RWrist") if "hands" in more else ()
    number = {joint: index for index, (joint, _, _) in enumerate(rows)}
    order: list[int] = []
    waiting = list(range(len(rows)))
    while waiting:
        ready = next(i for i in waiting if not rows[i][1] or number[rows[i][1]] in order)
        order.append(ready)
        waiting.remove(ready)
    where = torch.zeros(len(rows), 3)
    for at, index in enumerate(order):
        _, parent, spot = rows[index]
        if spot:
            where[at, :2] = torch.tensor(place(spot)[:2])
        elif parent:
            where[at] = where[order.index(number[parent])]
    parents = tuple(order.index(number[rows[index][1]]) if rows[index][1] else -1 for index in order)
    offsets = where - where[[max(parent, 0) for parent in parents]]
    aliases = {spot: joint for joint, _, spot in rows if spot in (*CANON17, "l_toe", "r_toe")}
    joints = tuple(rows[index][0] for index in order)
    return Layout(name, Skeleton(name, joints, parents, offsets, aliases=aliases), tuple(order))


BODY25_FILE_ORDER: tuple[int, ...] = layout("body25").order
"""For every joint of `body25`, its number in OpenPose's files: `keypoints[..., BODY25_FILE_ORDER, :]`."""


def coco17() -> Skeleton:
    """COCO's 17 keypoints in their order; no pelvis, spine or neck, so only the limbs have canonical names."""
    return layout("coco17").skeleton


def body25() -> Skeleton:
    """OpenPose's BODY-25 as a tree from the middle of the hips; `BODY25_FILE_ORDER` gives the numbers in its files."""
    return layout("body25").skeleton
