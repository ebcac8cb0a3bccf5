"""What joints are called: the canonical seventeen, and how other schemes name them.

`canon17` is the common ground of every body that kinema knows: whatever a file calls its joints, these are found by
name, so that data sets can be mixed and a model can be used on any skeleton. Before names are compared, namespaces,
prefixes and suffixes that nearly all joints share, numbers that only count joints, case and separators are dropped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

CANON17: tuple[str, ...] = (
    "pelvis", "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle", "spine", "chest", "neck", "head",
    "l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist",
)  # fmt: skip
CANON17_PARENTS: tuple[int, ...] = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15)
_SIDES = {"left": "l", "right": "r"}
_LEGS = {f"{name}_leg": (f"{side}_hip", f"{side}_knee", f"{side}_ankle") for name, side in _SIDES.items()}
_ARMS = {f"{name}_arm": (f"{side}_shoulder", f"{side}_elbow", f"{side}_wrist") for name, side in _SIDES.items()}
_TORSO = ("spine", "chest", "neck", "head")
PARTS: dict[str, tuple[str, ...]] = {
    **_LEGS,
    "torso": _TORSO,
    **_ARMS,
    "lower": tuple(joint for leg in _LEGS.values() for joint in leg),
    "upper": (*_TORSO, *(joint for arm in _ARMS.values() for joint in arm)),
}
"""Canonical joints of each body part that can be named."""
EXTREMITIES: tuple[str, ...] = ("head_end", "l_hand_end", "r_hand_end", "l_toe", "r_toe")
"""Ends of limbs that many bodies have beside the seventeen: they show how head, hands and feet are rotated."""

Rest = Literal["auto", "tpose", "source"]
"""Which rest pose to write: T-pose where the source file had none of its own, T-pose always, or that of the clip."""

# How the joints are called elsewhere, in plain form (see `_plain`), the most specific name first: CMU, Mixamo, Bandai,
# LaFAN, SMPL, SOMA, Unreal, H36M, Rokoko, Xsens, Motive, Perception Neuron, Daz, Character Creator, VRM, Rigify, Unity,
# Valve, Maya's AdvancedSkeleton and MMD (Japanese).
_MIDDLE: dict[str, tuple[str, ...]] = {
    "pelvis": ("pelvis", "hips", "hip", "midhip", "下半身", "root", "cog"),
    "spine": ("spine1", "abdomen", "spine", "abdomenlower", "upperback", "lowerback", "上半身", "ab", "l5", "waist"),
    "chest": (
        "chest", "spine3", "thorax", "spine2", "upperchest", "chestupper", "上半身2", "t8", "spine1", "upperback",
    ),
    "neck": ("neck", "neck1", "lowerneck", "necklower", "necktwist1", "首"),
    "head": ("head", "head1", "upperneck", "頭"),
    "head_end": ("headend", "headtop", "headtopend", "headsite", "headnub", "crown", "頭先"),
}  # fmt: skip
_SIDED: dict[str, tuple[str, ...]] = {
    # "leg" is last: SOMA's thigh and shin are Leg and Shin, most others' are UpLeg and Leg.
    "hip": ("hip", "upperleg", "upleg", "thigh", "femur", "thighbend", "legupper", "足", "leg"),
    "knee": ("knee", "lowerleg", "lowleg", "leg", "shin", "tibia", "calf", "leglower", "ひざ", "ヒザ"),
    "ankle": ("ankle", "foot", "足首"),
    "shoulder": ("shldr", "upperarm", "uparm", "uarm", "shldrbend", "armupper", "arm", "humerus", "腕", "shoulder"),
    "elbow": ("elbow", "lowerarm", "lowarm", "forearm", "farm", "forearmbend", "armlower", "radius", "ひじ", "ヒジ"),
    "wrist": ("wrist", "hand", "手首"),
    "hand_end": ("handend", "fingersend", "indexend", "middle3", "handmiddle4", "handmiddle3", "hand", "handsite"),
    "toe": (
        "toebase", "toe", "toes", "ball", "bigtoe", "toe0", "つま先", "foot", "footend", "toeend", "footsite",
    ),
}  # fmt: skip
_CLAVICLE = ("clavicle", "collar", "collarbone", "clav", "scapula", "肩", "shoulder", "shoulder1")
_FINGER = re.compile(
    r"(?:hand|inhand|finger)?(thumb|index|middle|mid|ring|pinky|little|親指|人指|人差指|中指|薬指|小指)"
    r"(?:finger|proximal)?0?([1-4]?)"
)
_FINGER_NAMES = {
    "mid": "middle", "pinky": "little", "親指": "thumb", "人指": "index", "人差指": "index", "中指": "middle",
    "薬指": "ring", "小指": "little",
}  # fmt: skip
_PREFIX = re.compile(r"^(mixamorig\d*|bip\d*|skeleton\d*|character\d*|cc_?base|def|org|j_bip)[-:_ ]?", re.IGNORECASE)
_MIDDLE_TOKEN = re.compile(r"^[cm][_. ](?=.)|(?<=.)[_. ][cm]$", re.IGNORECASE)
_SIDE_WORD = re.compile(r"(left|right|左|右)", re.IGNORECASE)
_SIDE_TOKEN = re.compile(r"(?:^|[-_. ])([lr]|l[ft]|rt)(?=[-_. ]|$)", re.IGNORECASE)
_SIDE_START = re.compile(
    r"^(?:([lr])(?=[A-Z_. ]|(?:hip|should|shldr|fore|hand|thigh|shin|foot|buttock|collar|eye|pinky|ring|mid|index|"
    r"thumb|femur|tibia|toe|humerus|radius|wrist|finger|clav|joint|knee|ankle|elbow|calf|upper|lower|arm|leg))"
    r"|([LR])(?=[A-Z]{1,2}[a-z]))"
)
_SIDE_END = re.compile(r"(?:[-_. ]([lrLR])(?=_end\d*$|\d)|(?<=[a-z])([LR])(?=$|[-_. ]|\d))")
# A number, or a random tail of letters and digits ("x8f2"), that differs from joint to joint.
_TAIL = re.compile(r"(?<=.)[-_. ]+(\d+|(?=[a-zA-Z]*\d)[a-zA-Z0-9]{4,})$")
_LONGEST_NAME = 128  # characters that are looked at
_LONGEST_SHARED = 64  # letters: a shared prefix is no longer, and a name of a damaged file may have many thousands
_OF_MOST = 0.8  # share of the joints that must have a prefix, a suffix or a number for it to say nothing


def side_and_stem(name: str) -> tuple[str, str]:
    """The side ("l", "r" or "") in a joint's name, and the name without it, in small letters and digits."""
    return _split(_PREFIX.sub("", _local(name)))


