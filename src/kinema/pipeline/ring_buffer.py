"""`Ring`: the newest frames of a stream with their times, always in one run of memory."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton


class Ring:
    """Holds at least the last `capacity` frames.

    The arrays are twice as long; at their end the last `capacity` rows move to the front, so that a window is a view.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._rows: list[Tensor] = []  # rotations, root, and offsets where they move
        self._known = torch.zeros(0)
        self._times = torch.zeros(2 * capacity, dtype=torch.float64)
        self._observed = torch.zeros(0)
        self._end = 0
        self._begin = 0

    def __len__(self) -> int:
        return self._end - self._begin

    @property
    def now(self) -> float:
        """The time of the newest frame, seconds; 0 where there is none."""
        return float(self._times[self._end - 1]) if len(self) else 0.0

    @property
    def moving(self) -> bool:
        """Whether frames have moving offsets."""
        return len(self._rows) == 3

    def span(self) -> float:
        """Seconds from the oldest frame to the newest."""
        return self.now - float(self._times[self._begin]) if len(self) else 0.0

    def usual_step(self) -> float:
        """The median of the seconds between two frames."""
        return float(self._times[self._begin : self._end].diff().median())

    def last_seen(self) -> Float[Tensor, " joint"]:
        """When each joint was last known, seconds; minus infinity where it never was."""
        return self._observed

    def clear(self) -> None:
        """Forget everything."""
        self._begin = self._end = 0
        self._rows = []

    def add(self, frame: Motion, known: Bool[Tensor, " joint"], time: float) -> None:
        """A frame at a later time than the last."""
        values = [frame.rotations, frame.root, *([] if frame.offsets is None else [frame.offsets])]
        if not self._rows:
            self._rows = [torch.zeros((2 * self.capacity, *each.shape[1:]), dtype=each.dtype) for each in values]
            self._known = torch.zeros(2 * self.capacity, len(known), dtype=torch.bool)
            self._observed = torch.full((len(known),), -torch.inf, dtype=torch.float64)
        if self._end == 2 * self.capacity:
            for each in (*self._rows, self._known, self._times):
                each[: self.capacity] = each[self.capacity :].clone()
            self._begin, self._end = 0, self.capacity
        for rows, each in zip(self._rows, values, strict=True):
            rows[self._end] = each[0]
        self._known[self._end], self._times[self._end] = known, time
        self._observed = torch.where(known, self._observed.new_tensor(time), self._observed)
        self._end += 1
        self._begin = max(self._begin, self._end - self.capacity)

    def last(
        self, skeleton: Skeleton, fps: float
    ) -> tuple[Motion, Bool[Tensor, "frame joint"], Float[Tensor, " frame"]]:
        """All frames (views, not copies), which joints of them are known, and their times in seconds."""
        here = slice(self._begin, self._end)
        rotations, root, *offsets = (rows[here] for rows in self._rows)
        motion = Motion(skeleton, rotations, root, fps)
        return replace(motion, offsets=offsets[0]) if offsets else motion, self._known[here], self._times[here]
