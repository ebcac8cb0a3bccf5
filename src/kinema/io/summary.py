"""What a motion file holds, and what looks wrong with it: the facts behind `kinema info`."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import KinemaWarning
from kinema.geometry.rotations import angle_between
from kinema.io.conventions import STANDING, UNITS, unit_name
from kinema.io.formats import FORMATS, copied, is_stream, load_clip, sniff
from kinema.motion.feet.contacts import contact_points, foot_contacts, slide
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17, is_end_point
from kinema.motion.orientation import find_up
from kinema.motion.skeleton import Skeleton, has_joint

_FLIP = 1.0  # radians in one frame: no body turns a joint so fast, but a bad solver or an Euler flip does
_BELOW = 0.05  # metres under the ground that are worth a word
_ABOVE = 0.15  # metres over the ground at which feet float
_FAST = 15.0  # metres per second: faster than anybody runs
_BENT = 0.05  # metres from the line of a straight leg at which a knee is bent


@dataclass(frozen=True)
class Summary:
    """The facts about one file. Lengths in metres, times in seconds; plain values, so that it is JSON as it stands.

    Of points in a picture lengths are pixels: `up` is "-y", `height` the median height of the person, `picture` the box
    of all that is seen (left, top, right, bottom).
    `up_in_file` is the axis that the file has up, `up_reason` what shows it.
    """

    file: str
    format: str
    what: str
    people: tuple[str, ...]
    rotations: bool
    joints: int
    end_sites: int
    joint_names: tuple[str, ...]
    frames: int
    fps: float
    frame_time: str | None
    duration: float
    unit: float | None
    unit_name: str | None
    unit_inferred: bool
    up: str
    up_in_file: str
    up_reason: str
    height: float
    picture: tuple[float, float, float, float] | None
    floor: float | None
    feet: Feet | None
    unseen: str | None
    gaps: int
    canon17_matched: int
    canon17_missing: tuple[str, ...]
    channel_orders: dict[str, int]
    batch: tuple[int, ...]
    identity: str
    warnings: tuple[str, ...]


def summarise(path: Path | str, **options: Any) -> Summary:
    """Read a file and say what it holds. Options and errors as `kinema.io.formats.load_clip`."""
    path, unit = Path(path), options.get("unit")
    if is_stream(path):
        with copied(path) as whole:
            return summarise(whole, **options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = load_clip(path, **options)
    notes = [str(note.message) for note in caught if issubclass(note.category, KinemaWarning)]
    body, layout = clip.skeleton, clip.layout if isinstance(clip, Motion) else None
    one = clip.one(*[0] * len(clip.batch_shape)) if clip.batch_shape else clip
    points, flat = one.points(), one.points().positions.shape[-1] == 2
    known = points.positions.isfinite().all(-1)
    whole = points.positions[known.all(-1)]
    up, height = _up_and_height(points) if len(whole) and not flat else ("y", _extent(points))
    found = find_up(one)
    turned = _turned(notes) or (layout.up if layout is not None else up, found.reason)
    ends = sum(is_end_point(name) for name in body.joints)
    solid = bool(len(whole)) and not flat
    return Summary(
        file=str(path),
        format=sniff(path),
        what=FORMATS[sniff(path)].what,
        people=_people(path, options),
        rotations=isinstance(clip, Motion),
        joints=len(body) - ends,
        end_sites=ends,
        joint_names=body.joints,
        frames=clip.frames,
        fps=clip.fps,
        frame_time=layout.frame_time or None if layout else None,
        duration=clip.duration,
        unit=None if flat else layout.unit if layout else unit,
        unit_name="px" if flat else unit_name(layout.unit) if layout else None,
        unit_inferred=layout is not None and unit is None,
        up="-y" if flat else up,
        up_in_file="-y" if flat else turned[0],
        up_reason="a picture has y down" if flat else turned[1],
        height=height,
        picture=_seen(points) if flat else None,
        floor=float(torch.quantile(whole[..., 1].amin(1), 0.05)) if solid else None,
        feet=feet_of(one) if solid and up == "y" else None,
        unseen=_unseen(known),
        gaps=int((known.any(-1).int().diff() == -1).sum()),
        canon17_matched=sum(name in body.aliases for name in CANON17),
        canon17_missing=tuple(name for name in CANON17 if name not in body.aliases),
        channel_orders=_orders(layout.channels) if layout else {},
        batch=tuple(clip.batch_shape),
        identity=clip.identity,
        warnings=(*notes, *(findings(one, up, height) if solid and bool(known.all()) else ())),
    )


def _turned(notes: list[str]) -> tuple[str, str] | None:
    """The axis that a reader found, and the evidence."""
    found = (re.search(r": (-?[xyz]) is up in this file \((.*?)\);", note) for note in notes)
    return next(((match[1], match[2]) for match in found if match), None)


def _people(path: Path, options: dict[str, Any]) -> tuple[str, ...]:
    """The track ids of a file of several people."""
    if sniff(path) == "keypoints":
        from kinema.io import keypoints

        return tuple(keypoints.read(path, fps=options.get("fps"), size=options.get("picture")).people)
    if sniff(path) in ("smpl", "amass"):
        from kinema.io.smpl_params import people_in

        return people_in(path)
    return ("0",)


def _unseen(known: torch.Tensor) -> str | None:
    """Frames without anybody, and joints that some other frames lack; None where all are seen."""
    frames = (~known.any(-1)).nonzero()[:, 0].tolist()
    joints = int((known.any(-1) & ~known.all(-1)).sum())
    parts = [f"{len(frames)} frames unseen ({_spans(frames)})"] if frames else []
    parts += [f"{joints} more lack some joints"] if joints else []
    return ", ".join(parts) or None


def _spans(numbers: list[int]) -> str:
    """ "9-14, 20": runs of numbers, the first five."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    more = f" and {len(runs) - 5} more" if len(runs) > 5 else ""
    return ", ".join(f"{a}-{b}" if b > a else f"{a}" for a, b in runs[:5]) + more


