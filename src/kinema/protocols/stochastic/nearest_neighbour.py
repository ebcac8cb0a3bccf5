"""A baseline: the futures after the most similar moments of the training recordings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.constants import Verb
from kinema.core.errors import UsageError
from kinema.motion.motion import Points
from kinema.protocols.interface import PartialMethod

NAME = "nearest-neighbour"
REACH = 0.2  # seconds: weight of velocity relative to position


@dataclass(frozen=True, eq=False)
class NearestFutures(PartialMethod):
    """The futures of the `samples` training windows with the nearest last observed pose and velocity.

    Poses are compared in the axes of the world, without the root. `seed` is not used. Legend: key is 6 numbers for
    every joint.
    """

    positions: Float[Tensor, "frame joint 3"]
    keys: Float[Tensor, "moment key"]
    last: Int[Tensor, " moment"]  # the frame of each moment
    left: Int[Tensor, " moment"]  # frames of its recording that come after it
    fps: float
    trained_on: frozenset[str]
    name: str = NAME
    verbs: Sequence[Verb] = ("forecast",)
    deterministic: bool = False

    @classmethod
    def of(cls, takes: Iterable[Points], *, observed: int, stride: int) -> NearestFutures:
        """From training recordings: moments at which windows of `observed` frames end, `stride` frames apart.

        Raises UsageError if no recording is long enough.
        """
        positions, last, left, identities, begin, fps = [], [], [], set[str](), 0, 0.0
        for take in takes:
            ends = torch.arange(max(1, observed - 1), max(take.frames, observed, 2), stride)
            ends = ends[ends < take.frames]
            identities.add(take.identity)
            positions.append(take.positions - take.positions[:, :1])
            last.append(ends + begin)
            left.append(take.frames - 1 - ends)
            begin, fps = begin + take.frames, take.fps
        if not sum(map(len, last)):
            raise UsageError(
                expected=f"a training recording of more than {observed} frames",
                got="none",
                cure="Give longer recordings.",
            )
        frames, moments = torch.cat(positions), torch.cat(last)
        keys = _key(frames[moments - 1], frames[moments], fps)
        return cls(frames, keys, moments, torch.cat(left), fps, frozenset(identities))

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """The nearest first. Raises UsageError for fewer than `samples` training windows of `frames` frames, fewer than
        two observed frames, or another rate."""
        del seed
        enough = self.left >= frames
        if int(enough.sum()) < samples or past.frames < 2 or abs(past.fps - self.fps) > 1e-3 * self.fps:
            raise UsageError(
                expected=f"{samples} training windows with {frames} frames after them, two observed frames, "
                f"{self.fps:g} frames per second",
                got=f"{int(enough.sum())} windows, {past.frames} observed frames, {past.fps:g}",
                cure="Use fewer samples or a shorter future.",
            )
        recent = past.positions[:, -2:] - past.positions[:, -2:, :1]
        keys = _key(recent[:, 0], recent[:, 1], past.fps)
        apart = torch.cdist(keys, self.keys[enough])
        nearest = self.last[enough][apart.topk(samples, largest=False).indices]
        frame = nearest.T[..., None] + torch.arange(1, frames + 1)
        return Points(past.skeleton, self.positions[frame], past.fps)


def _key(before: Tensor, now: Tensor, fps: float) -> Tensor:
    """Pose and velocity as one vector, metres."""
    return torch.cat((now, (now - before) * fps * REACH), -1).flatten(-2)
