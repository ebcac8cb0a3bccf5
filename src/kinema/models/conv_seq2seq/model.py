"""ConvSeq2Seq: a convolutional sequence-to-sequence forecaster with a discriminator (Li et al., CVPR 2018).

A long-term encoder reads the observed frames once; a short-term encoder reads the last `window` frames before every
answered frame. A decoder of two linear maps turns both codes into the step from the last frame to the next one, which
is fed back. The discriminator reads a whole sequence, observed and answered, with its action, and gives the logit of
its being real. There are two phases: "discriminator", then "generator".

Every unwanted behaviour of the released code is an option of `Config`, off by default; the recipe
`conv-seq2seq-faithful` turns them on (docs/papers/conv_seq2seq.md lists them).

Legend: B batch, T observed frames, P answered frames, D pose dimensions, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, Samples, repeat_samples
from kinema.models.conv_seq2seq.pose_conv import SPAN, Padding, PoseEncoder, Rolling
from kinema.nn.adversarial import fixed, passes_for_real, real_or_fake
from kinema.nn.prefix import future_frames, last_frames, prefix_length, roll_out

Poses = Float[Tensor, "B D"]
Feed = Callable[[int, Poses], Poses]  # (step, answer) -> the frame that is fed back
_HIDDEN = 256  # of the discriminator


class Generator(nn.Module):
    """Both encoders and the decoder."""

    def __init__(self, config: ConvSeq2Seq.Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        width, code = shape.width, config.hidden
        head = shape.classes if config.class_head else 0
        make = (config.features, config.padding, config.dropout)
        self.long_term = PoseEncoder(config.long_frames, width, make[0], code + head, make[1], make[2])
        self.short_term = PoseEncoder(config.window, width, make[0], code, make[1], make[2])
        self.enter = _linear(2 * code, code)
        self.leave = _linear(code, width, gain=0.01 if config.still else 1.0)

    def forward(self, past: Float[Tensor, "B T D"], frames: int, feed: Feed) -> Float[Tensor, "B P D"]:
        """The `frames` after `past`; `feed` gives the frame that is fed back for each answer."""
        long, short = self.enter.weight.split(self.config.hidden, 1)
        # Computed once: it does not depend on the step. The last outputs are the class head's, which nothing uses.
        context = functional.linear(
            self.long_term(past[:, : self.config.long_frames])[:, : self.config.hidden], long, self.enter.bias
        )
        # Shared rows are thousands of small operations, so an exported graph computes whole windows instead.
        shared = (self.config.masks == "frame" or not self.training) and not torch.compiler.is_exporting()
        window = _Window(self.short_term, past, shared=shared)
        last, answers = past[:, -1], list[Poses]()
        while len(answers) < frames:
            # As many steps at once as there are newest frames that the encoder does not read.
            first = len(answers)
            steps = range(first, min(first + self.short_term.unseen + 1, frames))
            hidden = functional.leaky_relu(context + functional.linear(window.codes(steps), short), 0.2)
            hidden = functional.dropout(hidden, 0.5 * self.config.dropout, self.training)
            fed: list[Poses] = []
            for step, difference in zip(steps, self.leave(hidden).unbind(0), strict=True):
                answers.append(last + difference)
                last = feed(step, answers[-1])
                fed.append(last)
            if len(answers) < frames:
                window.grow(fed)
        return torch.stack(answers, 1)


class _Window:
    """The frames that the short-term encoder reads. With `shared` every row of a convolution is computed once."""

    def __init__(self, encoder: PoseEncoder, past: Float[Tensor, "B T D"], *, shared: bool) -> None:
        self._encoder = encoder
        self._frames = list(past[:, -encoder.frames :].unbind(1))
        self._rolling = Rolling(encoder) if shared and encoder.rolls else None
        if self._rolling:
            self._rolling.grow(self._frames)

    def grow(self, frames: list[Poses]) -> None:
        """More frames."""
        self._frames += frames
        if self._rolling:
            self._rolling.grow(frames)

    def codes(self, steps: Sequence[int]) -> Float[Tensor, "P B code"]:
        """The codes of the windows before these steps, the first step being 0."""
        if self._rolling:
            return self._rolling.codes(steps)
        length = self._encoder.frames - self._encoder.unseen
        windows = torch.cat([torch.stack(self._frames[step : step + length], 1) for step in steps])
        # The frames that "valid" leaves out may be missing: the encoder drops them.
        return self._encoder(windows).unflatten(0, (len(steps), -1))


class Discriminator(nn.Module):
    """A sequence of observed and answered frames with its action -> the logit of its being real."""

    def __init__(self, config: ConvSeq2Seq.Config, shape: FeatureShape) -> None:
        super().__init__()
        frames, features = config.observed + config.predicted, config.discriminator_features
        self.encoder = PoseEncoder(frames, shape.width, features, config.hidden, config.padding, config.dropout)
        self.enter = _linear(config.hidden + shape.classes, _HIDDEN)
        self.leave = _linear(_HIDDEN, 1)

    def forward(self, sequence: Float[Tensor, "B T D"], action: Float[Tensor, "B A"]) -> Float[Tensor, " B"]:
        """The logits."""
        code = torch.cat((self.encoder(sequence).relu(), action), -1)
        return self.leave(self.enter(code).relu()).squeeze(-1)


class ConvSeq2Seq(Model):
    """The system: `predicted` frames from the last `observed`, by rolling out frame by frame."""

    phases = ("discriminator", "generator")
    former_names: ClassVar[Mapping[str, str]] = {"critic": "discriminator"}
    graphs = ("forecast",)

    @dataclass(frozen=True)
    class Config:
        """Sizes are the paper's; the defaults of the rest are what the released code should have done.

        The long-term encoder reads the first `long_frames` of the observed frames (released: 49). `padding` of all
        encoders is "valid" (released, CMU), "same" (released, Human3.6M) or "front". In training, what is fed back is
        `feedback` times the answer plus the rest times the ground truth of the same frame, or of the next one with
        `teacher` "late". `seam` gives the discriminator sequences in which the first true frame replaces the last
        observed one. `class_head` gives the long-term encoder outputs for the actions, which nothing uses. `loss` is
        "squares" (mean squared error) or "distance" (mean over frames of the 2-norm of the error). `adversarial`
        weights the discriminator's loss (0: no discriminator), `l2` half the squares of all weights. `dropout` scales
        the paper's rates (0.2, 0.2, 0.5 in an encoder, 0.5 in the decoder); its `masks` are drawn for every "window",
        or once for a "frame" and its neighbours, which is faster. `still` begins training near zero velocity.
        Raises UsageError for values out of range.
        """

        FORMER_KEYS: ClassVar[dict[str, str]] = {"critic_features": "discriminator_features"}
        observed: int = 50
        predicted: int = 25
        window: int = 20
        long_frames: int = 50
        features: int = 16
        hidden: int = 512
        discriminator_features: int = 32
        padding: Padding = "same"
        feedback: float = 0.95
        teacher: Literal["aligned", "late"] = "aligned"
        seam: bool = False
        class_head: bool = False
        loss: Literal["squares", "distance"] = "squares"
        adversarial: float = 0.01
        l2: float = 0.0
        dropout: float = 1.0
        masks: Literal["window", "frame"] = "window"
        still: bool = True

        def __post_init__(self) -> None:
            fits = SPAN <= self.window <= self.observed and SPAN <= self.long_frames <= self.observed
            if not fits or not 0 <= self.feedback <= 1 or not 0 <= self.dropout < 2:
                raise UsageError(
                    expected=f"window and long_frames from {SPAN} to observed, feedback in [0, 1], dropout in [0, 2)",
                    got=f"window {self.window}, long_frames {self.long_frames}, observed {self.observed}, "
                    f"feedback {self.feedback:g}, dropout {self.dropout:g}",
                    cure="Change these values in the recipe: `kinema recipes conv-seq2seq` prints the defaults.",
                )

        def build(self, shape: FeatureShape) -> ConvSeq2Seq:
            """The model for features of this width."""
            return ConvSeq2Seq(self, shape)

        def tiny(self) -> ConvSeq2Seq.Config:
            """A few channels, for tests."""
            return replace(self, features=2, hidden=16, discriminator_features=2)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config, shape)
        if config.adversarial:
            self.discriminator = Discriminator(config, shape)
        else:
            self.phases = ("generator",)

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """Each phase has the parameters of the part of its name."""
        return self.get_submodule(phase).parameters()

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The discriminator's cross-entropies; or the forecast's error plus `adversarial` times its generator loss."""
        past = last_frames(batch.query, self.config.observed)
        truth = future_frames(batch, self.config.predicted)
        action = batch.query.action
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase == "generator"):
            answer = self.generator(past, self.config.predicted, self.feedback(truth))
        if phase == "discriminator":
            shown = torch.cat((torch.cat((past, truth), 1), self.shown(past, answer, truth)))
            real, fake = self.discriminator(shown, action.repeat(2, 1)).chunk(2)
            parts = {"real": real.sigmoid().mean().detach(), "fake": fake.sigmoid().mean().detach()}
            return {"loss": real_or_fake(real, fake) + self._shrinkage(phase), **parts}
        error = self.error(answer, truth)
        total = error + self._shrinkage(phase)
        if not self.config.adversarial:
            return {"loss": total, "error": error.detach()}
        with fixed(self.discriminator):
            adversarial = passes_for_real(self.discriminator(self.shown(past, answer, truth), action))
        total = total + self.config.adversarial * adversarial
        return {"loss": total, "error": error.detach(), "adversarial": adversarial.detach()}

    def error(self, answer: Float[Tensor, "B P D"], truth: Float[Tensor, "B P D"]) -> Float[Tensor, ""]:
        """The error of an answer in standardised features (`Config.loss`)."""
        if self.config.loss == "squares":
            return (answer - truth).square().mean()
        return ((answer - truth).square().sum(-1) + 1e-12).sqrt().mean()

    def shown(
        self, past: Float[Tensor, "B T D"], answer: Float[Tensor, "B P D"], truth: Float[Tensor, "B P D"]
    ) -> Float[Tensor, "B whole D"]:
        """The discriminator's fake sequence.

        # Differs: the released code puts the first true frame in the place of the last observed one, a seam by which
        # fakes can be recognised; `seam` keeps it.
        """
        if self.config.seam:
            return torch.cat((past[:, :-1], truth[:, :1], answer), 1)
        return torch.cat((past, answer), 1)

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """One answer, repeated; beyond `predicted` frames the answer is fed back to both encoders."""
        needed = query.observed.shape[1] - int(prefix_length(query).min()) if len(query) else 0
        frames = min(max(needed, 1), self.config.predicted)

        def step(past: Float[Tensor, "B T D"]) -> Float[Tensor, "B P D"]:
            return self.generator(past, frames, lambda _, answer: answer)

        return repeat_samples(roll_out(step, query, self.config.observed), samples)

    def feedback(self, truth: Float[Tensor, "B P D"]) -> Feed:
        """What is fed back in training: `feedback` times the answer plus the rest times the ground truth.

        # Differs: the released code mixes the answer for frame t with the truth of frame t + 1; `teacher="late"` does.
        Without mixing (`feedback=0`, its `use_sampling 0`) the released code, too, feeds back the true frame t.
        """
        share = self.config.feedback
        late = int(self.config.teacher == "late" and share > 0)

        def feed(step: int, answer: Poses) -> Poses:
            if step + late >= truth.shape[1]:  # the last answer, which nothing follows
                return answer
            return share * answer + (1 - share) * truth[:, step + late]

        return feed

    def _shrinkage(self, phase: str) -> Float[Tensor, ""] | float:
        """The l2 term: half the sum of squares of weights, not of biases (TensorFlow's l2 regulariser)."""
        if not self.config.l2:
            return 0.0
        squares = [weight.square().sum() for weight in self.phase_parameters(phase) if weight.ndim > 1]
        return 0.5 * self.config.l2 * torch.stack(squares).sum()


def _linear(enter: int, leave: int, gain: float = 1.0) -> nn.Linear:
    layer = nn.Linear(enter, leave)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
