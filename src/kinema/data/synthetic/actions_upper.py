"""Actions of the upper body on standing feet: idle, wave, bow, reach, punch."""

from __future__ import annotations

import math

import numpy as np

from kinema.data.synthetic.channels import REST, Channels, Key
from kinema.data.synthetic.curves import Array, ease, wander
from kinema.data.synthetic.moves import ActionSpan, Moves, both, keyed
from kinema.data.synthetic.steps import Stance


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
