"""How far joints are from where they should be, in the unit of the positions that are handed in."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor


def joint_distances(
    predicted: Float[Tensor, "*batch frame joint dim"], truth: Float[Tensor, "*#batch frame joint dim"]
) -> Float[Tensor, "*batch frame joint"]:
    """Euclidean distance of every joint in every frame: d_tj = ||p_tj - q_tj||, in double precision."""
    return (predicted.double() - truth.double()).norm(dim=-1)


def mpjpe(
    predicted: Float[Tensor, "*batch frame joint dim"],
    truth: Float[Tensor, "*#batch frame joint dim"],
    joints: Sequence[int] | None = None,
) -> Float[Tensor, "*batch frame"]:
    """Mean per-joint position error of every frame: e_t = 1/J sum_j ||p_tj - q_tj||.

    `joints` are those of the mean (default: all). The error is that *at* frame t, not the mean up to it; whoever wants
    a mean over windows takes it over the batch axis.
    """
    distances = joint_distances(predicted, truth)
    return (distances if joints is None else distances[..., list(joints)]).mean(-1)
