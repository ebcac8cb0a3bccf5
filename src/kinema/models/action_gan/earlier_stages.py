"""The stages of ActionGAN before the last: a decoder of poses, and a walk trained on real motion.

`PoseGAN` learns a decoder from a small latent box to poses, without regard to time (Yu et al., AAAI 2020). It is the
generator of a Wasserstein GAN with gradient penalty (the paper), or the second half of an autoencoder, whose encoder
the last stage (`models.action_gan.model`) then uses to compare real motion.

`PretrainedWalk` (the paper has no such stage): a discriminator gives a walk little information about what would be
right, so the walk is first the decoder of a variational autoencoder. An encoder gives the first frame's noise of a
clip, and the walk from there must reproduce its poses and steps. The last stage continues from this walk.

Legend: B batch, T frame, L latent, A actions, D pose dimensions, N noise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.action_gan.latent_walk import (
    LatentWalk,
    Norm,
    PoseDecoder,
    Walk,
    action_by_frame,
    keep_known,
    small_linear,
    trailing_mean,
)
from kinema.models.base import FeatureShape, Model, Samples
from kinema.nn.adversarial import gradient_penalty
from kinema.nn.noise import row_noise

_LOG_VARIANCE = (-6.0, 2.0)  # of encoded noise: neither a point nor wider than the noise that is drawn


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


class NoiseEncoder(nn.Module):
    """Reads motion from its end to its beginning and gives the distribution of the first frame's noise; for training.

    `motion` weights the error of steps against that of poses, `prior` the divergence of the encoded noise from N(0, I).
    """

    def __init__(self, latent: int, classes: int, noise: int, hidden: int, *, motion: float, prior: float) -> None:
        super().__init__()
        self.motion, self.prior = motion, prior
        self.reader = nn.GRU(latent + classes, hidden, batch_first=True)
        self.leave = nn.Linear(hidden, 2 * noise)

    def forward(
        self, z: Float[Tensor, "B T L"], action: Float[Tensor, "B T A"]
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        """Mean and deviation of the noise from which a walk would begin this motion."""
        code = self.reader(torch.cat((z, action), -1).flip(1))[0][:, -1]
        mean, log_variance = self.leave(code).float().chunk(2, -1)
        return mean, (log_variance.clamp(*_LOG_VARIANCE) / 2).exp()

    def loss(
        self,
        walk: LatentWalk,
        decoder: PoseDecoder,
        z: Float[Tensor, "B T L"],
        frames: Float[Tensor, "B T D"],
        action: Float[Tensor, "B T A"],
        lively: float = 0.0,
    ) -> dict[str, Tensor]:
        """Squared errors of reproduced poses and steps, plus the divergence of the encoded noise from N(0, I).

        `z` are the clip's encoded latents; `lively` weights `movement_gap` to the clip that they decode to.
        """
        mean, spread = self(z, action)
        noise = torch.randn(*z.shape[:2], walk.noise, device=z.device)
        first = mean + spread * noise[:, 0]
        again, _ = walk(torch.cat((first[:, None], noise[:, 1:]), 1), action)
        made = decode(decoder, again, action)
        error = made - frames
        pose, step = error.square().mean(), error.diff(dim=1).square().mean()
        size = movement_gap(made, decode(decoder, z, action)) if lively else pose.new_zeros(())
        apart = (mean.square() + spread.square() - 1 - 2 * spread.log()).sum(-1).mean() / 2
        parts = {"pose": pose, "step": step, "size": size, "apart": apart}
        total = pose + self.motion * step + lively * size + self.prior * apart
        return {"loss": total} | {name: value.detach() for name, value in parts.items()}


class PretrainedWalk(Model):
    """The walk, its noise encoder, and the frozen autoencoder of the stage named "pose"."""

    deterministic = False
    continues = False
    phases = ("generator",)
    former_names: ClassVar[Mapping[str, str]] = {"maker": "generator", "teacher": "noise_encoder", "says": "leave"}

    @dataclass(frozen=True)
    class Config:
        """`walk` and `start`: see `LatentWalk`; `motion`, `prior` and `lively`: see `NoiseEncoder`, whose width is
        `reader`. If a stage of this kind stands before this one, training continues from its walk and encoder."""

        noise: int = 64
        hidden: int = 256
        walk: Walk = "aware"
        start: Literal["even", "learnt"] = "learnt"
        reader: int = 128
        motion: float = 10.0
        prior: float = 5e-3
        lively: float = 0.0

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> PretrainedWalk:
            """The model with the autoencoder of poses. Raises UsageError where there is none for these features."""
            pose = earlier.get("pose")
            encoder = getattr(pose, "encoder", None)
            decoder = pose_decoder(shape.width, pose)
            if not isinstance(encoder, nn.Module):
                raise UsageError(
                    expected="an autoencoder in stage 'pose', since the walk learns from encoded motion",
                    got="a decoder alone",
                    cure="Set stages.pose.model.learning to autoencoder, or leave this stage out.",
                )
            return PretrainedWalk(self, shape, decoder, encoder, last_walk(earlier))

        def build(self, shape: FeatureShape) -> PretrainedWalk:
            """Raises UsageError: the model needs an autoencoder of poses (`build_on`)."""
            return self.build_on(shape, {})

        def tiny(self) -> PretrainedWalk.Config:
            """A few units, for tests."""
            return replace(self, noise=max(8, self.noise // 4), hidden=16, reader=8)

    def __init__(
        self,
        config: Config,
        shape: FeatureShape,
        decoder: PoseDecoder,
        encoder: nn.Module,
        begun: PretrainedWalk | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.decoder, self.encoder = decoder.requires_grad_(False), encoder.requires_grad_(False)
        if begun:
            self.generator, self.noise_encoder = begun.generator, begun.noise_encoder
            return
        sizes = (decoder.latent, shape.classes, config.noise, config.hidden)
        self.generator = LatentWalk(*sizes, walk=config.walk, start=config.start, biases=2)
        weights = {"motion": config.motion, "prior": config.prior}
        self.noise_encoder = NoiseEncoder(decoder.latent, shape.classes, config.noise, config.reader, **weights)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The walk's and the noise encoder's."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """See `NoiseEncoder.loss`."""
        action = action_by_frame(batch.query)
        z = encode(self.encoder, batch.target, action)
        return self.noise_encoder.loss(self.generator, self.decoder, z, batch.target, action, self.config.lively)

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """Motion of the query's action, of any length."""
        return walked(self.generator, self.decoder, query, samples, generator)


