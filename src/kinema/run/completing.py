"""A run as the protocols of completion ask it: window by window, on the way that the verbs take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.errors import UsageError
from kinema.motion.motion import Motion, Points
from kinema.protocols.completer import CLASSICAL, Completer, Kind
from kinema.run.complete import complete
from kinema.run.open import open_run
from kinema.run.run import Run

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
        """See `Completer`; every window is asked by itself."""
        count = clip.batch_shape[0]
        answers = [
            complete(
                clip.one(window),
                known=known,
                keys="exact" if trust is None else "soft",
                trust=None if trust is None else trust[window],
                method=self.run,
            ).motion
            for window in range(count)
        ]
        if isinstance(clip, Points):
            return replace(clip, positions=torch.stack([answer.points().positions for answer in answers]))
        motions = [cast("Motion", answer) for answer in answers]
        return replace(
            clip,
            rotations=torch.stack([motion.rotations for motion in motions]),
            root=torch.stack([motion.root for motion in motions]),
        )


def open_completer(model: str | Path | Run) -> Completer:
    """The classical method of that name, or the model (shipped, or a run folder) of `open_run`.

    Raises UsageError for an unknown name, and for a baseline that only forecasts.
    """
    if isinstance(model, str) and model in CLASSICAL:
        return CLASSICAL[model]
    completer = RunCompleter(open_run(model) if isinstance(model, (str, Path)) else model)
    _ = completer.kinds
    return completer
