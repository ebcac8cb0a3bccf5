"""ActionGAN's walk, taught before it is judged: real motion is read, and the walk learns to make it again.

A critic tells a walk that it is wrong, and little of what would be right. So the walk is first half of a variational
autoencoder: a reader says the first frame's noise of a clip, and the walk from there must give its poses and steps.
The second stage (`models.action_gan`) goes on from this walk.

Legend: B batch, T frame, L latent, A actions, D pose dimensions, N noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.action_gan.labels import action_by_frame
from kinema.models.action_gan.latent_walk import LatentWalk, PoseDecoder, Walk
from kinema.models.action_gan.walk_autoencoder import NoiseEncoder, encode, pose_decoder, walked
from kinema.models.base import FeatureShape, Model


class TaughtWalk(Model):
    """The walk, its teacher, and the autoencoder of the stage named "pose", which stays as it is."""

    deterministic = False
    continues = False
    phases = ("maker",)

    @dataclass(frozen=True)
    class Config:
        """`walk` and `start`: see `nn.latent_walk.LatentWalk`; `motion`, `prior` and `lively`: see
        `nn.walk_teacher.Teacher`, of which `reader` is the width. Where a stage of this kind stands before this one,
        its walk and teacher go on, as that stage has them."""

        noise: int = 64
        hidden: int = 256
        walk: Walk = "aware"
        start: Literal["even", "learnt"] = "learnt"
        reader: int = 128
        motion: float = 10.0
        prior: float = 5e-3
        lively: float = 0.0

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> TaughtWalk:
            """The model upon an autoencoder of poses. Raises UsageError where there is none, or of another body."""
            pose = earlier.get("pose")
            encoder = getattr(pose, "encoder", None)
            decoder = pose_decoder(shape.width, pose)
            if not isinstance(encoder, nn.Module):
                raise UsageError(
                    expected="an autoencoder in stage 'pose', since the walk is taught by encoded motion",
                    got="a decoder alone",
                    cure="Set its learning to autoencoder, or leave this stage out.",
                )
            return TaughtWalk(self, shape, decoder, encoder, last_walk(earlier))

        def build(self, shape: FeatureShape) -> TaughtWalk:
            """Raises UsageError: there must be an autoencoder of poses (`build_on`)."""
            return self.build_on(shape, {})

        def tiny(self) -> TaughtWalk.Config:
            """A few units, for tests."""
            return replace(self, noise=max(8, self.noise // 4), hidden=16, reader=8)

    def __init__(
        self,
        config: Config,
        shape: FeatureShape,
        decoder: PoseDecoder,
        encoder: nn.Module,
        begun: TaughtWalk | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.decoder, self.encoder = decoder.requires_grad_(False), encoder.requires_grad_(False)
        if begun:
            self.maker, self.teacher = begun.maker, begun.teacher
            return
        sizes = (decoder.latent, shape.classes, config.noise, config.hidden)
        self.maker = LatentWalk(*sizes, walk=config.walk, start=config.start, biases=2)
        weights = {"motion": config.motion, "prior": config.prior}
        self.teacher = NoiseEncoder(decoder.latent, shape.classes, config.noise, config.reader, **weights)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The walk's and its teacher's."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """How badly motion is made again: see `Teacher.loss`."""
        action = action_by_frame(batch.query)
        z = encode(self.encoder, batch.target, action)
        return self.teacher.loss(self.maker, self.decoder, z, batch.target, action, self.config.lively)

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Motion of the query's action, of any length."""
        return walked(self.maker, self.decoder, query, samples, generator)


def last_walk(earlier: Mapping[str, Model]) -> TaughtWalk | None:
    """The walk as the last of these stages that teach one left it."""
    return next((model for model in reversed([*earlier.values()]) if isinstance(model, TaughtWalk)), None)
