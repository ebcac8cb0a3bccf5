"""A request of the protocol in kinema's terms: keys, constraints, pieces of the timeline, notes."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from kinema.apps.serve.rig import KeyPoses, Rig
from kinema.core.budget import check_answer
from kinema.core.errors import UsageError
from kinema.motion.constraints.kinds import SAME, Constraint, Ground, Loop, Pin, RootPath, check
from kinema.pipeline.defaults import AUTO

if TYPE_CHECKING:
    from motionmcp.schemas import EffectorTargetConstraint, GenerateRequest, RootPathConstraint

Verb = Literal["inbetween", "forecast", "generate"]
_RATES = (1.0, 1000.0)  # frames per second
_LARGEST = 1e6  # of any number in a request
_ENDINGS = re.compile(r"|s|es|e|ed|ing|er")


@dataclass(frozen=True)
class Span:
    """Some frames of the timeline: the action that its prompt names, if any, and its own seed."""

    frames: int
    action: str | None
    seed: int


@dataclass
class Notes:
    """What the answer says about the request."""

    found: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(self, code: str, message: str, *, severity: str = "info", **facts: Any) -> None:
        """One note; the same one is kept once."""
        note = {"code": code, "severity": severity, "message": message, **facts}
        if note not in self.found:
            self.found.append(note)


@dataclass(frozen=True, eq=False)
class MotionQuestion:
    """What is known, what is asked for, and how. `constraints` name the places in the request that each comes from."""

    verb: Verb
    rig: Rig
    keys: KeyPoses
    frames: int
    fps: float
    samples: int
    seed: int
    pieces: tuple[Span, ...]
    constraints: tuple[tuple[Constraint, tuple[int, ...]], ...]
    method: str
    temperature: float
    feet: bool
    transition: int

    @property
    def path(self) -> RootPath | None:
        """The root's path."""
        return next((each for each, _ in self.constraints if isinstance(each, RootPath)), None)

    @property
    def loop(self) -> bool:
        """Whether the end has to continue into the start."""
        return any(isinstance(each, Loop) for each, _ in self.constraints)


def question_of(
    request: GenerateRequest, verb: Verb, actions: Sequence[str], fps: float, notes: Notes
) -> MotionQuestion:
    """Raises UsageError for numbers that are not finite, answers that are too large, and parts that contradict."""
    _check_numbers(request.model_dump())
    rate, frames = request.fps(fps), request.total_frames
    if not _RATES[0] <= rate <= _RATES[1]:
        raise UsageError(
            expected=f"{_RATES[0]:g} to {_RATES[1]:g} frames per second",
            got=f"{rate:g}",
            cure="Send a timing.fps of 30.",
        )
    options = request.options
    samples = options.num_samples if options else 1
    check_answer(frames, len(request.skeleton.joints), samples)
    rig = Rig.of(request.skeleton)
    keys = KeyPoses.of(rig, [each for each in request.constraints if each.type == "pose_keyframe"], frames)
    if keys.sent and not keys.places:
        notes.add("root", "no key has a root_position: in keys the root stands where its rest pose has it")
    seed = _seed(options.seed if options else None, notes)
    dials = (options.model_options if options else None) or {}
    wanted = str(dials.get("feet", AUTO))
    plain = options is None or "post_processing" not in options.model_fields_set
    feet = verb != "inbetween" if plain else bool(options and options.post_processing)
    if options is not None and options.guidance is not None and options.guidance.type != "nocfg":
        notes.add("guidance", "guidance is not used: the models have their own", severity="warning")
    constraints = _constraints(request, rig, loop=bool(options and options.loop))
    check([each for each, _ in constraints], rig.skeleton, frames)
    return MotionQuestion(
        verb,
        rig,
        keys,
        frames,
        rate,
        samples,
        seed,
        _pieces(request, actions, seed, notes),
        constraints,
        str(dials.get("method", AUTO)),
        float(dials.get("temperature", 1.0)),
        feet if wanted == AUTO else wanted == "clean",
        options.transition_frames if options else 5,
    )


def action_in(prompt: str, actions: Sequence[str]) -> str | None:
    """The first known action that a prompt names, as "a person is walking" names walk."""
    for word in re.findall(r"[a-z]+", prompt.lower()):
        for action in actions:
            stem = action.removesuffix("e")
            rest = word.removeprefix(stem)
            if word.startswith(stem) and _ENDINGS.fullmatch(rest.removeprefix(stem[-1]) if rest else rest):
                return action
    return None


