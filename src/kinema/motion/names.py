"""What joints are called: the canonical seventeen, and how other schemes name them.

`canon17` is the common ground of every body that kinema knows: whatever a file calls its joints, these are found by
name, so that data sets can be mixed and a model can be used on any skeleton.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

CANON17: tuple[str, ...] = (
    "pelvis", "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "spine", "chest", "neck", "head",
    "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
)  # fmt: skip
CANON17_PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
EXTREMITIES: tuple[str, ...] = ("head_end", "l_hand_end", "r_hand_end", "l_toe", "r_toe")
"""Ends of limbs that many bodies have beside the seventeen: they show how head, hands and feet are rotated."""

Rest = Literal["auto", "tpose", "source"]
"""Which rest pose to write: T-pose where the source file had none of its own, T-pose always, or that of the clip."""

# How the joints of the right side and of the middle line are called elsewhere, in plain form (see `_plain`), the most
# specific name first. The left side follows by exchanging the side.
_MIDDLE: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis", "hips", "hip", "root", "midhip"),
    "spine": ("spine1", "abdomen", "spine", "upperback", "lowerback", "spine01"),
    "chest": ("chest", "spine3", "thorax", "spine2", "upperchest", "spine03", "spine1", "upperback"),
    "neck": ("neck", "neck1", "lowerneck", "neck01"),
    "head": ("head", "upperneck"),
    "head_end": ("headend", "headtop", "headtopend", "headsite", "headnub", "crown"),
}
_SIDED: dict[str, tuple[str, ...]] = {
    # "leg" is last: SOMA's thigh and shin are Leg and Shin, most others' are UpLeg and Leg.
    "hip": ("hip", "upperleg", "upleg", "thigh", "femur", "leg"),
    "knee": ("knee", "lowerleg", "leg", "shin", "tibia", "calf"),
    "ankle": ("ankle", "foot"),
    "shoulder": ("shldr", "upperarm", "arm", "humerus", "shoulder"),
    "elbow": ("elbow", "lowerarm", "forearm", "radius"),
    "wrist": ("wrist", "hand"),
    "hand_end": ("handend", "fingersend", "indexend", "middle3", "handmiddle4", "handmiddle3", "hand", "handsite"),
    "toe": ("toebase", "toe", "toes", "ball", "bigtoe", "foot", "footend", "toeend", "footsite"),
}
_CLAVICLE = ("clavicle", "collar", "collarbone", "clav", "shoulder", "shoulder01")
_FINGER = re.compile(r"(?:hand|finger)?(thumb|index|middle|mid|ring|pinky|little)(?:finger)?0?([1-4]?)")
_FINGER_NAMES = {"mid": "middle", "pinky": "little"}
_PREFIX = re.compile(r"^(mixamorig\d*|bip\d*|skeleton\d*|character\d*|ccbase|def)[:_ ]?", re.IGNORECASE)
_SIDE_WORD = re.compile(r"(left|right)", re.IGNORECASE)
_SIDE_START = re.compile(
    r"^(?:([lr])(?=[A-Z_. ]|(?:hip|should|shldr|fore|hand|thigh|shin|foot|buttock|collar|eye|pinky|ring|mid|index|"
    r"thumb|femur|tibia|toe|humerus|radius|wrist|finger|clav|joint|knee|ankle|elbow))|([LR])(?=[A-Z][a-z]|[_. ]))"
)
_SIDE_END = re.compile(r"[_. ]([lrLR])(?=$|_end\d*$|_|\d)")


def side_and_stem(name: str) -> tuple[str, str]:
    """The side ("l", "r" or "") in a joint's name, and the name without it, in small letters and digits."""
    bare = _PREFIX.sub("", name)
    for pattern in (_SIDE_WORD, _SIDE_START, _SIDE_END):
        if found := pattern.search(bare):
            rest = bare[: found.start()] + bare[found.end() :]
            return next(side for side in found.groups() if side)[0].lower(), _plain(rest)
    return "", _plain(bare)


def mirror_by_name(joints: Sequence[str]) -> tuple[int, ...]:
    """Pairs left with right by name; a joint without a partner is its own mirror."""
    keys = [side_and_stem(name) for name in joints]
    place = {key: joint for joint, key in enumerate(keys)}
    mirror = list(range(len(joints)))
    for joint, (side, stem) in enumerate(keys):
        other = place.get(({"l": "r", "r": "l"}.get(side, ""), stem)) if side else None
        if other is not None and place[(side, stem)] == joint:
            mirror[joint] = other
    return tuple(mirror)


def canon_by_name(joints: Sequence[str]) -> dict[str, str]:
    """canon17 name, or name of one of `EXTREMITIES`, -> own name, for those that are found.

    Two canonical joints never share one joint. Where two names fit, the earlier entry of the table wins; an end point
    ("..._end", "Site") is never one of the seventeen.
    """
    every = {side_and_stem(name): name for name in reversed(joints)}
    inner = {side_and_stem(name): name for name in reversed(joints) if not is_end_point(name)}
    found: dict[str, str] = {}
    # The chest first: of "Spine, Spine1" it is the upper, of "Spine, Spine1, Spine2" the uppermost.
    for canon in ("chest", *CANON17, *EXTREMITIES):
        if canon in found:
            continue
        side, part = (canon[0], canon[2:]) if canon[1] == "_" else ("", canon)
        keys = every if canon in EXTREMITIES else inner
        for stem in _SIDED[part] if side else _MIDDLE[part]:
            name = keys.get((side, stem))
            if name is not None and name not in found.values():
                found[canon] = name
                break
    return found


def finer_by_name(joints: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Clavicles and fingers, "l_clavicle", "r_index2", -> own name, for those that are found and not `taken` already.

    They are no part of the common ground: few models know them, but one animator's body gives them to another's.
    """
    free = {name: side_and_stem(name) for name in joints if name not in taken and not is_end_point(name)}
    found: dict[str, str] = {}
    for stem in _CLAVICLE:
        for name, (side, own) in free.items():
            if side and own == stem:
                found.setdefault(f"{side}_clavicle", name)
    for name, (side, own) in free.items():
        if side and (finger := _FINGER.fullmatch(own)):
            kind, number = finger.groups()
            found.setdefault(f"{side}_{_FINGER_NAMES.get(kind, kind)}{number or 1}", name)
    return found


def is_end_point(name: str) -> bool:
    """Whether a name marks the tip of a limb rather than a joint."""
    return re.search(r"(_end\d*|^site\d*|_site\d*|_nub)$", name, re.IGNORECASE) is not None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower()).removeprefix("joint")