def last_walk(earlier: Mapping[str, Model]) -> PretrainedWalk | None:
    """The model of the last `PretrainedWalk` stage before this one."""
    return next((model for model in reversed([*earlier.values()]) if isinstance(model, PretrainedWalk)), None)


def movement_gap(made: Float[Tensor, "B T D"], real: Float[Tensor, "B T D"]) -> Float[Tensor, ""]:
    """The squared gap of the root mean squares over time of the first three differences, in units of the batch.

    A squared error is least if movement that cannot be predicted is left out; this term penalises that. It helps a walk
    that has learnt its poses, and hinders one that has not.
    """
    gap = real.new_zeros(())
    for order in (1, 2, 3):
        own, other = (x.diff(n=order, dim=1) for x in (made, real))
        unit = other.square().mean((0, 1)).sqrt().clamp_min(1e-3)
        # The square root has no finite slope at 0.
        sizes = [x.square().mean(1).add(1e-8).sqrt() for x in (own, other)]
        gap = gap + ((sizes[0] - sizes[1]) / unit).square().mean()
    return gap


def walked(
    walk: LatentWalk, decoder: PoseDecoder, query: Query, samples: int, generator: torch.Generator, calm: float = 0.0
) -> Samples:
    """Poses along walks from fresh noise; frames that are known exactly come back. `calm`: see `trailing_mean`."""
    noise = row_noise(generator, samples, len(query), query.observed.shape[1], walk.noise).to(query.observed)
    action = action_by_frame(query).expand(samples, -1, -1, -1).flatten(0, 1)
    z = trailing_mean(walk(noise.flatten(0, 1), action)[0], calm)
    return keep_known(query, decoder(z, action).unflatten(0, noise.shape[:2]))


def encode(
    encoder: nn.Module, frames: Float[Tensor, "B T D"], action: Float[Tensor, "B T A"]
) -> Float[Tensor, "B T L"]:
    """Latents of real frames, in the box. In float32, like `decode`: steps are small differences."""
    with torch.no_grad(), torch.autocast(frames.device.type, enabled=False):
        return torch.tanh(encoder(torch.cat((frames, action), -1)))


def decode(decoder: PoseDecoder, z: Float[Tensor, "B T L"], action: Float[Tensor, "B T A"]) -> Float[Tensor, "B T D"]:
    """Frames of latents."""
    with torch.autocast(z.device.type, enabled=False):
        return decoder(z.float(), action)


def pose_decoder(width: int, pose: nn.Module | None) -> PoseDecoder:
    """The decoder of the first stage. Raises UsageError where there is none to frames of that width."""
    decoder = getattr(pose, "decoder", None)
    if isinstance(decoder, PoseDecoder) and decoder.width == width:
        return decoder
    raise UsageError(
        expected=f"a stage named 'pose' before this one, with a decoder to {width} numbers per frame",
        got=f"a decoder to {decoder.width}" if isinstance(decoder, PoseDecoder) else "none",
        cure="Train both stages of one recipe, on one skeleton.",
    )
