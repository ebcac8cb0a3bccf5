"""What a protocol asks of a model, whatever is behind it: poses that follow poses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.batch import Query
from kinema.data.tasks import Forecast
from kinema.errors import UsageError
from kinema.motion.motion import Clip, Motion
from kinema.motion.represent import Representation, RootPositions, RotationVectors

Space = Literal["rotations", "positions"]


class Forecaster(Protocol):
    """A model that continues a pose sequence.

    `trained_on` holds the identities of the recordings that it learnt from, `spaces` what it can say. `forecast`
    takes the observed clip (batch shape (window,), at the protocol's rate and on its skeleton; a model that looks back
    less far uses the end of it) and gives the `frames` after it: poses in the frame of the root, which stands at the
    origin unturned; a `Motion` for "rotations", `Points` for "positions".
    """

    @property
    def name(self) -> str:
        """What reports call it."""
        ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Identities of its training recordings; empty for what was not trained."""
        ...

    @property
    def spaces(self) -> frozenset[Space]:
        """What it can answer in."""
        ...

    def forecast(self, past: Motion, frames: int, space: Space) -> Clip:
        """The `frames` after `past`. Raises UsageError where it cannot answer in that space."""
        ...


class Fills(Protocol):
    """The part of a model that a baseline is asked through."""

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """The whole window, unobserved frames filled in."""
        ...


@dataclass(frozen=True)
class BaselineForecaster:
    """A model without statistics as a `Forecaster`: rotation vectors, or positions, of all joints of whatever comes."""

    name: str
    model: Fills
    spaces: frozenset[Space] = frozenset({"rotations", "positions"})
    trained_on: frozenset[str] = field(default_factory=frozenset[str])

    def forecast(self, past: Motion, frames: int, space: Space) -> Clip:
        """The `frames` after `past`. Raises UsageError where the baseline does not answer in that space."""
        if space not in self.spaces:
            raise UsageError(
                expected=f"a question about {' or '.join(sorted(self.spaces))}",
                got=f"one about {space} for {self.name}",
                cure="Score it in the other space.",
            )
        representation = _all_joints(past, space)
        seen = representation.encode(past)
        window = torch.cat((seen, seen.new_zeros(seen.shape[0], frames, seen.shape[2])), 1)
        query = Forecast(past.frames, frames).query(window, representation)
        answer = self.model.predict(query, 1, torch.Generator())[0]
        return representation.decode(answer[:, past.frames :])


def _all_joints(clip: Motion, space: Space) -> Representation:
    if space == "rotations":
        return RotationVectors(clip.skeleton, clip.fps)
    return RootPositions(clip.skeleton, clip.fps, clip.skeleton.joints)