def _orders(channels: tuple[tuple[str, ...], ...]) -> dict[str, int]:
    """How many joints have which channels, in short: "XYZ position, ZXY rotation"."""
    orders: dict[str, int] = {}
    for names in channels:
        if names:
            kinds = [
                ("".join(name[0] for name in names if name.endswith(kind)), kind) for kind in ("position", "rotation")
            ]
            if names[0].endswith("rotation"):
                kinds.reverse()
            key = ", ".join(f"{letters} {kind}" for letters, kind in kinds if letters)
            orders[key] = orders.get(key, 0) + 1
    return orders


def _seen(clip: Points) -> tuple[float, float, float, float] | None:
    """The box of all that is seen: left, top, right, bottom, in pixels."""
    spots = clip.positions[clip.positions.isfinite().all(-1)]
    return (*spots.amin(0).tolist(), *spots.amax(0).tolist()) if len(spots) else None


def _extent(clip: Points) -> float:
    """The median height of what is seen in a frame."""
    heights = [
        float(spots[:, 1].max() - spots[:, 1].min())
        for spots in (frame[frame.isfinite().all(-1)] for frame in clip.positions)
        if len(spots)
    ]
    return float(torch.tensor(heights).median()) if heights else 0.0


def _up_and_height(clip: Points) -> tuple[str, float]:
    """The axis from the ankles to the head (with its sign), and the median extent of the body along it.

    Arms are left out where they are known by name, so that a raised hand does not count.
    """
    positions, body = clip.positions[clip.positions.isfinite().all(-1).all(-1)], clip.skeleton
    if {"head", "l_ankle", "r_ankle"} <= set(body.aliases):
        ankles = positions[:, body.indices(["l_ankle", "r_ankle"])].mean(1)
        along = (positions[:, body.index("head")] - ankles).mean(0)
    else:
        along = (positions.amax(1) - positions.amin(1)).median(0).values
    axis = int(along.abs().argmax())
    elbows = [body.index(name) for name in ("l_elbow", "r_elbow") if name in body.aliases]
    torso = sorted(set(range(len(body))).difference(*map(body.below, elbows)))
    extent = positions[:, torso, axis].amax(1) - positions[:, torso, axis].amin(1)
    return ("" if along[axis] >= 0 else "-") + "xyz"[axis], float(extent.median())


@dataclass(frozen=True)
class Feet:
    """How the feet meet the floor, y = 0: metres per second while they stand (`contacts.slide`), and metres off it.

    `stand` is the share of the frames in which a foot stands, `floats` how high the lower foot is when it is lowest,
    `sinks` how far below the floor the body goes.
    """

    stand: float
    slides: float | None
    floats: float
    sinks: float


def feet_of(clip: Clip) -> Feet | None:
    """How the feet of one clip meet the floor; None where they are not known by name."""
    feet = contact_points(clip)
    if feet is None:
        return None
    low = clip.points().positions[:, _hung_on_body(clip.skeleton), 1]
    return Feet(
        float(foot_contacts(clip).any(-1).float().mean()),
        slide(feet, clip.fps),
        max(float(feet[..., 1].amin(-1).quantile(0.05)), 0.0),
        max(-float(low.min()), 0.0),
    )


def findings(clip: Clip, up: str, height: float) -> list[str]:
    """What looks wrong with one clip, a sentence each: unit, up axis, jumps, floor, knees.

    `up` is the axis along which the body stands ("y", "-z" ...), `height` its extent along it in metres.
    """
    found: list[str] = []
    if not STANDING[0] <= height <= STANDING[1] and clip.points().positions.shape[-1] == 3:
        scales = ", ".join(f"{metres:.6g} ({name})" for name, metres in UNITS.items())
        found.append(f"a height of {height:.3g} m is unusual; if the unit is wrong, give --unit in metres: {scales}")
    if up != "y":
        found.append(f"the body stands along {up}, but kinema takes y to be up; say --up {up}")
    if isinstance(clip, Motion) and clip.frames > 2:
        found += _jumps(clip)
    if clip.points().positions.shape[-1] == 3:
        found += _leaps(clip, height)
        if up == "y":
            found += [*_floor(clip), *_knees(clip)]
    return found


