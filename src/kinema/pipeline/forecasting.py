"""`forecast`: continue a clip of any skeleton and rate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from kinema.core.errors import UsageError
from kinema.motion.edit import resample
from kinema.motion.motion import Motion, concatenate
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.forecast_constraints import ForecastConstraints
from kinema.pipeline.requests import ForecastRequest


@dataclass(frozen=True)
class Answer:
    """The clip as it was observed, the sampled continuations, and notes on them.

    `samples` has batch shape (samples,) on the user's own skeleton and rate; its first frame follows the last of
    `observed`.
    """

    observed: Motion
    samples: Motion
    notes: tuple[str, ...] = ()

    def whole(self, sample: int = 0) -> Motion:
        """The observed clip with one future behind it."""
        return concatenate(self.observed, self.samples.one(sample))


def forecast(
    adapter: Adapter,
    clip: Motion,
    request: ForecastRequest,
    end: Motion | None = None,
) -> Answer:
    """Continue a clip as requested; `end`: all samples end in the last pose of that clip.

    Raises UsageError for a batch of clips, for a model that does not forecast, and for constraints that it does not
    use.
    """
    constraints = ForecastConstraints(request.hold, end) if request.hold or end is not None else None
    _check(adapter, clip, constraints)
    seconds, samples = request.seconds, request.samples
    rate = adapter.representation.fps if adapter.representation else clip.fps
    seconds = seconds or (adapter.trained / rate if adapter.trained else 1.0)
    frames = max(1, math.ceil(seconds * rate - 1e-6))
    own = adapter.recent(clip)
    known = constraints.known(adapter, own, frames) if constraints else None
    future = _at_rate(
        own, adapter.ahead(own, frames, samples, request.seed, known), clip.fps, max(1, round(seconds * clip.fps))
    )
    future = replace(future, layout=clip.layout, action=clip.action, identity=clip.identity)
    return Answer(clip, future, tuple(_notes(adapter, clip, own, frames, rate, samples)))


def _check(adapter: Adapter, clip: Motion, constraints: ForecastConstraints | None) -> None:
    if clip.batch_shape:
        raise UsageError(
            expected="one clip",
            got=f"{math.prod(clip.batch_shape)} of them at once",
            cure="Forecast one at a time: clip.one(0). (Several samples are one NPZ, but a BVH or GLB each.)",
        )
    if not adapter.model.continues:
        raise UsageError(
            expected="a model that continues what was observed",
            got=f"{adapter.name}, which makes motion from actions alone",
            cure=f"Use `kinema generate --model {adapter.name}`; to forecast, use simlpe-cmu.",
        )
    if constraints and not adapter.model.completes:
        raise UsageError(
            expected="a model that uses what is known of the future (SMRNet)",
            got=f"{adapter.name}, which continues from the past alone",
            cure="Use the model smrnet, or leave out --hold and --end.",
        )


def _notes(adapter: Adapter, clip: Motion, own: Motion, frames: int, rate: float, samples: int) -> list[str]:
    name, notes = adapter.name, list[str]()
    if own.frames < adapter.observed:
        notes.append(
            f"{own.frames} of the {adapter.observed} frames that {name} looks back are there; "
            "the first one was repeated"
        )
    if adapter.trained and frames > adapter.trained:
        notes.append(
            f"trained for {adapter.trained / rate:.2f} s; beyond it the answer is fed back and grows less sure"
        )
    if unmatched := adapter.unmatched(clip):
        notes.append(
            f"no joint of {clip.skeleton.name} is known as {', '.join(unmatched)}: {name} sees them at rest; "
            "a joint map (--map) names them"
        )
    if adapter.deterministic and samples > 1:
        notes.append(f"{name} is deterministic: the {samples} samples are the same")
    return notes


def _at_rate(past: Motion, future: Motion, fps: float, frames: int) -> Motion:
    """`future`, which follows `past`, at another rate: its first frame stands one new frame after `past` ends."""
    last = past[-1:]
    if future.offsets is None and last.offsets is not None:
        future = replace(future, offsets=last.offsets.expand(*future.batch_shape, future.frames, -1, -1))
    resampled = resample(concatenate(last.expand(*future.batch_shape), future), fps)
    return resampled[1 : min(resampled.frames, frames + 1)]
