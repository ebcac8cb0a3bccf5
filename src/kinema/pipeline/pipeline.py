"""The five verbs in Python: `kn.open(name)` gives a model, classical method or run of one's own, and it is asked.

Thin: every verb goes the way that the command of the same name goes. Nothing is read or written here but weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.models.baselines import BASELINES
from kinema.motion.motion import Clip, Motion
from kinema.pipeline.clip_files import Source, joined, pair
from kinema.pipeline.completion import METHODS, Completed, Keys, complete
from kinema.pipeline.constraints import Wishes
from kinema.pipeline.forecasting import Answer, Run
from kinema.pipeline.generation import ActionRun, Schedule, open_action_run
from kinema.pipeline.open import open_run, shipped_models
from kinema.pipeline.repair import repair

Verb = Literal["forecast", "inbetween", "upsample", "repair", "generate"]
_FILL: tuple[Verb, ...] = ("inbetween", "upsample", "repair")
_TRY: Mapping[Verb, str] = {
    "forecast": 'kn.open("simlpe-cmu") forecasts',
    "inbetween": 'kn.open("auto") takes whatever errs least',
    "upsample": 'kn.open("auto") takes whatever errs least',
    "repair": 'kn.open("auto") takes whatever errs least',
    "generate": "a model that was trained with actions generates: train the recipe posegpt or action-gan",
}


@dataclass(frozen=True, eq=False)
class Opened:
    """What can be asked: a model with its weights, a baseline, or a classical method. `verbs` says for what.

    `run` is the model or baseline, None for a classical method; `action_run` the same model as one that knows actions.
    Every verb raises UsageError, with what to do instead, where this one does not answer it or the input is not such.
    """

    name: str
    verbs: tuple[Verb, ...]
    run: Run | None = None
    action_run: ActionRun | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """The names of actions that it knows; none where it does not generate."""
        return self.action_run.actions if self.action_run else ()

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
        assert self.run is not None
        wishes = Wishes(tuple(hold), end) if hold or end is not None else None
        return self.run.answer(clip, seconds=seconds, samples=samples, seed=seed, wishes=wishes)

    def inbetween(
        self,
        first: Motion,
        second: Motion | None = None,
        *,
        frames: int | None = None,
        keys: Iterable[int] | None = None,
        context: int = 0,
        align: bool = False,
        belief: Keys = "exact",
        samples: int = 1,
        seed: int = 0,
    ) -> Completed:
        """The movement between key poses: from the end of `first` to the start of `second`, or between `keys` of one.

        With `second`, `frames` new ones lie between; `context` more known ones on each side tell how the body moved,
        and `align` moves the second clip to where the first ends; a second clip of another skeleton or rate is brought
        to those of the first, with a KinemaWarning. Without it, `keys` are the frames of `first`
        (counted from 0) that are known. `belief` "soft": keys are evidence and are smoothed.
        """
        self._answers("inbetween", first, second)
        if second is None:
            if keys is None or frames is not None:
                raise UsageError(
                    expected="two clips and frames=, or one clip and keys=",
                    got="one clip and no keys" if keys is None else "one clip and frames",
                    cure="Say model.inbetween(a, b, frames=30) or model.inbetween(a, keys=[0, 10, 35]).",
                )
            return self._complete(first, known=_named(first, keys), keys=belief, samples=samples, seed=seed)
        if keys is not None or frames is None or frames < 1 or context < 0:
            raise UsageError(
                expected="with two clips the number of frames between them, 1 or more, and a context of 0 or more",
                got=f"frames={frames}, context={context}" + (", keys as well" if keys is not None else ""),
                cure="Say model.inbetween(a, b, frames=30); keys are those of a single clip.",
            )
        before, after = pair(_called("the first clip", first), _called("the second clip", second), align=align)
        clip, known = joined(before, after, frames, context + 1)
        return self._complete(clip, known=known, keys=belief, samples=samples, seed=seed)

    def upsample(
        self,
        clip: Clip,
        *,
        rate: float | None = None,
        fps: float | None = None,
        belief: Keys = "exact",
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
        return self._complete(clip, fps=wanted, keys=belief, seed=seed)

    def repair(
        self,
        clip: Clip,
        *,
        frames: Iterable[int] | None = None,
        strength: float = 1.0,
        belief: Keys = "exact",
        seed: int = 0,
    ) -> Completed:
        """Missing values, spikes, jumps and frozen runs are filled anew; good frames stay as they are.

        `frames` are the bad ones where you know them; nothing is then searched for. `strength` 2 is twice as
        suspicious. `belief` "soft": all frames are evidence, and trembling is smoothed away.
        """
        self._answers("repair", clip)
        bad = None if frames is None else _named(clip, frames)
        method = self.name if self.run is None else self.run
        done, kinds = repair(clip, bad=bad, strength=strength, keys=belief, method=method, seed=seed)
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
        assert self.action_run is not None
        labels = {action: 1.0} if isinstance(action, str) else action
        length = self.action_run.trained / self.action_run.fps if seconds is None else seconds
        return self.action_run.generate(labels, length, samples=samples, seed=seed)

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
        method = self.name if self.run is None else self.run
        return complete(clip, known=known, fps=fps, keys=keys, method=method, seed=seed, samples=samples)

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


def open(name: str | Path = "auto") -> Opened:  # noqa: A001  kn.open, as Image.open
    """A shipped model, a baseline or a classical method by its name, or the model of a run folder.

    "auto" is, gap by gap, whatever was measured to err least. Raises UsageError for an unknown name, MissingDataError
    for a folder without a model, CheckpointError for a damaged one.
    """
    if str(name) in METHODS and not Path(name).is_dir():
        return Opened(str(name), _FILL)
    if str(name) not in (*BASELINES, *shipped_models()) and not Path(name).is_dir():
        raise unknown_name("model, method or run folder", str(name), (*METHODS, *BASELINES, *shipped_models()))
    run = open_run(name)
    if run.representation is None:
        return Opened(run.name, ("forecast",), run)
    action_run = _with_actions(name)
    forecasts: tuple[Verb, ...] = ("forecast",) if run.model.continues else ()
    fills: tuple[Verb, ...] = _FILL if run.model.completes else ()
    generates: tuple[Verb, ...] = ("generate",) if action_run else ()
    return Opened(run.name, (*forecasts, *fills, *generates), run, action_run)


def _with_actions(name: str | Path) -> ActionRun | None:
    try:
        return open_action_run(name)
    except UsageError:
        return None


def _called(what: str, clip: Motion) -> Source:
    return Source(Path(what), {"": clip})


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
