"""`Pipeline`, returned by `kn.open(name)`: a trained model or a classical method with the five verbs.

The command line, the studio, streaming, export and the protocols all hold a `Pipeline`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import cast, overload

import torch
from jaxtyping import Bool
from torch import Tensor

from kinema.core.budget import check_answer
from kinema.core.constants import VERBS, Keys, Verb
from kinema.core.errors import KinemaWarning, UsageError, no_rotation
from kinema.geometry.rotations import is_rotation
from kinema.models.base import Model
from kinema.models.baselines import BASELINES
from kinema.motion.constraints.kinds import Constraint
from kinema.motion.motion import Clip, Motion, Points
from kinema.pipeline.adapter import Adapter, Card
from kinema.pipeline.clip_files import joined, pair
from kinema.pipeline.completion.complete import Completed, complete, repair
from kinema.pipeline.constraints import (
    at_frames,
    clip_on_feet,
    completion_on_feet,
    constrained_clip,
    constrained_completion,
    constrained_forecast,
    forecast_on_feet,
    warn_of,
    warn_of_feet,
)
from kinema.pipeline.defaults import AUTO, DEFAULTS, default_model
from kinema.pipeline.forecasting import Answer, forecast
from kinema.pipeline.generation import generate
from kinema.pipeline.open import METHODS, load_adapter, model_folder
from kinema.pipeline.protocol_methods import ProtocolMethods
from kinema.pipeline.requests import (
    Feet,
    ForecastRequest,
    GenerateRequest,
    InbetweenRequest,
    RepairRequest,
    Request,
    Schedule,
    UpsampleRequest,
)
from kinema.representations.base import Representation

_LOOKED_AT = 500  # frames in which matrices are looked at
_FILL: tuple[Verb, ...] = ("inbetween", "upsample", "repair")


@dataclass(frozen=True, eq=False)
class Pipeline(ProtocolMethods):
    """A trained model, a baseline, or a classical method, applied to a user's clips.

    `verbs` lists what it supports; a model that only forecasts also fills gaps, with a KinemaWarning. `adapter`
    encodes, predicts and decodes; None for a classical curve. Every verb raises UsageError if this pipeline does not
    support it or the input does not fit.
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
        """The pipeline of a model in memory; the arguments are the fields of `Adapter`."""
        return cls(name, Adapter(name, model, representation, observed, trained, symmetric, card=card or Card()))

    @property
    def card(self) -> Card:
        """Licence, training recordings, actions, recipe."""
        return self.adapter.card if self.adapter else Card()

    @property
    def licence(self) -> str:
        """The licence of the weights; empty if there are none."""
        return self.card.licence

    @property
    def verbs(self) -> tuple[Verb, ...]:
        """The verbs that it supports."""
        if self.name == AUTO:
            return VERBS
        curve: tuple[Verb, ...] = _FILL if self.name in METHODS else ()
        if self.adapter is None:
            return curve
        if self.adapter.representation is None:
            return ("forecast", *curve)
        model = self.adapter.model
        picture = "picture" in self.adapter.kinds  # those two verbs take motions
        forecasts: tuple[Verb, ...] = ("forecast",) if model.continues and not picture else ()
        fills: tuple[Verb, ...] = (_FILL[1:] if picture else _FILL) if model.completes else ()
        generates: tuple[Verb, ...] = ("generate",) if self.actions else ()
        return (*forecasts, *fills, *generates)

    @property
    def trained_seconds(self) -> float:
        """The length of the clips that the model was trained to generate, seconds; 0 if unknown."""
        stage = self.card.stage
        return (stage.task.frames if stage else self.trained().trained) / self.trained().trained_representation().fps

    @property
    def has_temperature(self) -> bool:
        """Whether the model uses a temperature."""
        return self.adapter is not None and self.adapter.model.has_temperature

    def at_temperature(self, temperature: float) -> Pipeline:
        """The same pipeline at another temperature, with the same weights; itself where it has none."""
        if self.adapter is None or temperature == 1 or not self.has_temperature:
            return self
        model = self.adapter.model.at_temperature(temperature)
        return replace(self, adapter=replace(self.adapter, model=model))

    def forecast(
        self,
        clip: Motion,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        hold: Sequence[str] = (),
        end: Motion | None = None,
        feet: Feet | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> Answer:
        """Predict the next `seconds` (default: as trained), on the skeleton and at the rate of the clip.

        `hold` names body parts that keep their pose; all futures end in the last pose of the clip `end` (both: SMRNet).
        Feet that stand do not slide, unless `feet` is "keep" or `hold` or `end` is given. The forecast meets
        `constraints` (`kinema.motion.constraints`); what it cannot meet is a KinemaWarning.
        """
        request = ForecastRequest(seconds, samples, seed, tuple(hold), feet)
        return self.ask(request, clip, end, constraints=constraints)

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
        feet: bool = False,
        constraints: Sequence[Constraint] = (),
    ) -> Completed:
        """Predict the movement from the end of `first` to the start of `second`, or between `keys` of `first`.

        With `second`: `frames` new frames in between, `context` more known frames on each side; `align` moves the
        second clip to the end of the first. Another skeleton or rate is converted to that of the first, with a
        KinemaWarning. Without it, `keys` are the known frames of `first`, counted from 0. `key_mode` "soft" smooths the
        keys. With `feet`, feet that stand in new frames do not slide. New frames meet `constraints`; what they cannot
        meet is a KinemaWarning.
        """
        named = None if keys is None else tuple(keys)
        request = InbetweenRequest(
            frames, named, context=context, align=align, key_mode=key_mode, samples=samples, seed=seed, feet=feet
        )
        return self.ask(request, first, second, constraints=constraints)

    def upsample(
        self,
        clip: Clip,
        *,
        rate: float | None = None,
        fps: float | None = None,
        key_mode: Keys = "exact",
        seed: int = 0,
        feet: bool = False,
    ) -> Completed:
        """Predict more frames of the same movement: `rate` times as many, or `fps` per second.

        With `feet`, feet that stand in new frames do not slide.
        """
        return self.ask(UpsampleRequest(rate, fps, key_mode, seed, feet), clip)

    def repair(
        self,
        clip: Clip,
        *,
        frames: Iterable[int] | None = None,
        strength: float = 1.0,
        key_mode: Keys = "exact",
        seed: int = 0,
        feet: bool = False,
    ) -> Completed:
        """Replace missing values, spikes, jumps and frozen runs; good frames stay unchanged.

        `frames` names the bad frames; nothing else is then searched for. `strength` 2 finds steps half as unusual.
        `key_mode` "soft" smooths all frames. With `feet`, feet that stand do not slide, in good frames either.
        """
        named = None if frames is None else tuple(frames)
        return self.ask(RepairRequest(named, strength, key_mode, seed, feet), clip)

    def generate(
        self,
        action: str | Mapping[str, float] | Schedule,
        *,
        seconds: float | None = None,
        samples: int = 1,
        seed: int = 0,
        feet: Feet | None = None,
        constraints: Sequence[Constraint] = (),
    ) -> Clip:
        """Generate motion, batch shape (samples,), of an action, a mixture {"walk": 0.5, "run": 0.5}, or a schedule.

        A schedule is a list of label weights and start times: [({"walk": 1}, 0), ({"run": 1}, 2)]. `seconds`
        defaults to the length of the training clips. Feet that stand do not slide, unless `feet` is "keep". Every clip
        meets `constraints`.
        """
        if isinstance(action, (str, Mapping)):
            request = GenerateRequest(action, seconds=seconds, samples=samples, seed=seed, feet=feet)
        else:
            request = GenerateRequest(schedule=action, seconds=seconds, samples=samples, seed=seed, feet=feet)
        return self.ask(request, constraints=constraints)

    @overload
    def ask(
        self,
        request: ForecastRequest,
        clip: Clip,
        other: Motion | None = None,
        /,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> Answer: ...
    @overload
    def ask(
        self,
        request: InbetweenRequest | UpsampleRequest | RepairRequest,
        clip: Clip,
        other: Motion | None = None,
        /,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> Completed: ...
    @overload
    def ask(self, request: GenerateRequest, /, *, constraints: Sequence[Constraint] = ()) -> Clip: ...
    def ask(
        self,
        request: Request,
        clip: Clip | None = None,
        other: Motion | None = None,
        /,
        *,
        constraints: Sequence[Constraint] = (),
    ) -> Answer | Completed | Clip:
        """Answer a request about `clip`; all verbs call this.

        `other` is the clip in whose last pose a forecast ends, or the second clip of `inbetween`. "auto" passes the
        request on to the default model of its verb. The answer meets `constraints`, whose frames count from 0 in the
        answer. Raises UsageError if the request or a constraint does not fit the clip or this pipeline, and for an
        answer above the budget (`kinema.core.budget`).
        """
        if hasattr(request, "seed"):
            request = replace(request, seed=int(request.seed))  # of numpy as well
        if self.name == AUTO and (model := default_model(request, end=other is not None)) != AUTO:
            return _default(model).ask(request, clip, other, constraints=constraints)  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType] - any request
        self._answers(request.verb, clip, other)
        clip, other = _plain(clip), cast("Motion | None", _plain(other))
        self._check_size(request, clip, other)
        if isinstance(request, GenerateRequest):
            length = self.trained_seconds if request.seconds is None else request.seconds
            labels = request.labels(self.actions)
            clips = generate(self.trained(), labels, length, samples=request.samples, seed=request.seed)
            if request.feet == "clean":
                warn_of_feet(clips)
            if request.feet != "keep":
                clips = clip_on_feet(clips)
            if not constraints:
                return clips
            clips, residuals = constrained_clip(clips, constraints)
            warn_of(residuals)
            return clips
        assert clip is not None
        if isinstance(request, UpsampleRequest):
            keys = request.key_mode or "exact"
            done = complete(clip, fps=request.target(clip.fps), keys=keys, method=self._method, seed=request.seed)
            known = at_frames(done.times, clip) if keys == "exact" else None
            return _constrained(done, constraints, known, feet=request.feet)
        if isinstance(request, RepairRequest):
            return _constrained(self._repair(request, clip), constraints, None, feet=request.feet)
        assert isinstance(clip, Motion)
        if isinstance(request, ForecastRequest):
            answer = forecast(self.trained(), clip, request, other)
            _check_finite(answer.samples, clip)
            if request.feet == "clean":
                warn_of_feet(clip)
            if self._cleans(request, other):
                answer = forecast_on_feet(answer)
            if constraints:
                answer = constrained_forecast(answer, constraints)
                warn_of(answer.residuals)
            return answer
        if other is None:
            known = _named(clip, request.keys_of(clip.frames))
        else:
            frames = request.check_two()
            before, after = pair(clip, other, align=request.align)
            context = max(before.frames, after.frames) if request.whole else request.context + 1
            clip, known = joined(before, after, frames, context)
        done = complete(
            clip, known=known, keys=request.key_mode, method=self._method, seed=request.seed, samples=request.samples
        )
        exact = known if request.key_mode == "exact" else None
        return _constrained(done, constraints, exact, feet=request.feet)

    def _cleans(self, request: ForecastRequest, end: Motion | None) -> bool:
        """Whether the feet of a forecast are cleaned. By default those of a baseline, which is compared, stay."""
        asked = request.feet == "clean"
        by_default = not request.hold and end is None and self.trained().representation is not None
        return asked or (request.feet is None and by_default)

    def _check_size(self, request: Request, clip: Clip | None, other: Motion | None) -> None:
        """Raises UsageError if the answer is larger than the budget."""
        if clip is None:
            assert isinstance(request, GenerateRequest)
            seconds = self.trained_seconds if request.seconds is None else request.seconds
            body = self.trained().trained_representation().skeleton
            check_answer(seconds * self.fps, len(body), request.samples)
            return
        frames, samples = float(clip.frames), 1
        if isinstance(request, ForecastRequest):
            frames, samples = (request.seconds or 0.0) * max(clip.fps, self.fps), request.samples
        elif isinstance(request, UpsampleRequest):
            frames *= request.target(clip.fps) / clip.fps
        elif isinstance(request, InbetweenRequest):
            frames += (request.frames or 0) + (other.frames if other else 0)
            samples = request.samples
        check_answer(frames, len(clip.skeleton), samples)

    def _repair(self, request: RepairRequest, clip: Clip) -> Completed:
        bad = None if request.frames is None else _named(clip, request.frames)
        done, kinds = repair(
            clip, bad=bad, strength=request.strength, keys=request.key_mode, method=self._method, seed=request.seed
        )
        if bad is not None:
            return done
        found = ", ".join(f"{kind} in {count} frames" for kind, count in kinds.items()) or "nothing looks damaged"
        return replace(done, damage=kinds, report=replace(done.report, notes=(found, *done.report.notes)))

    @property
    def _method(self) -> str | Adapter:
        """The `method` of `complete`: the adapter of a trained model, or the name of a curve."""
        return self.adapter if self.adapter and self.adapter.representation else self.name

    def _answers(self, verb: Verb, *clips: object) -> None:
        trained = self.adapter is not None and self.adapter.representation is not None
        if verb in _FILL and not {verb, "upsample"} & {*self.verbs} and trained and self.trained().model.continues:
            note = f"{self.name} was not trained to fill gaps: it ignores the frames after a gap; auto uses them"
            warnings.warn(note, KinemaWarning, stacklevel=4)
        elif verb not in self.verbs:
            model = DEFAULTS[verb].model
            raise UsageError(
                expected=f"a model that answers {verb}",
                got=f"{self.name}, which answers {', '.join(self.verbs) or 'none of the verbs'}",
                cure=f'Use {model}, the default of {verb}: leave --model out, or kn.open("{model}") in Python.',
            )
        kind = Clip if verb in ("upsample", "repair") else Motion
        for place, clip in enumerate(clips):
            wanted = place == 0 and verb != "generate"
            if isinstance(clip, Points) and kind is Motion:
                raise UsageError(
                    expected=f"a motion to {verb}, with joint rotations (BVH, NPZ)",
                    got="joint positions only",
                    cure='Read a motion with kn.load("walk.bvh"), or `kinema convert POINTS walk.bvh --to canon17`; '
                    "upsample and repair take points.",
                )
            if (wanted or clip is not None) and not isinstance(clip, kind):
                raise UsageError(
                    expected=f"a motion to {verb}",
                    got=f"a {type(clip).__name__}",
                    cure='Read one with kn.load("walk.bvh").',
                )


def open(name: str | Path = "auto") -> Pipeline:  # noqa: A001  kn.open, as Image.open
    """The pipeline of a shipped model, a baseline, a classical method, a run folder, or "hub:USER/NAME".

    "auto" is the default model of each verb, and for each gap the method with the smallest measured error. A folder
    with a config.json takes precedence over a name. Raises UsageError for an unknown name, MissingDataError for a
    folder without a model, CheckpointError for a damaged one.
    """
    if model_folder(name) is None and str(name) not in BASELINES:
        return Pipeline(str(name))
    adapter = load_adapter(name)
    return Pipeline(adapter.name, adapter)


def open_generator(name: str | Path) -> Pipeline:
    """The pipeline of a model with actions. Raises UsageError for a model without, and as `open` does."""
    pipeline = open(DEFAULTS["generate"].model if str(name) == AUTO else name)
    if "generate" not in pipeline.verbs:
        raise UsageError(
            expected="a model that was trained with actions",
            got=f"{pipeline.name}, which was not",
            cure=f"Use {DEFAULTS['generate'].model}, or a model with actions (`kinema models show NAME` lists them).",
        )
    return pipeline


@cache
def _default(name: str) -> Pipeline:
    """A default model, loaded once."""
    return open(name)


def _constrained(
    done: Completed, constraints: Sequence[Constraint], known: Bool[Tensor, " frame"] | None, *, feet: bool
) -> Completed:
    if feet:
        done = completion_on_feet(done, known)
    if not constraints:
        return done
    done = constrained_completion(done, constraints, known)
    warn_of(done.residuals)
    return done


def _plain(clip: Clip | None) -> Clip | None:
    """The clip in float32, without gradients. Raises UsageError where a matrix of it is no rotation."""
    if clip is None:
        return None
    clip = clip.map(lambda values, axis: values.detach().float())
    if isinstance(clip, Motion):
        looked = clip.rotations.flatten(0, -5) if clip.batch_shape else clip.rotations
        looked = looked[:: max(1, len(looked) // _LOOKED_AT)]  # what is no rotation is so in every frame, or in many
        known = looked.isfinite().all(-1).all(-1)
        if bool((wrong := known & ~is_rotation(looked)).any()):
            raise no_rotation(clip.skeleton.joints[int(wrong.nonzero()[0, -1])])
    return clip


def _check_finite(answer: Motion, clip: Motion) -> None:
    """Raises UsageError where an answer is not finite, naming the frames of the clip that are not."""
    if bool(answer.rotations.isfinite().all()) and bool(answer.root.isfinite().all()):
        return
    lost = ~clip.rotations.isfinite().all(-1).all(-1).all(-1) | ~clip.root.isfinite().all(-1)
    raise UsageError(
        expected="finite numbers in the observed frames",
        got=f"NaN or infinity in {int(lost.sum())} of {clip.frames} frames, first in {int(lost.nonzero()[0, -1])}"
        if bool(lost.any())
        else "numbers too large to compute with",
        cure='Fill them first, in Python: clip = kn.open("auto").repair(clip).motion.',
    )


def _named(clip: Clip, frames: Iterable[int]) -> Bool[Tensor, " frame"]:
    """A mask of these frames. Raises UsageError for none, or for one outside the clip."""
    numbers = torch.as_tensor([*frames]).flatten().tolist()
    if len(numbers) == clip.frames and all(isinstance(number, bool) for number in numbers):
        numbers = [number for number, chosen in enumerate(numbers) if chosen]  # a mask
    elif any(number != int(number) for number in numbers):
        raise UsageError(
            expected="whole numbers of frames", got=str(numbers)[:80], cure="Round them: keys=[0, 10, 20]."
        )
    numbers = [int(number) for number in numbers]
    if not numbers or not all(0 <= number < clip.frames for number in numbers):
        raise UsageError(
            expected=f"frames of the clip, 0 to {clip.frames - 1}, at least one",
            got=str(numbers) if len(numbers) < 12 else f"{len(numbers)} from {min(numbers)} to {max(numbers)}",
            cure=f"Use frames counted from 0 to {clip.frames - 1}.",
        )
    mask = torch.zeros(clip.frames, dtype=torch.bool)
    mask[numbers] = True
    return mask
