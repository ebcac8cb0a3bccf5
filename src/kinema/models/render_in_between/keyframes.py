"""Curves through the known values of a batch of windows, every token (joint) with key frames of its own.

Key frames may lie anywhere; times are in seconds. Before its first key and after its last a token keeps that value; a
token without a key is zero. Legend: B batch, T frame, J token, F feature, `owner` the token of each feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int64, Shaped
from torch import Tensor

from kinema.geometry.curves import hermite, parabola_slope

FADE = 0.5  # seconds over which `Keyframes.fade` rises beyond the ends
_LITTLE = 1e-3
FAR = 4.0  # seconds: what lies further from a key, or has none, is "far"

Reaches = tuple[tuple[float, bool], ...]
"""Over how many seconds lines are fitted, and whether a frame's own value counts."""


@dataclass(frozen=True, eq=False)
class Keyframes:
    """Which tokens are known when. `known` [B, T, J] must be False on padding; `time` [B, T] rises."""

    known: Bool[Tensor, "B T J"]
    time: Float[Tensor, "B T"]
    owner: Int64[Tensor, " F"]

    @cached_property
    def before(self) -> Int64[Tensor, "B T J"]:
        """The frame of the last key at or before each frame; -1 where there is none."""
        return self._numbered(-1).cummax(1).values

    @cached_property
    def after(self) -> Int64[Tensor, "B T J"]:
        """The frame of the next key at or after each frame; T where there is none."""
        frames = self.known.shape[1]
        return self._numbered(frames).flip(1).cummin(1).values.flip(1)

    @cached_property
    def ends(self) -> tuple[Int64[Tensor, "B T J"], Int64[Tensor, "B T J"]]:
        """The keys on either side; the nearest twice beyond the ends; frame 0 where a token has none."""
        frames = self.known.shape[1]
        left = torch.where(self.before >= 0, self.before, self.after)
        right = torch.where(self.after < frames, self.after, self.before)
        return left.clamp(0, frames - 1), right.clamp(0, frames - 1)

    @cached_property
    def known_at_all(self) -> Bool[Tensor, "B 1 J"]:
        """The tokens that have a key anywhere."""
        return self.known.any(1, keepdim=True)

    @cached_property
    def way(self) -> Float[Tensor, "B T J"]:
        """How far a frame is from its left key to its right one, 0 to 1."""
        left, right = (self._when(end) for end in self.ends)
        return ((self.time[..., None] - left) / (right - left).clamp(min=1e-6)).clamp(0, 1)

    def distances(self) -> Float[Tensor, "B T _"]:
        """Seconds since the key before and until the key after, at most FAR (also where there is none)."""
        frames = self.known.shape[1]
        since = self.time[..., None] - self._when(self.before.clamp(min=0))
        until = self._when(self.after.clamp(max=frames - 1)) - self.time[..., None]
        since = torch.where(self.before >= 0, since, FAR)
        until = torch.where(self.after < frames, until, FAR)
        return torch.cat((since, until), -1).clamp(0.0, FAR)

    def fade(self) -> Float[Tensor, "B T J"]:
        """0 at keys, 1 in the middle between two, sin^2 of the way in between; beyond the ends it rises over half a
        second. 1 for a token without a key."""
        left, right = (self._when(end) for end in self.ends)
        beyond = ((self.time[..., None] - left).abs() / FADE).clamp(max=1) / 2
        way = torch.where(right > left, self.way, beyond)
        return torch.where(self.known_at_all, torch.sin(torch.pi * way).square(), 1.0)

    def linear(self, values: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """Straight lines between the keys."""
        left, right = (self._at(values, end) for end in self.ends)
        return self._only_known(left + self._each(self.way) * (right - left))

    def cubic(self, values: Float[Tensor, "B T F"]) -> Float[Tensor, "B T F"]:
        """Cubic Hermite curves with Catmull-Rom slopes for uneven keys, at the ends that of the straight line."""
        slope = self._slopes(values)
        left, right = self.ends
        start, stop = self._at(values, left), self._at(values, right)
        span = self._each(self._when(right) - self._when(left))
        first, last = span * self._at(slope, left), span * self._at(slope, right)
        return self._only_known(hermite(start, stop, first, last, self._each(self.way)))

    def local_lines(
        self,
        values: Float[Tensor, "B T F"],
        weight: Float[Tensor, "B T J"],
        reaches: Reaches,
        line: Float[Tensor, "B T F"],
    ) -> tuple[Float[Tensor, "B T F"], ...]:
        """At each frame the straight line fitted to the known values around it, by `weight` and a Gaussian of each of
        `reaches`. A little of `line` keeps the fit from being empty where keys are far."""
        near = self._nearness(reaches)
        weight = weight * self.known
        both = torch.cat((weight, self._each(weight) * values), -1)
        sizes = (weight.shape[-1], values.shape[-1])

        def summed(factor: Tensor, numbers: Tensor) -> Tensor:
            return (factor @ numbers).unflatten(1, (len(reaches), -1))

        total, height = summed(near[0], both).split(sizes, -1)
        lever, slope = summed(near[1], both).split(sizes, -1)
        total, height = total + _LITTLE, height + _LITTLE * line[:, None]
        # One key has no slope: a line through it is flat.
        squares = torch.tensor([_LITTLE * reach**2 for reach, _ in reaches], device=total.device)[:, None, None]
        spread = summed(near[2], weight) + squares * total
        scale = total * spread - lever.square()
        lines = self._each(spread / scale) * height - self._each(lever / scale) * slope
        return torch.where(self._each(self.known_at_all)[:, None], lines, 0.0).unbind(1)

    def _nearness(self, reaches: Reaches) -> tuple[Tensor, Tensor, Tensor]:
        """How near frames are to each other, [B, reach * T, T], and that times their distance, and its square; made
        once, for lines are fitted again and again as observations are judged."""
        if reaches not in self._near:
            apart = self.time[:, None, :] - self.time[:, :, None]
            parts: list[tuple[Tensor, Tensor, Tensor]] = []
            for reach, own in reaches:
                # Exponentials that underflow, and products of them, take ten times as long; exp(-60) is nothing too.
                near = torch.exp((-0.5 * (apart / reach).square()).clamp(min=-60))
                if not own:
                    near = near * (1 - torch.eye(near.shape[-1], device=near.device))
                parts.append((near, near * apart, near * apart.square()))
            first, second, third = (torch.cat(each, 1) for each in zip(*parts, strict=True))
            self._near[reaches] = (first, second, third)
        return self._near[reaches]

    @cached_property
    def _near(self) -> dict[Reaches, tuple[Tensor, Tensor, Tensor]]:
        return {}

    def _slopes(self, values: Tensor) -> Tensor:
        """At every key the slope of the curve; at other frames nothing of use."""
        frames = self.known.shape[1]
        none = torch.full_like(self.before[:, :1], -1)
        earlier = torch.cat((none, self.before[:, :-1]), 1)  # the key strictly before
        later = torch.cat((self.after[:, 1:], none + frames + 1), 1)
        has_earlier, has_later = earlier >= 0, later < frames
        earlier, later = earlier.clamp(min=0), later.clamp(max=frames - 1)
        here = self.time[..., None]
        step_in = self._each(torch.where(has_earlier, here - self._when(earlier), 1.0).clamp(min=1e-6))
        step_out = self._each(torch.where(has_later, self._when(later) - here, 1.0).clamp(min=1e-6))
        arrive = (values - self._at(values, earlier)) / step_in
        leave = (self._at(values, later) - values) / step_out
        inner = parabola_slope(arrive, leave, step_in, step_out)
        has_earlier, has_later = self._each(has_earlier), self._each(has_later)
        ends = torch.where(has_earlier, arrive, torch.where(has_later, leave, 0.0))
        return torch.where(has_earlier & has_later, inner, ends)

    def _numbered(self, missing: int) -> Int64[Tensor, "B T J"]:
        frame = torch.arange(self.known.shape[1], device=self.known.device)[:, None]
        return torch.where(self.known, frame, missing)

    def _when(self, frame: Int64[Tensor, "B T J"]) -> Float[Tensor, "B T J"]:
        return self.time[..., None].expand(frame.shape).gather(1, frame)

    def _at(self, values: Tensor, frame: Int64[Tensor, "B T J"]) -> Tensor:
        return values.gather(1, self._each(frame))

    def _only_known(self, curve: Tensor) -> Tensor:
        return torch.where(self._each(self.known_at_all), curve, 0.0)

    def _each(self, of_token: Shaped[Tensor, "*b J"]) -> Shaped[Tensor, "*b F"]:
        """For every feature what its token has."""
        if of_token.shape[-1] == 1:
            return of_token.expand(*of_token.shape[:-1], len(self.owner))
        return of_token.gather(-1, self.owner.expand(*of_token.shape[:-1], -1))  # quicker than an index, there and back