def _jumps(clip: Motion) -> list[str]:
    """A first frame that is not part of the motion, and joints that turn faster than any body does."""
    steps: Float[Tensor, "step joint"] = angle_between(clip.rotations[1:], clip.rotations[:-1])
    found: list[str] = []
    first, usual = steps[0], steps[1:].median(0).values
    if float(first.max()) > 0.3 and float(first.mean()) > 5 * float(usual.mean()) + 0.01:
        found.append(
            f"the first frame looks like a rest pose (T-pose): joints turn {float(first.max()):.1f} rad after it. "
            "Drop it before you train or measure"
        )
        steps = steps[1:]
    flips = steps > _FLIP
    if bool(flips.any()):
        names = [clip.skeleton.joints[joint] for joint in range(len(clip.skeleton)) if bool(flips[:, joint].any())]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        count = int(flips.any(1).sum())
        found.append(
            f"{count} {'frame turns' if count == 1 else 'frames turn'} a joint by more than {_FLIP:g} rad at once "
            f"({', '.join(names[:3])}{more}): flips, or a dropped frame"
        )
    return found


def _leaps(clip: Clip, height: float) -> list[str]:
    """Frames in which the whole body is suddenly elsewhere."""
    if clip.frames < 3:
        return []
    middle = clip.points().positions.mean(-2)
    speed = (middle[1:] - middle[:-1]).norm(dim=-1) * clip.fps
    leaps = (speed > _FAST * max(1.0, height)) & (speed > 10 * speed.median())
    if not bool(leaps.any()):
        return []
    first = int(leaps.nonzero()[0, 0]) + 1
    return [
        f"the body jumps by {float(speed[first - 1]) / clip.fps:.2f} m at frame {first}"
        f"{f' and in {int(leaps.sum()) - 1} more' if int(leaps.sum()) > 1 else ''}: a cut, or a dropped frame"
    ]


def _floor(clip: Clip) -> list[str]:
    """A body that sinks into the floor, or that never comes down to it."""
    body, positions = clip.skeleton, clip.points().positions
    hung = _hung_on_body(body)
    lowest, joint = positions[..., hung, 1].amin(0).min(0)
    if float(lowest) < -_BELOW:
        return [f"'{body.joints[hung[int(joint)]]}' goes {-float(lowest):.2f} m below the floor (y = 0)"]
    feet = [body.index(name) for name in ("l_toe", "r_toe", "l_ankle", "r_ankle") if name in body.aliases]
    if not feet:
        return []
    above = float(positions[..., feet, 1].amin(-1).quantile(0.05))
    # An ankle without toes is a hand's breadth above its sole.
    if above > _ABOVE + (0.0 if len(feet) == 4 else 0.1):
        return [f"the feet never come nearer to the floor (y = 0) than {above:.2f} m: the body floats, or y is not 0"]
    return []


def _hung_on_body(body: Skeleton) -> list[int]:
    """All joints but those above the hips: a root may lie on the ground, and under it."""
    top = 0
    while len(body.children[top]) == 1:
        top = body.children[top][0]
    return list(range(top, len(body)))


def _knees(clip: Clip) -> list[str]:
    """Knees that bend the wrong way for much of the clip: left and right exchanged, or a solver that flipped them."""
    body, positions = clip.skeleton, clip.points().positions
    wrong: list[str] = []
    if not has_joint(body, *(f"{s}_{part}" for s in "lr" for part in ("hip", "knee", "ankle"))):
        return []
    across = positions[:, body.index("l_hip")] - positions[:, body.index("r_hip")]
    for side in ("l", "r"):
        hip, knee, ankle = (positions[:, body.index(f"{side}_{part}")] for part in ("hip", "knee", "ankle"))
        line = torch.nn.functional.normalize(ankle - hip, dim=-1)
        out = (knee - hip) - ((knee - hip) * line).sum(-1, keepdim=True) * line
        ahead = torch.nn.functional.normalize(torch.linalg.cross(across, -line, dim=-1), dim=-1)
        bent = out.norm(dim=-1) > _BENT
        back = bent & ((out * ahead).sum(-1) < -0.7 * out.norm(dim=-1))
        if int(back.sum()) > max(2, 0.1 * int(bent.sum())):
            wrong.append(f"{body.joints[body.index(f'{side}_knee')]} in {int(back.sum())} frames")
    return [f"knees bend backwards: {', '.join(wrong)}; flipped by a solver, or left is right"] if wrong else []
