"""How an answer is put behind what was observed."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.query import Query


def joined(
    query: Query, answer: Float[Tensor, "R T F"], prefix: Int[Tensor, " R"], blend: int
) -> Float[Tensor, "R T F"]:
    """The answer after the observed prefix without a jump: the gap at the seam is closed over `blend` frames."""
    seam = (prefix - 1).clamp(min=0)[:, None, None].expand(-1, 1, answer.shape[2])
    gap = (query.observed - answer).gather(1, seam) * (prefix > 0)[:, None, None]
    after = torch.arange(answer.shape[1], device=answer.device) - seam[:, :, 0]
    share = (1 - after / (blend + 1)).clamp(0, 1) ** 2
    return torch.where(query.observed_frames()[..., None], query.observed, answer + share[..., None] * gap)
