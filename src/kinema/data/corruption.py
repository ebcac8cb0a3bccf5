"""Corruptions of what is observed, as detectors, markers and manual keying make them, with their confidences.

Each takes one window of standardised features and reads only what is observed in it: frames that a model must predict
have no effect on what it is given. Everything random comes from the generator argument.
Axes: T frame, F feature, J token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.representations.base import Representation


@dataclass(frozen=True)
class Corruption:
    """How strong and how frequent each kind is.

    Every window has noise of its own deviation, from a quarter of `noise` to `noise` (standardised features; `place`
    times that for positions); it differs by token and is correlated in time. Confidence falls with the deviation of a
    token and with the error of an observation, by factors that differ by window; `calibration` is the error of the
    confidence, and in a share `unrated` of the windows it is 0.5 throughout. A token with a position and a rotation has
    independent noise in each, and the confidence of the rotation. The others are the probability that a window has such
    a fault: `misses` (errors of up to `far` that last), `occlusion` (spans of a few tokens missing), `swap` (left and
    right exchanged), `freeze` (a value repeated), `oversmooth`, `drift` (slowly growing). Raises UsageError where one
    is negative.
    """

    FORMER_KEYS: ClassVar[dict[str, str]] = {"untold": "unrated"}
    noise: float = 0.06
    place: float = 0.6
    calibration: float = 0.1
    unrated: float = 0.15
    misses: float = 0.7
    far: float = 0.4
    occlusion: float = 0.2
    swap: float = 0.03
    freeze: float = 0.05
    oversmooth: float = 0.05
    drift: float = 0.08

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value >= 0:
                raise UsageError(
                    expected=f"corruption.{name} of 0 or more",
                    got=f"{value}",
                    cure=f"Give corruption.{name} 0 (off) or more in the recipe.",
                )

    def apply(
        self,
        window: Float[Tensor, "T F"],
        known: Bool[Tensor, "T J"],
        representation: Representation,
        generator: torch.Generator,
    ) -> tuple[Float[Tensor, "T F"], Float[Tensor, "T J"]]:
        """A window of which `known` is observed -> the corrupted observations and their confidence (0 where unknown).

        Observations are poses, as a detector's are. What is not known is zero in the result, and is not read.
        """
        draw, owner = _Draw(generator), torch.tensor(representation.token_of_feature)
        frames = known.any(1).nonzero()[:, 0]
        full_observed, full_confidence = torch.zeros_like(window), torch.zeros(known.shape)
        if len(frames):
            shown = known[frames]
            observed = torch.where(shown[:, owner], window[frames], 0.0)
            observed, confidence = self._corrupted(observed, frames, shown[:, owner], representation, draw)
            if draw.happens(self.occlusion):
                shown = shown & ~_occluded(shown, draw)
            given = self._given(confidence, draw) * shown
            full_observed[frames] = torch.where((given > 0)[:, owner], observed, 0.0)
            full_confidence[frames] = given
        return full_observed, full_confidence

    def _corrupted(
        self,
        observed: Float[Tensor, "known F"],
        frames: Int64[Tensor, " known"],
        shown: Bool[Tensor, "known F"],
        representation: Representation,
        draw: _Draw,
    ) -> tuple[Float[Tensor, "known F"], Float[Tensor, "known J"]]:
        generator, disturbed = draw.generator, representation.disturbed
        source, tokens = torch.tensor(representation.source_of_feature), representation.tokens
        grain = torch.where(torch.tensor(representation.is_length), self.place, 1.0)
        own = torch.randn(int(source.max()) + 1, generator=generator)
        deviation = self.noise * 4 ** -draw.uniform() * torch.exp(0.4 * own)
        correlated = _correlated((int(frames[-1]) + 1, len(source)), 0.4 + 0.5 * draw.uniform(), generator)[frames]
        noise = grain * deviation[source] * correlated
        noise = torch.where(shown, disturbed(observed, noise) - observed, noise)
        confidence = _confidence(noise / grain, deviation, source, draw)[:, :tokens]
        observed = observed + noise
        if draw.happens(self.drift):
            ramp = torch.linspace(0, 1, len(observed))[:, None] * draw.uniform()
            observed = disturbed(
                observed, ramp * self.noise * grain * torch.randn(observed.shape[1], generator=generator)
            )
        if draw.happens(self.oversmooth):
            smooth = _smoothed(observed, shown, 0.5 + 2 * draw.uniform())
            observed = disturbed(smooth, torch.zeros_like(smooth))
        observed, confidence = self._spans(observed, confidence, representation, draw)
        if draw.happens(self.misses):
            off, hit = _misses(frames, source, self.far * 4 ** -draw.uniform(), draw)
            noticed = torch.rand(confidence.shape, generator=generator) < 1 - 0.5 * draw.uniform() ** 2
            observed = disturbed(observed, grain * off)
            confidence = torch.where(hit[:, :tokens] & noticed, 0.2 * confidence, confidence)
        return observed, confidence

    def _given(self, confidence: Float[Tensor, "T J"], draw: _Draw) -> Float[Tensor, "T J"]:
        error = self.calibration * torch.randn(confidence.shape, generator=draw.generator)
        if draw.happens(self.unrated):
            return torch.full_like(confidence, 0.5)
        return (confidence + error).clamp(0.02, 0.98)

    def _spans(
        self, observed: Tensor, confidence: Tensor, representation: Representation, draw: _Draw
    ) -> tuple[Tensor, Tensor]:
        """Faults that last: exchanged sides and frozen values. Half of them do not lower the confidence."""
        if draw.happens(self.swap):
            span = draw.span(len(observed))
            owner = torch.tensor(representation.token_of_feature)
            swapped = observed[:, swapped_features(owner, representation.partners)]
            observed = torch.where(span[:, None], swapped, observed)
            confidence = torch.where(span[:, None] & draw.happens(0.5), 0.6 * confidence, confidence)
        if draw.happens(self.freeze):
            span = draw.span(len(observed))
            start = int(span.nonzero()[0])
            observed = torch.where(span[:, None], observed[start], observed)
            confidence = torch.where(span[:, None] & draw.happens(0.5), 0.6 * confidence, confidence)
        return observed, confidence


_POOR = 0.05  # a deviation of which detectors are not sure

# Tokens of `motion.represent_picture.JOINTS19`: elbows, wrists, knees, ankles, toes, hands; the nose; the legs' sides.
_LIMBS = (3, 4, 6, 7, 9, 10, 12, 13, 14, 15, 16, 17)
_NOSE = 0
_RIGHT_LEG, _LEFT_LEG = (8, 9, 10, 15), (11, 12, 13, 14)


@dataclass(frozen=True)
class ReleasedCorruption:
    """Render-In-Between's own (its released training code): faults of whole key frames, without lower confidence.

    For the nineteen tokens of `PictureKeypoints`, in picture units. Noise: 5 limb joints in each of `noise_keys` key
    frames move by u[0, 1) times `strength`, right and down only. Drop: 3 joints of the limbs or the nose in each of
    `drop_keys` key frames are set to the origin, the clip's mean pelvis. Flip: the legs, hips included, are exchanged
    in `flip_keys` key frames. Neck, shoulders and root stay. Counts are limited to the number of keys.
    """

    strength: float = 0.5
    noise_keys: int = 15
    drop_keys: int = 15
    flip_keys: int = 8

    def apply(
        self, window: Float[Tensor, "T F"], known: Bool[Tensor, "T J"], generator: torch.Generator
    ) -> tuple[Float[Tensor, "T F"], Float[Tensor, "T J"]]:
        """As `Corruption.apply`, of features that are not standardised; confidence is 0.5 for every key.

        Raises UsageError for another layout.
        """
        if window.shape[1] != 38 or known.shape[1] != 19:
            raise UsageError(
                expected="the nineteen keypoints of a picture, 38 features",
                got=f"{known.shape[1]} tokens, {window.shape[1]} features",
                cure="Use the corruption that knows every layout: `Corruption`, of the task Keys.",
            )
        keys = known.any(1).nonzero()[:, 0]
        positions = window[keys].unflatten(-1, (19, 2)).clone()

        def some(pool: Sequence[int], count: int) -> Tensor:
            return torch.tensor(pool)[torch.randperm(len(pool), generator=generator)[:count]]

        rows = range(len(keys))
        at = (some(rows, self.noise_keys)[:, None], some(_LIMBS, 5))
        added = self.strength * torch.rand(*torch.broadcast_shapes(at[0].shape, at[1].shape), 2, generator=generator)
        positions[at] += added * added.new_tensor([1.0, -1.0])  # y points down in the released pictures
        at = (some(rows, self.drop_keys)[:, None], some((_NOSE, *_LIMBS), 3))
        positions[at] = -positions[at[0], 18]  # joints are relative to the middle of the hips
        flipped, legs = some(rows, self.flip_keys)[:, None], torch.tensor((*_RIGHT_LEG, *_LEFT_LEG))
        positions[flipped, legs] = positions[flipped, torch.tensor((*_LEFT_LEG, *_RIGHT_LEG))]
        observed = torch.zeros_like(window)
        observed[keys] = positions.flatten(-2)
        return observed, 0.5 * known.float()


def swapped_features(owner: Int64[Tensor, " F"], partners: tuple[int, ...]) -> Int64[Tensor, " F"]:
    """For each feature its counterpart on the body's other side (itself where there is none)."""
    features = [(owner == token).nonzero()[:, 0] for token in range(len(partners))]
    swapped = torch.arange(len(owner))
    for token, other in enumerate(partners):
        if len(features[token]) == len(features[other]):
            swapped[features[token]] = features[other]
    return swapped


