"""ActionGAN: diverse actions by smooth latent transitions (Yu et al., AAAI 2020, arXiv 1912.10150).

Stages of one recipe. `PoseGAN` (models.action_gan_pose) learns a decoder from a small latent box to poses, without
regard to time. `ActionGAN` holds that decoder fixed and learns a walk through the box: noise and action go through an
LSTM that says the step from each latent to the next, so length and diversity are free. A critic sees whole sequences; a
classifier learnt beside it keeps the action recognisable. Between the two a walk may be taught by real motion
(`models.action_gan_walk`, which the paper does not have).

Every behaviour of the released code that one would not want is an option, off by default; the recipe
`action-gan-faithful` turns them on (docs/papers/action_gan.md lists them).

Legend: B batch, T frame, L latent, A actions, D pose dimensions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.action_gan.latent_walk import (
    FlatReader,
    LatentWalk,
    PooledReader,
    PoseDecoder,
    Walk,
    action_by_frame,
)
from kinema.models.action_gan.walk_pretraining import NoiseEncoder, decode, encode, last_walk, pose_decoder, walked
from kinema.models.base import FeatureShape, Model
from kinema.nn.adversarial import passes_for_real, real_gradient, real_or_fake

Sequences = Float[Tensor, "B T X"]  # what readers read: frames, or their latents


class ActionGAN(Model):
    """The second stage, upon the decoder of the stage named "pose"; it answers queries of which nothing is known."""

    deterministic = False
    continues = False
    phases = ("critic", "classifier", "maker")

    @dataclass(frozen=True)
    class Config:
        """Sizes are the paper's; the defaults of the rest are what the released code should have done.

        `walk`, `start` and `biases`: see `nn.latent_walk.LatentWalk`. Where a stage that teaches a walk stands before
        this one, that walk goes on, as it was left, and `taught` weighs that stage's loss beside the critic's; within
        it `lively` weighs how much clips move.
        `readers` of sequences are "pooled" (any length, under a million weights) or "flat" (`frames` long only). They
        read decoded "frames"; or "latents", or frames decoded from these ("rebuilt"): real motion is then encoded (the
        first stage must be an autoencoder). The `classifier` is learnt in a phase of its "own" on
        real motion, or "shared" with the maker, which teaches it to agree. `smooth` weighs the squared differences
        between answers, `magnitude` the squared steps: means per number, or "sum"s over a batch, which depend on its
        size and freeze the motion. `recognised` weighs the cross-entropy of the classifier on answers, `matching` the
        distance between means and deviations of real and made motion and of its first three differences in time,
        `penalty` the squared gradient of the critic at real motion (R1). `blur` is the deviation of noise on what the
        critic reads. `calm`, in answers only: the share of the last latent that each next one keeps, a low pass in time
        that looks back alone, so that a longer clip begins as the shorter one did.

        # Differs: the released discriminator and classifier are "flat", of 26.4 million weights each at 50 frames.
        # Differs: the released walk is "free": nothing but a penalty keeps its latents in the decoder's box.
        # Differs: the released classifier is "shared", and the regularisers are "sum"s.
        # Differs: the released decoder is normalised over a batch, in training this stage by the batch's own statistics
        # and in sampling by those of the first stage, which do not move; `PoseGAN.Config(norm="batch")` keeps that.
        # Differs: the released code uses one batch and one noise for all updates of an iteration; here they are fresh.
        """

        frames: int = 50
        noise: int = 64
        hidden: int = 256
        walk: Walk = "bounded"
        start: Literal["even", "learnt"] = "learnt"
        biases: Literal[1, 2] = 2
        readers: Literal["pooled", "flat"] = "pooled"
        judged: Literal["frames", "latents", "rebuilt"] = "latents"
        classifier: Literal["own", "shared"] = "own"
        regulariser: Literal["mean", "sum"] = "mean"
        smooth: float = 0.0
        magnitude: float = 0.0
        recognised: float = 0.2
        matching: float = 1.0
        penalty: float = 1.0
        blur: float = 0.05
        calm: float = 0.0
        taught: float = 0.0
        lively: float = 0.0

        def build_on(self, shape: FeatureShape, earlier: Mapping[str, Model]) -> ActionGAN:
            """The model upon a decoder that is trained. Raises UsageError where there is none, or of another body."""
            pose, walk = earlier.get("pose"), last_walk(earlier)
            decoder, encoder = pose_decoder(shape.width, pose), getattr(pose, "encoder", None)
            if self.judged != "frames" and not isinstance(encoder, nn.Module):
                raise UsageError(
                    expected=f"an autoencoder in stage 'pose', since {self.judged} are judged",
                    got="a decoder alone",
                    cure="Set its learning to autoencoder, or judged to frames.",
                )
            maker, teacher = (walk.maker, walk.teacher) if walk else (None, None)
            teacher = teacher if self.taught else None
            read = encoder if teacher or self.judged != "frames" else None
            return ActionGAN(self, shape, decoder, read, maker, teacher)

        def build(self, shape: FeatureShape) -> ActionGAN:
            """Raises UsageError: there must be a decoder (`build_on`)."""
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
        maker: LatentWalk | None = None,
        teacher: NoiseEncoder | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.decoder = decoder.requires_grad_(False)
        self.encoder = None if encoder is None else encoder.requires_grad_(False)
        self.teacher = teacher
        make = (decoder.latent, shape.classes, config.noise, config.hidden)
        self.maker = maker or LatentWalk(*make, walk=config.walk, start=config.start, biases=config.biases)
        width = decoder.latent if config.judged == "latents" else shape.width
        self.critic = self._reader(width, shape.classes, 1)
        self.classifier = self._reader(width, 0, max(1, shape.classes))
        if config.classifier == "shared":
            self.phases = ("critic", "maker")  # pyright: ignore[reportAttributeAccessIssue]

    def train(self, mode: bool = True) -> ActionGAN:
        """Training mode, but for what earlier stages trained, which stays as it is."""
        super().train(mode)
        for frozen in (self.decoder, self.encoder):
            if frozen is not None:
                frozen.eval()
        return self

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Each phase has its own module; a shared classifier is the maker's."""
        modules: list[nn.Module] = [getattr(self, phase)]
        if phase == "maker" and self.config.classifier == "shared":
            modules.append(self.classifier)
        if phase == "maker" and self.teacher:
            modules.append(self.teacher)
        return (p for module in modules for p in module.parameters() if p.requires_grad)

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """Cross-entropies of the critic; of the classifier; of both on what was made, with the regularisers."""
        action = action_by_frame(batch.query)
        real = self.read(batch.target, action)
        self._measure(real)
        if phase == "classifier":
            # The decoder is told the action, and may write it into poses: what is rebuilt would teach to read that.
            shown = batch.target if self.config.judged == "rebuilt" else real
            return {"loss": self._recognise(self._blurred(shown), action, {})}
        noise = torch.randn(*real.shape[:2], self.maker.noise, device=real.device)
        with torch.set_grad_enabled(phase == "maker" and torch.is_grad_enabled()):
            made, steps = self._make(noise, action)
        if phase == "critic":
            return self._critic_loss(self._blurred(real), self._blurred(made), action)
        total, parts = self._adversarial(real, made, action)
        shared = self.config.classifier == "shared"
        if self.config.recognised:
            frozen = {} if shared else {name: w.detach() for name, w in self.classifier.named_parameters()}
            named = self._recognise(self._blurred(made), action, frozen)
            total = total + self.config.recognised * named
            if shared:
                total = total + self.config.recognised * self._recognise(real, action, {})
            parts["recognised"] = named.detach()
        if self.teacher and self.encoder:
            z = encode(self.encoder, batch.target, action)
            again = self.teacher.loss(self.maker, self.decoder, z, batch.target, action, self.config.lively)
            total = total + self.config.taught * again["loss"]
            parts["again"] = again["loss"].detach()
        parts["speed"] = (made.diff(dim=1).norm(dim=-1).mean() / real.diff(dim=1).norm(dim=-1).mean()).detach()
        return {"loss": total + self._regularisers(made, steps), **parts}

    def read(self, frames: Float[Tensor, "B T D"], action: Float[Tensor, "B T A"]) -> Sequences:
        """What the readers are shown of real motion."""
        if self.encoder is None or self.config.judged == "frames":
            return frames
        z = encode(self.encoder, frames, action)
        return z if self.config.judged == "latents" else decode(self.decoder, z, action)

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Motion of the query's action, of any length; frames that are known exactly come back as they are."""
        return walked(self.maker, self.decoder, query, samples, generator, self.config.calm)

    def _make(
        self, noise: Float[Tensor, "B T N"], action: Float[Tensor, "B T A"]
    ) -> tuple[Sequences, Float[Tensor, "B rest L"]]:
        """What the readers are shown of made motion, and the steps of the walk."""
        z, steps = self.maker(noise, action)
        if self.config.judged == "latents":
            return z, steps
        by_step = isinstance(self.decoder.norm, nn.BatchNorm1d) and self.training
        return self.decoder.by_step(z, action) if by_step else decode(self.decoder, z, action), steps

    def _blurred(self, shown: Sequences) -> Sequences:
        """With noise that is the same along a sequence: it hides which pose is held, and nothing of the motion."""
        return (
            shown + self.config.blur * torch.randn_like(shown[:, :1]) if self.config.blur and self.training else shown
        )

    def _critic_loss(self, real: Sequences, made: Sequences, action: Float[Tensor, "B T A"]) -> dict[str, Tensor]:
        observed = real.clone().requires_grad_(self.config.penalty > 0)
        on_real, on_made = self.critic(observed, action).squeeze(-1), self.critic(made, action).squeeze(-1)
        verdict = real_or_fake(on_real, on_made)
        parts = {"real": on_real.sigmoid().mean().detach(), "fake": on_made.sigmoid().mean().detach()}
        if self.config.penalty and torch.is_grad_enabled():
            verdict = verdict + self.config.penalty * real_gradient(on_real, observed)
        return {"loss": verdict, **parts}

    def _adversarial(
        self, real: Sequences, made: Sequences, action: Float[Tensor, "B T A"]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The critic's verdict on what was made, and how far its moments are from those of real motion."""
        fixed = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        shown = self._blurred(made)
        verdict = passes_for_real(functional_call(self.critic, fixed, (shown, action)).squeeze(-1))
        parts = {"adversarial": verdict.detach()}
        if not self.config.matching:
            return verdict, parts
        apart = verdict.new_zeros(())
        for order in (0, 1, 2, 3):
            own, other = (x.diff(n=order, dim=1) for x in (real, made))
            unit = own.flatten(0, 1).std(0).clamp_min(1e-3)
            for moment in (torch.mean, torch.std):
                gap = (moment(own.flatten(0, 1), 0) - moment(other.flatten(0, 1), 0)) / unit
                apart = apart + gap.square().mean()
        parts["apart"] = apart.detach()
        return verdict + self.config.matching * apart, parts

    def _recognise(
        self, shown: Sequences, action: Float[Tensor, "B T A"], weights: Mapping[str, Tensor]
    ) -> Float[Tensor, ""]:
        nothing = action[..., :0]
        arguments = (shown, nothing)
        logits = functional_call(self.classifier, dict(weights), arguments) if weights else self.classifier(*arguments)
        return functional.cross_entropy(cast("Tensor", logits), action.mean(1))

    def _regularisers(self, made: Sequences, steps: Float[Tensor, "B rest L"]) -> Tensor | float:
        """The released sums are a mean over the batch of the first kind, and over nothing of the second."""
        config = self.config
        if config.regulariser == "sum":
            return (
                config.smooth * made.diff(dim=1).square().sum((1, 2)).mean() + config.magnitude * steps.square().sum()
            )
        if not config.smooth and not config.magnitude:
            return 0.0
        return config.smooth * made.diff(dim=1).square().mean() + config.magnitude * steps.square().mean()

    def _measure(self, real: Sequences) -> None:
        for reader in (self.critic, self.classifier):
            if isinstance(reader, PooledReader):
                reader.measure(real)

    def _reader(self, width: int, extra: int, outputs: int) -> FlatReader | PooledReader:
        if self.config.readers == "flat":
            return FlatReader(width, extra, self.config.frames, outputs, min(256, self.config.hidden))
        return PooledReader(width, extra, outputs, 128 if self.config.hidden >= 128 else 8)
