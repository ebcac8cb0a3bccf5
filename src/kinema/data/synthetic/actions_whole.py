"""Actions of the whole body: squat, sit, kick, jump, hop."""

from __future__ import annotations

import math

import numpy as np

from kinema.data.synthetic.channels import REST, Channels, Key
from kinema.data.synthetic.curves import Array
from kinema.data.synthetic.moves import ActionSpan, Moves, both, keyed
from kinema.data.synthetic.steps import GRAVITY, Footstep, Stance, Swing


def squat(window: ActionSpan) -> Moves:
    """Knee bends to about parallel thighs, the arms held forward."""
    style, keys = window.style, list[Key]([(window.begin - 1, {})])
    for start, length in window.repeats(2.1 / style.tempo):
        depth = window.about(1.0, 0.12) * min(style.energy, 1.08)
        down: dict[str, float] = {
            "up": -0.37 * depth, "ahead": -0.10 * depth, "pelvis_pitch": 0.33 * depth, "bend": 0.16, "knees_out": 0.34,
            "steady": 0.72, **both(flex=1.75, elbow=0.25, abduct=0.02, twist=-0.35, wrist=0.1),
        }  # fmt: skip
        keys += [
            (start, {}),
            (start + 0.14 * length, {"up": -0.05, "ahead": -0.03, "pelvis_pitch": 0.1, **both(flex=0.35)}),
            (start + 0.44 * length, down),
            (start + 0.54 * length, {**down, "up": -0.385 * depth, "bend": 0.18}),
            (start + 0.88 * length, {"up": -0.02, "pelvis_pitch": 0.02, **both(flex=0.3)}),
            (start + length, {}),
        ]  # fmt: skip
    return Moves(Stance(0.34 * style.width**0.5, 0.0, 0.36), keyed(keys), done=keys[-2][0])


_SEATED: dict[str, float] = {
    "up": -0.43, "ahead": -0.40, "pelvis_pitch": -0.06, "bend": 0.16, "knees_out": 0.12, "steady": 0.8,
    **both(flex=0.5, elbow=0.95, abduct=0.16, twist=-0.18, wrist=0.05),
}  # fmt: skip


def sit(window: ActionSpan) -> Moves:
    """Sitting down on a seat at knee height, resting, and standing up again."""
    style, begin = window.style, window.begin
    end = max(window.end, begin + 2.0)
    down = min(1.25 / style.tempo, 0.42 * (end - begin))
    over: dict[str, float] = {
        "up": -0.27, "ahead": -0.26, "pelvis_pitch": 0.5, "bend": 0.4, "knees_out": 0.12, "steady": 0.7,
        **both(flex=1.0, elbow=0.55, abduct=0.16, twist=-0.15),
    }  # fmt: skip
    start = {"ahead": -0.05, "pelvis_pitch": 0.22, "bend": 0.2, "up": -0.05, **both(flex=0.25)}
    sway = float(window.rng.normal())
    rest = {
        **_SEATED,
        "bend": 0.22 - 0.05 * style.mood,
        "head_yaw": 0.2 * sway,
        "head_pitch": 0.08,
        "lean": 0.02 * sway,
    }
    keys: list[Key] = [
        (begin, {}),
        (begin + 0.25 * down, start),
        (begin + 0.68 * down, over),
        (begin + down, {**_SEATED, "bend": 0.3, "pelvis_pitch": 0.06}),
        (begin + 1.35 * down, _SEATED),
    ]
    rise = end - 1.05 * down
    if rise > begin + 1.6 * down:
        keys.append(((begin + 1.35 * down + rise) / 2, rest))
        keys.append((rise, rest))
    else:
        rise = max(rise, begin + 1.4 * down)
    forward = {**over, "up": -0.40, "ahead": -0.33, "pelvis_pitch": 0.52, "bend": 0.42, **both(flex=1.1, elbow=0.6)}
    keys += [
        (rise + 0.33 * down, forward),
        (rise + 0.52 * down, {**over, "up": -0.22, "ahead": -0.16, "pelvis_pitch": 0.48}),
        (rise + 0.95 * down, {"up": -0.016, "bend": 0.04, **both(flex=0.1)}),
        (rise + 1.1 * down, {}),
    ]
    return Moves(Stance(0.24 * style.width**0.5, 0.0, 0.14), keyed(keys), done=keys[-2][0])