def _pieces(request: GenerateRequest, actions: Sequence[str], seed: int, notes: Notes) -> tuple[Span, ...]:
    """The segments; neighbours of one action and seed are one piece."""
    found: list[Span] = []
    for place, each in enumerate(request.segments):
        action = None
        if each.type == "text":
            action = action_in(each.prompt, actions)
            if action is None:
                known = ", ".join(actions)
                notes.add(
                    "unknown_action",
                    f"the prompt of segment {place} names no known action, so it counts as unconditioned: {known}",
                    severity="warning",
                    segment=place,
                )
        own = getattr(each, "seed", None)
        piece = Span(each.duration_frames, action, seed if own is None else own % 2**31)
        if found and (found[-1].action, found[-1].seed) == (piece.action, piece.seed):
            piece = Span(found.pop().frames + piece.frames, piece.action, piece.seed)
        found.append(piece)
    return tuple(found) or (Span(request.total_frames, None, seed),)


def _constraints(request: GenerateRequest, rig: Rig, *, loop: bool) -> tuple[tuple[Constraint, tuple[int, ...]], ...]:
    """All but the key poses."""
    found: list[tuple[Constraint, tuple[int, ...]]] = []
    paths: list[tuple[int, RootPathConstraint]] = []
    points: list[tuple[float, float, float]] = []
    grounds: list[int] = []
    for place, each in enumerate(request.constraints):
        if each.type == "effector_target":
            found.append((_pin(each, rig), (place,)))
        elif each.type == "root_path":
            paths.append((place, each))
        elif each.type == "ground_height":
            points += each.points
            grounds.append(place)
    if paths:
        found.append((_path(paths, request.total_frames), tuple(place for place, _ in paths)))
    if points:
        found.append((Ground(points=tuple(points)), tuple(grounds)))
    if loop:
        found.append((Loop(), ()))
    return tuple(found)


def _pin(asked: EffectorTargetConstraint, rig: Rig) -> Pin:
    turns = None if asked.rotations is None else rig.in_the_world(asked.joint, asked.rotations)
    order = sorted(range(len(asked.frames)), key=asked.frames.__getitem__)
    order = [at for place, at in enumerate(order) if not place or asked.frames[at] != asked.frames[order[place - 1]]]
    first = {asked.frames[at]: asked.positions[at] for at in order}
    for frame, position in zip(asked.frames, asked.positions, strict=True):
        if math.dist(first[frame], position) > SAME:
            raise _two_places(f"{asked.joint} at frame {frame}")
    return Pin(
        asked.joint,
        tuple(asked.frames[at] for at in order),
        tuple(asked.positions[at] for at in order),
        None if turns is None else tuple(turns[at] for at in order),
    )


def _path(asked: Sequence[tuple[int, RootPathConstraint]], frames: int) -> RootPath:
    """All paths of a request as one. A single point is a path that stands there."""
    points: dict[int, tuple[float, float]] = {}
    headings: dict[int, float] = {}
    for _, each in asked:
        for place, (frame, point) in enumerate(zip(each.frames, each.positions_xz, strict=True)):
            if math.dist(points.setdefault(frame, point), point) > SAME:
                raise _two_places(f"the root at frame {frame}")
            if each.heading_radians is not None:
                headings[frame] = each.heading_radians[place]
    if len(points) == 1:
        ((frame, point),) = points.items()
        other = frame + 1 if frame + 1 < frames else frame - 1
        if other >= 0:
            points[other] = point
    at = sorted(points)
    turns = None
    if headings:
        known = sorted(headings)
        turns = tuple(float(turn) for turn in np.interp(at, known, np.unwrap([headings[frame] for frame in known])))
    return RootPath(tuple(at), tuple(points[frame] for frame in at), turns)


def _two_places(what: str) -> UsageError:
    return UsageError(expected="one place", got=f"two for {what}", cure="Leave one of the two out.")


def _seed(asked: int | None, notes: Notes) -> int:
    if asked is not None:
        return asked % 2**31
    drawn = secrets.randbelow(2**31)
    notes.add("seed", f"no seed was given; options.seed {drawn} gives the same answer again", seed=drawn)
    return drawn


def _check_numbers(value: Any) -> None:
    if isinstance(value, float) and not abs(value) <= _LARGEST:
        raise UsageError(expected=f"numbers up to {_LARGEST:g}", got=f"{value:g}", cure="Send metres and seconds.")
    if isinstance(value, Mapping):
        for one in value.values():
            _check_numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_numbers(one)
