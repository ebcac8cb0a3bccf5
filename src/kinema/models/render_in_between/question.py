"""A gap between two key frames as the network sees it, and the fitted Hermite curve that crosses it.

Times are in frames of 1/30 s; 0 is the key before the gap. Rotations are quaternions (x, y, z, w) away from the neutral
pose: local ones, in which a curve is drawn, and global ones, in which bodies are alike.
Legend: B batch, K known frame, N time asked about, J token (a joint that rotates), S token or hips (J + 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from kinema.geometry.rotations import quat_difference, quat_product, rotvec_to_quat_xyzw

RATE = 30.0
LENGTHS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 37, 45, 52, 60)
"""Frames in a gap for which tables have a row; between them they are read by straight lines."""
LONGEST = 60.0  # a longer gap is asked about as this one, its motion faster
REACH, KEYS = 64.0, 4  # single keys: how far away, and how many on either side
RUNS = ((0, 1, 2, 3, 5, 7, 9), (0, 1, 2, 4, 6, 9))
"""Which frames of an unbroken run are read: before a gap, and after it."""


@dataclass(frozen=True, eq=False)
class Poses:
    """Rotations away from the neutral pose, and the middle of the hips in metres."""

    turns: Float[Tensor, "*b J 4"]
    hips: Float[Tensor, "*b 3"]

    def __getitem__(self, index: object) -> Poses:
        """Some of the frames; the index must not reach into joints."""
        return Poses(self.turns[index], self.hips[index])  # pyright: ignore[reportArgumentType]

    def padded(self) -> Poses:
        """The first and the last frame of [batch, frame] once more on either side."""
        return Poses(_padded(self.turns, 1), _padded(self.hips, 1))


@dataclass(frozen=True, eq=False)
class GapQuestion:
    """One gap, alike for all rows of a batch but for poses.

    `before` (ends at 0) and `after` (begins at the gap's other key) are the times of the known frames that are read,
    `earlier` and `later` their local poses. `kind` is the row of a table that speaks of such sides (`kind_of`).
    """

    before: Float[Tensor, " _"]
    after: Float[Tensor, " _"]
    earlier: Poses
    later: Poses
    kind: int | Int64[Tensor, ""]

    @property
    def span(self) -> Float[Tensor, ""]:
        """From key to key."""
        return self.after[0]

    def curve(self, times: Float[Tensor, " N"], tangents: Float[Tensor, "S 6"]) -> Poses:
        """The Hermite curve at times from key to key: local poses."""
        line, terms = self.terms(times)
        path = line + sum(term * tangents[:, place][:, None] for place, term in enumerate(terms))
        first = self.earlier[:, -1:]
        return Poses(quat_product(first.turns, rotvec_to_quat_xyzw(path[..., :-1, :])), first.hips + path[..., -1, :])

    def terms(self, times: Float[Tensor, " N"]) -> tuple[Float[Tensor, "B N S 3"], list[Tensor]]:
        """The path from the first key to the second with flat ends, and the six terms that `tangents` weigh.

        In the tangent space of the first key, that is in rotation vectors from it: the difference of the keys and the
        two velocities, each by the Hermite functions of either end. Where one frame is known the velocity is zero.
        """
        first, second, span = self.earlier[:, -1], self.later[:, 0], self.span
        apart = _apart(first, second)
        left = _apart(self.earlier.padded()[:, -3], first) / self.steps[0]
        right = _apart(second, self.later.padded()[:, 2])
        # A small turn after the second key, as seen from the first: by the inverse of the right Jacobian.
        far = apart[:, :-1]
        bent = torch.linalg.cross(far, right[:, :-1], dim=-1)
        turned = right[:, :-1] + bent / 2 + torch.linalg.cross(far, bent, dim=-1) / 12
        right = torch.cat((turned, right[:, -1:]), 1) / self.steps[1]
        share = (times / span)[None, :, None, None]
        leaves, arrives = share * (1 - share).square(), share.square() * (share - 1)
        line, left, right = apart[:, None], left[:, None] * span, right[:, None] * span
        terms = [line * leaves, line * arrives, left * leaves, left * arrives, right * arrives, right * leaves]
        return line * share.square() * (3 - 2 * share), terms

    @property
    def steps(self) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
        """The times from the frame before the first key to it, and from the second key to the frame after it. Tiny
        where there is no such frame."""
        before, after = _padded(self.before, 0), _padded(self.after, 0)
        return (before[-2] - before[-3]).clamp(min=1e-6), (after[2] - after[1]).clamp(min=1e-6)


def kind_of(before: Sequence[float], after: Sequence[float]) -> int:
    """Which row of a table speaks of a gap: 3 times what is known before the first key, plus what is known after the
    second: nothing (0), movement (1), or keys further away (2)."""
    left, right = (0 if len(step) < 2 else 1 if step[1] - step[0] <= 2.5 else 2 for step in (before[-2:], after[:2]))
    return 3 * left + right


def read_frames(known: Sequence[float], run: Sequence[int]) -> list[int]:
    """Which of the known frames on one side of a gap are read, by their distances (rising, the first is 0).

    Of an unbroken run some frames, else the next few keys.
    """
    if len(known) > 1 and known[1] < 1.5:
        return [place for place, distance in enumerate(known) if round(distance) in run and place <= run[-1]]
    return [place for place, distance in enumerate(known) if distance <= REACH][:KEYS]


def read_table(
    table: Float[Tensor, "length *row"], frames: Float[Tensor, ""], lengths: Sequence[int]
) -> Float[Tensor, "*row"]:
    """A table with a row for each of `lengths`, at another number of frames in the gap."""
    if len(lengths) == 1:
        return table[0]
    edges = frames.new_tensor(lengths)
    frames = frames.clamp(lengths[0], lengths[-1])
    low = ((edges <= frames).sum() - 1).clamp(max=len(lengths) - 2)
    share = (frames - edges[low]) / (edges[low + 1] - edges[low])
    return table[low] * (1 - share) + table[low + 1] * share


def _padded(values: Float[Tensor, "..."], dim: int) -> Float[Tensor, "..."]:
    """The first and the last once more on either side: beside a single one it stands itself."""
    return torch.cat((values.narrow(dim, 0, 1), values, values.narrow(dim, -1, 1)), dim)


def _apart(first: Poses, second: Poses) -> Float[Tensor, "*b S 3"]:
    """From one pose to another: rotation vectors in the frame of the first, and the way of the hips."""
    return torch.cat((quat_difference(first.turns, second.turns), (second.hips - first.hips)[..., None, :]), -2)
