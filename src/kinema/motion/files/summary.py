"""What a motion file holds, and what looks wrong with it: the facts behind `kinema info`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from kinema.errors import KinemaWarning
from kinema.geometry.rotations import angle_between
from kinema.motion.files import load_clip, sniff
from kinema.motion.files.bvh_units import STANDING, UNITS, unit_name
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17, is_end_point
from kinema.motion.skeleton import Skeleton

_FLIP = 1.0  # radians in one frame: no body turns a joint so fast, but a bad solver or an Euler flip does
_BELOW = 0.05  # metres under the ground that are worth a word


@dataclass(frozen=True)
class Summary:
    """The facts about one file. Lengths in metres, times in seconds; plain values, so that it is JSON as it stands."""

    file: str
    format: str
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
    height: float
    canon17_matched: int
    canon17_missing: tuple[str, ...]
    channel_orders: dict[str, int]
    batch: tuple[int, ...]
    identity: str
    warnings: tuple[str, ...]


def summarise(
    path: Path | str, *, fps: float | None = None, unit: float | None = None, skeleton: Skeleton | None = None
) -> Summary:
    """Read a file and say what it holds. Arguments and errors as `kinema.motion.files.load_clip`."""
    path = Path(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        clip = load_clip(path, fps=fps, unit=unit, skeleton=skeleton)
    notes = [str(note.message) for note in caught if issubclass(note.category, KinemaWarning)]
    body, layout = clip.skeleton, clip.layout if isinstance(clip, Motion) else None
    one = _first(clip)
    up, height = _up_and_height(one.points())
    ends = sum(is_end_point(name) for name in body.joints)
    return Summary(
        file=str(path),
        format=sniff(path),
        rotations=isinstance(clip, Motion),
        joints=len(body) - ends,
        end_sites=ends,
        joint_names=body.joints,
        frames=clip.frames,
        fps=clip.fps,
        frame_time=layout.frame_time if layout else None,
        duration=clip.duration,
        unit=layout.unit if layout else unit,
        unit_name=unit_name(layout.unit) if layout else None,
        unit_inferred=layout is not None and unit is None,
        up=up,
        height=height,
        canon17_matched=sum(name in body.aliases for name in CANON17),
        canon17_missing=tuple(name for name in CANON17 if name not in body.aliases),
        channel_orders=_orders(layout.channels) if layout else {},
        batch=tuple(clip.batch_shape),
        identity=clip.identity,
        warnings=(*notes, *_doubts(one, up, height)),
    )


def _first(clip: Clip) -> Clip:
    return clip.one(*[0] * len(clip.batch_shape)) if clip.batch_shape else clip


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


def _up_and_height(clip: Points) -> tuple[str, float]:
    """The axis from the ankles to the head (with its sign), and the median extent of the body along it.

    Arms are left out where they are known by name, so that a raised hand does not count.
    """
    positions, body = clip.positions, clip.skeleton
    if {"head", "l_ankle", "r_ankle"} <= set(body.aliases):
        ankles = positions[:, body.indices(["l_ankle", "r_ankle"])].mean(1)
        along = (positions[:, body.index("head")] - ankles).mean(0)
    else:
        along = (positions.amax(1) - positions.amin(1)).median(0).values
    axis = int(along.abs().argmax())
    torso = [joint for joint in range(len(body)) if not _is_arm(body, joint)]
    extent = positions[:, torso, axis].amax(1) - positions[:, torso, axis].amin(1)
    return ("" if along[axis] >= 0 else "-") + "xyz"[axis], float(extent.median())


def _is_arm(body: Skeleton, joint: int) -> bool:
    arms = {body.index(name) for name in ("l_elbow", "r_elbow") if name in body.aliases}
    while joint > 0:
        if joint in arms:
            return True
        joint = body.parents[joint]
    return False


def _doubts(clip: Clip, up: str, height: float) -> list[str]:
    doubts: list[str] = []
    if not STANDING[0] <= height <= STANDING[1] and clip.points().positions.shape[-1] == 3:
        scales = ", ".join(f"{metres:.6g} ({name})" for name, metres in UNITS.items())
        doubts.append(f"a height of {height:.3g} m is unusual; if the unit is wrong, give --unit in metres: {scales}")
    if up != "y":
        doubts.append(f"the body stands along {up}, but kinema takes y to be up; turn it where it was exported")
    if isinstance(clip, Motion) and clip.frames > 2:
        doubts += _jumps(clip)
    doubts += _floor(clip, up)
    return doubts


def _jumps(clip: Motion) -> list[str]:
    """A first frame that is not part of the motion, and joints that turn faster than any body does."""
    steps: Float[Tensor, "step joint"] = angle_between(clip.rotations[1:], clip.rotations[:-1])
    doubts: list[str] = []
    first, usual = steps[0], steps[1:].median(0).values
    if float(first.max()) > 0.3 and float(first.mean()) > 5 * float(usual.mean()) + 0.01:
        doubts.append(
            f"the first frame looks like a rest pose (T-pose): joints turn {float(first.max()):.1f} rad after it. "
            "Drop it before you train or measure"
        )
        steps = steps[1:]
    flips = steps > _FLIP
    if bool(flips.any()):
        names = [clip.skeleton.joints[joint] for joint in range(len(clip.skeleton)) if bool(flips[:, joint].any())]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        doubts.append(
            f"{int(flips.any(1).sum())} frames turn a joint by more than {_FLIP:g} rad at once "
            f"({', '.join(names[:3])}{more}): flips, or a dropped frame"
        )
    return doubts


def _floor(clip: Clip, up: str) -> list[str]:
    positions = clip.points().positions
    if up != "y" or positions.shape[-1] != 3:
        return []
    lowest, joint = positions[..., 1].amin(0).min(0)
    if float(lowest) < -_BELOW:
        return [f"'{clip.skeleton.joints[int(joint)]}' goes {-float(lowest):.2f} m below the floor (y = 0)"]
    return []
