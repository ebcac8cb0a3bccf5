"""`Adapter`: the one way to a trained model and back.

Encode a user's clip as features of the model's representation, build a `Query`, predict, and decode the result. All
verbs, protocols, streaming and export use it: only `query` builds a `Query` for prediction, and only `predict` calls
`Model.predict`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.core.query import Query, even_time
from kinema.models.base import Model
from kinema.motion.edit import resample
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17
from kinema.motion.retargeting.bone_directions import PAST
from kinema.motion.skeleton import has_joint
from kinema.protocols.inbetweening.classical import CLASSICAL
from kinema.protocols.interface import Kind, Space
from kinema.representations.base import Representation
from kinema.representations.positions import CentredPositionsConfig, RootPositionsConfig
from kinema.representations.rotations import RotationVectorsConfig

if TYPE_CHECKING:
    from kinema.recipes import Recipe, Stage

_TOGETHER = 64  # samples at a time, so that memory is bounded and Ctrl-C is answered soon


@dataclass(frozen=True, eq=False)
class KnownFrames:
    """Features of future frames, in their own units, and the confidence of each token: 1 where known, else 0."""

    values: Float[Tensor, "frame feat"]
    confidence: Float[Tensor, "frame token"]


@dataclass(frozen=True)
class Card:
    """Origin and licence of trained weights.

    `trained_on` are the identities of the training recordings, `actions` the labels in the order of `Query.action`,
    `styles` those labels that describe how an action is done. `recipe` and `stage` are None for an untrained model.
    """

    licence: str = ""
    trained_on: frozenset[str] = frozenset()
    actions: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    recipe: Recipe | None = None
    stage: Stage | None = None
    step: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, eq=False)
class Adapter:
    """A model with its representation and its card.

    `representation` is None for the baselines, which use a clip's own skeleton and rate. `observed` is the number of
    past frames that the model reads, `trained` the number it was trained to predict at once (0: any); `only` restricts
    a baseline to one space. The answer of a `symmetric` model is averaged with that to the mirrored query, mirrored
    back. `share` are pairs (seconds after the last observed frame, share of the model in a forecast): a forecast fades
    into the last observed pose as far as the model errs more than that pose. Of a model that samples, only the first
    sample fades, its most careful one; the others stay as different as they are.
    """

    name: str
    model: Model
    representation: Representation | None = None
    observed: int = 2
    trained: int = 0
    symmetric: bool = False
    only: Space | None = None
    share: tuple[tuple[float, float], ...] = ()
    card: Card = field(default_factory=Card)

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of the training recordings."""
        return self.card.trained_on

    @property
    def actions(self) -> tuple[str, ...]:
        """The labels that the model was trained with, in its order."""
        return self.card.actions

    @property
    def deterministic(self) -> bool:
        """Whether all samples are equal."""
        return self.model.deterministic

    @property
    def spaces(self) -> frozenset[Space]:
        """The spaces of a forecast: rotations, positions, or (baselines) both."""
        if self.representation is None:
            return frozenset({self.only}) if self.only else frozenset({"rotations", "positions"})
        return frozenset({"rotations" if self.representation.space == "rotations" else "positions"})

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of clips that it completes. Raises UsageError for a baseline, which only forecasts."""
        representation = self.trained_representation()
        if representation.space == "positions":
            sample = representation.decode(torch.zeros(1, representation.width)).points()
            return frozenset({"picture" if sample.positions.shape[-1] == 2 else "positions"})
        return frozenset({cast("Kind", representation.space)})

    def trained_representation(self) -> Representation:
        """The representation of a trained model. Raises UsageError for a baseline."""
        if self.representation is None or self.only is not None:
            raise UsageError(
                expected=f"a trained model, or one of {', '.join(CLASSICAL)}",
                got=f"the baseline {self.name}, which only forecasts",
                cure="Use --method auto, or --method render-in-between.",
            )
        return self.representation

    def query(
        self,
        representation: Representation,
        features: Float[Tensor, "batch frame feat"],
        confidence: Float[Tensor, "batch frame token"],
        *,
        time: Float[Tensor, "batch frame"] | None = None,
        action: Float[Tensor, "batch class"] | None = None,
        action_frames: Float[Tensor, "batch frame class"] | None = None,
    ) -> Query:
        """A query from standardised features; those of tokens with confidence 0 are hidden.

        `time` is in seconds (default: even times at the representation's rate).
        """
        batch, frames, _ = features.shape
        given = confidence[..., torch.tensor(representation.token_of_feature)] > 0
        return Query(
            observed=torch.where(given, features, 0.0),
            confidence=confidence,
            time=even_time(frames, representation.fps, batch) if time is None else time,
            valid=torch.ones(batch, frames, dtype=torch.bool),
            action=features.new_zeros(batch, 0) if action is None else action,
            action_frames=action_frames,
        )

    @torch.inference_mode()
    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Standardised features of the whole window, at most `_TOGETHER` samples at a time."""
        if self.model.training:
            self.model.eval()
        shares = [min(_TOGETHER, samples - begin) for begin in range(0, samples, _TOGETHER)]
        parts = [self.model.predict(query, share, generator) for share in shares]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def look_back(self, fps: float) -> tuple[int, int]:
        """Frames of a clip at `fps` that the model reads, and that a forecast reads.

        The second is never smaller: heading, speed and floor are estimated from the last second.
        """
        rate = self.representation.fps if self.representation else fps
        reads = (self.observed, max(self.observed, 1 + round(PAST * rate)))
        own, whole = (1 + math.ceil((frames - 1) / rate * fps - 1e-6) for frames in reads)
        return own, whole

    def recent(self, clip: Motion) -> Motion:
        """The end of a clip on its own skeleton, resampled to the model's rate, its last frame unchanged."""
        rate = self.representation.fps if self.representation else clip.fps
        frames = max(self.observed, 1 + round(PAST * rate))
        tail = clip[max(0, clip.frames - self.look_back(clip.fps)[1]) :]
        # Resampling keeps the first frame; reversed, it keeps the last.
        recent = _reversed(resample(_reversed(tail), rate))
        return recent[max(0, recent.frames - frames) :]

    def unmatched(self, clip: Motion) -> list[str]:
        """Canonical names of the joints that the model's skeleton has and the clip's lacks."""
        if self.representation is None or clip.skeleton.same_tree(self.representation.skeleton):
            return []
        body = self.representation.skeleton
        return [name for name in CANON17 if has_joint(body, name) and not has_joint(clip.skeleton, name)]

    @torch.inference_mode()
    def continued(
        self,
        representation: Representation,
        past: Clip,
        frames: int,
        samples: int,
        seed: int,
        known: KnownFrames | None = None,
    ) -> Float[Tensor, "sample *batch frame feat"]:
        """Features, in their own units, of the `frames` after `past`, some of which may be `known`."""
        features = representation.encode(past[max(0, past.frames - self.observed) :])
        views = torch.stack((features, representation.mirror(features))) if self.symmetric else features[None]
        one_pass = self.model.deterministic and known is None
        answers: list[Tensor] = []
        for part in [views] if one_pass else views.split(1):  # each view with the same random numbers
            given = representation.standardise(part.flatten(0, -3))
            answer = self.window(representation, given, frames, samples, seed, known)
            future = representation.restore(answer[:, :, given.shape[1] :])
            answers.append(future.unflatten(1, part.shape[:-2]))
        both = torch.cat(answers, 1)
        future = (both[:, 0] + representation.mirror(both[:, 1])) / 2 if self.symmetric else both[:, 0]
        if self.share and known is None:
            last, share = features[..., -1:, :], self.share_of(frames, representation.fps)[:, None]
            faded = future if self.deterministic else future[:1]
            future = torch.cat((last + share * (faded - last), future[len(faded) :]))
        return future

    def share_of(self, frames: int, fps: float) -> Float[Tensor, " frame"]:
        """The share of the model in each of the `frames` after the last observed one; 1 where none is set."""
        if not self.share:
            return torch.ones(frames)
        times, shares = zip(*self.share, strict=True)
        return torch.from_numpy(np.interp(np.arange(1, frames + 1) / fps, times, shares)).float()

    def window(
        self,
        representation: Representation,
        past: Float[Tensor, "batch past feat"],
        frames: int,
        samples: int,
        seed: int,
        known: KnownFrames | None = None,
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Standardised features of `past` (given exactly) and of the `frames` after it, some of which are `known`."""
        batch, observed, _ = past.shape
        features = torch.cat((past, past.new_zeros(batch, frames, past.shape[2])), 1)
        confidence = past.new_zeros(batch, observed + frames, representation.tokens)
        confidence[:, :observed] = 1
        if known is not None:
            features[:, observed:] = representation.standardise(known.values)
            confidence[:, observed:] = known.confidence
        query = self.query(representation, features, confidence)
        return self.predict(query, samples, torch.Generator().manual_seed(seed))

    def made(
        self,
        action: Float[Tensor, "batch class"],
        action_frames: Float[Tensor, "batch frame class"] | None,
        frames: int,
        samples: int,
        seed: int,
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Features, in their own units, of motion generated from labels alone."""
        representation = self.trained_representation()
        features = torch.zeros(len(action), frames, representation.width)
        confidence = torch.zeros(len(action), frames, representation.tokens)
        query = self.query(representation, features, confidence, action=action, action_frames=action_frames)
        return representation.restore(self.predict(query, samples, torch.Generator().manual_seed(seed)))

    def forecast(self, past: Clip, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (batch shape (window,)): poses in the frame of the root, for protocols.

        Raises UsageError if the model does not answer in that space, or for another skeleton or rate.
        """
        if space not in self.spaces:
            raise UsageError(
                expected=f"a query about {' or '.join(sorted(self.spaces))}",
                got=f"one about {space} for {self.name}",
                cure=f"Evaluate a model of {space}, or use a protocol of {' or '.join(sorted(self.spaces))}.",
            )
        representation = self.representation or own_representation(past, space)
        return representation.decode(self.continued(representation, past, frames, 1, 0)[0])

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of joint positions relative to the root, batch shape (sample, window).

        `past` has batch shape (window,), the model's rate and skeleton. Raises UsageError unless the features are
        joint positions relative to the root in the axes of the world.
        """
        representation = self.representation
        if representation is None and "positions" in self.spaces:
            representation = CentredPositionsConfig(past.fps).build(past.skeleton)
        if representation is None or representation.reference != "centred":
            raise UsageError(
                expected="a model of joint positions relative to the root (recipes with CentredPositions)",
                got=f"{self.name}, a model of {' or '.join(sorted(self.spaces))} in the frame of the root",
                cure="Evaluate smrnet here, and this model with --protocol cmu-legacy.",
            )
        return representation.decode(self.continued(representation, past, frames, samples, seed)).points()


def own_representation(clip: Clip, space: Space) -> Representation:
    """The representation of a baseline: the clip's own skeleton and rate."""
    config = RotationVectorsConfig(clip.fps) if space == "rotations" else RootPositionsConfig(clip.fps)
    return config.build(clip.skeleton)


def _reversed(clip: Motion) -> Motion:
    return clip.map(lambda values, axis: values.flip(axis))
