"""`Seen`: what is known of windows, made ready: in the window's own frame, with the curves through it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.nn.keyframes import FAR, Keyframes
from kinema.nn.window_terms import Frame

REACHES = (0.06, 0.12, 0.24)  # seconds: over how much of their surroundings local lines are fitted; the middle leads
Lines = tuple[Tensor, Tensor, Tensor]
"""Local lines through the observations, over each of `REACHES`."""


@dataclass(frozen=True, eq=False)
class Seen:
    """Values of known tokens (0 elsewhere), their trust, which are known and which exactly; straight lines, a cubic and
    the cubic as corrected (`bent`) through them; `frame` is the windows' own frame of reference."""

    values: Float[Tensor, "B T F"]
    trust: Float[Tensor, "B T J"]
    known: Bool[Tensor, "B T J"]
    exact: Bool[Tensor, "B T J"]
    line: Float[Tensor, "B T F"]
    cubic: Float[Tensor, "B T F"]
    bent: Float[Tensor, "B T F"]
    keys: Keyframes
    exact_keys: Keyframes
    frame: Frame | None

    def lines(self, weight: Float[Tensor, "B T J"]) -> Lines:
        """Local lines through the observations, each of which counts by its weight."""
        with torch.autocast(weight.device.type, enabled=False):  # sums of products that cancel
            near, middle, far = (self.keys.local_lines(self.values, weight, reach, self.line) for reach in REACHES)
        return near, middle, far

    def of_known(self, lines: Lines) -> Float[Tensor, "B T known"]:
        """What is told of known frames."""
        near, middle, far = lines
        off = self._off(middle)
        return torch.cat((self.values, off, near - middle, far - middle, self.trust, self.exact.float()), -1)

    def of_any(self, lines: Lines, first: Float[Tensor, "B T F"]) -> Float[Tensor, "B T any"]:
        """What is told of every frame; `first` is the smooth curve before observations were weighed."""
        near, middle, far = lines
        apart = self.keys.distances() / FAR
        curves = (middle, self.line - middle, self.bent - middle, near - middle, far - middle)
        return torch.cat((*curves, self._off(first), self.trust, apart.sqrt(), (-8 * apart).exp()), -1)

    def _off(self, middle: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """How far each observation is from the smooth curve."""
        return torch.where(self.known[..., self.keys.owner], self.values - middle, 0.0)