def sides_and_stems(joints: Sequence[str]) -> list[tuple[str, str]]:
    """`side_and_stem` for all joints of a body, without what nearly all their names share."""
    return [_split(_PREFIX.sub("", name)) for name in _unshared([_local(name) for name in joints])]


def mirror_by_name(joints: Sequence[str]) -> tuple[int, ...]:
    """Pairs left with right by name; a joint without a partner is its own mirror."""
    keys = sides_and_stems(joints)
    first = {key: joint for joint, key in reversed(list(enumerate(keys)))}
    mirror = list(range(len(joints)))
    for joint, (side, stem) in enumerate(keys):
        other = first.get(({"l": "r", "r": "l"}.get(side, ""), stem)) if side else None
        if other is not None and first[(side, stem)] == joint:
            mirror[joint] = other
    return tuple(mirror)


def canon_by_name(joints: Sequence[str]) -> dict[str, str]:
    """canon17 name, or name of one of `EXTREMITIES`, -> own name, for those that are found.

    Two canonical joints never share one joint. Where two names fit, the earlier entry of the table wins; an end point
    ("..._end", "Site") is never one of the seventeen.
    """
    keys = list(zip(sides_and_stems(joints), joints, strict=True))
    every = dict(reversed(keys))
    inner = {key: name for key, name in reversed(keys) if not is_end_point(name)}
    found: dict[str, str] = {}
    # The chest first: of "Spine, Spine1" it is the upper, of "Spine, Spine1, Spine2" the uppermost.
    for canon in ("chest", *CANON17, *EXTREMITIES):
        if canon in found:
            continue
        side, part = (canon[0], canon[2:]) if canon[1] == "_" else ("", canon)
        from_ = every if canon in EXTREMITIES else inner
        stems = (*_SIDED[part], *(f"{stem}1" for stem in _SIDED[part])) if side else _MIDDLE[part]
        for stem in stems:
            name = from_.get((side, stem))
            if name is not None and name not in found.values():
                found[canon] = name
                break
    return found


