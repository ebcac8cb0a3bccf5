"""Procedural motion: a parametric body that walks, runs, jumps and so on, with labels, seeds and planted feet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from kinema.core.errors import UsageError, unknown_name
from kinema.data.source import SPLITS, Source, Split, check_split, derived
from kinema.data.synthetic.actions import MOVES
from kinema.data.synthetic.body import Body, Placement, pose, to_local
from kinema.data.synthetic.channels import ActionSpan, Channels, Moves, Style
from kinema.data.synthetic.curves import Array, smoothed, wander
from kinema.data.synthetic.gait import GAITS, Gait
from kinema.data.synthetic.plan import Act, MovementPlan, earliest, lead, make_plan, weights
from kinema.data.synthetic.steps import foot_track
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogued

__all__ = ["ACTIONS", "Style", "Synthetic", "perform", "sequence"]

VERSION = 2  # of the movements: a cache of clips made by another version is stale
ACTIONS: tuple[str, ...] = (
    "walk", "run", "jump", "wave", "squat", "turn", "sit", "kick", "punch", "bow", "reach", "idle", "sneak", "hop",
)  # fmt: skip
SHORTEST_PART = 2.0  # seconds of one action within a sequence
_LEAD = 3.0  # seconds before the first frame: gaits are in full swing when a clip begins
_MARGIN = 0.3  # seconds that are made at both ends and cut off, for the filters
_FINE = 60.0  # hertz, at least, of the making; frames are exact samples of it


@dataclass(frozen=True)
class Synthetic(Source):
    """Clips made on demand: `clips_per_action` of each action and split, each by another performer.

    `seconds` long at `fps` frames per second; `seed` picks the set, and no performer appears in two splits. Bodies
    differ in size: every clip's skeleton is `kinema24` scaled uniformly. Raises UsageError for an unknown action.
    """

    name = "synthetic"
    licence = "Apache-2.0 (procedural, made by kinema)"

    clips_per_action: int = 4
    seconds: float = 4.0
    fps: float = 30.0
    seed: int = 0
    actions: tuple[str, ...] = ACTIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        for action in self.actions:
            if action not in ACTIONS:
                raise unknown_name("action", action, ACTIONS)

    @derived
    def skeleton(self) -> Skeleton:
        """`kinema24` at size 1."""
        return catalogued("kinema24")

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split, action by action, each with `action` and identity "synthetic/<action>_<seed>"."""
        check_split(split)
        for action in self.actions:
            for number in range(self.clips_per_action):
                seed = (self.seed * 100_000 + number) * len(SPLITS) + SPLITS.index(split)
                yield perform(action, seconds=self.seconds, fps=self.fps, seed=seed)

    def stamp(self) -> str:
        """The settings and the version of the movements."""
        return f"{super().stamp()} version {VERSION}"


def perform(action: str, *, seconds: float, fps: float, seed: int, style: Style | None = None) -> Motion:
    """One action, of `seconds * fps` frames, starting above the origin and facing +z.

    `style` defaults to the performer drawn from `seed`. A gait is under way when the clip begins; a standing action
    begins and ends in a quiet stance, as often as fits. Raises UsageError for an unknown action or a length or rate
    that is not positive.
    """
    return _render([(action, seconds)], fps, seed, style, action, f"synthetic/{action}_{seed}")


def sequence(parts: Sequence[tuple[str, float]], *, fps: float, seed: int, style: Style | None = None) -> Motion:
    """Actions after one another, (name, seconds) each, blended in control space so that planted feet stay planted.

    An action that cannot end in time (a jump in the air) shortens the part after it. `action` is None unless there is
    one part. Raises UsageError for no parts, an
    unknown action, or one of several parts that lasts less than two seconds.
    """
    if not parts or (len(parts) > 1 and min(seconds for _, seconds in parts) < SHORTEST_PART):
        raise UsageError(
            expected=f"one part or more, each of at least {SHORTEST_PART:g} s, as [('walk', 2.0), ('wave', 2.5)]",
            got=str(list(parts)),
            cure="Give every action time enough to begin and to end.",
        )
    name = "+".join(action for action, _ in parts)
    return _render(parts, fps, seed, style, parts[0][0] if len(parts) == 1 else None, f"synthetic/{name}_{seed}")


