"""Augmentation of windows of features: variations of a motion that are as plausible as the recorded one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry.rotations import euler_to_rotmat
from kinema.representations.base import Representation


@dataclass(frozen=True, eq=False)
class Draw:
    """The random numbers of every window of a batch. None where that augmentation is off."""

    reverse: Bool[Tensor, " batch"] | None
    mirror: Bool[Tensor, " batch"] | None
    when: Float[Tensor, "batch frame"] | None  # in raw frames
    rotation: Float[Tensor, "batch 3 3"] | None  # times scale
    noise: Float[Tensor, "batch frame feat"] | None
    donor: Int64[Tensor, "batch limb"] | None  # the window in the batch that a limb is of

    def rows(self, which: slice | Tensor) -> Draw:
        """The draw of some of the windows."""
        return Draw(*(None if part is None else part[which] for part in vars(self).values()))


@dataclass(frozen=True)
class Augment:
    """How windows are varied. The default changes nothing.

    `reverse` and `mirror` are probabilities (time backwards; left and right exchanged). `speed` is a range of factors
    for the pace, 2 being twice as fast: the window is resampled with Catmull-Rom splines on its features. `scale` is a
    range of factors for the body's size, `tilt` the largest rotation about x and about z, `yaw` about y (radians): all
    three for features that are positions only. `noise` is the standard deviation of Gaussian noise in the features'
    own unit (metres, radians); the ground truth has it, too. `graft` is the probability that an arm, or head and neck,
    come from another window of the batch, for rotations (see `Representation.limbs`).

    Raises UsageError where a probability is outside [0, 1] or a range is empty or not positive.
    """

    reverse: float = 0.0
    mirror: float = 0.0
    speed: tuple[float, float] = (1.0, 1.0)
    scale: tuple[float, float] = (1.0, 1.0)
    tilt: float = 0.0
    yaw: float = 0.0
    noise: float = 0.0
    graft: float = 0.0

    def __post_init__(self) -> None:
        for name in ("reverse", "mirror", "graft"):
            if not 0 <= getattr(self, name) <= 1:
                raise _wrong(name, "a probability from 0 to 1", getattr(self, name))
        for name in ("speed", "scale"):
            low, high = getattr(self, name)
            if not 0 < low <= high < math.inf:
                raise _wrong(name, "a range (low, high) with 0 < low <= high", getattr(self, name))
        for name in ("tilt", "yaw", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                raise _wrong(name, "a number of 0 or more", getattr(self, name))

    def reach(self, frames: int) -> int:
        """How many raw frames a window must have so that the fastest pace still fills `frames`."""
        return math.ceil((frames - 1) * max(1.0, self.speed[1]) - 1e-9) + 1

    def apply(
        self,
        window: Float[Tensor, "batch reach feat"],
        frames: int,
        representation: Representation,
        generator: torch.Generator,
    ) -> Float[Tensor, "batch frame feat"]:
        """Windows of `reach(frames)` raw frames, features in their own units -> varied windows of `frames` frames."""
        draw = self.draw(len(window), frames, representation, generator)
        window = self.enact(window, frames, representation, draw)
        return window if draw.donor is None else grafted(window, representation, torch.arange(len(window)), draw.donor)

    def draw(self, batch: int, frames: int, representation: Representation, generator: torch.Generator) -> Draw:
        """Everything that is random about a batch, drawn in a fixed order from `generator`.

        Raises UsageError for `scale`, `tilt` or `yaw` on features that are not positions, and for `graft` on a
        representation without `limbs`.
        """

        def within(low: float, high: float) -> Float[Tensor, " batch"]:
            return low + (high - low) * torch.rand(batch, generator=generator)

        reverse = torch.rand(batch, generator=generator) < self.reverse if self.reverse else None
        mirror = torch.rand(batch, generator=generator) < self.mirror if self.mirror else None
        when = None
        if self.speed != (1.0, 1.0):
            pace = within(*self.speed)
            slack = (self.reach(frames) - 1 - (frames - 1) * pace).clamp(min=0)
            when = within(0, 1)[:, None] * slack[:, None] + torch.arange(frames) * pace[:, None]
        rotation = None
        if self.scale != (1.0, 1.0) or self.tilt or self.yaw:
            _check_positions(representation)
            angles = torch.stack([within(-most, most) for most in (self.tilt, self.yaw, self.tilt)], -1)
            # Rx Rz Ry: first about the vertical, then the tilts.
            rotation = euler_to_rotmat(angles[:, [0, 2, 1]], "XZY") * within(*self.scale)[:, None, None]
        noise = None
        if self.noise:
            noise = self.noise * torch.randn(batch, frames, representation.width, generator=generator)
        donor = None
        if self.graft:
            own = torch.arange(batch)[:, None].expand(-1, _limbs(representation))
            other = torch.randint(batch, own.shape, generator=generator)
            donor = torch.where(torch.rand(own.shape, generator=generator) < self.graft, other, own)
        return Draw(reverse, mirror, when, rotation, noise, donor)

    def enact(
        self, window: Float[Tensor, "batch reach feat"], frames: int, representation: Representation, draw: Draw
    ) -> Float[Tensor, "batch frame feat"]:
        """The augmentation by `draw`, without limbs. Raises UsageError where windows are not `reach(frames)` long."""
        if window.shape[1] != self.reach(frames):
            raise UsageError(
                expected=f"windows of {self.reach(frames)} raw frames for {frames} frames",
                got=f"{window.shape[1]}",
                cure="Cut windows of Augment.reach(frames) frames.",
            )
        window = window[:, :frames] if draw.when is None else resample_features(window, draw.when)
        if draw.reverse is not None:
            window = window.index_copy(0, *_some(window, draw.reverse, lambda chosen: chosen.flip(1)))
        if draw.mirror is not None:
            window = window.index_copy(0, *_some(window, draw.mirror, representation.mirror))
        if draw.rotation is not None:
            window = _rotated(window, draw.rotation)
        return window if draw.noise is None else window + draw.noise


def resample_features(
    window: Float[Tensor, "batch raw feat"], when: Float[Tensor, "batch frame"]
) -> Float[Tensor, "batch frame feat"]:
    """Features at the times `when`, in frames of `window`, by Catmull-Rom splines; the ends are extended straight."""
    last = window.shape[1] - 1
    if last == 0:
        return window.expand(-1, when.shape[1], -1)
    padded = torch.cat((2 * window[:, :1] - window[:, 1:2], window, 2 * window[:, -1:] - window[:, -2:-1]), 1)
    left = when.floor().clamp(0, last - 1)
    t = when - left
    shares = (
        0.5 * t * (-1 + t * (2 - t)),
        1 + 0.5 * t * t * (3 * t - 5),
        0.5 * t * (1 + t * (4 - 3 * t)),
        0.5 * t * t * (t - 1),
    )
    # Whole rows are copied out of one long table: several times faster than indexing by batch and frame.
    table = padded.flatten(0, 1)
    first = (left.long() + padded.shape[1] * torch.arange(len(window))[:, None]).flatten()
    out = table.new_zeros(first.numel(), window.shape[-1])
    for step, share in enumerate(shares):
        out.addcmul_(table.index_select(0, first + step), share.flatten()[:, None])
    return out.unflatten(0, when.shape)


def _some(
    window: Float[Tensor, "batch frame feat"], which: Bool[Tensor, " batch"], change: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """Indices of the chosen windows, and these windows changed."""
    chosen = which.nonzero().squeeze(1)
    return chosen, change(window.index_select(0, chosen))


def _rotated(window: Float[Tensor, "batch frame feat"], rotation: Float[Tensor, "batch 3 3"]) -> Tensor:
    # No matrix product, so that a window's result does not depend on its batch.
    x, y, z = window.unflatten(-1, (-1, 3)).unbind(-1)
    m = rotation[:, None, None]
    parts = [x * m[..., i, 0] + y * m[..., i, 1] + z * m[..., i, 2] for i in range(3)]
    return torch.stack(parts, -1).flatten(-2)


def grafted(
    window: Float[Tensor, "batch frame feat"],
    representation: Representation,
    own: Int64[Tensor, " some"],
    donor: Int64[Tensor, "some limb"],
) -> Float[Tensor, "some frame feat"]:
    """Some of the windows, with limbs of others."""
    out = window[own].clone()
    for limb, features in enumerate(representation.limbs):
        out[..., features] = window[donor[:, limb]][..., features]
    return out


def _limbs(representation: Representation) -> int:
    if not representation.limbs:
        raise UsageError(
            expected="rotations of a body with shoulders and a neck, for graft",
            got=f"{type(representation).__name__} on {getattr(representation, 'skeleton', None)}",
            cure="Set graft to 0.",
        )
    return len(representation.limbs)


def _check_positions(representation: Representation) -> None:
    if representation.space != "positions" or representation.width % 3:
        raise UsageError(
            expected="features that are joint positions, for scale, tilt and yaw",
            got=f"{type(representation).__name__} ({representation.space})",
            cure="Set scale to (1, 1), tilt and yaw to 0.",
        )


def _wrong(name: str, expected: str, got: object) -> UsageError:
    return UsageError(
        expected=f"{expected} for {name}", got=f"{got}", cure=f"Change {name}, as --set stages.0.augment.{name}=VALUE."
    )
