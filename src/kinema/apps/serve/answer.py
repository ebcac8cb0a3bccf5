"""The answer to a question of the protocol: a motion for each sample, what it meets, and what it says about itself.

First comes a motion of the verb (`_between`, `_ahead`, `_made`). Then, sample by sample, the constraints: keys, the
root's path, feet, pins and ground, the loop, and again the keys that these moved. The numbers of the keys go into the
answer as they were sent.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.apps.serve.question import MotionQuestion, Notes, Span, Verb
from kinema.core.errors import KinemaWarning
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_rotvec
from kinema.motion.constraints.kinds import Ground, Pin, Pose, RootPath
from kinema.motion.constraints.loop import looped
from kinema.motion.constraints.solver import meet, residual_of
from kinema.motion.edit import facing, resample, rotate, shift
from kinema.motion.feet.clean import cannot_clean, clean_feet, lowest_of
from kinema.motion.feet.contacts import contact_joints, foot_contacts
from kinema.motion.motion import Motion, concatenate, stack
from kinema.motion.retargeting import as_motion, pair_joints, retarget
from kinema.motion.skeleton import has_joint
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.clip_files import pair, transition
from kinema.pipeline.completion.complete import complete
from kinema.pipeline.defaults import AUTO, DEFAULTS
from kinema.pipeline.pipeline import Pipeline
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.pipeline.requests import ForecastRequest, GenerateRequest, InbetweenRequest


@dataclass(frozen=True, eq=False)
class ServedMotion:
    """Local rotations xyzw (sample, frame, joint, 4), root (sample, frame, 3), contacts by joint (sample, frame)."""

    rotations: NDArray[np.float32]
    root: NDArray[np.float32]
    contacts: dict[str, NDArray[np.bool_]]
    seams: list[int]
    notes: list[dict[str, Any]]


@cache
def opened(name: str) -> Pipeline:
    """A pipeline, opened once."""
    return open_pipeline(name)


def reply_to(question: MotionQuestion, notes: Notes) -> ServedMotion:
    """Raises UsageError where the body does not fit the model, or the constraints do not fit together."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KinemaWarning)
        named = any(piece.action for piece in question.pieces)
        verb: Verb = "generate" if named else question.verb
        if verb != question.verb:
            notes.add("action", "a prompt names an action: it is generated, and the keys and constraints are met")
        plain = _FIRST[verb](question, notes)
        done = [_meeting(question, plain.one(sample), verb, notes) for sample in range(question.samples)]
    rotations = np.stack([question.rig.quaternions(each.rotations).float().numpy() for each in done])
    root = np.stack([each.root.float().numpy() for each in done])
    for turns, path in zip(rotations, root, strict=True):
        question.keys.as_sent(turns, path)
    final = replace(plain, rotations=question.rig.rotations(torch.from_numpy(rotations)), root=torch.from_numpy(root))
    _note_residuals(question, plain, final, notes)
    for each in caught:
        if isinstance(each.message, KinemaWarning):
            notes.add("kinema", str(each.message))
    return ServedMotion(rotations, root, _contacts(final), _seams(question, verb), notes.found)


