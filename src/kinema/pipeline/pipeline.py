"""`Pipeline`: what `kn.open(name)` gives. The only thing that wraps a trained model or a classical method.

It has the five verbs. The command line, the studio, streaming, export and the protocols all hold a `Pipeline`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.models.base import Model
from kinema.models.baselines import BASELINES
from kinema.motion.motion import Clip, Motion
from kinema.pipeline.adapter import Adapter, Card
from kinema.pipeline.clip_files import ClipFile, joined, pair
from kinema.pipeline.completion import METHODS, Completed, Keys, complete
from kinema.pipeline.forecast_constraints import ForecastConstraints
from kinema.pipeline.forecasting import Answer, forecast
from kinema.pipeline.generation import Schedule, generate
from kinema.pipeline.hub import PREFIX
from kinema.pipeline.open import load_adapter, shipped_models
from kinema.pipeline.protocol_methods import ProtocolMethods
from kinema.pipeline.repair import repair
from kinema.protocols.interface import Verb
from kinema.representations.base import Representation

_FILL: tuple[Verb, ...] = ("inbetween", "upsample", "repair")
_TRY: Mapping[Verb, str] = {
    "forecast": 'kn.open("simlpe-cmu") forecasts',
    "inbetween": 'kn.open("auto") takes the method with the smallest measured error',
    "upsample": 'kn.open("auto") takes the method with the smallest measured error',
    "repair": 'kn.open("auto") takes the method with the smallest measured error',
    "generate": 'kn.open("posegpt") generates',
}


@dataclass(frozen=True, eq=False)
class Pipeline(ProtocolMethods):
    """A model with its weights, a baseline, or a classical method, ready for a user's clips.

    `verbs` says what it answers. `adapter` is the way to the model and back; None for a classical curve. Every verb
    raises UsageError, with what to do instead, where this pipeline does not answer it or the input does not fit.
    """

    @classmethod
    def of(
        cls,
        name: str,
        model: Model,
        representation: Representation | None = None,
        *,
        observed: int = 2,
        trained: int = 0,
        symmetric: bool = False,
        card: Card | None = None,
    ) -> Pipeline:
        """The pipeline of a model that is at hand; the arguments are the fields of `Adapter`."""
        return cls(name, Adapter(name, model, representation, observed, trained, symmetric, card=card or Card()))

    @property
    def card(self) -> Card:
        """Licence, training recordings, actions, recipe."""
        return self.adapter.card if self.adapter else Card()

    @property
    def licence(self) -> str:
        """The licence of the weights; empty where there are none."""
        return self.card.licence

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """What it answers."""
        curve: tuple[Verb, ...] = _FILL if self.name in METHODS else ()
        if self.adapter is None:
            return curve
        if self.adapter.representation is None:
            return ("forecast", *curve)
        model = self.adapter.model
        forecasts: tuple[Verb, ...] = ("forecast",) if model.continues else ()
        fills: tuple[Verb, ...] = _FILL if model.completes else ()
        generates: tuple[Verb, ...] = ("generate",) if self.actions else ()
        return (*forecasts, *fills, *generates)

    @property
    def trained_seconds(self) -> float:
        """How long the clips are that a generating model was trained to make, in seconds; 0 where it does not say."""
        stage = self.card.stage
        return (stage.task.frames if stage else self.trained().trained) / self.trained().trained_representation().fps

    def forecast(
        self,
        clip: Motion,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        hold: Sequence[str] = (),
        end: Motion | None = None,
    ) -> Answer:
        """What the body does next, for `seconds` (default: what the model was trained for), on its skeleton and rate.

        `hold` names body parts that stay as they are, `end` is a clip in whose last pose all futures end (SMRNet only).
        """
        self._answers("forecast", clip)
        constraints = ForecastConstraints(tuple(hold), end) if hold or end is not None else None
        return forecast(self.trained(), clip, seconds=seconds, samples=samples, seed=seed, constraints=constraints)

    def inbetween(
        self,
        first: Motion,
        second: Motion | None = None,
        *,
        frames: int | None = None,
        keys: Iterable[int] | None = None,
        context: int = 0,
        align: bool = False,
        key_mode: Keys = "exact",
        samples: int = 1,
        seed: int = 0,
    ) -> Completed:
        """The movement between key poses: from the end of `first` to the start of `second`, or between `keys` of one.

        With `second`, `frames` new ones lie between; `context` more known ones on each side tell how the body moved,
        and `align` moves the second clip to where the first ends; a second clip of another skeleton or rate is brought
        to those of the first, with a KinemaWarning. Without it, `keys` are the frames of `first`
        (counted from 0) that are known. With `key_mode` "soft" keys are evidence and are smoothed.
        """
        self._answers("inbetween", first, second)
        if second is None:
            if keys is None or frames is not None:
                raise UsageError(
                    expected="two clips and frames=, or one clip and keys=",
                    got="one clip and no keys" if keys is None else "one clip and frames",
                    cure="Say model.inbetween(a, b, frames=30) or model.inbetween(a, keys=[0, 10, 35]).",
                )
            return self._complete(first, known=_named(first, keys), keys=key_mode, samples=samples, seed=seed)
        if keys is not None or frames is None or frames < 1 or context < 0:
            raise UsageError(
                expected="with two clips the number of frames between them, 1 or more, and a context of 0 or more",
                got=f"frames={frames}, context={context}" + (", keys as well" if keys is not None else ""),
                cure="Say model.inbetween(a, b, frames=30); keys are those of a single clip.",
            )
        before, after = pair(_called("the first clip", first), _called("the second clip", second), align=align)
        clip, known = joined(before, after, frames, context + 1)
        return self._complete(clip, known=known, keys=key_mode, samples=samples, seed=seed)

    def upsample(
        self,
        clip: Clip,
        *,
        rate: float | None = None,
        fps: float | None = None,
        key_mode: Keys = "exact",
        seed: int = 0,
    ) -> Completed:
        """The same movement in more frames: `rate` times as many, or `fps` per second. The duration stays."""
        self._answers("upsample", clip)
        wanted = fps if fps is not None else clip.fps * (rate if rate is not None else 0.0)
        if (rate is None) == (fps is None) or not wanted >= clip.fps * (1 - 1e-4):
            raise UsageError(
                expected=f"one of rate= (1 or more) and fps= ({clip.fps:g} or more)",
                got=f"rate={rate}, fps={fps}",
                cure="Say model.upsample(clip, rate=4); to thin a clip out use kn.resample.",
            )
        return self._complete(clip, fps=wanted, keys=key_mode, seed=seed)

    def repair(
        self,
        clip: Clip,
        *,
        frames: Iterable[int] | None = None,
        strength: float = 1.0,
        key_mode: Keys = "exact",
        seed: int = 0,
    ) -> Completed:
        """Missing values, spikes, jumps and frozen runs are filled anew; good frames stay as they are.

        `frames` are the bad ones where you know them; nothing is then searched for. `strength` 2 is twice as
        suspicious. With `key_mode` "soft" all frames are evidence, and jitter is smoothed away.
        """
        self._answers("repair", clip)
        bad = None if frames is None else _named(clip, frames)
        done, kinds = repair(clip, bad=bad, strength=strength, keys=key_mode, method=self._method, seed=seed)
        if bad is not None:
            return done
        found = ", ".join(f"{kind} in {count} frames" for kind, count in kinds.items()) or "nothing looks damaged"
        return replace(done, report=replace(done.report, notes=(found, *done.report.notes)))

    def generate(
        self,
        action: str | Mapping[str, float] | Schedule,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
    ) -> Clip:
        """Motion of an action, batch shape (samples,): a name, a mixture {"walk": 0.5, "run": 0.5}, or a schedule.

        A schedule is label weights and the second from which on they hold: [({"walk": 1}, 0), ({"run": 1}, 2)].
        `seconds` defaults to what the model was trained to make.
        """
        self._answers("generate")
        labels = {action: 1.0} if isinstance(action, str) else action
        length = self.trained_seconds if seconds is None else seconds
        return generate(self.trained(), labels, length, samples=samples, seed=seed)

    @property
    def _method(self) -> str | Adapter:
        """The method of `complete`: the adapter of a trained model, the name of a curve."""
        return self.adapter if self.adapter and self.adapter.representation else self.name

    def _complete(
        self,
        clip: Clip,
        *,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"] | None = None,
        fps: float | None = None,
        keys: Keys,
        samples: int = 1,
        seed: int,
    ) -> Completed:
        return complete(clip, known=known, fps=fps, keys=keys, method=self._method, seed=seed, samples=samples)

    def _answers(self, verb: Verb, *clips: object) -> None:
        if verb not in self.verbs:
            raise UsageError(
                expected=f"a model that answers {verb}",
                got=f"{self.name}, which answers {', '.join(self.verbs) or 'none of the verbs'}",
                cure=f"Open another one: {_TRY[verb]}.",
            )
        for clip in clips:
            if clip is not None and not isinstance(clip, Clip if verb in ("upsample", "repair") else Motion):
                raise UsageError(
                    expected=f"a motion to {verb}",
                    got=f"a {type(clip).__name__}",
                    cure='Read one with kn.load("walk.bvh").',
                )


def open(name: str | Path = "auto") -> Pipeline:  # noqa: A001  kn.open, as Image.open
    """The pipeline of a shipped model, a baseline, a classical method, a run folder, or "hub:USER/NAME".

    "auto" takes, gap by gap, the method with the smallest measured error. Raises UsageError for an unknown name,
    MissingDataError for a folder without a model, CheckpointError for a damaged one.
    """
    if str(name) in METHODS and not Path(name).is_dir():  # some curves are baselines of forecasting as well
        return Pipeline(str(name), load_adapter(name) if str(name) in BASELINES else None)
    named = str(name).startswith(PREFIX) or str(name) in (*BASELINES, *shipped_models())
    if not named and not Path(name).is_dir():
        raise unknown_name("model, method or run folder", str(name), (*METHODS, *BASELINES, *shipped_models()))
    adapter = load_adapter(name)
    return Pipeline(adapter.name, adapter)


def open_generator(name: str | Path) -> Pipeline:
    """The pipeline of a model that knows actions. Raises UsageError where it knows none, and as `open` does."""
    pipeline = open(name)
    if "generate" not in pipeline.verbs:
        raise UsageError(
            expected="a model that was trained with actions",
            got=f"{pipeline.name}, which was not",
            cure="Choose one that lists actions in `kinema models show NAME`.",
        )
    return pipeline


def _called(what: str, clip: Motion) -> ClipFile:
    return ClipFile(Path(what), {"": clip})


def _named(clip: Clip, frames: Iterable[int]) -> Bool[Tensor, " frame"]:
    """The frames that are named. Raises UsageError where none is, or one lies outside the clip."""
    places = list(frames)
    if not places or not all(0 <= place < clip.frames for place in places):
        raise UsageError(
            expected=f"frames of the clip, 0 to {clip.frames - 1}, at least one",
            got=str(places) if len(places) < 12 else f"{len(places)} from {min(places)} to {max(places)}",
            cure="Frames are counted from 0.",
        )
    mask = torch.zeros(clip.frames, dtype=torch.bool)
    mask[places] = True
    return mask
