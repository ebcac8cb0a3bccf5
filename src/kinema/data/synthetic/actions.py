"""Actions on standing feet: of the upper body (idle, wave, bow, reach, punch) and of the whole body (squat to hop)."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from kinema.data.synthetic.channels import REST, ActionSpan, Channels, Key, Moves, both, keyed
from kinema.data.synthetic.curves import Array, ease, wander
from kinema.data.synthetic.steps import GRAVITY, Footstep, Stance, Swing


def idle(window: ActionSpan) -> Moves:
    """Shifting the weight from leg to leg and looking about."""
    rng, keys = window.rng, list[Key]()
    time, leg = window.begin - 4.0, 1.0
    while time < window.end + 4.0:
        load = leg * window.about(0.045, 0.4)
        look = float(rng.normal() * 0.28)
        keys.append((time, {
            "side": load, "pelvis_roll": 1.3 * load, "lean": -1.5 * load, "twist": 0.35 * look, "head_yaw": look,
            "head_roll": float(rng.normal() * 0.04), "up": REST["up"] - 0.004, "pelvis_yaw": 0.5 * load,
            "head_pitch": float(rng.normal() * 0.06), "bend": 0.03 + float(rng.normal() * 0.02),
            "l_flex": float(rng.normal() * 0.06), "r_flex": float(rng.normal() * 0.06),
            "l_elbow": window.about(0.3, 0.4), "r_elbow": window.about(0.3, 0.4),
        }))  # fmt: skip
        hold = window.about(0.7, 0.5)
        keys.append((time + hold, {**keys[-1][1], "head_yaw": look + float(rng.normal() * 0.1)}))
        time += hold + window.about(0.9, 0.3) / window.style.tempo
        leg = -leg if rng.random() < 0.8 else leg
    return Moves(Stance(0.23 * window.style.width), keyed(keys))


def wave(window: ActionSpan) -> Moves:
    """One hand up, the forearm swinging from side to side."""
    style, begin, end = window.style, window.begin, max(window.end, window.begin + 1.2)
    rate, swing = window.about(1.75, 0.15) * style.tempo, 0.36 * style.energy
    rise = min(0.75 / style.tempo, 0.35 * (end - begin))
    height = window.about(1.0, 0.3)
    up = {
        "r_flex": 0.3, "r_abduct": 1.0 + 0.35 * height, "r_twist": 1.35, "r_elbow": 1.65 - 0.2 * height, "side": 0.02,
        "pelvis_roll": 0.03, "lean": 0.04, "head_yaw": -0.12, "head_roll": -0.05, "bend": 0.0, "twist": -0.06,
        "r_wrist": 0.0, "l_elbow": 0.3, "head_pitch": -0.06,
    }  # fmt: skip
    middle = {**up, "lean": 0.02, "side": 0.035, "r_abduct": up["r_abduct"] + 0.06, "head_roll": -0.09}
    keys: list[Key] = [
        (begin, {}),
        (begin + 0.55 * rise, {"r_flex": 0.5, "r_abduct": 0.55, "r_twist": 0.6, "r_elbow": 1.6, "side": 0.01}),
        (begin + rise, up),
        ((begin + end) / 2, middle),
        (end - rise, up),
        (end - 0.5 * rise, {"r_flex": 0.45, "r_abduct": 0.5, "r_twist": 0.4, "r_elbow": 1.35, "side": 0.01}),
        (end, {}),
    ]
    plain = keyed(keys)

    def channels(t: Array) -> Channels:
        out = plain(t)
        there = ease((t - begin - 0.6 * rise) / (0.5 * rise)) * ease((end - 0.55 * rise - t) / (0.5 * rise))
        turn = 2 * math.pi * rate * (t - begin)
        out.add(
            r_elbow=-swing * there * np.sin(turn),
            r_twist=0.1 * there * np.sin(turn + 0.6),
            r_abduct=0.05 * there * np.sin(turn + 0.4),
            r_wrist=-0.4 * swing * there * np.sin(turn - 0.9),
            lean=0.012 * there * np.sin(turn - 0.5),
        )
        return out if style.handed > 0 else out.mirrored()

    return Moves(Stance(0.23 * style.width), channels)


def bow(window: ActionSpan) -> Moves:
    """A bow from the hips with straight knees, the hands along the thighs."""
    keys: list[Key] = [(window.begin - 1, {})]
    for start, length in window.repeats(2.7 / window.style.tempo):
        depth = window.about(1.0, 0.2) * window.style.energy
        down: dict[str, float] = {
            "pelvis_pitch": 0.55 * depth, "bend": 0.52 * depth, "ahead": -0.11 * depth, "up": -0.016, "steady": 0.0,
            "head_pitch": 0.34, **both(flex=0.85 * depth, elbow=0.16, abduct=0.1, twist=-0.3),
        }  # fmt: skip
        keys += [
            (start, {"steady": 0.2}),
            (start + 0.1 * length, {"steady": 0.1, "bend": 0.0, **both(abduct=0.09, elbow=0.15)}),
            (start + 0.42 * length, down),
            (start + 0.56 * length, {**down, "bend": 0.55 * depth}),
            (start + 0.93 * length, {"steady": 0.2, "bend": 0.02, **both(elbow=0.2)}),
            (start + length, {"steady": 0.3}),
        ]
    return Moves(Stance(0.17, 0.0, 0.1), keyed(keys), done=keys[-2][0])


def reach(window: ActionSpan) -> Moves:
    """Stretching one hand, then the other, to places in the air in front, above and to the side."""
    rng, style = window.rng, window.style
    keys: list[Key] = [(window.begin - 1, {})]
    right = style.handed > 0
    for start, length in window.repeats(1.9 / style.tempo):
        high, wide = float(rng.uniform(0, 1)), float(rng.uniform(0, 1))
        one, other = ("r", "l") if right else ("l", "r")
        sign = -1.0 if right else 1.0
        out: dict[str, float] = {
            f"{one}_flex": 1.25 + 1.45 * high, f"{one}_abduct": 0.1 + 0.5 * wide * (1 - 0.7 * high),
            f"{one}_elbow": 0.16, f"{one}_twist": -0.5 + 0.3 * high, f"{one}_wrist": -0.15, f"{one}_shrug": 0.12,
            f"{other}_flex": -0.22, f"{other}_abduct": 0.26, f"{other}_elbow": 0.45, "ahead": 0.055,
            "side": sign * -0.01, "up": -0.014 - 0.03 * (1 - high), "twist": -sign * (0.32 - 0.45 * wide),
            "pelvis_yaw": -sign * 0.12, "pelvis_pitch": 0.14 * (1 - high), "bend": 0.26 - 0.34 * high,
            "lean": -sign * 0.1 * high, "head_pitch": 0.18 - 0.55 * high, "steady": 0.9,
            "head_yaw": sign * (0.1 + 0.5 * wide),
        }  # fmt: skip
        keys += [
            (start, {}),
            (start + 0.2 * length, {f"{one}_flex": 0.42, f"{one}_elbow": 1.15, f"{one}_abduct": 0.2,
                                    "head_yaw": sign * 0.3, "head_pitch": 0.1 - 0.3 * high}),
            (start + 0.48 * length, out),
            (start + 0.62 * length, {**out, f"{one}_elbow": 0.1, "ahead": 0.062}),
            (start + 0.82 * length, {f"{one}_flex": 0.35, f"{one}_elbow": 0.9, f"{one}_abduct": 0.2}),
            (start + length, {}),
        ]  # fmt: skip
        right = not right if rng.random() < 0.75 else right
    return Moves(Stance(0.25 * style.width, 0.05 * style.handed), keyed(keys))


_GUARD: dict[str, float] = {
    "up": -0.07, "bend": 0.16, "pelvis_pitch": 0.1, "pelvis_yaw": -0.35, "twist": -0.15, "steady": 0.95,
    "head_pitch": 0.08, "l_flex": 0.85, "l_abduct": 0.2, "l_twist": -0.35, "l_elbow": 1.75, "l_wrist": 0.0,
    "l_shrug": 0.06, "r_shrug": 0.06, "r_flex": 0.55, "r_abduct": 0.22, "r_twist": -0.3, "r_elbow": 2.15,
}  # fmt: skip
_JAB: dict[str, float] = {
    "l_flex": 1.5, "l_elbow": 0.14, "l_abduct": 0.05, "l_twist": -0.9, "l_shrug": 0.16, "pelvis_yaw": -0.5,
    "twist": -0.4, "ahead": 0.06, "r_elbow": 2.3, "r_flex": 0.65,
}  # fmt: skip
_CROSS: dict[str, float] = {
    "r_flex": 1.5, "r_elbow": 0.12, "r_abduct": 0.02, "r_twist": -0.9, "r_shrug": 0.16, "pelvis_yaw": 0.2, "twist": 0.5,
    "ahead": 0.09, "bend": 0.22, "l_elbow": 2.25, "l_flex": 0.75, "up": -0.085,
}  # fmt: skip


def punch(window: ActionSpan) -> Moves:
    """Jabs and crosses from a boxer's guard, with a wind-up and a follow-through."""
    rng, style = window.rng, window.style
    ready = min(0.45, 0.25 * (window.end - window.begin))
    keys: list[Key] = [(window.begin, {}), (window.begin + ready, _GUARD)]
    time, last = window.begin + ready, max(window.end, window.begin + 1.2)
    left = True
    while True:
        length = window.about(0.68, 0.12) / style.tempo
        pause = window.about(0.22, 0.9) if rng.random() < 0.4 else 0.03
        if time + pause + length > last - 0.3 and len(keys) > 2:
            break
        blow = {**_GUARD, **(_JAB if left else _CROSS)}
        wind = dict(_GUARD)
        wind["twist"] += -0.12 if not left else 0.14
        wind["l_elbow" if left else "r_elbow"] += 0.18
        wind["ahead"] = -0.015
        start = time + pause
        keys += [
            (start, dict(_GUARD)),
            (start + 0.24 * length, wind),
            (start + 0.51 * length, blow),
            (start + 0.59 * length, {**blow, "bend": blow["bend"] + 0.02}),
            (start + length, {**_GUARD, "up": -0.075}),
        ]
        time = start + length
        left = not left if rng.random() < 0.8 else left
    keys += [(max(time + 0.12, last - 0.45), dict(_GUARD)), (max(time + 0.5, last), {})]
    shape = keyed(keys, swap=style.handed < 0)

    def channels(t: Array) -> Channels:
        out = shape(t)
        guard = ease((t - window.begin) / 0.5) * ease((last - t) / 0.5)
        spring = np.sin(2 * math.pi * 1.9 * style.tempo * (t - window.begin))
        return out.add(up=0.008 * guard * spring, side=0.01 * guard * wander(np.random.default_rng(3), t, 1)[:, 0])

    return Moves(Stance(0.3 * style.width**0.5, 0.34 * style.handed, 0.28), channels)


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
        "side": 0.095, "ahead": 0.03, "up": -0.03, "steady": 0.9, "pelvis_roll": -0.03, "lean": 0.05,
    }  # fmt: skip
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