def kick(window: ActionSpan) -> Moves:
    """A front kick: the knee comes up, the leg snaps out and back, and the foot returns to where it stood."""
    style = window.style
    stance = Stance(0.2, -0.16 * style.handed, 0.18)
    leg = 1 if style.handed > 0 else 0
    keys: list[Key] = [(window.begin - 1, {})]
    steps: list[Footstep] = []
    for start, length in window.repeats(1.9 / style.tempo):
        high = window.about(0.78, 0.2) * style.energy**0.5
        lift, land = start + 0.22 * length, start + 0.84 * length
        swing = Swing(
            off_pitch=0.75, on_pitch=0.2, roll_off=0.14 * length, roll_on=0.1, bow=0.0,
            keys=((0.12, -0.05, 0.07, 0.0, 0.85), (0.36, 0.30, 0.50, -0.07, 0.55), (0.50, 0.84, high, -0.1, -0.35),
                  (0.56, 0.84, high - 0.02, -0.1, -0.4), (0.71, 0.30, 0.44, -0.05, 0.25),
                  (0.90, -0.02, 0.08, 0.0, 0.3)),
        )  # fmt: skip
        steps.append(Footstep(leg, lift, land, land, stance, swing))
        keys += _kick_keys(start, length, high)
    return Moves(stance, keyed(keys, swap=style.handed < 0), tuple(steps), done=steps[-1].land + 0.1)


def _kick_keys(start: float, length: float, high: float) -> list[Key]:
    over: dict[str, float] = {
        "side": 0.095,
        "ahead": 0.03,
        "up": -0.03,
        "steady": 0.9,
        "pelvis_roll": -0.03,
        "lean": 0.05,
    }
    guard = {"l_flex": 0.55, "l_elbow": 1.3, "r_flex": 0.2, "r_elbow": 1.1, "l_abduct": 0.35, "r_abduct": 0.55}
    chamber = {**over, **guard, "pelvis_pitch": -0.14, "bend": 0.22, "twist": 0.1, "pelvis_yaw": 0.05}
    extend = {
        **over, "pelvis_pitch": -0.28 * high, "bend": 0.1, "ahead": 0.05, "pelvis_yaw": 0.3, "twist": -0.35,
        "l_flex": 0.95, "l_elbow": 0.9, "l_abduct": 0.35, "r_flex": -0.55, "r_elbow": 0.5, "r_abduct": 0.65,
    }  # fmt: skip
    return [
        (start, {}),
        (start + 0.22 * length, {**over, "l_elbow": 0.7, "r_elbow": 0.6, "bend": 0.1, "l_flex": 0.2}),
        (start + 0.44 * length, chamber),
        (start + 0.54 * length, extend),
        (start + 0.66 * length, chamber),
        (start + 0.84 * length, {"side": 0.05, "up": -0.03, "bend": 0.12, "l_elbow": 0.6, "r_elbow": 0.6}),
        (start + length, {}),
    ]


def hermite(t: Array, first: tuple[float, ...], last: tuple[float, ...]) -> Array:
    """The quintic between two states (time, value, velocity, acceleration); held outside."""
    span = last[0] - first[0]
    u = np.clip((t - first[0]) / span, 0.0, 1.0)
    p0, v0, a0 = first[1], first[2] * span, first[3] * span**2
    p1, v1, a1 = last[1], last[2] * span, last[3] * span**2
    c3 = 10 * (p1 - p0) - 6 * v0 - 4 * v1 - 1.5 * a0 + 0.5 * a1
    c4 = -15 * (p1 - p0) + 8 * v0 + 7 * v1 + 1.5 * a0 - a1
    c5 = 6 * (p1 - p0) - 3 * (v0 + v1) - 0.5 * (a0 - a1)
    return p0 + u * (v0 + u * (a0 / 2 + u * (c3 + u * (c4 + u * c5))))


