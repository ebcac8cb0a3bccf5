"""`Style`, the performer; `Moves`, a standing action: its stance, key poses, steps and speed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.channels import Channels, Key
from kinema.data.synthetic.curves import Array
from kinema.data.synthetic.steps import Footstep, Stance


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
