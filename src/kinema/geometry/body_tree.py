"""`BodyTree`: a body whose joints are given by how they are rotated away from its neutral pose.

Rotations of that kind mean the same on every body, and joint positions are linear in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class BodyTree:
    """The joints that rotate ("tokens") and what they carry. Metres.

    `parents` and `partners` are tokens: the one above (-1 for the root), the one on the other side. `neutral` are the
    tokens' global rotations in the neutral pose. Where token k is rotated by G_k away from it, in the world's axes,
    joint j stands at hips + sum_k G_k `arms`[j, k]; "hips" is the middle of the hips, which is `hips` in the root's own
    frame. The lines `across` (left joint, right joint) tell the heading; without any, the root tells it.
    """

    parents: tuple[int, ...]
    partners: tuple[int, ...]
    neutral: Float[Tensor, "token 3 3"]
    arms: Float[Tensor, "joint token 3"]
    hips: Float[Tensor, " 3"]
    across: tuple[tuple[int, int], ...]
