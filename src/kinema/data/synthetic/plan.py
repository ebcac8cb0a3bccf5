"""The plan of a performance: acts one after the other, the path over the floor, and every footstep.

Acts are blended in control space. The path is the integral of the blended speed, and footsteps are placed on it, so a
foot that stands never moves, whatever is blended into whatever.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import numpy as np

from kinema.data.synthetic.channels import Moves, Style
from kinema.data.synthetic.curves import Array, ease, through, wander
from kinema.data.synthetic.gait import Gait
from kinema.data.synthetic.steps import Footstep, Path, Stance, Swing

PLAN_RATE = 120.0  # of the path and the phase (hertz)
SHIFT = 0.55  # seconds between two standing actions, for the feet to find the next stance
_FIRST_STEP = 1.1  # how early, in half crossfades, the first step of a gait leaves the floor
_SHUFFLE = Swing(0.045, 0.45, 0.3, 0.05, 0.1, 0.08, 0.0)


@dataclass(frozen=True)
class Act:
    """One action of a plan, from `start` to `stop` (seconds); `way` is its gait or its moves."""

    action: str
    start: float
    stop: float
    way: Gait | Moves
    style: Style
    seed: int


@dataclass(frozen=True)
class MovementPlan:
    """Acts with their common path, gait phase and footsteps."""

    acts: tuple[Act, ...]
    path: Path
    phase: Array
    first: Stance
    steps: tuple[Footstep, ...]


def crossfade(before: Gait | Moves, after: Gait | Moves) -> float:
    """Half the seconds of the transition from one way of moving to the next; longer for a larger change of speed."""
    return 0.3 + 0.11 * abs(_pace(before) - _pace(after))


def earliest(before: Act, after: Gait | None) -> float:
    """When the next act may start: after this one is done; a gait starts with a step before that."""
    if isinstance(before.way, Gait):
        return -math.inf
    return before.way.done + (0.1 + _FIRST_STEP * crossfade(before.way, after) if after else 0.35)


def lead(before: Act) -> float:
    """Seconds from the end of an act until a standing action that follows may begin: the feet find its stance first."""
    return 0.92 + 0.11 * before.way.speed if isinstance(before.way, Gait) else SHIFT


def weights(acts: tuple[Act, ...], t: Array) -> Array:
    """The weight of each act, (act, frame); the sum is 1."""
    rising = [np.ones_like(t)]
    for before, after in itertools.pairwise(acts):
        half = crossfade(before.way, after.way)
        rising.append(ease((t - after.start + half) / (2 * half)))
    rising.append(np.zeros_like(t))
    return np.stack([now - then for now, then in itertools.pairwise(rising)])


def make_plan(acts: tuple[Act, ...], size: float) -> MovementPlan:
    """The path, the phase and the steps of acts that follow one another."""
    begin, end = min(acts[0].start, 0.0) - 1.0, acts[-1].stop + 1.0
    t = np.arange(begin, end, 1 / PLAN_RATE)
    share = weights(acts, t)
    path = _path(acts, share, t, size)
    phase = _phase(acts, share, t)
    first = acts[0].way.stance
    steps = list[Footstep]()
    for bout in _bouts(acts):
        steps += _gait_steps(acts, bout, path, phase)
    for place, act in enumerate(acts):
        if isinstance(act.way, Moves):
            if place > 0:
                steps += _settle(acts, place, steps, first, path, size)
            steps += act.way.steps
    steps = _in_reach(steps, first, path, size)
    return MovementPlan(acts, path, phase, first, tuple(steps))


def _pace(way: Gait | Moves) -> float:
    return way.speed if isinstance(way, Gait) else 0.0


def _path(acts: tuple[Act, ...], share: Array, t: Array, size: float) -> Path:
    speed, rate = np.zeros_like(t), np.zeros_like(t)
    for weight, act in zip(share, acts, strict=True):
        if isinstance(act.way, Gait):
            slow = wander(np.random.default_rng((act.seed, 11)), t, 2)
            speed += weight * act.way.speed * (1 + 0.035 * slow[:, 0])
            rate += weight * (act.way.yaw_rate * (1 + 0.15 * slow[:, 1]) + 0.04 * slow[:, 1] * act.way.speed)
        elif act.way.speed:
            keys = np.array(act.way.speed)
            speed += through(keys[:, 0], keys[:, 1], t)
    yaw = _integral(rate)
    x, z = _integral(speed * size * np.sin(yaw)), _integral(speed * size * np.cos(yaw))
    origin = [float(np.interp(0.0, t, values)) for values in (x, z, yaw)]
    cosine, sine = math.cos(origin[2]), math.sin(origin[2])
    x, z = x - origin[0], z - origin[1]
    return Path(t, x * cosine - z * sine, x * sine + z * cosine, yaw - origin[2])


def _phase(acts: tuple[Act, ...], share: Array, t: Array) -> Array:
    """Strides since the beginning: the integral of the cadence of the gaits; constant where there is none."""
    going = np.array([isinstance(act.way, Gait) for act in acts])
    cadence = np.array([act.way.cadence if isinstance(act.way, Gait) else 0.0 for act in acts])
    total = share[going].sum(0)
    mean = (share * cadence[:, None]).sum(0) / np.where(total > 1e-9, total, 1.0)
    phase = _integral(np.where(total > 1e-9, mean, 0.0))
    # Every bout begins with one foot about to leave the floor.
    for bout in _bouts(acts):
        act = acts[bout[0]]
        assert isinstance(act.way, Gait)
        since = t >= _bout_start(acts, bout) - 1e-9
        foot = 0.5 * ((act.seed >> 1) % 2)
        now = float(np.interp(_bout_start(acts, bout), t, phase))
        phase[since] += (act.way.duty + foot - now) % 1.0
    return phase


def _bouts(acts: tuple[Act, ...]) -> list[list[int]]:
    """Runs of neighbouring acts that are gaits."""
    found: list[list[int]] = []
    for place, act in enumerate(acts):
        if isinstance(act.way, Gait):
            if found and found[-1][-1] == place - 1:
                found[-1].append(place)
            else:
                found.append([place])
    return found


def _bout_start(acts: tuple[Act, ...], bout: list[int]) -> float:
    start = acts[bout[0]].start
    return start if bout[0] == 0 else start - _FIRST_STEP * crossfade(acts[bout[0] - 1].way, acts[bout[0]].way)


def _bout_stop(acts: tuple[Act, ...], bout: list[int]) -> float:
    last = bout[-1]
    return acts[last].stop + (0.4 * crossfade(acts[last].way, acts[last + 1].way) if last + 1 < len(acts) else 0.0)


def _gait_steps(acts: tuple[Act, ...], bout: list[int], path: Path, phase: Array) -> list[Footstep]:
    """Every step that lifts within a bout, from the times at which the phase passes lift-off and landing."""
    t, start, stop = path.time, _bout_start(acts, bout), _bout_stop(acts, bout)
    inside = (t >= start - 1e-9) & (t <= acts[bout[-1]].stop + 0.3)
    time, own = t[inside], phase[inside] + np.arange(int(inside.sum())) * 1e-9
    last = acts[bout[-1]].way
    assert isinstance(last, Gait)
    # Beyond the bout the last gait goes on, so that a step that has begun also ends.
    tail = np.arange(1, 240) / PLAN_RATE
    time = np.concatenate((time, time[-1] + tail))
    own = np.concatenate((own, own[-1] + tail * last.cadence))
    strides = np.arange(math.floor(own[0]), math.ceil(own[-1]) + 1)
    steps: list[Footstep] = []
    for side in (0, 1):
        for lands_at in strides + side / 2:
            way = _gait_at(acts, bout, float(np.interp(lands_at - 0.3, own, time)))
            lifts_at = lands_at - 1 + way.duty
            lift, land, off = (float(np.interp(p, own, time)) for p in (lifts_at, lands_at, lands_at + way.duty))
            if lifts_at >= own[0] - 1e-6 and lift <= stop and lifts_at < own[-1]:
                steps.append(_gait_step(side, lift, land, off, way, path))
    return steps


def _gait_at(acts: tuple[Act, ...], bout: list[int], time: float) -> Gait:
    """The gait of a bout at a time: the last that has started."""
    ways = [act.way for act in (acts[place] for place in bout) if isinstance(act.way, Gait)]
    started = sum(acts[place].start < time for place in bout)
    return ways[max(0, started - 1)]


def _gait_step(side: int, lift: float, land: float, off: float, way: Gait, path: Path) -> Footstep:
    """One step of a gait; the slower the body, the lower the foot is lifted."""
    swing, room = way.swing, off - land
    if way.sprung:
        x, z, _ = path.at(np.array([lift, land]))
        part = min(1.0, float(np.hypot(x[1] - x[0], z[1] - z[0])) / (way.speed * (land - lift)))
        part = max(0.25, part)
        swing = replace(swing, clearance=swing.clearance * part, off_pitch=swing.off_pitch * (0.35 + 0.65 * part))
    swing = replace(swing, roll_on=min(swing.roll_on, 0.35 * room), roll_off=min(swing.roll_off, 0.7 * room))
    return Footstep(side, lift, land, land + way.reach * room, way.stance, swing, way.behind)


def _in_reach(steps: list[Footstep], first: Stance, path: Path, size: float) -> list[Footstep]:
    """The steps in order of time; a foot that the body would leave too far behind lifts earlier."""
    out: list[Footstep] = []
    for side in (0, 1):
        stands, since = path.footprint(side, float(path.time[0]), first, size), float(path.time[0])
        for step in sorted((step for step in steps if step.side == side), key=lambda step: step.lift):
            now = (path.time > since) & (path.time < step.lift)
            gone = np.hypot(path.x[now] - stands[0], path.z[now] - stands[1]) > step.behind * size
            if step.behind < math.inf and gone.any():
                lift = max(float(path.time[now][np.argmax(gone)]), since + 0.06)
                swing = replace(step.swing, roll_off=min(step.swing.roll_off, max(0.03, lift - since - 0.02)))
                step = replace(step, lift=min(step.lift, lift), swing=swing)
            out.append(step)
            stands, since = path.footprint(side, step.aim, step.stance, size), step.land
    return sorted(out, key=lambda step: step.lift)


def _settle(
    acts: tuple[Act, ...], place: int, steps: list[Footstep], first: Stance, path: Path, size: float
) -> list[Footstep]:
    """Steps that bring both feet into the stance of a standing act, one after the other; none where they stand well."""
    act, before = acts[place], acts[place - 1]
    done = [step for step in steps if step.lift < act.start + 0.3]
    free = act.start - 0.15
    late = act.start + lead(before) + 0.2
    feet: list[tuple[float, int, float]] = []
    for side in (0, 1):
        own = [step for step in done if step.side == side]
        last = max(own, key=lambda step: step.land) if own else None
        stands = path.footprint(side, last.aim, last.stance, size) if last else path.footprint(
            side, float(path.time[0]), first, size
        )  # fmt: skip
        wanted = path.footprint(side, late, act.way.stance, size)
        if last:
            free = max(free, last.land)
        off = float(np.hypot(*(wanted - stands)[:2]))
        if off > 0.03 or abs(wanted[2] - stands[2]) > 0.12:
            feet.append((-off, side, off))
    steps_: list[Footstep] = []
    for _, side, off in sorted(feet):
        span = 0.3 + 0.15 * min(off, 0.6)
        swing = replace(_SHUFFLE, clearance=0.04 + 0.05 * min(off, 0.6), off_pitch=0.25 + 0.4 * min(off, 0.6))
        steps_.append(Footstep(side, free + 0.02, free + 0.02 + span, late, act.way.stance, swing))
        free += span + 0.02
    return steps_


def _integral(rate: Array) -> Array:
    return np.concatenate(([0.0], np.cumsum((rate[1:] + rate[:-1]) / 2))) / PLAN_RATE
