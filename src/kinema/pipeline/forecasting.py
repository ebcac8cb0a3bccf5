"""`forecast`: continue a clip of any skeleton and rate, with constraints on the future.

Constraints are body parts that keep their pose, and a last pose: HumanMAC's modes "control" and "switch" (Chen et al.,
ICCV 2023) as one query. Features of future frames are given with the past, and the model completes the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import cast

from kinema.core.errors import UsageError, unknown_name
from kinema.motion.constraints.solver import ConstraintResidual
from kinema.motion.edit import facing, keep_root, resample, rotate
from kinema.motion.motion import Motion, concatenate
from kinema.motion.names import PARTS
from kinema.motion.retargeting import retarget
from kinema.pipeline.adapter import Adapter, KnownFrames, own_representation
from kinema.pipeline.requests import ForecastRequest
from kinema.representations.base import Representation

ENDING = 0.2  # seconds that a future stays in the pose that it ends in


@dataclass(frozen=True)
class Answer:
    """The observed clip, the sampled futures (batch shape (samples,), the user's skeleton and rate), and notes.

    The first frame of `samples` follows the last of `observed`. `residuals` says what is left of each constraint.
    """

    observed: Motion
    samples: Motion
    notes: tuple[str, ...] = ()
    residuals: tuple[ConstraintResidual, ...] = ()

    def whole(self, sample: int = 0) -> Motion:
        """The observed clip followed by one future."""
        return concatenate(self.observed, self.samples.one(sample))


@dataclass(frozen=True, eq=False)
class ForecastConstraints:
    """Constraints on all samples of a forecast.

    `hold` names parts (`PARTS`) whose joints keep their last position relative to the root, in the axes of the world: a
    held arm does not rotate with the body. All futures end in the last pose of the clip `end` (any skeleton with
    canonical names) and stay there for `ENDING` seconds, facing as the body last faced; position and heading of `end`
    are not used. Raises UsageError for an unknown part.
    """

    hold: tuple[str, ...] = ()
    end: Motion | None = None

    def __post_init__(self) -> None:
        for part in self.hold:
            if part not in PARTS:
                raise unknown_name("body part", part, PARTS)

    def known(self, adapter: Adapter, own: Motion, frames: int) -> KnownFrames:
        """The known part of the `frames` after `own`, which is at the model's rate.

        Raises UsageError if the representation lacks joints of a part, or does not hold joint positions.
        """
        representation = adapter.representation
        if representation is None or representation.reference != "centred":
            raise UsageError(
                expected="a model of joint positions about the root, which can hold parts and end in a pose",
                got=f"{adapter.name}, a model of {' or '.join(sorted(adapter.spaces))}",
                cure="Use --model smrnet, or leave out --hold and --end.",
            )
        past = cast("Motion", representation.read(own))
        last = representation.encode(past[-1:])
        values = last.expand(frames, -1).clone()
        confidence = values.new_zeros(frames, representation.tokens)
        confidence[:, self._held(representation)] = 1
        if self.end is not None:
            stays = max(1, min(round(ENDING * representation.fps), frames // 2))
            values[-stays:] = representation.encode(_ending(self.end, past))
            confidence[-stays:] = 1
        return KnownFrames(values, confidence)

    def _held(self, representation: Representation) -> list[int]:
        """The tokens of the parts. The root has none: positions are relative to it."""
        joints = representation.skeleton.indices([joint for part in self.hold for joint in PARTS[part]])
        return [token for token, own in enumerate(representation.joint_of_token) if own in joints]


def forecast(
    adapter: Adapter,
    clip: Motion,
    request: ForecastRequest,
    end: Motion | None = None,
) -> Answer:
    """Continue a clip as requested; all samples end in the last pose of `end`.

    Raises UsageError for a batch of clips, a model that does not forecast, or constraints that it does not use.
    """
    constrained = bool(request.hold) or end is not None
    _check(adapter, clip, constrained=constrained)
    seconds, samples, seed = request.seconds, request.samples, request.seed
    rate = adapter.representation.fps if adapter.representation else clip.fps
    seconds = seconds or (adapter.trained / rate if adapter.trained else 1.0)
    if seconds * clip.fps < 0.999:  # the next frame is further away
        raise UsageError(
            expected=f"a future of at least one frame, {1 / clip.fps:g} s at {clip.fps:g} frames per second",
            got=f"{seconds:g} s",
            cure=f"Say --seconds {1 / clip.fps:g}; or, where the file has its rate wrong, --source-fps {rate:g}.",
        )
    wanted = max(1, round(seconds * clip.fps))
    # At 29.97 per second the 30th frame is a thousandth after the second.
    frames = max(1, math.ceil((max(seconds, wanted / clip.fps) if request.seconds else seconds) * rate - 1e-6))
    own = adapter.recent(clip)
    known = ForecastConstraints(request.hold, end).known(adapter, own, frames) if constrained else None
    representation = adapter.representation or own_representation(own, "rotations")
    past = cast("Motion", representation.read(own))
    features = adapter.continued(representation, past, frames, samples, seed, known)
    future = representation.place(features, own, past)
    future = _at_rate(own, future, clip.fps, wanted)
    future = replace(keep_root(future, clip), layout=clip.layout, action=clip.action, identity=clip.identity)
    return Answer(clip, future, tuple(_notes(adapter, clip, own, frames, rate, samples, fades=known is None)))


def _check(adapter: Adapter, clip: Motion, *, constrained: bool) -> None:
    if clip.batch_shape:
        raise UsageError(
            expected="one clip",
            got=f"a batch of {math.prod(clip.batch_shape)}",
            cure="Forecast one at a time: clip.one(0). (Several samples are one NPZ, but a BVH or GLB each.)",
        )
    if not adapter.model.continues:
        raise UsageError(
            expected="a model that forecasts",
            got=f"{adapter.name}, which generates motion from actions alone",
            cure=f"Use `kinema generate --model {adapter.name}`; to forecast, use simlpe-cmu.",
        )
    if constrained and not adapter.model.completes:
        raise UsageError(
            expected="a model that uses constraints on the future (SMRNet)",
            got=f"{adapter.name}, which continues from the past alone",
            cure="Use --model smrnet, or leave out --hold and --end.",
        )


def _notes(
    adapter: Adapter, clip: Motion, own: Motion, frames: int, rate: float, samples: int, *, fades: bool
) -> list[str]:
    name, notes = adapter.name, list[str]()
    if own.frames < adapter.observed:
        notes.append(
            f"the clip has {own.frames} of the {adapter.observed} frames that {name} reads; the first one was repeated"
        )
    if adapter.trained and frames > adapter.trained:
        notes.append(
            f"trained for {adapter.trained / rate:.2f} s; beyond that its own output is fed back and gets less reliable"
        )
    if fades and (least := float(adapter.share_of(frames, rate)[-1])) < 1:
        who = name if adapter.deterministic else f"the first sample of {name}"
        notes.append(
            f"{who} fades into the last pose as far as it errs more than that pose on recordings of another body: "
            f"{100 * (1 - least):.0f} % of it {frames / rate:.2f} s ahead"
        )
    if unmatched := adapter.unmatched(clip):
        notes.append(
            f"no joint of {clip.skeleton.name} matches {', '.join(unmatched)}: {name} reads them in the rest pose; "
            "name them in a joint map (--map)"
        )
    if adapter.deterministic and samples > 1:
        notes.append(f"{name} is deterministic: the {samples} samples are the same")
    return notes


def _at_rate(past: Motion, future: Motion, fps: float, frames: int) -> Motion:
    """`future`, which follows `past`, at another rate: its first frame is one new frame after the end of `past`."""
    last = past[-1:]
    if future.offsets is None and last.offsets is not None:
        future = replace(future, offsets=last.offsets.expand(*future.batch_shape, future.frames, -1, -1))
    resampled = resample(concatenate(last.expand(*future.batch_shape), future), fps)
    return resampled[1 : min(resampled.frames, frames + 1)]


def _ending(end: Motion, past: Motion) -> Motion:
    """The last pose of a clip on the skeleton of `past`, facing as `past` does at its end."""
    pose = retarget(end[-1:], past.skeleton, by="directions")
    return replace(rotate(pose, facing(past[-1:])[0] - facing(pose)[0]), fps=past.fps)