def finer_by_name(joints: Sequence[str], taken: Collection[str] = ()) -> dict[str, str]:
    """Clavicles and fingers, "l_clavicle", "r_index2", -> own name, for those that are found and not `taken` already.

    They are no part of the common ground: few models know them, but retargeting gives one body's to another's.
    """
    keys = zip(joints, sides_and_stems(joints), strict=True)
    free = {name: key for name, key in keys if name not in taken and not is_end_point(name)}
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


def _local(name: str) -> str:
    """A name without namespaces ("Actor_01:", "Armature|") and without a counter (" #12")."""
    local = re.split(r"[:|/]", unicodedata.normalize("NFKC", name[-_LONGEST_NAME:]))[-1]
    return re.sub(r" *#\d+$", "", local)


def _split(bare: str) -> tuple[str, str]:
    bare = _MIDDLE_TOKEN.sub("", bare)
    for pattern in (_SIDE_WORD, _SIDE_TOKEN, _SIDE_START, _SIDE_END):
        if found := pattern.search(bare):
            side = next(side for side in found.groups() if side)[0].lower()
            rest = bare[: found.start()] + bare[found.end() :]
            return {"左": "l", "右": "r"}.get(side, side), _plain(rest)
    return "", _plain(bare)


def _plain(name: str) -> str:
    """Small letters and digits alone; "spine_03" is "spine3"."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]", "", name.lower())).removeprefix("joint")


def _unshared(names: list[str]) -> list[str]:
    """The names without the longest prefix and suffix that most of them share, and without numbers that count them."""
    inner = [name for name in names if not is_end_point(name)]
    if len(inner) < 5:
        return names
    for _ in range(3):
        tails = [found[1] for name in inner if (found := _TAIL.search(name))]
        if len(set(tails)) == len(tails) > _OF_MOST * len(inner):
            names, inner = ([_TAIL.sub("", name) for name in some] for some in (names, inner))
    prefix = _side_free(_longest(inner))
    suffix = _longest([name[::-1] for name in inner])[::-1]
    suffix = suffix[found.start() :] if (found := re.search(r"[-_. A-Z]", suffix)) else ""
    out: list[str] = []
    for name in names:
        bare = name.removeprefix(prefix) if len(prefix) > 1 else name
        bare = bare.removesuffix(suffix) if len(suffix) > 1 else bare
        out.append(bare if re.search(r"[^\W\d_]", bare) else name)
    return out


def _longest(names: Sequence[str]) -> str:
    """The longest beginning that most of the names have."""
    counted = Counter(name[:end] for name in names for end in range(1, min(len(name), _LONGEST_SHARED)))
    return max((start for start, count in counted.items() if count >= _OF_MOST * len(names)), key=len, default="")


def _side_free(prefix: str) -> str:
    """A prefix up to the side or the number at its end, if there is one: a body of one side keeps its side."""
    prefix = re.sub(r"[^-_. ]*\d$", "", prefix)
    return re.sub(r"(?:left|right|左|右|(?<![^-_. ])[lrLR][-_. ]?)$", "", prefix, flags=re.IGNORECASE)
