"""Choosing one of several codes by their logits: temperature, top-k, top-p, guidance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError


@dataclass(frozen=True)
class Choice:
    """How a code is drawn. `temperature` 0 takes the likeliest; `top_k` 0 leaves all codes in, as `top_p` 1 does.

    `guidance` is the scale of classifier-free guidance (Ho and Salimans 2022): logits are without + guidance (with -
    without); 1 is none. Raises UsageError for values that cannot be.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        for name, fine, expected in (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("guidance", self.guidance >= 0, "0 or more"),
        ):
            if not fine:
                raise UsageError(
                    expected=f"{name} of {expected}",
                    got=f"{getattr(self, name)}",
                    cure=f"Give {name} a value of {expected}.",
                )

    def pick(
        self, scores: Float[Tensor, "row code"], uniform: Float[Tensor, " row_out"], *, guided: bool = False
    ) -> Int[Tensor, " row_out"]:
        """One code per row, by numbers in (0, 1); where `guided`, the second half of the rows is the one without."""
        scores = scores.float()
        if guided:
            told, untold = scores[: uniform.shape[0]], scores[uniform.shape[0] :]
            scores = untold + self.guidance * (told - untold)
        if self.temperature == 0:
            return scores.argmax(-1)
        scores = scores / self.temperature
        if 0 < self.top_k < scores.shape[-1]:
            scores = scores.masked_fill(scores < scores.topk(self.top_k).values[:, -1:], -torch.inf)
        weights = scores.softmax(-1)
        if self.top_p < 1:
            ordered, order = weights.sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= self.top_p
            weights = weights.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), 0.0)
        reached = weights.cumsum(-1)
        picked = (reached <= uniform[:, None] * reached[:, -1:]).sum(-1)
        # Rounding at the far end must not pick a code that was left out.
        last = (weights > 0).long().cumsum(-1).argmax(-1)
        return torch.minimum(picked, last)
