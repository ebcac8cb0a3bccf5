"""ActionGAN's first stage: a decoder from a small latent box to poses, without regard to time (Yu et al., AAAI 2020).

The decoder is the generator of a Wasserstein GAN with gradient penalty (the paper), or the second half of an
autoencoder, whose encoder the second stage (`models.action_gan.model`) then uses to compare real motion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.query import Batch, Query
from kinema.models.action_gan.latent_walk import Norm, PoseDecoder, action_by_frame, keep_known, small_linear
from kinema.models.base import FeatureShape, Model, Samples
from kinema.nn.adversarial import gradient_penalty
from kinema.nn.noise import row_noise


class PoseGAN(Model):
    """The first stage. It answers a query with an independent pose for every frame."""

    deterministic = False
    continues = False
    phases = ("critic", "generator")
    former_names: ClassVar[Mapping[str, str]] = {"maker": "generator"}

    @dataclass(frozen=True)
    class Config:
        """Sizes are the paper's.

        `learning` is "adversarial" (the paper's: Wasserstein, with the gradient penalty weighted by `penalty`) or
        "autoencoder". The latter adds noise of deviation `blur` to latents, so that neighbours in the box are
        neighbours among poses; `motion` weights the error of steps against that of poses. `norm` is "layer" or "batch"
        (released: its statistics differ between training of the second stage and sampling). `depth` adds layers to the
        decoder.
        """

        latent: int = 12
        hidden: int = 1024
        depth: int = 1
        norm: Norm = "layer"
        learning: Literal["adversarial", "autoencoder"] = "adversarial"
        penalty: float = 10.0
        motion: float = 10.0
        blur: float = 0.1

        def build(self, shape: FeatureShape) -> PoseGAN:
            """The model for features of this width."""
            return PoseGAN(self, shape)

        def tiny(self) -> PoseGAN.Config:
            """A few units, for tests."""
            return replace(self, hidden=16)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        self.decoder = PoseDecoder(config.latent, shape.classes, config.hidden, shape.width, config.norm, config.depth)
        known, hidden = shape.width + shape.classes, config.hidden
        if config.learning == "adversarial":
            self.critic = nn.Sequential(small_linear(known, hidden), nn.ReLU(), small_linear(hidden, 1))
        else:
            self.phases = ("generator",)
            self.encoder = nn.Sequential(
                nn.Linear(known, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
                nn.Linear(hidden, config.latent),
            )  # fmt: skip

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The critic's in "critic"; the decoder's (and the encoder's) in "generator"."""
        own = set(self.critic.parameters()) if self.config.learning == "adversarial" else set[nn.Parameter]()
        return (parameter for parameter in self.parameters() if (parameter in own) == (phase == "critic"))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """E D(fake) - E D(real) + penalty for the critic, -E D(fake) for the generator; or the autoencoder's error.

        z is drawn anew each time (the released code gives the critic one batch and one z five times).
        """
        action = action_by_frame(batch.query)
        if self.config.learning == "autoencoder":
            return self._reconstruction(batch.target, action)
        frames, action = batch.target.flatten(0, 1), action.flatten(0, 1)
        z = torch.rand(len(frames), self.config.latent, device=frames.device) * 2 - 1
        with torch.set_grad_enabled(phase == "generator" and torch.is_grad_enabled()):
            fake = self.decoder(z, action)
        if phase == "generator":
            return {"loss": -self._scores(fake, action).mean()}
        distance = self._scores(frames, action).mean() - self._scores(fake, action).mean()
        penalty = gradient_penalty(lambda x: self._scores(x, action), frames, fake)
        return {"loss": self.config.penalty * penalty - distance, "distance": distance.detach()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """A pose for every frame, from z uniform in the box; frames that are known exactly come back."""
        noise = row_noise(generator, samples, len(query), query.observed.shape[1], self.config.latent)
        action = action_by_frame(query).expand(samples, -1, -1, -1)
        return keep_known(query, self.decoder(torch.erf(noise.to(query.observed) / 2**0.5), action))

    def _scores(self, frames: Float[Tensor, "B D"], action: Float[Tensor, "B A"]) -> Float[Tensor, " B"]:
        return self.critic(torch.cat((frames, action), -1)).squeeze(-1)

    def _reconstruction(self, frames: Float[Tensor, "B T D"], action: Float[Tensor, "B T A"]) -> dict[str, Tensor]:
        """One blur per window, so that it does not add jitter."""
        z = torch.tanh(self.encoder(torch.cat((frames, action), -1)))
        blurred = (z + self.config.blur * torch.randn_like(z[:, :1])).clamp(-1, 1) if self.training else z
        error = self.decoder(blurred, action) - frames
        pose, step = error.square().mean(), error.diff(dim=1).square().sum() / max(1, error[:, 1:].numel())
        return {
            "loss": pose + self.config.motion * step,
            "pose": pose.detach(),
            "step": step.detach(),
            "spread": z.detach().flatten(0, 1).std(0).mean(),
        }
