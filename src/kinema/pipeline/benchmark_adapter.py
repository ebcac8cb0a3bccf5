"""A run as the protocols of completion ask it: window by window, on the way that the verbs take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.motion.interpolation import even_times, interpolate
from kinema.motion.motion import Clip, Motion, Points, stack
from kinema.pipeline.completion import softened, under_model
from kinema.pipeline.forecasting import Run
from kinema.pipeline.model_completion import infill
from kinema.pipeline.model_query import Evidence
from kinema.pipeline.open import open_run
from kinema.protocols.inbetweening.interface import CLASSICAL, Completer, Kind

AnyClip = TypeVar("AnyClip", Motion, Points)


@dataclass(frozen=True)
class RunCompleter:
    """A `Completer` of a run; frames that come with trust are given as evidence ("soft"), others exactly."""

    run: Run

    @property
    def name(self) -> str:
        """The run's name."""
        return self.run.name

    @property
    def trained_on(self) -> frozenset[str]:
        """The recordings that it learnt from."""
        return self.run.trained_on

    @property
    def kinds(self) -> frozenset[Kind]:
        """What its representation reads. Raises UsageError for a baseline that only forecasts."""
        if self.run.representation is None:
            raise UsageError(
                expected=f"a trained model, or one of {', '.join(CLASSICAL)}",
                got=f"the baseline {self.run.name}, which only forecasts",
                cure="Name another one.",
            )
        representation = self.run.representation
        if representation.space == "positions":
            sample = representation.decode(torch.zeros(1, representation.width)).points()
            return frozenset({"picture" if sample.positions.shape[-1] == 2 else "positions"})
        return frozenset({cast("Kind", representation.space)})

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        trust: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """See `Completer`; all windows at once, with what `complete` answers for each by itself."""
        table = known if known.ndim == 2 else known[:, None].expand(-1, len(clip.skeleton))
        clock = even_times(clip.frames, clip.fps)
        evidence = Evidence(clip, table, clock, trust)
        base = clip if trust is None else _softened(evidence)
        curve = interpolate(base, table, clock, times=clock, method=under_model(evidence))
        answer, _ = infill(self.run, curve, evidence, clock, seed=0, samples=1)
        return cast("AnyClip", answer)


def _softened(evidence: Evidence) -> Clip:
    """Every window by its own confidences."""
    clip, trust = evidence.clip, evidence.trust
    assert trust is not None
    parts = [softened(Evidence(clip.one(i), evidence.known, evidence.clock, trust[i])) for i in range(len(trust))]
    return stack(parts)


def open_completer(model: str | Path | Run) -> Completer:
    """The classical method of that name, or the model (shipped, or a run folder) of `open_run`.

    Raises UsageError for an unknown name, and for a baseline that only forecasts.
    """
    if isinstance(model, str) and model in CLASSICAL:
        return CLASSICAL[model]
    completer = RunCompleter(open_run(model) if isinstance(model, (str, Path)) else model)
    _ = completer.kinds
    return completer
