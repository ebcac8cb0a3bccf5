"""What a standing action is made of: its stance, its key poses, the steps that belong to it, and how far it travels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.channels import Channels, Key, Pose
from kinema.data.synthetic.curves import Array
from kinema.data.synthetic.steps import Footstep, Stance
from kinema.data.synthetic.style import Style


@dataclass(frozen=True)
class ActionSpan:
    """The time (seconds) in which an action takes place, by whom, and the dice of this performance."""

    begin: float
    end: float
    style: Style
    rng: np.random.Generator

    def about(self, middle: float, spread: float = 0.1) -> float:
        """A number near `middle`, within the fraction `spread`."""
        return float(middle * self.rng.uniform(1 - spread, 1 + spread))

    def repeats(self, length: float) -> list[tuple[float, float]]:
        """As many times the action of `length` seconds as fit, at least once: (start, seconds) of each."""
        room = self.end - self.begin
        count = max(1, int(room / length + 0.35))
        each = min(length, max(room / count, 0.7 * length))
        gap = max(0.0, room - count * each) / count
        gap = min(gap, 0.5)
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


def scaled(pose: Pose, factor: float) -> dict[str, float]:
    """A pose whose every number is multiplied."""
    return {name: value * factor for name, value in pose.items()}


def both(**values: float) -> dict[str, float]:
    """The same arm values on both sides: `both(flex=1)` is {"l_flex": 1, "r_flex": 1}."""
    return {f"{side}_{name}": value for side in "lr" for name, value in values.items()}
