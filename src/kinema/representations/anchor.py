"""Frames of reference of a window's own: where what is known of it stands, and what it faces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.motion.skeleton import Skeleton


@runtime_checkable
class Anchor(Protocol):
    """A frame of reference of a window's own, so that a model need not learn every place in the room."""

    def into(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """Features (own units) as seen from the anchor."""
        ...

    def back(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """The way back to the room."""
        ...


@dataclass(frozen=True, eq=False)
class FloorAnchor:
    """A place on the floor and a heading.

    `turn` about the vertical and `origin` [batch, 3] act on the features `vectors` (triples that turn only) and on
    those that are points: the triples before `vectors`, or all where there are no vectors. Other features stay.
    """

    turn: Float[Tensor, "batch 3 3"]
    origin: Float[Tensor, "batch 3"]
    vectors: slice

    def into(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """Features (own units) as seen from the anchor."""
        points, vectors, rest = self._parts(features)
        with torch.autocast(features.device.type, enabled=False):  # places deserve all their digits
            turn = self.turn.transpose(-1, -2)[:, None]
            points = (points - self.origin[:, None, None]) @ turn
            return torch.cat((points.flatten(-2), (vectors @ turn).flatten(-2), rest), -1)

    def back(self, features: Float[Tensor, "*s batch frame feat"]) -> Float[Tensor, "*s batch frame feat"]:
        """The way back to the room."""
        points, vectors, rest = self._parts(features)
        with torch.autocast(features.device.type, enabled=False):
            points = points @ self.turn[:, None] + self.origin[:, None, None]
            return torch.cat((points.flatten(-2), (vectors @ self.turn[:, None]).flatten(-2), rest), -1)

    def _parts(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first, stop = self.vectors.start, self.vectors.stop
        if first == stop:
            first = stop = features.shape[-1]
        points, vectors = features[..., :first], features[..., first:stop]
        return points.unflatten(-1, (-1, 3)), vectors.unflatten(-1, (-1, 3)), features[..., stop:]


def floor_anchor(
    place: Float[Tensor, "batch frame 3"],
    forward: Float[Tensor, "batch frame 3"],
    known: Float[Tensor, "batch frame"],
    *,
    vectors: slice,
) -> FloorAnchor:
    """An anchor of known places and directions. `vectors` are the features that turn but do not move; before them
    (or, where there are none of them, everywhere) stand points."""
    total = known.sum(1).clamp(min=1)
    origin = (place * known[..., None]).sum(1) / total[:, None]
    origin = origin * origin.new_tensor([1.0, 0.0, 1.0])  # heights are kept: the floor means something
    heading = (forward * known[..., None]).sum(1)
    length = heading[:, [0, 2]].norm(dim=-1)
    sure = length > 1e-6
    x = torch.where(sure, heading[:, 0] / length.clamp(min=1e-6), 0.0)
    z = torch.where(sure, heading[:, 2] / length.clamp(min=1e-6), 1.0)
    none, one = torch.zeros_like(x), torch.ones_like(x)
    rows = (torch.stack((z, none, -x), -1), torch.stack((none, one, none), -1), torch.stack((x, none, z), -1))
    return FloorAnchor(torch.stack(rows, -2), origin, vectors)


def ahead(
    places: Float[Tensor, "*b joint 3"], known: Float[Tensor, "*b joint"], left: list[int], right: list[int]
) -> Float[Tensor, "*b 3"]:
    """At right angles to the lines from right to left joints of which both are known (1, else 0), in the plane of the
    floor; as long as these lines are together."""
    both = known[..., left] * known[..., right]
    across = ((places[..., left, :] - places[..., right, :]) * both[..., None]).sum(-2)
    up = across.new_tensor([0.0, 1.0, 0.0]).expand_as(across)
    return torch.linalg.cross(across, up, dim=-1)


def is_left(skeleton: Skeleton, joint: int) -> bool:
    """Whether a joint lies on the body's left: the first offset on the way to the root that leaves the middle tells."""
    while joint >= 0:
        if abs(float(skeleton.offsets[joint, 0])) > 1e-3:
            return float(skeleton.offsets[joint, 0]) > 0
        joint = skeleton.parents[joint]
    return False