def quintic(t: Array, *states: tuple[float, float, float, float]) -> Array:
    """The curve of the fifth degree from each state (time, value, velocity, acceleration) to the next; held outside."""
    from scipy.interpolate import BPoly

    times = [state[0] for state in states]
    curve = BPoly.from_derivatives(times, [state[1:] for state in states])
    return np.asarray(curve(np.clip(t, times[0], times[-1])))


def _leap(t: Array, off: float, fly: float, crouch: float, push: float, absorb: float, tip: float) -> Array:
    """The pelvis over one jump (metres above rest): down, push, free fall from `off` for `fly` seconds, absorb, up."""
    rest, speed = REST["up"], GRAVITY * fly / 2
    low, land, deep = off - push, off + fly, off + fly + absorb
    return quintic(
        t, (low - 0.42, rest, 0, 0), (low, -crouch, 0, 6.0), (off, tip, speed, -GRAVITY), (land, tip, -speed, -GRAVITY),
        (deep, -0.62 * crouch, 0, 3.0), (deep + 0.5, rest, 0, 0),
    )  # fmt: skip


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
            height = np.where(now, _leap(t, off, fly, crouch, 0.27, 0.2, 0.075), height)
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
    first, land = offs[0], offs[-1] + fly
    since = np.clip(t - first, 0, None) % (fly + stand)
    free = tip + up * since - 0.5 * GRAVITY * since**2
    spring = tip - up * stand / math.pi * np.sin(math.pi * np.clip((since - fly) / stand, 0, 1))
    rise = quintic(t, (first - 0.5, rest, 0, 0), (first - 0.2, -0.08, 0, 5.0), (first, tip, up, -GRAVITY))
    settle = quintic(t, (land, tip, -up, -GRAVITY), (land + 0.16, -0.1, 0, 3.0), (land + 0.56, rest, 0, 0))
    return np.where(t > land, settle, np.where(t > first, np.where(since < fly, free, spring), rise))


MOVES: dict[str, Callable[[ActionSpan], Moves]] = {
    "idle": idle,
    "wave": wave,
    "bow": bow,
    "reach": reach,
    "punch": punch,
    "squat": squat,
    "sit": sit,
    "kick": kick,
    "jump": jump,
    "hop": hop,
}
