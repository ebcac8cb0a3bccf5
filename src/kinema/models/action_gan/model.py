"""ActionGAN: diverse actions by smooth latent transitions (Yu et al., AAAI 2020, arXiv 1912.10150).

Stages of one recipe. `PoseGAN` (`models.action_gan.pose_gan`) learns a decoder from a small latent box to poses,
without regard to time. `ActionGAN` keeps that decoder fixed and learns a walk through the box: an LSTM reads noise and
action and gives the step from each latent to the next, so length and diversity are free. A discriminator reads whole
sequences; a classifier that is trained beside it keeps the action recognisable. Between the two a walk may be trained
on real motion (`models.action_gan.walk_pretraining`, which the paper does not have).

Every unwanted behaviour of the released code is an option, off by default; the recipe `action-gan-faithful` turns them
on (docs/papers/action_gan.md lists them).

Legend: B batch, T frame, L latent, A actions, D pose dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.action_gan.earlier_stages import NoiseEncoder, decode, encode, last_walk, pose_decoder, walked
from kinema.models.action_gan.latent_walk import (
    FlatReader,
    LatentWalk,
    PooledReader,
    PoseDecoder,
    Walk,
    action_by_frame,
)
from kinema.models.base import FeatureShape, Model, Samples
from kinema.nn.adversarial import fixed, passes_for_real, real_gradient, real_or_fake

Sequences = Float[Tensor, "B T X"]  # what readers read: frames, or their latents


class ActionGAN(Model):
    """The second stage, with the decoder of the stage named "pose"; it answers queries without known frames."""

    deterministic = False
    continues = False
    phases = ("discriminator", "classifier", "generator")
    former_names: ClassVar[Mapping[str, str]] = {
        "maker": "generator",
        "critic": "discriminator",
        "teacher": "noise_encoder",
        "says": "leave",
    }

    @dataclass(frozen=True)
    class Config:
        """Sizes are the paper's; the defaults of the rest are what the released code should have done.

        `walk`, `start` and `biases`: see `LatentWalk`. If a `PretrainedWalk` stage stands before this one, training
        continues from its walk, and `reconstruction` weights that stage's loss beside the discriminator's, in which
        `lively` weights how much clips move.
        `readers` of sequences are "pooled" (any length, under a million weights) or "flat" (`frames` long only). Their
        `reader_input` are decoded "frames"; or "latents", or frames decoded from latents ("rebuilt"): real motion is
        then encoded, and the first stage must be an autoencoder. The `classifier` learns in its "own" phase on real
        motion, or "shared" with the generator, which then trains it to agree. `smooth` weights the squared differences
        between answers, `magnitude` the squared steps: means per number, or "sum"s over a batch, which depend on its
        size and freeze the motion. `recognised` weights the classifier's cross-entropy on answers, `matching` the
        distance between means and deviations of real and generated motion and of its first three differences in time,
        `penalty` the squared gradient of the discriminator at real motion (R1). `blur` is the deviation of noise on the
        discriminator's input. `calm`, in answers only, is the share of the last latent that each next one keeps: a
        causal low pass, so that a longer clip begins as the shorter one does.

        # Differs: the released discriminator and classifier are "flat", of 26.4 million weights each at 50 frames.
        # Differs: the released walk is "free": nothing but a penalty keeps its latents in the decoder's box.
        # Differs: the released classifier is "shared", and the regularisers are "sum"s.
        # Differs: the released decoder is normalised over a batch, in training this stage by the batch's own statistics
        # and in sampling by those of the first stage, which do not move; `PoseGAN.Config(norm="batch")` keeps that.
        # Differs: the released code uses one batch and one noise for all updates of an iteration; here they are fresh.
        """

        FORMER_KEYS: ClassVar[dict[str, str]] = {"judged": "reader_input", "taught": "reconstruction"}
        frames: int = 50
        noise: int = 64
        hidden: int = 256
        walk: Walk = "bounded"
        start: Literal["even", "learnt"] = "learnt"
        biases: Literal[1, 2] = 2
        readers: Literal["pooled", "flat"] = "pooled"
        reader_input: Literal["frames", "latents", "rebuilt"] = "latents"
        classifier: Literal["own", "shared"] = "own"
        regulariser: Literal["mean", "sum"] = "mean"
        smooth: float = 0.0
        magnitude: float = 0.0
        recognised: float = 0.2
        matching: float = 1.0
        penalty: float = 1.0
        blur: float = 0.05
        calm: float = 0.0
        reconstruction: float = 0.0
        lively: float = 0.0

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> ActionGAN:
            """The model with a trained decoder. Raises UsageError where there is none for these features."""
            pose, walk = earlier.get("pose"), last_walk(earlier)
            decoder, encoder = pose_decoder(shape.width, pose), getattr(pose, "encoder", None)
            if self.reader_input != "frames" and not isinstance(encoder, nn.Module):
                raise UsageError(
                    expected=f"an autoencoder in stage 'pose', since readers read {self.reader_input}",
                    got="a decoder alone",
                    cure="Set stages.pose.model.learning to autoencoder, or reader_input to frames.",
                )
            generator, noise_encoder = (walk.generator, walk.noise_encoder) if walk else (None, None)
            noise_encoder = noise_encoder if self.reconstruction else None
            used = encoder if noise_encoder or self.reader_input != "frames" else None
            return ActionGAN(self, shape, decoder, used, generator, noise_encoder)

        def build(self, shape: FeatureShape) -> ActionGAN:
            """Raises UsageError: the model needs a decoder (`build_on`)."""
            return self.build_on(shape, {})

        def tiny(self) -> ActionGAN.Config:
            """A few units, for tests."""
            return replace(self, noise=max(8, self.noise // 4), hidden=16)

    def __init__(
        self,
        config: Config,
        shape: FeatureShape,
        decoder: PoseDecoder,
        encoder: nn.Module | None = None,
        generator: LatentWalk | None = None,
        noise_encoder: NoiseEncoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.decoder = decoder.requires_grad_(False)
        self.encoder = None if encoder is None else encoder.requires_grad_(False)
        self.noise_encoder = noise_encoder
        sizes = (decoder.latent, shape.classes, config.noise, config.hidden)
        self.generator = generator or LatentWalk(*sizes, walk=config.walk, start=config.start, biases=config.biases)
        width = decoder.latent if config.reader_input == "latents" else shape.width
        self.discriminator = self._reader(width, shape.classes, 1)
        self.classifier = self._reader(width, 0, max(1, shape.classes))
        if config.classifier == "shared":
            self.phases = ("discriminator", "generator")

    def train(self, mode: bool = True) -> ActionGAN:
        """Training mode, but for the frozen parts of earlier stages."""
        super().train(mode)
        for frozen in (self.decoder, self.encoder):
            if frozen is not None:
                frozen.eval()
        return self

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Each phase has its own module; a shared classifier and the noise encoder belong to the generator's."""
        modules: list[nn.Module] = [getattr(self, phase)]
        if phase == "generator" and self.config.classifier == "shared":
            modules.append(self.classifier)
        if phase == "generator" and self.noise_encoder:
            modules.append(self.noise_encoder)
        return (p for module in modules for p in module.parameters() if p.requires_grad)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Cross-entropies of the discriminator; of the classifier; of both on generated motion, with regularisers."""
        action = action_by_frame(batch.query)
        real = self.read(batch.target, action)
        for reader in (self.discriminator, self.classifier):
            if isinstance(reader, PooledReader):
                reader.measure(real)
        if phase == "classifier":
            # The decoder is given the action and may write it into poses: rebuilt motion would train to read that.
            shown = batch.target if self.config.reader_input == "rebuilt" else real
            return {"loss": self._recognise(self._blurred(shown), action)}
        noise = torch.randn(*real.shape[:2], self.generator.noise, device=real.device)
        with torch.set_grad_enabled(phase == "generator" and torch.is_grad_enabled()):
            made, steps = self._make(noise, action)
        if phase == "discriminator":
            return self._discriminator_loss(self._blurred(real), self._blurred(made), action)
        total, parts = self._adversarial(real, made, action)
        shared = self.config.classifier == "shared"
        if self.config.recognised:
            with fixed(None if shared else self.classifier):
                recognised = self._recognise(self._blurred(made), action)
            total = total + self.config.recognised * recognised
            if shared:
                total = total + self.config.recognised * self._recognise(real, action)
            parts["recognised"] = recognised.detach()
        if self.noise_encoder and self.encoder:
            z = encode(self.encoder, batch.target, action)
            again = self.noise_encoder.loss(
                self.generator, self.decoder, z, batch.target, action, self.config.lively
            )  # fmt: skip
            total = total + self.config.reconstruction * again["loss"]
            parts["again"] = again["loss"].detach()
        parts["speed"] = (made.diff(dim=1).norm(dim=-1).mean() / real.diff(dim=1).norm(dim=-1).mean()).detach()
        return {"loss": total + self._regularisers(made, steps), **parts}

    def read(self, frames: Float[Tensor, "B T D"], action: Float[Tensor, "B T A"]) -> Sequences:
        """The readers' input for real motion."""
        if self.encoder is None or self.config.reader_input == "frames":
            return frames
        z = encode(self.encoder, frames, action)
        return z if self.config.reader_input == "latents" else decode(self.decoder, z, action)

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """Motion of the query's action, of any length; frames that are known exactly come back as they are."""
        return walked(self.generator, self.decoder, query, samples, generator, self.config.calm)

    def _make(
        self, noise: Float[Tensor, "B T N"], action: Float[Tensor, "B T A"]
    ) -> tuple[Sequences, Float[Tensor, "B rest L"]]:
        """The readers' input for generated motion, and the steps of the walk."""
        z, steps = self.generator(noise, action)
        if self.config.reader_input == "latents":
            return z, steps
        by_step = isinstance(self.decoder.norm, nn.BatchNorm1d) and self.training
        return self.decoder.by_step(z, action) if by_step else decode(self.decoder, z, action), steps

    def _blurred(self, shown: Sequences) -> Sequences:
        """With noise that is constant along a sequence: it hides the pose that is held, and not the motion."""
        blur = self.config.blur if self.training else 0.0
        return shown + blur * torch.randn_like(shown[:, :1]) if blur else shown

    def _discriminator_loss(
        self, real: Sequences, made: Sequences, action: Float[Tensor, "B T A"]
    ) -> dict[str, Tensor]:
        observed = real.clone().requires_grad_(self.config.penalty > 0)
        on_real = self.discriminator(observed, action).squeeze(-1)
        on_made = self.discriminator(made, action).squeeze(-1)
        total = real_or_fake(on_real, on_made)
        if self.config.penalty and torch.is_grad_enabled():
            total = total + self.config.penalty * real_gradient(on_real, observed)
        return {"loss": total, "real": on_real.sigmoid().mean().detach(), "fake": on_made.sigmoid().mean().detach()}

    def _adversarial(
        self, real: Sequences, made: Sequences, action: Float[Tensor, "B T A"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The generator's adversarial loss, and the distance of moments from those of real motion."""
        with fixed(self.discriminator):
            loss = passes_for_real(self.discriminator(self._blurred(made), action).squeeze(-1))
        parts = {"adversarial": loss.detach()}
        if not self.config.matching:
            return loss, parts
        apart = loss.new_zeros(())
        for order in (0, 1, 2, 3):
            own, other = (x.diff(n=order, dim=1) for x in (real, made))
            unit = own.flatten(0, 1).std(0).clamp_min(1e-3)
            for moment in (torch.mean, torch.std):
                gap = (moment(own.flatten(0, 1), 0) - moment(other.flatten(0, 1), 0)) / unit
                apart = apart + gap.square().mean()
        parts["apart"] = apart.detach()
        return loss + self.config.matching * apart, parts

    def _recognise(self, shown: Sequences, action: Float[Tensor, "B T A"]) -> Float[Tensor, ""]:
        return functional.cross_entropy(self.classifier(shown, action[..., :0]), action.mean(1))

    def _regularisers(self, made: Sequences, steps: Float[Tensor, "B rest L"]) -> Tensor | float:
        """The released first sum is averaged over the batch, the second over nothing."""
        config = self.config
        if not config.smooth and not config.magnitude:
            return 0.0
        changes, steps = made.diff(dim=1).square(), steps.square()
        if config.regulariser == "sum":
            return config.smooth * changes.sum((1, 2)).mean() + config.magnitude * steps.sum()
        return config.smooth * changes.mean() + config.magnitude * steps.mean()

    def _reader(self, width: int, extra: int, outputs: int) -> FlatReader | PooledReader:
        if self.config.readers == "flat":
            return FlatReader(width, extra, self.config.frames, outputs, min(256, self.config.hidden))
        return PooledReader(width, extra, outputs, 128 if self.config.hidden >= 128 else 8)
