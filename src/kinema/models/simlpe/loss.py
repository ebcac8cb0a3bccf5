"""Distances that serve as losses."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def joint_distance(
    a: Float[Tensor, "*b feat"], b: Float[Tensor, "*b feat"], weights: Float[Tensor, " joint"]
) -> Float[Tensor, ""]:
    """Mean Euclidean distance of joints, three features each, in the features' unit.

    `weights`, one for each joint or one for all, have a mean of 1. The gradient at distance 0 is 0.
    """
    squared = (a - b).unflatten(-1, (-1, 3)).square().sum(-1)
    return ((squared + 1e-12).sqrt() * weights).mean()
