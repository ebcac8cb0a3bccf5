"""Two-dimensional keypoint sets as trees: `coco17`, `body25`, and the orders in which detectors write them (`Layout`).

Detectors give no tree and no rest pose. The trees run from the nose (COCO) or the middle of the hips (BODY-25); the
offsets are those of a T-pose body of average proportions seen from the front, zero for points of the face and hands.
A file's order is no tree (OpenPose begins at the nose and the root is number 8), so a layout holds a skeleton in tree
order and, for every joint of it, the joint's number in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch

from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.body import PLACES, place, skeleton_of_places

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


_HAND = tuple(0 if knuckle % 4 == 1 else knuckle - 1 for knuckle in range(21))  # wrist, then five fingers of four
_COCO18 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "RHip", "RKnee", "RAnkle",
    "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
)  # fmt: skip
_HALPE_MORE = (
    ("head_top", "nose", "head_end"), ("neck", "", "neck"), ("hip", "neck", "pelvis"),
    ("left_big_toe", "left_ankle", "l_toe"), ("right_big_toe", "right_ankle", "r_toe"),
    ("left_small_toe", "left_ankle", "l_small_toe"), ("right_small_toe", "right_ankle", "r_small_toe"),
    ("left_heel", "left_ankle", "l_heel"), ("right_heel", "right_ankle", "r_heel"),
)  # fmt: skip
_WHOLE_BODY_FEET = tuple(
    (f"{side}_{part}", f"{side}_ankle", f"{side[0]}_{spot}")
    for side in ("left", "right")
    for part, spot in (("big_toe", "toe"), ("small_toe", "small_toe"), ("heel", "heel"))
)
_MEDIAPIPE: tuple[tuple[str, str, str], ...] = (
    ("nose", "", "nose"),
    *((f"{s}_eye{part}", "nose", f"{s[0]}_eye") for s in ("left", "right") for part in ("_inner", "", "_outer")),
    *((f"{s}_ear", f"{s}_eye", f"{s[0]}_ear") for s in ("left", "right")),
    *((f"mouth_{s}", "nose", "nose") for s in ("left", "right")),
    *((f"{s}_shoulder", "nose", f"{s[0]}_shoulder") for s in ("left", "right")),
    *((f"{s}_elbow", f"{s}_shoulder", f"{s[0]}_elbow") for s in ("left", "right")),
    *((f"{s}_wrist", f"{s}_elbow", f"{s[0]}_wrist") for s in ("left", "right")),
    *((f"{s}_{f}", f"{s}_wrist", f"{s[0]}_hand") for f in ("pinky", "index", "thumb") for s in ("left", "right")),
    *((f"{s}_hip", f"{s}_shoulder", f"{s[0]}_hip") for s in ("left", "right")),
    *((f"{s}_knee", f"{s}_hip", f"{s[0]}_knee") for s in ("left", "right")),
    *((f"{s}_ankle", f"{s}_knee", f"{s[0]}_ankle") for s in ("left", "right")),
    *((f"{s}_heel", f"{s}_ankle", f"{s[0]}_heel") for s in ("left", "right")),
    *((f"{s}_foot_index", f"{s}_ankle", f"{s[0]}_toe") for s in ("left", "right")),
)


@dataclass(frozen=True)
class Layout:
    """A skeleton in tree order; `order[joint]` is the number of that joint in the file."""

    name: str
    skeleton: Skeleton
    order: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.order)


Row = tuple[str, str, str]  # joint, parent ("" for the root), landmark ("" where none)


@lru_cache
def layout(name: str) -> Layout:
    """The layout of that name: a key of `LAYOUTS`, or "+hands", "+face" after `body25` or `openpose18`."""
    base, *more = name.split("+")
    rows, aliases = _body(base)
    wrists = ("LWrist", "RWrist") if base in ("body25", "openpose18") else ("left_wrist", "right_wrist")
    if "face" in more:
        rows = [*rows, *_points("face", 70, "Nose")]
    if "hands" in more:
        rows = [*rows, *_hand("left_hand", wrists[0]), *_hand("right_hand", wrists[1])]
    return tree_of_rows(name, rows, aliases)


def tree_of_rows(name: str, rows: Sequence[Row], aliases: Mapping[str, str]) -> Layout:
    """A layout from rows in the order of the file: parents are put before their children, else the order is kept."""
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
            x, y, _ = place(spot)
            where[at] = torch.tensor([x, y, 0.0])
        elif parent:
            where[at] = where[order.index(number[parent])]
    parents = tuple(order.index(number[rows[index][1]]) if rows[index][1] else -1 for index in order)
    offsets = where - where[[max(parent, 0) for parent in parents]]
    joints = tuple(rows[index][0] for index in order)
    return Layout(name, Skeleton(name, joints, parents, offsets, aliases=dict(aliases)), tuple(order))


def _body(base: str) -> tuple[list[Row], dict[str, str]]:
    if base in ("body25", "openpose18"):
        rows, aliases = _openpose()
        if base == "openpose18":
            rows = _rows_of(rows, _COCO18)
            aliases = {canon: name for canon, name in aliases.items() if name in _COCO18}
        return rows, aliases
    if base == "mediapipe33":
        names = {joint for joint, _, _ in _MEDIAPIPE}
        toes = {f"{side[0]}_toe": f"{side}_foot_index" for side in ("left", "right")}
        return list(_MEDIAPIPE), {**{a: b for a, b in _limb_aliases().items() if b in names}, **toes}
    rows = _coco()
    aliases = _limb_aliases()
    if base == "coco17":
        return rows, aliases
    aliases |= {f"{side[0]}_toe": f"{side}_big_toe" for side in ("left", "right")}
    if base.startswith("halpe"):
        # With a neck and a hip there is a better tree than one from the nose.
        new_parents = {"nose": "neck"} | {f"{s}_shoulder": "neck" for s in ("left", "right")}
        new_parents |= {f"{s}_hip": "hip" for s in ("left", "right")}
        rows = [(joint, new_parents.get(joint, parent), spot) for joint, parent, spot in rows]
        rows += list(_HALPE_MORE)
        aliases |= {"pelvis": "hip", "neck": "neck"}
    else:
        rows += list(_WHOLE_BODY_FEET)
    if base in ("halpe136", "wholebody133"):
        rows += _points("face", 68, "nose")
        rows += [*_hand("left_hand", "left_wrist"), *_hand("right_hand", "right_wrist")]
    return rows, aliases


def _openpose() -> tuple[list[Row], dict[str, str]]:
    body = body25()
    rows: list[Row] = [("", "", "")] * len(body)
    for joint, number in enumerate(BODY25_FILE_ORDER):
        parent = body.parents[joint]
        rows[number] = (body.joints[joint], body.joints[parent] if parent >= 0 else "", _spot(body.joints[joint]))
    return rows, dict(body.aliases)


def _rows_of(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Some of OpenPose's joints, hung on the neck where their parent is not among them."""
    kept: list[Row] = []
    for name in names:
        joint, parent, spot = next(row for row in rows if row[0] == name)
        kept.append((joint, "" if name == "Neck" else parent if parent in names else "Neck", spot))
    return kept