def _between(question: MotionQuestion, notes: Notes) -> Motion:
    """The frames between the keys. Joints that no key names stay at rest."""
    keys, rig = question.keys, question.rig
    still = rig.still(question.frames, question.fps)
    posed = keys.frames
    if not posed:
        notes.add(
            "no_keys",
            "no pose_keyframe: the body stays in its rest pose. kinema-generate makes motion without keys",
            severity="warning",
        )
        return still.expand(question.samples)
    known = keys.known.clone()
    known[posed] |= keys.never
    if rest := [name for name, never in zip(rig.skeleton.joints, keys.never.tolist(), strict=True) if never]:
        notes.add("rest", f"{len(rest)} joints are in no key and stay at rest", joints=rest)
    clip = replace(still, rotations=keys.rotations, root=keys.root)
    if question.loop and known[0].any() and not known[-1].any():  # the last frame is the first again
        known[-1] = known[0]
        clip = clip[torch.tensor([*range(question.frames - 1), 0])]
        clip.root[-1] += _travel(question)
    pipeline = opened(question.method)
    method = pipeline.adapter if pipeline.adapter and pipeline.adapter.representation else question.method

    def filled(clip: Motion, known: Tensor, seed: int, samples: int) -> Motion:
        done = complete(clip, known=known, method=method, seed=seed, samples=samples)
        for line in done.report.notes:
            notes.add("inbetween", line)
        methods = sorted({segment.method for segment in done.report.segments})
        notes.add("method", f"the frames between the keys are by {', '.join(methods) or 'no method: all are keys'}")
        motion = as_motion(done.motion)
        rotations = torch.where(keys.never[:, None, None], keys.rotations, motion.rotations)
        motion = replace(motion, rotations=rotations)
        return motion if motion.batch_shape else motion.expand(1)

    answer = filled(clip, known, question.seed, question.samples)
    if isinstance(method, Adapter) and not method.deterministic:
        for piece, stop in zip(question.pieces, accumulate(piece.frames for piece in question.pieces), strict=True):
            if piece.seed == question.seed:
                continue
            mine = torch.zeros(question.frames, 1, dtype=torch.bool)
            mine[stop - piece.frames : stop] = True
            each = [answer.one(sample) for sample in range(question.samples)]
            parts = [filled(one, known | ~mine, piece.seed + at, 1) for at, one in enumerate(each)]
            answer = stack([part.one(0) for part in parts])
    return answer


def _travel(question: MotionQuestion) -> Float[Tensor, "3"]:
    """How far the root's path leads from its start to its end."""
    if question.path is None:
        return torch.zeros(3)
    (x, z), (to_x, to_z) = question.path.positions[0], question.path.positions[-1]
    return torch.tensor([to_x - x, 0.0, to_z - z])


def _ahead(question: MotionQuestion, notes: Notes) -> Motion:
    """The frames after the keys at the start, the first of which is frame 0."""
    keys, fps = question.keys, question.fps
    posed = set(keys.frames)
    count = next(frame for frame in range(question.frames + 1) if frame not in posed)
    if not count:
        notes.add("no_start", "no pose_keyframe at frame 0: the rest pose is the start", severity="warning")
    elif count < 4:
        notes.add(
            "short_past",
            f"{count} key{'s' * (count > 1)} at the start show hardly any movement; ten or more in a row do",
            severity="warning",
        )
    start = replace(question.rig.still(question.frames, fps), rotations=keys.rotations, root=keys.root)
    past = start[: max(count, 1)]
    ahead = _after(question.pieces, past.frames)
    futures = question.method == AUTO and question.samples > 1
    pipeline = opened(DEFAULTS["futures"].model if futures else question.method)
    parts = [past] * question.samples
    for place, piece in enumerate(ahead):
        seconds = (piece.frames + 0.5) / fps
        for sample in range(question.samples if place else 1):  # the first piece draws all samples at once
            draws = 1 if place else question.samples
            request = ForecastRequest(seconds, draws, (piece.seed + sample) % 2**31, feet="keep")
            found = pipeline.ask(request, parts[sample])
            for line in found.notes:
                notes.add("forecast", line)
            for draw in range(draws):
                future = replace(_exactly(found.samples.one(draw), piece.frames), fps=fps)
                parts[sample + draw] = concatenate(parts[sample + draw], future)
    return stack([part[: question.frames] for part in parts])


def _after(pieces: tuple[Span, ...], known: int) -> list[Span]:
    """The pieces without the frames that are known already."""
    ends = accumulate(piece.frames for piece in pieces)
    left = (replace(piece, frames=min(piece.frames, end - known)) for piece, end in zip(pieces, ends, strict=True))
    return [piece for piece in left if piece.frames > 0]


