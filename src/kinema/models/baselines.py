"""Models without training: hold the last pose, constant velocity, running average, interpolation.

They read a `Query` like every other model and return its known values unchanged. A frame is known where its confidence
is above 0 and it is not padding: token by token if there are as many tokens as triples of features, otherwise as a
whole. They have no parameters, so their loss is only a score.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.core.query import Batch, Query
from kinema.geometry.curves import hermite, parabola_slope
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat, slerp
from kinema.models.base import Model, Samples, repeat_samples

InterpolationKind = Literal["linear", "cubic", "slerp"]
_KINDS: tuple[InterpolationKind, ...] = ("linear", "cubic", "slerp")


@dataclass(frozen=True)
class _Known:
    """The known frames of a query, indexed from every frame. Legend: token is 1 where frames are known as a whole."""

    known: Bool[Tensor, "batch frame token"]
    values: Float[Tensor, "batch frame token dim"]
    time: Float[Tensor, "batch frame token"]
    order: Int[Tensor, "batch frame token"]  # the frames, known ones first, in time order
    rank: Int[Tensor, "batch frame token"]  # the number of known frames up to and including each

    @classmethod
    def of(cls, query: Query) -> _Known:
        """Sort the frames of a query into known and unknown ones."""
        known = (query.confidence > 0) & query.valid[..., None]
        feats = query.observed.shape[-1]
        if 3 * known.shape[-1] != feats:
            known = known.any(-1, keepdim=True)
        tokens = known.shape[-1]
        return cls(
            known=known,
            values=query.observed.unflatten(-1, (tokens, feats // tokens)),
            time=query.time[..., None].expand(known.shape),
            order=(~known).byte().argsort(dim=1, stable=True),
            rank=known.cumsum(1),
        )

    def at(self, steps: int) -> tuple[Float[Tensor, "batch frame token dim"], Float[Tensor, "batch frame token 1"]]:
        """Value and time of a known frame near each frame, counted in known frames.

        `steps` 0 is the last known frame up to each frame, 1 the next one, -1 the one before. Beyond the first and the
        last known frame it is those. Zero where nothing is known.
        """
        last = (self.rank[:, -1:] - 1).clamp_min(0)
        place = torch.minimum((self.rank - 1 + steps).clamp_min(0), last)
        frame = self.order.gather(1, place)
        values = self.values.gather(1, frame[..., None].expand(self.values.shape))
        return values, self.time.gather(1, frame)[..., None]


class Baseline(Model):
    """A model without parameters: `_fill` gives the values where nothing is known."""

    @abstractmethod
    def _fill(self, known: _Known) -> Float[Tensor, "batch frame token dim"]:
        """A value for every frame, known or not."""

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """The same answer for every sample. Padding is unchanged."""
        known = _Known.of(query)
        given = known.known | ~query.valid[..., None]
        answer = torch.where(given[..., None], known.values, self._fill(known))
        return repeat_samples(answer.flatten(-2), samples)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Mean squared error over the frames that are not padding."""
        answer = self.predict(batch.query, 1, torch.Generator())[0]
        weight = batch.query.valid[..., None].to(answer)
        error = (weight * (answer - batch.target) ** 2).sum()
        return {"loss": error / (weight.sum() * answer.shape[-1]).clamp_min(1)}


class ZeroVelocity(Baseline):
    """The last known pose is held; before the first known pose, that one. The hardest baseline over short times."""

    def _fill(self, known: _Known) -> Float[Tensor, "batch frame token dim"]:
        return known.at(0)[0]


class ConstantVelocity(Baseline):
    """The velocity of the last two known frames continues: x(t) = x_n + (t - t_n) (x_n - x_m) / (t_n - t_m)."""

    def _fill(self, known: _Known) -> Float[Tensor, "batch frame token dim"]:
        last, at_last = known.at(0)
        before, at_before = known.at(-1)
        speed = _slope(before, last, at_last - at_before)
        return last + (known.time[..., None] - at_last) * speed


