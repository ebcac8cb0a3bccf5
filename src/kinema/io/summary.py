"""What a motion file holds, and what looks wrong with it: the facts behind `kinema info`."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

from kinema.core.errors import KinemaWarning
from kinema.io.bvh.units import unit_name
from kinema.io.formats import load_clip, sniff
from kinema.io.sanity_checks import doubts
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17, is_end_point
from kinema.motion.skeleton import Skeleton


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
    """Read a file and say what it holds. Arguments and errors as `kinema.io.formats.load_clip`."""
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
        warnings=(*notes, *doubts(one, up, height)),
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