def _made(question: MotionQuestion, notes: Notes) -> Motion:
    """A motion for each piece, joined by transitions, on the body of the request, where its first key stands."""
    name = DEFAULTS["generate"].model if question.method == AUTO else question.method
    pipeline = opened(name)
    if "generate" not in pipeline.verbs:  # the method of a dial that a prompt made a generation
        pipeline = opened(DEFAULTS["generate"].model)
    pipeline = pipeline.at_temperature(question.temperature)
    pieces = [_with_action(piece, question, pipeline.actions, notes) for piece in question.pieces]
    made = [_clips(pipeline, piece, question, notes) for piece in pieces]
    curves = opened(AUTO)
    done: list[Motion] = []
    for sample in range(question.samples):
        whole = made[0].one(sample)
        for piece, clips in zip(pieces[1:], made[1:], strict=True):
            gap = min(question.transition, piece.frames - 1)
            before, after = pair(whole, clips.one(sample)[gap:], align=True)
            if gap:
                after, _ = transition(before, after, gap)
                whole = as_motion(curves.ask(InbetweenRequest(gap, whole=True), before, after).motion)
            else:
                whole = concatenate(before, after)
        done.append(_stood(question, whole))
    return stack(done)


def _clips(pipeline: Pipeline, piece: Span, question: MotionQuestion, notes: Notes) -> Motion:
    """Samples of one action on the body of the request, exactly as many frames as the piece has."""
    seconds = (piece.frames + 1) / question.fps + 2 / pipeline.fps
    if seconds > pipeline.trained_seconds + 0.5:
        notes.add(
            "length", f"{pipeline.name} was trained for {pipeline.trained_seconds:.2f} s; longer is less reliable"
        )
    request = GenerateRequest(piece.action, seconds=seconds, samples=question.samples, seed=piece.seed, feet="keep")
    clips = as_motion(pipeline.ask(request))
    pairing = pair_joints(clips.skeleton, question.rig.skeleton)
    pairing.require_limbs()
    for line in pairing.lines()[1:]:
        notes.add("retarget", line)
    return _exactly(resample(retarget(clips, question.rig.skeleton), question.fps), piece.frames)


def _with_action(piece: Span, question: MotionQuestion, actions: tuple[str, ...], notes: Notes) -> Span:
    """The piece with an action: its own, the one before it, walking along a path, or one drawn by the seed."""
    if piece.action in actions:
        return piece
    before = [each.action for each in question.pieces[: question.pieces.index(piece)] if each.action in actions]
    along = "walk" if question.path and "walk" in actions else actions[piece.seed % len(actions)]
    action = before[-1] if before else along
    notes.add("action", f"no action is named for {piece.frames} frames: {action}", action=action)
    return replace(piece, action=action)


def _stood(question: MotionQuestion, motion: Motion) -> Motion:
    """The motion moved and turned so that it is at its first placed key there, and faces as that does."""
    keys = question.keys
    at = next((frame for frame in keys.frames if keys.placed[frame] and keys.known[frame, 0]), None)
    if at is None:
        return motion
    key = replace(motion[at : at + 1], rotations=keys.rotations[at : at + 1], root=keys.root[at : at + 1])
    if has_joint(motion.skeleton, "l_hip", "r_hip"):
        motion = rotate(motion, facing(key)[0] - facing(motion[at : at + 1])[0])
    return shift(motion, (key.root[0] - motion.root[at]) * torch.tensor([1.0, 0.0, 1.0]))


_FIRST: dict[Verb, Callable[[MotionQuestion, Notes], Motion]] = {
    "inbetween": _between,
    "forecast": _ahead,
    "generate": _made,
}


def _meeting(question: MotionQuestion, motion: Motion, verb: Verb, notes: Notes) -> Motion:
    """One sample with its constraints met."""
    keys = question.keys
    fixed = keys.whole
    asked = [each for each, _ in question.constraints]
    placed = [frame for frame in sorted(keys.places) if not keys.known[frame, 0]]
    if verb != "inbetween":
        motion = _keyed(question, motion)
        if placed:
            places = tuple(keys.places[frame] for frame in placed)
            motion = meet(motion, [Pin(motion.skeleton.joints[0], tuple(placed), places)], fixed=fixed).motion
    paths = [each for each in asked if isinstance(each, RootPath)]
    if paths:
        motion = meet(motion, paths, fixed=fixed).motion
    if question.feet:
        motion = _with_feet(question, motion, verb, notes)
        motion = _keyed(question, motion)
        if paths:  # clean feet move the body
            motion = meet(motion, paths, fixed=fixed).motion
    rest = [each for each in asked if isinstance(each, Pin | Ground)]
    if rest:
        motion = meet(motion, rest, fixed=fixed).motion
    if question.loop:
        if keys.known[0].any() and not keys.known[-1].any():
            motion = meet(motion, [Pose(motion.frames - 1, motion[:1])], fixed=fixed).motion
        motion = looped(motion)
    return _keyed(question, motion)


