"""What the label weights and the known frames of a query mean to a model that generates."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.query import Query


def action_by_frame(query: Query) -> Float[Tensor, "batch frame class"]:
    """The label weights of every frame, as a schedule has them or alike in all; where there are none, all actions
    alike."""
    frames = query.observed.shape[1]
    action = query.action[:, None].expand(-1, frames, -1) if query.action_frames is None else query.action_frames
    even = torch.full_like(action, 1 / max(1, action.shape[-1]))
    return torch.where(action.sum(-1, keepdim=True) > 0, action, even)


def keep_known(
    query: Query, answer: Float[Tensor, "sample batch frame feat"]
) -> Float[Tensor, "sample batch frame feat"]:
    """The answer with the frames that are known exactly as they are known."""
    known = (query.confidence >= 1).all(-1) & query.valid
    return torch.where(known[..., None], query.observed, answer)