@dataclass(frozen=True, eq=False)
class _Draw:
    generator: torch.Generator

    def uniform(self) -> float:
        return float(torch.rand((), generator=self.generator))

    def happens(self, probability: float) -> bool:
        return self.uniform() < probability

    def span(self, frames: int) -> Bool[Tensor, " T"]:
        """Up to a third of the frames, in one piece."""
        length = 1 + int(self.uniform() * max(1, frames / 3))
        start = int(self.uniform() * max(1, frames - length + 1))
        place = torch.arange(frames)
        return (place >= start) & (place < start + length)


def _correlated(shape: tuple[int, int], keep: float, generator: torch.Generator) -> Tensor:
    """AR(1) noise over time, of deviation one; `keep` is the correlation of one frame with the next."""
    fresh = torch.randn(shape, generator=generator)
    lags = torch.arange(shape[0])
    apart = (lags[:, None] - lags).clamp(min=0)
    weight = torch.where(lags[:, None] >= lags, keep ** apart.float(), 0.0)
    # The first value has the deviation of the whole past.
    return weight @ torch.cat((fresh[:1], (1 - keep**2) ** 0.5 * fresh[1:]))


def _confidence(
    noise: Float[Tensor, "T F"], deviation: Float[Tensor, " J"], owner: Int64[Tensor, " F"], draw: _Draw
) -> Float[Tensor, "T J"]:
    """Confidence before calibration errors; how much token and observation count differs by window."""
    square = torch.zeros(len(noise), len(deviation)).index_add_(1, owner, noise.square())
    count = torch.zeros(len(deviation)).index_add_(0, owner, torch.ones(len(owner))).clamp(min=1)
    off = (square / count).sqrt() / deviation.clamp(min=1e-12)
    return torch.exp(-(0.2 + 0.4 * draw.uniform()) * off - 0.5 * draw.uniform() * deviation / _POOR).clamp(0.02, 0.98)