def _leap(t: Array, off: float, fly: float, crouch: float, push: float, absorb: float, tip: float) -> Array:
    """The pelvis over one jump (metres above rest): down, push, free fall from `off` for `fly` seconds, absorb, up."""
    rest, speed = REST["up"], GRAVITY * fly / 2
    low = off - push
    out = hermite(t, (low - 0.42, rest, 0, 0), (low, -crouch, 0, 6.0))
    out = np.where(t > low, hermite(t, (low, -crouch, 0, 6.0), (off, tip, speed, -GRAVITY)), out)
    since = t - off
    out = np.where(since > 0, tip + speed * since - 0.5 * GRAVITY * since**2, out)
    land, deep = off + fly, off + fly + absorb
    down = -0.62 * crouch
    out = np.where(t > land, hermite(t, (land, tip, -speed, -GRAVITY), (deep, down, 0, 3.0)), out)
    return np.where(t > deep, hermite(t, (deep, down, 0, 3.0), (deep + 0.5, rest, 0, 0)), out)


def jump(window: ActionSpan) -> Moves:
    """A standing jump: crouch with the arms back, fly (g = 9.81 m/s²), absorb the landing in the knees."""
    style, rng = window.style, window.rng
    stance = Stance(0.24 * style.width**0.5, 0.0, 0.14)
    keys: list[Key] = [(window.begin - 1, {})]
    steps, speed = list[Footstep](), list[tuple[float, float]]()
    leaps: list[tuple[float, float, float]] = []
    far = float(rng.uniform(0.0, 0.9)) * style.energy
    for start, length in window.repeats(2.15):
        fly = window.about(0.46, 0.08) * style.energy**0.35
        early = 0.42 + 0.27 if length > 1.6 else 0.5
        off = start + early
        land = off + fly
        crouch = 0.27 * window.about(1.0, 0.1) * style.energy**0.5
        leaps.append((off, fly, crouch))
        swing = Swing(0.07, 0.5, 0.85, 0.62, 0.17, 0.11, 0.0, (), True)
        steps += [Footstep(side, off, land, land + 0.5, stance, swing) for side in (0, 1)]
        speed += [(off - 0.27, 0.0), (off, far), (land, far), (land + 0.22, 0.0)]
        keys += _jump_keys(start, off, land, far)
    plain = keyed(keys)

    def channels(t: Array) -> Channels:
        out = plain(t)
        height = np.full_like(t, REST["up"])
        for off, fly, crouch in leaps:
            now = (t > off - 0.27 - 0.42) & (t < off + fly + 0.9)
            height = np.where(now, _leap(t, off, fly, crouch, 0.27, 0.2, 0.075) / 1.0, height)
        flying = height - REST["up"]
        return out.put(up=REST["up"] + np.where(flying > 0, flying / style.size, flying))

    return Moves(stance, channels, tuple(steps), tuple(speed), steps[-1].land + 0.45)


def _jump_keys(start: float, off: float, land: float, far: float) -> list[Key]:
    tuck = 0.1 + 0.15 * far
    return [
        (start, {}),
        (off - 0.36, {"pelvis_pitch": 0.38, "bend": 0.32, "ahead": -0.05, "steady": 0.75, "knees_out": 0.13,
                      **both(flex=-0.8, elbow=0.25, abduct=0.2)}),
        (off - 0.24, {"pelvis_pitch": 0.42, "bend": 0.33, "ahead": -0.06, "steady": 0.75, "knees_out": 0.14,
                      **both(flex=-0.35, elbow=0.4, abduct=0.18)}),
        (off - 0.1, {"pelvis_pitch": 0.2, "bend": 0.16, "ahead": 0.0, "knees_out": 0.1,
                     **both(flex=0.5, elbow=0.75, abduct=0.15)}),
        (off + 0.02, {"pelvis_pitch": 0.04, "bend": -0.05, "ahead": 0.07, **both(flex=1.35, elbow=0.75, abduct=0.2)}),
        (off + 0.45 * (land - off), {"pelvis_pitch": tuck, "bend": 0.05, "ahead": 0.05,
                                     **both(flex=2.15, elbow=0.5, abduct=0.3)}),
        (land, {"pelvis_pitch": 0.12, "bend": 0.18, "ahead": 0.03, **both(flex=1.35, elbow=0.4, abduct=0.4)}),
        (land + 0.19, {"pelvis_pitch": 0.34, "bend": 0.3, "ahead": -0.04, "steady": 0.8, "knees_out": 0.14,
                       **both(flex=0.5, elbow=0.45, abduct=0.35)}),
        (land + 0.5, {"bend": 0.06, "up": -0.02, **both(flex=-0.05, elbow=0.3)}),
        (land + 0.75, {}),
    ]  # fmt: skip