class RunningAverage(Baseline):
    """The mean of the last `frames` known frames, or of as many as there are (Martinez et al. 2017: 2 and 4)."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        if frames < 1:
            raise UsageError(expected="an average over at least one frame", got=str(frames), cure="Use 2 or 4.")
        self.frames = frames

    def _fill(self, known: _Known) -> Float[Tensor, "batch frame token dim"]:
        total = known.at(0)[0]
        count = torch.ones_like(total[..., :1])
        for back in range(1, self.frames):
            there = (known.rank > back)[..., None].to(total)
            total = total + there * known.at(-back)[0]
            count = count + there
        return total / count


class Interpolate(Baseline):
    """Interpolation between the known frames; beyond the first and the last, those are held.

    "linear"; "cubic": Hermite pieces whose slopes are those of the parabola through three known frames (exact on
    parabolas, for uneven times too); "slerp": every triple of features is a rotation vector in radians (so features
    must not be standardised), on the shortest path.
    Raises UsageError for another kind, and for "slerp" of features that are not triples.
    """

    def __init__(self, kind: InterpolationKind) -> None:
        super().__init__()
        if kind not in _KINDS:
            raise unknown_name("kind of interpolation", kind, _KINDS)
        self.kind: InterpolationKind = kind

    def _fill(self, known: _Known) -> Float[Tensor, "batch frame token dim"]:
        start, at_start = known.at(0)
        end, at_end = known.at(1)
        gap = at_end - at_start
        weight = torch.where(gap > 0, (known.time[..., None] - at_start) / _positive(gap), 0.0).clamp(0, 1)
        if self.kind == "linear":
            return torch.lerp(start, end, weight)
        if self.kind == "slerp":
            return _slerp_rotvecs(start, end, weight)
        return _hermite(known, weight)


def _hermite(known: _Known, w: Float[Tensor, "batch frame token 1"]) -> Float[Tensor, "batch frame token dim"]:
    (p0, t0), (p1, t1), (p2, t2), (p3, t3) = (known.at(steps) for steps in (-1, 0, 1, 2))
    middle = _slope(p1, p2, t2 - t1)
    leave = _middle_slope(_slope(p0, p1, t1 - t0), middle, t1 - t0, t2 - t1)
    arrive = _middle_slope(middle, _slope(p2, p3, t3 - t2), t2 - t1, t3 - t2)
    return hermite(p1, p2, (t2 - t1) * leave, (t2 - t1) * arrive, w)


def _middle_slope(before: Tensor, after: Tensor, h_before: Tensor, h_after: Tensor) -> Tensor:
    """Slope at the middle of three points, of the parabola through them; at an end, the only slope."""
    both = parabola_slope(before, after, h_before, h_after)
    return torch.where(h_before > 0, torch.where(h_after > 0, both, before), after)


def _slerp_rotvecs(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    if start.shape[-1] % 3:
        raise UsageError(
            expected="features that are rotation vectors, three numbers a joint",
            got=f"{start.shape[-1]} features",
            cure="Use linear or cubic, or the representation RotationVectors.",
        )
    first = rotvec_to_rotmat(start.unflatten(-1, (-1, 3)))
    second = rotvec_to_rotmat(end.unflatten(-1, (-1, 3)))
    return rotmat_to_rotvec(slerp(first, second, weight)).flatten(-2)


def _slope(start: Tensor, end: Tensor, gap: Tensor) -> Tensor:
    return torch.where(gap > 0, (end - start) / _positive(gap), 0.0)


def _positive(gap: Tensor) -> Tensor:
    return torch.where(gap > 0, gap, 1.0)


BASELINES: dict[str, Callable[[], Model]] = {
    "zero-velocity": ZeroVelocity,
    "constant-velocity": ConstantVelocity,
    "running-average-2": lambda: RunningAverage(2),
    "running-average-4": lambda: RunningAverage(4),
    "linear": lambda: Interpolate("linear"),
    "cubic": lambda: Interpolate("cubic"),
    "slerp": lambda: Interpolate("slerp"),
}