def _smoothed(observed: Tensor, shown: Tensor, width: float) -> Tensor:
    place = torch.arange(len(observed), dtype=observed.dtype)
    kernel = torch.exp(-0.5 * ((place[:, None] - place) / width).square())
    return (kernel @ torch.where(shown, observed, 0.0)) / (kernel @ shown.to(observed)).clamp(min=1e-6)


def _misses(
    frames: Int64[Tensor, " known"], source: Int64[Tensor, " F"], far: float, draw: _Draw
) -> tuple[Float[Tensor, "known F"], Bool[Tensor, "known G"]]:
    """Large errors, each of up to half a second, and which groups of features have one."""
    generator, chance, groups = draw.generator, 0.01 * draw.uniform(), int(source.max()) + 1
    length = int(torch.randint(2, 17, (), generator=generator))
    place = torch.arange(int(frames[-1]) + 1)
    begins = (torch.rand(len(place), groups, generator=generator) < chance).float()
    after = place[:, None] - place  # a fault lasts `length` frames from where it begins
    lasts = ((after >= 0) & (after < length)).float()
    # Two faults at once add up, which is as good as another one.
    off = begins[:, source] * far * torch.randn(len(place), len(source), generator=generator)
    return (lasts @ off)[frames], ((lasts @ begins) > 0)[frames]


def _occluded(shown: Tensor, draw: _Draw) -> Tensor:
    """Spans in which a few neighbouring tokens are missing."""
    frames, tokens = shown.shape
    hidden = torch.zeros_like(shown)
    for _ in range(1 + int(3 * draw.uniform())):
        first = int(draw.uniform() * tokens)
        span = draw.span(frames)
        hidden[:, first : first + 1 + int(3 * draw.uniform())] |= span[:, None]
    return hidden