def hop(window: ActionSpan) -> Moves:
    """Small hops on the spot or forward, one after the other, as with a skipping rope."""
    style, rng = window.style, window.rng
    stance = Stance(0.16, 0.0, 0.12)
    fly = window.about(0.27, 0.12) * style.energy**0.3
    stand = window.about(0.25, 0.1) / style.tempo
    period, far = fly + stand, float(rng.uniform(0.0, 0.7))
    begin = window.begin + 0.3
    count = max(1, int((window.end - 0.35 - begin) / period))
    offs = [begin + 0.2 + i * period for i in range(count)]
    swing = Swing(0.02, 0.5, 0.62, 0.5, 0.12, 0.09, 0.0, (), True)
    steps = tuple(
        Footstep(side, off, off + fly, off + fly + (stand / 2 if off != offs[-1] else 0.4), stance, swing)
        for off in offs for side in (0, 1)
    )  # fmt: skip
    land = offs[-1] + fly
    speed = ((begin - 0.1, 0.0), (offs[0], far), (land, far), (land + 0.2, 0.0))
    arms = both(flex=0.1, elbow=1.25, abduct=0.35, twist=0.1)
    keys: list[Key] = [(begin - 0.4, {}), (begin, {"bend": 0.1, "pelvis_pitch": 0.08, **arms})]
    keys += [(land, {"bend": 0.1, "pelvis_pitch": 0.08, **arms}), (land + 0.55, {})]
    plain = keyed(keys)

    def channels(t: Array) -> Channels:
        out = plain(t)
        since = t - offs[0]
        turn = 2 * math.pi * since / period
        now = np.clip((t - begin) / 0.2, 0, 1) * np.clip((land + 0.2 - t) / 0.2, 0, 1)
        out.add(l_flex=0.12 * now * np.sin(turn), r_flex=0.12 * now * np.sin(turn), bend=0.04 * now * np.sin(turn + 2))
        out.add(l_abduct=0.1 * now * np.sin(turn + 0.4), r_abduct=0.1 * now * np.sin(turn + 0.4))
        return out.put(up=_hop_height(t, offs, fly, stand) / style.size)

    return Moves(stance, channels, steps, speed, land + 0.4)


def _hop_height(t: Array, offs: list[float], fly: float, stand: float) -> Array:
    tip, up, rest = 0.055, GRAVITY * fly / 2, REST["up"]
    out = hermite(t, (offs[0] - 0.5, rest, 0, 0), (offs[0] - 0.2, -0.08, 0, 5.0))
    out = np.where(t > offs[0] - 0.2, hermite(t, (offs[0] - 0.2, -0.08, 0, 5.0), (offs[0], tip, up, -GRAVITY)), out)
    period = fly + stand
    since = np.clip(t - offs[0], 0, None) % period
    free = tip + up * since - 0.5 * GRAVITY * since**2
    spring = tip - up * stand / math.pi * np.sin(math.pi * np.clip((since - fly) / stand, 0, 1))
    out = np.where(t > offs[0], np.where(since < fly, free, spring), out)
    land = offs[-1] + fly
    deep = (land + 0.16, -0.1, 0.0, 3.0)
    out = np.where(t > land, hermite(t, (land, tip, -up, -GRAVITY), deep), out)
    return np.where(t > deep[0], hermite(t, deep, (deep[0] + 0.4, rest, 0, 0)), out)