def _keyed(question: MotionQuestion, motion: Motion) -> Motion:
    """The motion with its keys met: what is around each is eased towards it, other keys stay."""
    keys = question.keys
    frames = torch.zeros(motion.frames, dtype=torch.bool)
    frames[keys.frames] = True
    if question.loop:
        frames[[0, -1]] = True
    for pose in keys.missed(motion):
        others = frames.clone()
        others[pose.frame] = False
        motion = meet(motion, [pose], fixed=others).motion
    return keys.put_into(motion)


def _with_feet(question: MotionQuestion, motion: Motion, verb: Verb, notes: Notes) -> Motion:
    """Feet that stand do not slide; whole keys stay. A forecast goes no lower than the keys at its start."""
    if why := cannot_clean(motion):
        notes.add("feet", why, severity="warning")
        return motion
    whole = question.keys.whole
    start = int(whole.int().cumprod(0).sum()) if verb == "forecast" else 0
    return clean_feet(motion, floor=lowest_of(motion[:start]) if start else None, fixed=whole)


def _note_residuals(question: MotionQuestion, plain: Motion, final: Motion, notes: Notes) -> None:
    """A note for every constraint, measured on the answer's own numbers."""
    for constraint, places in question.constraints:
        left = residual_of(constraint, plain, final)
        facts: dict[str, Any] = {"constraints": list(places), **left.to_json(), "constraint": _KINDS[constraint.kind]}
        if isinstance(constraint, Pin) and constraint.rotations is not None:
            facts["degrees"] = _degrees(constraint, final)
        notes.add("residual", str(left), severity="info" if left.met else "warning", **facts)
    if question.keys.sent:
        at = question.keys.frames
        moved = (final.points().positions - plain.points().positions).norm(dim=-1)[..., at, :]
        missed = [pose for sample in range(question.samples) for pose in question.keys.missed(final.one(sample))]
        notes.add(
            "residual",
            f"key poses at {len(at)} frames: {len(missed)} missed; moved by {100 * float(moved.amax()):.1f} cm",
            severity="warning" if missed else "info",
            constraint="pose_keyframe",
            missed=len(missed),
            moved=float(moved.amax()),
            met=not missed,
        )


_KINDS = {"pin": "effector_target", "root_path": "root_path", "ground": "ground_height", "loop": "loop"}


def _degrees(pin: Pin, final: Motion) -> float:
    """The largest angle between a bone and what it was asked to be."""
    there = final.global_rotations()[..., list(pin.frames), final.skeleton.index(pin.joint), :, :].double()
    asked = quat_xyzw_to_rotmat(torch.tensor(pin.rotations).double())
    return float(torch.rad2deg(rotmat_to_rotvec(asked @ there.mT).norm(dim=-1).amax()))


def _contacts(final: Motion) -> dict[str, NDArray[np.bool_]]:
    joints = contact_joints(final.skeleton)
    if joints is None:
        return {}
    down = foot_contacts(final)
    return {final.skeleton.joints[joint]: down[..., place].numpy() for place, joint in enumerate(joints)}


def _seams(question: MotionQuestion, verb: Verb) -> list[int]:
    """The frames at which pieces were joined."""
    if verb == "inbetween" or len(question.pieces) < 2:
        return []
    return list(accumulate(piece.frames for piece in question.pieces))[:-1]


def _exactly(clip: Motion, frames: int) -> Motion:
    """The first frames of a clip; the last one again where it has fewer."""
    return clip[torch.arange(frames).clamp(max=clip.frames - 1)]
