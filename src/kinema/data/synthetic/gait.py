"""Gaits: walk, run, sneak and turn, as one oscillator that moves the whole body.

The phase counts strides. The left foot lands at whole numbers, the right one half a stride later; a foot stands for
the part `duty` of a stride, so that both leave the floor where `duty` is below one half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.channels import Channels, Style
from kinema.data.synthetic.curves import Array, wander
from kinema.data.synthetic.steps import GRAVITY, Stance, Swing


@dataclass(frozen=True)
class Gait:
    """The parameters of a gait. Lengths are of the body of size 1 (metres), angles in radians.

    `speed` in m/s along the heading, `yaw_rate` in rad/s, `cadence` in strides per second; `reach` is the part of the
    stance time after which the body passes over its foot, and no foot stays further back than `behind`. The others are
    the amplitudes of what rides on the phase.
    """

    speed: float
    yaw_rate: float
    cadence: float
    duty: float
    stance: Stance
    swing: Swing
    reach: float = 0.44
    behind: float = 0.5
    sink: float = 0.03
    bob: float = 0.018
    sway: float = 0.022
    pelvis_turn: float = 0.08
    pelvis_list: float = 0.05
    chest_turn: float = 0.16
    arm: float = 0.36
    arm_middle: float = 0.0
    elbow: float = 0.35
    elbow_swing: float = 0.35
    abduct: float = 0.12
    inward: float = -0.25
    bend: float = 0.05
    tilt: float = 0.03
    gaze: float = 0.02
    glance: float = 0.0
    sprung: bool = False

    def channels(self, phase: Array, t: Array, style: Style, rng: np.random.Generator) -> Channels:
        """The body above the feet at these phases and times."""
        out = Channels.rest(len(t))
        slow = wander(rng, t, 6)
        turn = 2 * math.pi * phase
        bend = self.bend + style.lean - 0.05 * min(style.mood, 0.0)
        out.put(
            side=self.sway * np.cos(turn - 2 * math.pi * (self.duty / 2 - 0.01)) + 0.006 * slow[:, 0],
            up=self._height(phase, style),
            ahead=0.008 * np.sin(2 * turn) + 0.35 * (bend - 0.05),
            pelvis_yaw=-self.pelvis_turn * np.cos(turn),
            pelvis_roll=self.pelvis_list * np.cos(turn - 2 * math.pi * 0.16),
            pelvis_pitch=self.tilt + 0.015 * np.cos(2 * turn),
            twist=(self.chest_turn + self.pelvis_turn) * np.cos(turn - 0.15) + 0.25 * self.glance,
            lean=-0.85 * self.pelvis_list * np.cos(turn - 2 * math.pi * 0.18) - self._into_curve(style),
            bend=bend + 0.02 * np.cos(2 * turn - 0.8) + 0.012 * slow[:, 1],
            head_pitch=self.gaze - 0.16 * style.mood + 0.03 * slow[:, 2],
            head_yaw=0.09 * slow[:, 3] + self.glance,
            steady=0.85,
        )
        for side, sign in (("l", -1.0), ("r", 1.0)):
            swing = sign * np.cos(turn - 0.12) + 0.07 * slow[:, 4]
            size = self.arm * (1 + 0.12 * slow[:, 5] * sign)
            forward = np.maximum(swing, 0.0) ** 2
            out.put(**{
                f"{side}_flex": self.arm_middle + size * (swing + 0.12),
                f"{side}_abduct": self.abduct + 0.05 * (1 - forward),
                f"{side}_twist": self.inward - 0.08 * forward,
                f"{side}_elbow": self.elbow + self.elbow_swing * 0.5 * (1 + sign * np.cos(turn - 0.45)),
                f"{side}_wrist": 0.12 - 0.15 * np.sin(turn) * sign * min(self.arm, 0.5),
            })  # fmt: skip
        return out

    def _height(self, phase: Array, style: Style) -> Array:
        if not self.sprung:
            return -self.sink - self.bob * np.cos(4 * math.pi * (phase - 0.04))
        # Running: a spring while a foot stands, a free fall while none does, with one velocity where they meet.
        stride = 1 / self.cadence
        stand, fly = self.duty * stride, (0.5 - self.duty) * stride
        since = (phase % 0.5) * stride
        up = GRAVITY * fly / 2
        spring = -up * stand / math.pi * np.sin(math.pi * np.clip(since / stand, 0, 1))
        free = 0.5 * GRAVITY * np.clip(since - stand, 0, None) * np.clip(stand + fly - since, 0, None)
        return -self.sink + (spring + free) / style.size

    def _into_curve(self, style: Style) -> float:
        """The lean into a curve that balances gravity and the centripetal acceleration (radians)."""
        return 0.7 * self.speed * self.yaw_rate / GRAVITY * style.size


def _walk(style: Style, rng: np.random.Generator) -> Gait:
    cadence = 0.91 * style.tempo
    speed = float(np.clip(1.40 * style.stride * cadence, 0.88, 1.58))
    pace = speed / 1.3
    return Gait(
        speed=speed, yaw_rate=0.7 * style.turn, cadence=cadence, duty=0.6, stance=Stance(0.15 * style.width, 0.0, 0.13),
        swing=Swing(
            clearance=0.055, peak=0.3, off_pitch=pace**0.5, on_pitch=-0.4 * pace**0.5, roll_off=0.32 / style.tempo,
            roll_on=0.11 / style.tempo, bow=0.012, rise=0.25, fall=0.25, level=0.9,
        ),
        reach=0.42, behind=0.58, bob=0.017 * style.bounce, sway=0.02 * style.width, pelvis_turn=0.085 * pace,
        chest_turn=0.11 * style.arm_swing, arm=0.34 * style.arm_swing * pace, elbow=0.3,
        elbow_swing=0.26 * style.arm_swing,
    )  # fmt: skip


def _run(style: Style, rng: np.random.Generator) -> Gait:
    cadence = 1.36 * (0.6 + 0.4 * style.tempo)
    speed = float(np.clip(2.25 * style.stride * cadence, 2.4, 3.9))
    pace = speed / 3
    return Gait(
        speed=speed, yaw_rate=0.6 * style.turn, cadence=cadence, duty=0.35 - 0.03 * (pace - 1),
        stance=Stance(0.09 * style.width, 0.0, 0.08),
        swing=Swing(
            clearance=0.27 * pace, peak=0.36, off_pitch=1.25, on_pitch=-0.1, roll_off=0.19, roll_on=0.05, bow=0.01,
            rise=0.25, fall=0.2, heel=0.42,
        ),
        reach=0.43, behind=0.62, sink=0.045, sway=0.01, pelvis_turn=0.12, pelvis_list=0.05, chest_turn=0.22,
        arm=0.62 * (0.6 + 0.4 * style.arm_swing), arm_middle=-0.08, elbow=1.35, elbow_swing=0.4, abduct=0.2,
        inward=-0.02, bend=0.13 + 0.05 * pace, tilt=0.08, sprung=True,
    )  # fmt: skip


def _sneak(style: Style, rng: np.random.Generator) -> Gait:
    cadence = 0.55 * style.tempo
    return Gait(
        speed=0.95 * style.stride * cadence, yaw_rate=0.5 * style.turn, cadence=cadence, duty=0.68,
        stance=Stance(0.17 * style.width, 0.0, 0.15),
        swing=Swing(0.17 * style.energy, 0.48, 0.55, 0.38, 0.3, 0.22, 0.03), sink=0.17 * style.energy,
        bob=0.02 * style.bounce, sway=0.04, pelvis_turn=0.1, chest_turn=0.1, arm=0.16, arm_middle=0.3, elbow=1.55,
        elbow_swing=0.3, abduct=0.3, bend=0.38 * style.energy, tilt=0.24, gaze=0.0,
    )  # fmt: skip


def _turn(style: Style, rng: np.random.Generator) -> Gait:
    way = style.handed * (1.0 if rng.random() < 0.5 else -1.0)
    rate = way * float(rng.uniform(0.95, 1.5)) * style.tempo
    return Gait(
        speed=0.04, yaw_rate=rate, cadence=0.85 * style.tempo, duty=0.66, stance=Stance(0.2 * style.width, 0.0, 0.16),
        swing=Swing(0.075, 0.45, 0.42, 0.12, 0.18, 0.1, 0.02), reach=0.5, sink=0.018, bob=0.008 * style.bounce,
        sway=0.035, pelvis_turn=0.02, pelvis_list=0.03, chest_turn=0.03, arm=0.1 * style.arm_swing, elbow_swing=0.12,
        abduct=0.18, glance=0.35 * way,
    )  # fmt: skip


GAITS: Mapping[str, Callable[[Style, np.random.Generator], Gait]] = {
    "walk": _walk,
    "run": _run,
    "sneak": _sneak,
    "turn": _turn,
}
