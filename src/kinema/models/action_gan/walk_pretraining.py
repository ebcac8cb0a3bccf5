"""ActionGAN's walk, trained before it is judged: TODO

Legend: B batch, T frame, L latent, A actions, D pose dimensions, N noise."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.action_gan.latent_walk import (
    LatentWalk,
    PoseDecoder,
    Walk,
    action_by_frame,
    keep_known,
    trailing_mean,
)
from kinema.models.base import FeatureShape, Model
from kinema.nn.noise import row_noise

_LOG_VARIANCE = (-6.0, 2.0)  # of noise that is read: neither a point nor wider than what is drawn


class NoiseEncoder(nn.Module):
    """A reader of motion from its end to its beginning, which says the first frame's noise; only training needs it.

    `motion` weighs the error of steps against that of poses, `prior` the divergence of the noise that is read from the
    noise that is drawn.
    """

    def __init__(self, latent: int, classes: int, noise: int, hidden: int, *, motion: float, prior: float) -> None:
        super().__init__()
        self.motion, self.prior = motion, prior
        self.reader = nn.GRU(latent + classes, hidden, batch_first=True)
        self.says = nn.Linear(hidden, 2 * noise)

    def forward(
        self, z: Float[Tensor, "B T L"], action: Float[Tensor, "B T A"]
    ) -> tuple[Float[Tensor, "B N"], Float[Tensor, "B N"]]:
        """Mean and deviation of the noise with which a walk would begin this motion."""
        code = self.reader(torch.cat((z, action), -1).flip(1))[0][:, -1]
        mean, log_variance = self.says(code).float().chunk(2, -1)
        return mean, (log_variance.clamp(*_LOG_VARIANCE) / 2).exp()

    def loss(
        self,
        maker: LatentWalk,
        decoder: PoseDecoder,
        z: Float[Tensor, "B T L"],
        frames: Float[Tensor, "B T D"],
        action: Float[Tensor, "B T A"],
        lively: float = 0.0,
    ) -> dict[str, Tensor]:
        """The error of poses and of steps of frames (`z` in the box) that are made again from what was read, and how
        far that lies from noise that is drawn; `lively` weighs how much a clip moves (`unlike_in_size`), beside
        the real one as the decoder makes it."""
        mean, spread = self(z, action)
        noise = torch.randn(*z.shape[:2], maker.noise, device=z.device)
        begun = mean + spread * noise[:, 0]
        again, _ = maker(torch.cat((begun[:, None], noise[:, 1:]), 1), action)
        made = decode(decoder, again, action)
        error = made - frames
        pose, step = error.square().mean(), error.diff(dim=1).square().mean()
        size = unlike_in_size(made, decode(decoder, z, action)) if lively else pose.new_zeros(())
        apart = (mean.square() + spread.square() - 1 - 2 * spread.log()).sum(-1).mean() / 2
        return {
            "loss": pose + self.motion * step + lively * size + self.prior * apart,
            "pose": pose.detach(),
            "step": step.detach(),
            "size": size.detach(),
            "apart": apart.detach(),
        }


def unlike_in_size(made: Float[Tensor, "B T D"], real: Float[Tensor, "B T D"]) -> Float[Tensor, ""]:
    """How much more or less a clip moves than the real one: the squared gap of the root mean squares over time of its
    first three differences, in units of the batch.

    A squared error is least where movement that cannot be foreseen is left out; this one is not. It helps a walk that
    knows its poses already, and keeps one that does not from learning them.
    """
    gap = real.new_zeros(())
    for order in (1, 2, 3):
        own, other = (x.diff(n=order, dim=1) for x in (made, real))
        unit = other.square().mean((0, 1)).sqrt().clamp_min(1e-3)
        # The root of nothing has no slope.
        sizes = [x.square().mean(1).add(1e-8).sqrt() for x in (own, other)]
        gap = gap + ((sizes[0] - sizes[1]) / unit).square().mean()
    return gap


def walked(
    maker: LatentWalk, decoder: PoseDecoder, query: Query, samples: int, generator: torch.Generator, calm: float = 0.0
) -> Float[Tensor, "sample batch frame feat"]:
    """Poses along walks from fresh noise; frames that are known exactly come back. `calm`: see `trailing_mean`."""
    noise = row_noise(generator, samples, len(query), query.observed.shape[1], maker.noise).to(query.observed)
    action = action_by_frame(query).expand(samples, -1, -1, -1).flatten(0, 1)
    z = trailing_mean(maker(noise.flatten(0, 1), action)[0], calm)
    return keep_known(query, decoder(z, action).unflatten(0, noise.shape[:2]))


def encode(
    encoder: nn.Module, frames: Float[Tensor, "B T D"], action: Float[Tensor, "B T A"]
) -> Float[Tensor, "B T L"]:
    """Latents of real frames, in the box. In float32, as `decode`: steps are small differences."""
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
        expected=f"a stage named 'pose' before this one, with a decoder to {width} numbers a frame",
        got=f"a decoder to {decoder.width}" if isinstance(decoder, PoseDecoder) else "none",
        cure="Train both stages of one recipe, on one skeleton.",
    )


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