def _coco() -> list[Row]:
    body = coco17()
    return [
        (joint, body.joints[parent] if parent >= 0 else "", _spot(joint))
        for joint, parent in zip(body.joints, body.parents, strict=True)
    ]


def _spot(joint: str) -> str:
    """The landmark of `catalog.body` that a joint of OpenPose or COCO stands at."""
    if joint in ("MidHip", "Neck", "Nose", "nose"):
        return {"MidHip": "pelvis"}.get(joint, joint.lower())
    if "_" in joint:
        side, part = joint.split("_", 1)
    else:
        side, part = joint[0], joint[1:]
    plain = {"BigToe": "toe", "SmallToe": "small_toe"}.get(part, part.lower())
    spot = f"{side[0].lower()}_{plain}"
    return spot if f"l_{plain}" in PLACES else ""


def _limb_aliases() -> dict[str, str]:
    return {f"{side[0]}_{part}": f"{side}_{part}" for side in ("left", "right") for part in _LIMBS}


def _hand(stem: str, wrist: str) -> list[Row]:
    parents = [wrist, *(f"{stem}_{parent}" for parent in _HAND[1:])]
    return [(f"{stem}_{index}", parent, "") for index, parent in enumerate(parents)]


def _points(stem: str, count: int, parent: str) -> list[Row]:
    return [(f"{stem}_{index}", parent, "") for index in range(count)]


LAYOUTS: dict[int, str] = {
    17: "coco17",
    26: "halpe26",
    33: "mediapipe33",
    133: "wholebody133",
    136: "halpe136",
}
"""Name of the layout by the number of keypoints of a person, for formats that hold one list of them."""
