"""The control space of a performer: one number per frame and channel.

Angles in radians, lengths in metres of the body of size 1. A positive angle bends forward (pitch), lifts the left
side (roll) or turns to the left (yaw); an arm flexes forward, abducts away from the side, twists outward.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kinema.data.synthetic.curves import Array, through

_SIDED = ("flex", "abduct", "twist", "elbow", "wrist", "shrug")
NAMES: tuple[str, ...] = (
    "side", "up", "ahead", "pelvis_pitch", "pelvis_roll", "pelvis_yaw", "bend", "lean", "twist",
    "head_pitch", "head_roll", "head_yaw", "steady", "knees_out",
    *(f"l_{name}" for name in _SIDED), *(f"r_{name}" for name in _SIDED),
)  # fmt: skip
_PLACE = {name: place for place, name in enumerate(NAMES)}
# What changes its sign in a mirror.
_ODD = ("side", "pelvis_roll", "pelvis_yaw", "lean", "twist", "head_roll", "head_yaw")
_SWAP = np.array([_PLACE[{"l_": "r_", "r_": "l_"}.get(name[:2], name[:2]) + name[2:]] for name in NAMES])
_SIGN = np.array([-1.0 if name in _ODD else 1.0 for name in NAMES])

# Standing at ease: soft knees, arms a little bent and away from the body.
REST: Mapping[str, float] = {
    "up": -0.005, "bend": 0.03, "steady": 0.75, "knees_out": 0.08, "head_pitch": 0.02,
    "l_flex": 0.02, "l_abduct": 0.14, "l_twist": -0.25, "l_elbow": 0.24, "l_wrist": 0.12,
    "r_flex": 0.02, "r_abduct": 0.14, "r_twist": -0.25, "r_elbow": 0.24, "r_wrist": 0.12,
}  # fmt: skip
# Seconds by which a part trails the one that it hangs on: whips instead of boards.
_LAG: Mapping[str, float] = {
    "twist": 0.02, "bend": 0.01, "head_pitch": 0.05, "head_yaw": -0.06,
    "l_elbow": 0.035, "r_elbow": 0.035, "l_wrist": 0.07, "r_wrist": 0.07,
}  # fmt: skip

Pose = Mapping[str, float]
Key = tuple[float, Pose]


class Channels:
    """All channels of a stretch of frames: `values` is (frame, channel); `channels["l_elbow"]` is one of them."""

    def __init__(self, values: Array) -> None:
        self.values = values

    @staticmethod
    def rest(frames: int) -> Channels:
        """Standing at ease."""
        values = np.zeros((frames, len(NAMES)))
        values[:] = row(REST)
        return Channels(values)

    @staticmethod
    def keyed(keys: Sequence[Key], t: Array) -> Channels:
        """Through key poses (times in seconds); what a key does not name is at rest there. Distal parts lag."""
        kept = [keys[0]]
        for key in keys[1:]:
            if key[0] > kept[-1][0] + 1e-3:  # a key that comes too early gives way to the one before it
                kept.append(key)
        times = np.array([time for time, _ in kept])
        poses = np.stack([row({**REST, **pose}) for _, pose in kept])
        out = through(times, poses, t)
        for name, lag in _LAG.items():
            out[:, _PLACE[name]] = through(times, poses[:, _PLACE[name]], t - lag)
        return Channels(out)

    def __getitem__(self, name: str) -> Array:
        return self.values[:, _PLACE[name]]

    def add(self, **values: Array | float) -> Channels:
        """Add these amounts, in place."""
        for name, value in values.items():
            self.values[:, _PLACE[name]] += value
        return self

    def put(self, **values: Array | float) -> Channels:
        """Set these values, in place."""
        for name, value in values.items():
            self.values[:, _PLACE[name]] = value
        return self

    def mirrored(self) -> Channels:
        """Left and right exchanged."""
        return Channels(self.values[:, _SWAP] * _SIGN)


def row(pose: Pose) -> Array:
    """One frame of channels; what is not named is 0."""
    values = np.zeros(len(NAMES))
    for name, value in pose.items():
        values[_PLACE[name]] = value
    return values