def _render(
    parts: Sequence[tuple[str, float]], fps: float, seed: int, style: Style | None, label: str | None, identity: str
) -> Motion:
    for action, seconds in parts:
        if action not in ACTIONS:
            raise unknown_name("action", action, ACTIONS)
        if not (seconds > 0 and fps > 0):
            raise UsageError(
                expected="a positive length and frame rate", got=f"{seconds} s at {fps} fps", cure="Give both above 0."
            )
    style = style or Style.draw(seed)
    total = sum(seconds for _, seconds in parts)
    frames = max(1, round(total * fps))
    finer = int(np.ceil(_FINE / fps))
    margin = round(_MARGIN * fps) * finer
    rate = fps * finer
    t = (np.arange(frames * finer + 2 * margin) - margin) / rate
    body = Body.of_size(style.size)
    plan = make_plan(_acts(parts, seed, style), style.size)
    globals_, root = _move(plan, body, t, rate)
    keep = slice(margin, margin + frames * finer, finer)
    return Motion(
        body.skeleton, to_local(body, globals_[keep]), torch.from_numpy(root[keep]).float(), fps, label, identity
    )


def _acts(parts: Sequence[tuple[str, float]], seed: int, style: Style) -> tuple[Act, ...]:
    """Every part with its time and its gait or action; the first begins before the clip, the last ends after it."""
    acts: list[Act] = []
    start, planned = 0.0, 0.0
    for place, (action, seconds) in enumerate(parts):
        rng = np.random.default_rng((seed, place, ACTIONS.index(action)))
        planned += seconds
        to_gait = place + 1 < len(parts) and parts[place + 1][0] in GAITS
        way: Gait | Moves
        if action in GAITS:
            way = GAITS[action](style, rng)
            start = max(start, earliest(acts[-1], way)) if acts else start
        else:
            start = max(start, earliest(acts[-1], None)) if acts else start
            wait = lead(acts[-1]) if acts else float(rng.uniform(0.1, 0.35))
            end = planned - (0.4 if to_gait else 0.12)
            way = MOVES[action](ActionSpan(start + wait, end, style, rng))
        if acts:
            acts[-1] = replace(acts[-1], stop=start)
        acts.append(Act(action, start, max(planned, start + 1.0), way, style, seed * 31 + place))
        start = acts[-1].stop
    acts[0] = replace(acts[0], start=-_LEAD)
    acts[-1] = replace(acts[-1], stop=acts[-1].stop + _LEAD)
    return tuple(acts)


def _move(plan: MovementPlan, body: Body, t: Array, rate: float) -> tuple[Array, Array]:
    x, z, yaw = plan.path.at(t)
    left, right = (foot_track(side, plan.first, plan.steps, plan.path, body.size, t) for side in (0, 1))
    share = weights(plan.acts, t)
    phase = np.interp(t, plan.path.time, plan.phase)
    mixed = Channels(np.zeros_like(Channels.rest(len(t)).values))
    for weight, act in zip(share, plan.acts, strict=True):
        rng = np.random.default_rng((act.seed, 7))
        if isinstance(act.way, Gait):
            own = act.way.channels(phase, t, act.style, rng)
        else:
            own = _alive(act.way.channels(t), t, act.style, rng)
            # The weight moves over the foot that stands while the other one steps.
            loads = smoothed(np.stack((left.planted, right.planted), -1), 0.5, rate)
            own.add(side=0.05 * (loads[:, 0] - loads[:, 1]))
        mixed.values += weight[:, None] * own.values
    _answer_to_acceleration(mixed, plan, t, rate)
    return pose(body, mixed, Placement(x, z, yaw, (left, right)), rate)


def _alive(channels: Channels, t: Array, style: Style, rng: np.random.Generator) -> Channels:
    """Breath, sway and mood on top of a standing action."""
    slow = wander(rng, t, 8)
    breath = np.sin(2 * np.pi * (0.27 * t + rng.random()))
    return channels.add(
        side=0.006 * slow[:, 0], ahead=0.006 * slow[:, 1], twist=0.02 * slow[:, 3], lean=0.01 * slow[:, 4],
        bend=0.012 * slow[:, 2] + 0.5 * style.lean - 0.06 * min(style.mood, 0.0),
        head_yaw=0.06 * slow[:, 5], head_pitch=0.025 * slow[:, 6] - 0.13 * style.mood,
        l_flex=0.02 * slow[:, 7], r_flex=0.02 * slow[:, 6], l_elbow=0.03 * slow[:, 3], r_elbow=0.03 * slow[:, 4],
        l_abduct=0.012 * breath, r_abduct=0.012 * breath, l_shrug=0.012 * breath, r_shrug=0.012 * breath,
    )  # fmt: skip


def _answer_to_acceleration(channels: Channels, plan: MovementPlan, t: Array, rate: float) -> None:
    """Lean forward into a start and back at a stop."""
    if len(plan.acts) == 1:
        return
    x, z, yaw = plan.path.at(t)
    speed = np.gradient(x, t) * np.sin(yaw) + np.gradient(z, t) * np.cos(yaw)
    lean = smoothed(np.gradient(smoothed(speed, 0.25, rate), t), 0.3, rate)
    channels.add(pelvis_pitch=np.clip(0.035 * lean, -0.14, 0.14), ahead=np.clip(0.012 * lean, -0.05, 0.05))
