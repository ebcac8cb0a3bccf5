"""`GridWindows`: one question of the grid protocols, and how a method answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.motion import Clip, Motion
from kinema.protocols.inbetweening.cell_report import cell_name
from kinema.protocols.inbetweening.gaps import blanked
from kinema.protocols.interface import Evaluated, Kind


@dataclass(frozen=True, eq=False)
class GridWindows:
    """Some windows (batch shape (window,)), and the cell (`where`) that they belong to.

    `observed` is what methods may use of them in the `known` frames, `confidence` how reliable that is (None: exact).
    """

    where: Mapping[str, str]
    kind: Kind
    ground_truth: Clip
    observed: Clip
    known: Bool[Tensor, " frame"]
    confidence: Float[Tensor, "window frame joint"] | None = None

    @property
    def windows(self) -> int:
        """How many they are."""
        return self.ground_truth.batch_shape[0]

    @property
    def cell(self) -> str:
        """The name of its cell."""
        return cell_name(self.where)

    def answer(self, one: Evaluated) -> Clip:
        """The clip that a method makes of the known frames alone."""
        confidence = None if self.confidence is None else torch.where(self.known[:, None], self.confidence, 0.0)
        if isinstance(self.observed, Motion):
            return one.complete(blanked(self.observed, self.known), self.known, confidence)
        hidden = torch.where(self.known[:, None, None], self.observed.positions, torch.nan)
        return one.complete(replace(self.observed, positions=hidden), self.known, confidence)


Keep = Callable[[GridWindows, Mapping[str, Clip]], None]
"""What may be done with a question and its answers by method, beside scoring them."""
