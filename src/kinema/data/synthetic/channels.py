"""The control space of a performer, one number per frame and channel; the performer, and standing actions in it.

Angles in radians, lengths in metres of the body of size 1. A positive angle bends forward (pitch), lifts the left
side (roll) or turns to the left (yaw); an arm flexes forward, abducts away from the side, twists outward.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.curves import Array, through
from kinema.data.synthetic.steps import Footstep, Stance

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


@dataclass(frozen=True)
class Style:
    """The manner of one performer.

    Factors of about 1: `tempo` (how quickly), `stride` (step length), `bounce` (vertical liveliness), `arm_swing`,
    `width` (distance of the feet), `energy` (how far actions go). About 0: `lean` (radians forward), `mood` (-1
    downcast with a hanging head, 1 cheerful), `turn` (radians per second by which a walked path curves, to the left).
    `handed` is 1 for a right-handed performer, -1 for a left-handed one; `size` scales the whole body uniformly.
    """

    tempo: float = 1.0
    stride: float = 1.0
    bounce: float = 1.0
    arm_swing: float = 1.0
    width: float = 1.0
    energy: float = 1.0
    lean: float = 0.0
    mood: float = 0.0
    turn: float = 0.0
    handed: int = 1
    size: float = 1.0

    @staticmethod
    def draw(seed: int) -> Style:
        """The performer of that seed."""
        rng = np.random.default_rng((seed, 0x57E1))

        def about(middle: float, spread: float) -> float:
            return float(middle + spread * np.clip(rng.normal(), -2, 2) / 2)

        return Style(
            tempo=about(1, 0.14), stride=about(1, 0.12), bounce=about(1, 0.35), arm_swing=about(1, 0.4),
            width=about(1, 0.25), energy=about(1, 0.2), lean=about(0.01, 0.05), mood=about(0.1, 0.8),
            turn=about(0, 0.35), handed=1 if rng.random() < 0.8 else -1, size=about(1, 0.08),
        )  # fmt: skip


@dataclass(frozen=True)
class ActionSpan:
    """The time span (seconds) of an action, its performer and its random generator."""

    begin: float
    end: float
    style: Style
    rng: np.random.Generator

    def about(self, middle: float, spread: float = 0.1) -> float:
        """A number near `middle`, within the fraction `spread`."""
        return float(middle * self.rng.uniform(1 - spread, 1 + spread))

    def repeats(self, length: float) -> list[tuple[float, float]]:
        """(start, seconds) of each repetition of an action of `length` seconds; as many as fit, at least one."""
        room = self.end - self.begin
        count = max(1, int(room / length + 0.35))
        each = min(length, max(room / count, 0.7 * length))
        gap = min(max(0.0, room - count * each) / count, 0.5)
        return [(self.begin + i * (each + gap), each) for i in range(count)]


@dataclass(frozen=True)
class Moves:
    """An action in control space.

    `channels(t)` is the body above the feet; `steps` happen in the stance, times absolute; `speed` are keys (time,
    metres per second forward at size 1). Before `done` (seconds) nothing else may begin.
    """

    stance: Stance
    channels: Callable[[Array], Channels]
    steps: tuple[Footstep, ...] = ()
    speed: tuple[tuple[float, float], ...] = ()
    done: float = -math.inf


def keyed(keys: list[Key], *, swap: bool = False) -> Callable[[Array], Channels]:
    """Channels through key poses, left and right exchanged where `swap`."""

    def channels(t: Array) -> Channels:
        out = Channels.keyed(keys, t)
        return out.mirrored() if swap else out

    return channels


def both(**values: float) -> dict[str, float]:
    """The same arm values on both sides: `both(flex=1)` is {"l_flex": 1, "r_flex": 1}."""
    return {f"{side}_{name}": value for side in "lr" for name, value in values.items()}
