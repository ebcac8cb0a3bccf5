"""Distances that serve as losses."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor


def joint_distance(a: Float[Tensor, "*b feat"], b: Float[Tensor, "*b feat"]) -> Float[Tensor, ""]:
    """Mean Euclidean distance of joints, three features each, in the features' unit."""
    return (a - b).unflatten(-1, (-1, 3)).norm(dim=-1).mean()
