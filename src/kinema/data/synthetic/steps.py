"""Footsteps: where a foot stands, when it leaves the floor, and how it moves to its next position.

A standing foot does not slide: its position is a sum of finished steps, and the roll from heel to toe rotates about
points that rest on the floor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kinema.data.synthetic.curves import Array, bump, ease, glide, through

GRAVITY = 9.81


@dataclass(frozen=True)
class Swing:
    """The manner of a step: clearance (metres) and its `peak`, foot pitch at toe-off and at landing (radians, toe down
    positive) and the seconds that rolling onto and off the floor takes; `bow` swings the foot outward (metres). `rise`
    and `fall` are the parts of the swing in which the foot gathers its speed and loses it; `level` is the part of the
    swing after which the foot has its pitch for landing; `heel` is the part of `off_pitch` that the slower beginning of
    the heel's rise makes up.

    `keys` replace the arc by a path of its own: rows (progress, ahead, up, aside, pitch). `airborne` adds the ballistic
    rise of a whole body between lift and landing.
    """

    clearance: float = 0.07
    peak: float = 0.42
    off_pitch: float = 0.35
    on_pitch: float = 0.0
    roll_off: float = 0.2
    roll_on: float = 0.1
    bow: float = 0.015
    keys: tuple[tuple[float, float, float, float, float], ...] = ()
    airborne: bool = False
    rise: float = 0.3
    fall: float = 0.3
    level: float = 0.72
    heel: float = 0.22


@dataclass(frozen=True)
class Stance:
    """How feet stand: their distance, how far the left is ahead of the right (metres), how far the toes turn out."""

    width: float = 0.22
    stagger: float = 0.0
    toe_out: float = 0.12


@dataclass(frozen=True)
class Footstep:
    """One step of `side` (0 left, 1 right) to where the body's path is at the time `aim`, in the given `stance`.

    The foot leaves the floor at `lift`, or earlier if the body has gone further than `behind` (metres) beyond it.
    """

    side: int
    lift: float
    land: float
    aim: float
    stance: Stance
    swing: Swing
    behind: float = math.inf


@dataclass(frozen=True)
class Path:
    """The path of the body over the floor, and its heading (radians, 0 along +z, positive to the left)."""

    time: Array
    x: Array
    z: Array
    yaw: Array

    def at(self, t: Array | float) -> tuple[Array, Array, Array]:
        """Position and heading at these times."""
        x, z, yaw = (np.asarray(np.interp(t, self.time, curve)) for curve in (self.x, self.z, self.yaw))
        return x, z, yaw

    def footprint(self, side: int, aim: float, stance: Stance, size: float) -> Array:
        """x, z and heading of a foot that stands at ease where the path is at `aim`."""
        x, z, yaw = (float(value) for value in self.at(aim))
        left = (1 - 2 * side) * stance.width / 2 * size
        ahead = ((0.5 - side) * stance.stagger - 0.02) * size
        return np.array([
            x + left * np.cos(yaw) + ahead * np.sin(yaw),
            z - left * np.sin(yaw) + ahead * np.cos(yaw),
            yaw + (1 - 2 * side) * stance.toe_out,
        ])  # fmt: skip


@dataclass(frozen=True)
class FootTrack:
    """One foot over the frames: position of the ankle over a flat sole (y above the floor), heading, roll, contact."""

    x: Array
    y: Array
    z: Array
    yaw: Array
    pitch: Array
    planted: Array


def foot_track(side: int, first: Stance, steps: Sequence[Footstep], path: Path, size: float, t: Array) -> FootTrack:
    """The foot of `side` at the times `t`, from a plan of steps in order of time."""
    own = [step for step in steps if step.side == side]
    before = path.footprint(side, float(path.time[0]), first, size)
    place = np.repeat(before[:, None], len(t), 1)
    height, planted = np.zeros_like(t), np.ones(len(t))
    pitch_keys: list[tuple[float, float]] = [(float(path.time[0]) - 1, 0.0)]
    for step in own:
        u = (t - step.lift) / (step.land - step.lift)
        in_air = (u > 0) & (u < 1)
        planted[in_air] = 0.0
        after = path.footprint(side, step.aim, step.stance, size)
        place += np.outer(after - before, _travel(step.swing, u))
        _swing(step, u, after[2] - (1 - 2 * side) * step.stance.toe_out, size, place, height)
        pitch_keys += _pitch_keys(step)
        before = after
    times, pitches = _tidy(pitch_keys)
    return FootTrack(place[0], height, place[1], place[2], through(times, pitches, t), planted)


def _travel(swing: Swing, u: Array) -> Array:
    """The fraction of the step's distance that the foot has covered."""
    if swing.airborne:
        return np.clip(u, 0, 1)
    if swing.keys:
        return ease((u - 0.05) / 0.84)
    # A heel may still move as it comes down; a toe that lands first has to be at rest by then.
    end = 0.98 if swing.on_pitch < 0 else 0.9
    return glide((u - 0.02) / (end - 0.02), swing.rise, swing.fall)


def _swing(step: Footstep, u: Array, yaw: float, size: float, place: Array, height: Array) -> None:
    """Add the swing to the straight path, in place."""
    swing, out = step.swing, 1 - 2 * step.side
    aside, ahead = out * swing.bow * bump(u), np.zeros_like(u)
    if swing.keys:
        table = np.array([(0, 0, 0, 0, 0), *swing.keys, (1, 0, 0, 0, 0)], dtype=np.float64)
        path = through(table[:, 0], table[:, 1:4], u)
        ahead, aside = path[:, 0], aside + out * path[:, 2]
        height += path[:, 1] * size
    else:
        height += swing.clearance * size * bump(u, swing.peak)
    if swing.airborne:
        span = step.land - step.lift
        height += 0.5 * GRAVITY * span**2 * np.clip(u, 0, 1) * (1 - np.clip(u, 0, 1))
    place[0] += size * (aside * np.cos(yaw) + ahead * np.sin(yaw))
    place[1] += size * (ahead * np.cos(yaw) - aside * np.sin(yaw))


def _pitch_keys(step: Footstep) -> list[tuple[float, float]]:
    swing, span = step.swing, step.land - step.lift
    # The heel comes up slowly at first, then quickly: the ankle has its speed before the toe leaves the floor.
    keys = [(step.lift - swing.roll_off, 0.0), (step.lift - 0.4 * swing.roll_off, swing.heel * swing.off_pitch)]
    keys += [(step.lift, 0.82 * swing.off_pitch)]
    if swing.keys:
        keys += [(step.lift + u * span, pitch) for u, _, _, _, pitch in swing.keys]
    else:
        keys += [(step.lift + 0.14 * span, swing.off_pitch), (step.lift + swing.level * span, 0.8 * swing.on_pitch)]
    return [*keys, (step.land, swing.on_pitch), (step.land + swing.roll_on, 0.0)]


def _tidy(keys: list[tuple[float, float]]) -> tuple[Array, Array]:
    """Keys in order of time; where rolling on and rolling off overlap, the later key moves behind the earlier."""
    times, values = [keys[0][0]], [keys[0][1]]
    for time, value in keys[1:]:
        times.append(max(time, times[-1] + 1e-3))
        values.append(value)
    return np.array(times), np.array(values)
