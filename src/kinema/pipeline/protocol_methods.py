"""The members of a pipeline that protocols use (`kinema.protocols.interface.Evaluated`): many windows at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.models.posegpt.tokenizer import PoseTokens
from kinema.motion.interpolation import even_times, interpolate
from kinema.motion.motion import AnyClip, Clip, Points, stack
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.completion.complete import softened, under_model
from kinema.pipeline.completion.evidence import Evidence
from kinema.pipeline.completion.infilling import infill
from kinema.pipeline.generation import CHUNK
from kinema.protocols.inbetweening.classical import CLASSICAL
from kinema.protocols.interface import Data, Kind, Space


@dataclass(frozen=True, eq=False)
class ProtocolMethods:
    """The members of `Pipeline` that protocols use (see `Evaluated`). `adapter` is None for a classical curve."""

    name: str
    adapter: Adapter | None = None

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of the training recordings; empty for an untrained method."""
        return self.adapter.trained_on if self.adapter else frozenset()

    @property
    def actions(self) -> tuple[str, ...]:
        """The action labels of the model; empty if it does not generate."""
        return self.adapter.actions if self.adapter else ()

    @property
    def deterministic(self) -> bool:
        """True if all samples are equal."""
        return self.adapter is None or self.adapter.deterministic

    @property
    def spaces(self) -> frozenset[Space]:
        """The spaces of its forecasts; empty for a curve, which does not forecast."""
        return self.adapter.spaces if self.adapter else frozenset()

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of clips that it completes; empty for a baseline, which only forecasts."""
        if self._curve:
            return CLASSICAL[self.name].kinds
        return self.adapter.kinds if self.adapter and self.adapter.representation else frozenset()

    @property
    def fps(self) -> float:
        """The rate of the model; 0 for a baseline or a curve, which use the rate of a clip."""
        return self.adapter.representation.fps if self.adapter and self.adapter.representation else 0.0

    @property
    def _curve(self) -> bool:
        """True if it completes by a curve: `adapter` is None, or the baseline that forecasts by that curve."""
        return self.name in CLASSICAL and (self.adapter is None or self.adapter.representation is None)

    def trained(self) -> Adapter:
        """The adapter. Raises UsageError for a classical curve, which has no model."""
        if self.adapter is None:
            raise UsageError(
                expected="a model",
                got=f"the curve {self.name}",
                cure="Use simlpe-cmu, or another model that `kinema models` lists.",
            )
        return self.adapter

    def forecast_windows(self, past: Clip, frames: int, space: Space) -> Clip:
        """The `frames` after `past` (batch shape (window,)): see `Evaluated`."""
        return self.trained().forecast(past, frames, space)

    def sample(self, past: Points, frames: int, samples: int, seed: int) -> Points:
        """`samples` futures of `past` (batch shape (window,)): see `Evaluated`."""
        return self.trained().sample(past, frames, samples, seed)

    def complete(
        self,
        clip: AnyClip,
        known: Bool[Tensor, " frame"] | Bool[Tensor, "frame joint"],
        confidence: Float[Tensor, "*batch frame joint"] | None = None,
    ) -> AnyClip:
        """Fill clips (batch shape (window,)) from their `known` frames: see `Evaluated`.

        Each window has the answer that `completion.complete` gives for it alone.
        """
        if self._curve:
            return CLASSICAL[self.name].complete(clip, known, confidence)
        table = known if known.ndim == 2 else known[:, None].expand(-1, len(clip.skeleton))
        clock = even_times(clip.frames, clip.fps)
        evidence = Evidence(clip, table, clock, confidence)
        base = clip if confidence is None else _softened(evidence)
        curve = interpolate(base, table, clock, times=clock, method=under_model(evidence))
        answer, _ = infill(self.trained(), curve, evidence, clock, seed=0, samples=1)
        return cast("AnyClip", answer)

    def make(self, labels: Float[Tensor, "clip class"], frames: int, seed: int) -> Clip:
        """One clip for every row of label weights, batch shape (clip,), on the model's own skeleton."""
        adapter = self.trained()
        parts = [
            adapter.made(some, None, frames, 1, seed * 100_003 + place)[0]
            for place, some in enumerate(labels.split(CHUNK))
        ]
        return adapter.trained_representation().decode(torch.cat(parts))

    def as_represented(self, clip: Clip) -> Clip:
        """A recording encoded and decoded by the representation: the model's skeleton and rate."""
        representation = self.trained().trained_representation()
        return representation.decode(representation.encode(representation.read(clip)))

    def source(self, data: Data) -> Source:
        """Its training recordings in the folder `data`. Raises UsageError if it has none."""
        recipe = self.trained().card.recipe
        if recipe is None:
            raise UsageError(
                expected="a model with a recipe, which names its training recordings",
                got=self.name,
                cure="Use posegpt, or another model that `kinema models` lists.",
            )
        return recipe.source if data is None else recipe.source.rooted(str(data))

    @property
    def code_count(self) -> tuple[int, int]:
        """The number of code books, and of codes in each; (0, 0) without a tokeniser."""
        return (self._tokeniser.books, self._tokeniser.codes) if self._tokeniser else (0, 0)

    @property
    def _tokeniser(self) -> PoseTokens | None:
        model = self.adapter.model if self.adapter else None
        found = getattr(model, "tokeniser", model)
        return found if isinstance(found, PoseTokens) else None

    def cut(self, clip: Clip, frames: int) -> Float[Tensor, "window frame feat"]:
        """Standardised features of consecutive windows of a recording; the remainder is dropped."""
        representation = self.trained().trained_representation()
        features = representation.standardise(representation.encode(representation.read(clip)))
        count = len(features) // frames
        return features[: count * frames].unflatten(0, (count, frames))

    def joint_positions(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame joint 3"]:
        """Joint positions, metres, of standardised features."""
        representation = self.trained().trained_representation()
        return representation.decode(representation.restore(features)).points().positions

    @torch.inference_mode()
    def coded(
        self, features: Float[Tensor, "window frame feat"]
    ) -> tuple[Int[Tensor, "window token book"], Float[Tensor, "window frame feat"]]:
        """Codes of standardised features, and the features decoded from them."""
        tokeniser = self._tokeniser
        if tokeniser is None:
            raise UsageError(
                expected="a model with codes of motion", got=self.name, cure='Use posegpt: kn.open("posegpt").'
            )
        self.trained().model.eval()
        codes = tokeniser.encode(features, torch.ones(features.shape[:2], dtype=torch.bool))
        return codes, tokeniser.decode(codes)[:, : features.shape[1]]

    def continued(
        self, past: Float[Tensor, "window past feat"], frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample window frame feat"]:
        """Standardised features of the past and the `frames` after it, without a label."""
        adapter = self.trained()
        return adapter.window(adapter.trained_representation(), past, frames, samples, seed)


def _softened(evidence: Evidence) -> Clip:
    """Each window smoothed by its own confidence."""
    clip, confidence = evidence.clip, evidence.confidence
    assert confidence is not None
    parts = [
        softened(Evidence(clip.one(i), evidence.known, evidence.clock, confidence[i])) for i in range(len(confidence))
    ]
    return stack(parts)
