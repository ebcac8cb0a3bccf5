"""`Adapter`: the one way to a trained model and back.

A user's clip becomes features of the model's representation, features become a `Query`, the model predicts, and the
features come back on the user's skeleton. Every verb, the protocols, streaming and export ask a model through it:
`query` is the only place that builds a `Query` for a prediction, and `predict` the only one that asks the model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

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
from kinema.representations.positions import RootPositionsConfig
from kinema.representations.rotations import RotationVectorsConfig

if TYPE_CHECKING:
    from kinema.pipeline.forecast_constraints import KnownFrames
    from kinema.recipes import Recipe, Stage


@dataclass(frozen=True)
class Card:
    """What is known of trained weights: where they come from and what may be done with them.

    `trained_on` are the identities of the recordings that training drew from, `actions` the labels in the order of
    `Query.action`, `styles` those of them that say how and not what. `recipe`, `stage` and `step` are None and 0 for
    what was never trained.
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

    `representation` is None for the baselines, which take a clip's own skeleton and rate. `observed` is how many frames
    the model looks back, `trained` how many it was trained to predict at once (0: any number); `only` is set for a
    baseline that answers in one space. A `symmetric` model's answer is averaged with the mirror image of its answer to
    the mirrored query.
    """

    name: str
    model: Model
    representation: Representation | None = None
    observed: int = 2
    trained: int = 0
    symmetric: bool = False
    only: Space | None = None
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
        """Whether all samples of the model are the same."""
        return self.model.deterministic

    @property
    def spaces(self) -> frozenset[Space]:
        """What a forecast can be made of: rotations, positions, or (baselines) either."""
        if self.representation is None:
            return frozenset({self.only}) if self.only else frozenset({"rotations", "positions"})
        return frozenset({"rotations" if self.representation.space == "rotations" else "positions"})

    @property
    def kinds(self) -> frozenset[Kind]:
        """What a completed clip can be made of. Raises UsageError for a baseline, which only forecasts."""
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
                cure="Name one of those, or a model that `kinema models` lists.",
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
        """A query from standardised features: a feature is given where the confidence of its token is above 0.

        `time` is in seconds (default: even at the representation's rate).
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
        """Standardised features of the whole window."""
        if self.model.training:  # asking is cheaper than telling every module
            self.model.eval()
        return self.model.predict(query, samples, generator)

    def look_back(self, fps: float) -> tuple[int, int]:
        """How many frames of a clip at `fps` the model reads, and how many a forecast looks at.

        The second is never smaller: heading, speed and floor are read off the last second.
        """
        rate = self.representation.fps if self.representation else fps
        reads = (self.observed, max(self.observed, 1 + round(PAST * rate)))
        own, whole = (1 + math.ceil((frames - 1) / rate * fps - 1e-6) for frames in reads)
        return own, whole

    def recent(self, clip: Motion) -> Motion:
        """The end of a clip at the model's rate, on the clip's skeleton, ending exactly at the clip's last frame."""
        rate = self.representation.fps if self.representation else clip.fps
        frames = max(self.observed, 1 + round(PAST * rate))
        tail = clip[max(0, clip.frames - self.look_back(clip.fps)[1]) :]
        # Resampling counts from the first frame on; reversed, it counts from the last.
        recent = _reversed(resample(_reversed(tail), rate))
        return recent[max(0, recent.frames - frames) :]

    def unmatched(self, clip: Motion) -> list[str]:
        """Canonical names of the joints that the model's skeleton has and the clip's lacks."""
        if self.representation is None or clip.skeleton.same_tree(self.representation.skeleton):
            return []
        body = self.representation.skeleton
        return [name for name in CANON17 if has_joint(body, name) and not has_joint(clip.skeleton, name)]

    def ahead(self, own: Motion, frames: int, samples: int, seed: int, known: KnownFrames | None = None) -> Motion:
        """The frames after `own` (at the model's rate), on its skeleton and where it stands; batch shape (samples,)."""
        representation = self.representation or own_representation(own, "rotations")
        past = cast("Motion", representation.read(own))
        features = self.continued(representation, past, frames, samples, seed, known)
        return representation.place(features, own, past)

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
        """Features, in their own units, of the frames after `past`, of which some may be `known`."""
        observed = representation.encode(past[-self.observed :] if past.frames > self.observed else past)
        if not self.symmetric:
            return self.after(representation, observed, frames, samples, seed, known)
        both = torch.stack((observed, representation.mirror(observed)))
        if self.model.deterministic and known is None:  # in one pass
            future = self.after(representation, both.flatten(0, -3), frames, samples, seed)
            one, other = future.unflatten(1, both.shape[:-2]).unbind(1)
        else:
            one = self.after(representation, observed, frames, samples, seed, known)
            other = self.after(representation, both[1], frames, samples, seed)
        return (one + representation.mirror(other)) / 2

    def after(
        self,
        representation: Representation,
        observed: Float[Tensor, "*batch past feat"],
        frames: int,
        samples: int,
        seed: int,
        known: KnownFrames | None = None,
    ) -> Float[Tensor, "sample *batch frame feat"]:
        """Features, in their own units, of the frames after `seen` (own units), of which some may be `known`."""
        single = observed.ndim == 2
        past = representation.standardise(observed[None] if single else observed)
        answer = self.window(representation, past, frames, samples, seed, known)
        future = representation.restore(answer[:, :, past.shape[1] :])
        return future[:, 0] if single else future

    def window(
        self,
        representation: Representation,
        past: Float[Tensor, "batch past feat"],
        frames: int,
        samples: int,
        seed: int,
        known: KnownFrames | None = None,
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Standardised features of the past and of the `frames` after it; the past is given exactly."""
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
        """Features, in their own units, of motion that is made from labels alone."""
        representation = self.trained_representation()
        features = torch.zeros(len(action), frames, representation.width)
        confidence = torch.zeros(len(action), frames, representation.tokens)
        query = self.query(representation, features, confidence, action=action, action_frames=action_frames)
        return representation.restore(self.predict(query, samples, torch.Generator().manual_seed(seed)))

    def forecast(self, past: Clip, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (batch shape (window,)): poses in the root's frame, as a protocol asks for them.

        Raises UsageError where the model cannot answer in that space, or the clip is of another skeleton or rate.
        """
        if space not in self.spaces:
            raise UsageError(
                expected=f"a query about {' or '.join(sorted(self.spaces))}",
                got=f"one about {space} for {self.name}",
                cure=f"Evaluate a model of {space}, or use a protocol of {' or '.join(sorted(self.spaces))}.",
            )
        representation = self.representation or own_representation(past, space)
        return representation.decode(self.continued(representation, past, frames, 1, 0)[0])

    @torch.inference_mode()
    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of joint positions, batch shape (sample, window), as a stochastic protocol asks for them.

        `past` has batch shape (window,), the model's rate and skeleton. Raises UsageError where the model's features
        are not positions relative to the root in the world's axes.
        """
        representation = self.representation
        if representation is None and "positions" in self.spaces:
            # Its own frames, whatever the skeleton: the representation only says what belongs to which joint.
            own = RootPositionsConfig(past.fps).build(past.skeleton)
            observed = (past.positions - past.positions[..., :1, :])[:, -self.observed :].flatten(-2)
            found = self.after(own, observed, frames, samples, seed)
            return Points(past.skeleton, found.unflatten(-1, (-1, 3)), past.fps)
        if representation is None or representation.reference != "centred":
            raise UsageError(
                expected="a model of joint positions relative to the root (recipes with CentredPositions)",
                got=f"{self.name}, a model of {' or '.join(sorted(self.spaces))} in the frame of the root",
                cure="Evaluate it by a protocol of its own kind, or train a recipe made for this one.",
            )
        observed = representation.encode(past[max(0, past.frames - self.observed) :])
        return representation.decode(self.after(representation, observed, frames, samples, seed)).points()


def own_representation(clip: Clip, space: Space) -> Representation:
    """The representation of a baseline: the clip's own skeleton and rate."""
    config = RotationVectorsConfig(clip.fps) if space == "rotations" else RootPositionsConfig(clip.fps)
    return config.build(clip.skeleton)


def _reversed(clip: Motion) -> Motion:
    return clip.map(lambda values, axis: values.flip(axis))
