"""ConvSeq2Seq: a convolutional sequence-to-sequence forecaster with a critic (Li et al., CVPR 2018).

The generator looks at the past twice. A long-term encoder reads the observed frames once; a short-term encoder reads
the last `window` frames, again before every answered frame. A decoder of two linear maps turns both codes into the step
from the last frame to the next one, which is fed back. The critic sees a whole sequence, observed and answered, with
its action, and says whether it is real. It is a GAN with two phases: "discriminator", then "generator".

Every behaviour of the released code that one would not want is an option of `Config`, off by default; the recipe
`conv-seq2seq-faithful` turns them on (docs/papers/conv_seq2seq.md lists them).

Legend: B batch, T observed frames, P answered frames, D pose dimensions, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.models.conv_seq2seq.pose_conv import SPAN, Padding, PoseEncoder, Rolling
from kinema.nn.adversarial import half_squares, passes_for_real, real_or_fake
from kinema.nn.prefix import future_frames, last_frames, prefix_length, roll_out

Poses = Float[Tensor, "B D"]
Feed = Callable[[int, Poses], Poses]  # (step, answer) -> the frame that is fed back
_CRITIC_HIDDEN = 256


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
        """The `frames` after `past`; `feed` says what is fed back in place of each answer."""
        long, short = self.enter.weight.split(self.config.hidden, 1)
        # What does not depend on the step, once. The last outputs are the class head's, which nothing uses.
        context = functional.linear(
            self.long_term(past[:, : self.config.long_frames])[:, : self.config.hidden], long, self.enter.bias
        )
        # Computed once, rows are thousands of little operations: an exported graph takes whole windows instead.
        shared = (self.config.masks == "frame" or not self.training) and not torch.compiler.is_exporting()
        window = _Window(self.short_term, past, shared=shared)
        last, answers = past[:, -1], list[Poses]()
        while len(answers) < frames:
            # As many steps at once as there are frames that the encoder does not look at.
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
    """The frames that the short-term encoder looks at. With `shared` every row of a convolution is computed once."""

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
        # What "valid" leaves out need not be known; the encoder drops it.
        return self._encoder(windows).unflatten(0, (len(steps), -1))


class Critic(nn.Module):
    """A sequence of observed and answered frames with its action -> the logit of its being real."""

    def __init__(self, config: ConvSeq2Seq.Config, shape: FeatureShape) -> None:
        super().__init__()
        frames = config.observed + config.predicted
        self.encoder = PoseEncoder(
            frames, shape.width, config.critic_features, config.hidden, config.padding, config.dropout
        )
        self.enter = _linear(config.hidden + shape.classes, _CRITIC_HIDDEN)
        self.leave = _linear(_CRITIC_HIDDEN, 1)

    def forward(self, sequence: Float[Tensor, "B T D"], action: Float[Tensor, "B A"]) -> Float[Tensor, " B"]:
        """The logits."""
        code = torch.cat((self.encoder(sequence).relu(), action), -1)
        return self.leave(self.enter(code).relu()).squeeze(-1)


class ConvSeq2Seq(Model):
    """The system: `predicted` frames from the last `observed`, by rolling out frame by frame."""

    phases = ("discriminator", "generator")
    graphs = ("forecast",)

    @dataclass(frozen=True)
    class Config:
        """Sizes are the paper's; the defaults of the rest are what the released code should have done.

        `long_frames` is how many of the observed frames the long-term encoder reads, from the first on (released: 49);
        `padding` of all encoders is "valid" (released, CMU), "same" (released, Human3.6M) or "front". `feedback` is the
        share of the model's own answer in what is fed back in training, the truth of the same frame being the rest;
        with `teacher="late"` it is the truth of one frame later. `seam` shows the critic sequences that lack the last
        observed frame and have the first true one in its place. `class_head` gives the long-term encoder outputs for
        the actions, which nothing uses. `loss` is "squares" (mean squared error) or "distance" (mean over frames of the
        2-norm of the error). `adversarial` weighs the critic's verdict (0: there is no critic), `l2` half the squares
        of all weights. `dropout` scales the paper's rates (0.2, 0.2, 0.5 in an encoder, 0.5 in the decoder); `masks`
        says whether its masks are drawn anew for every "window", or once for a "frame" and its neighbours, which makes
        training faster. `still` begins training near zero velocity. Raises UsageError for values that cannot be.
        """

        observed: int = 50
        predicted: int = 25
        window: int = 20
        long_frames: int = 50
        features: int = 16
        hidden: int = 512
        critic_features: int = 32
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
            return replace(self, features=2, hidden=16, critic_features=2)

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.config = config
        self.generator = Generator(config, shape)
        if config.adversarial:
            self.critic = Critic(config, shape)
        else:  # no critic, no phase of it
            self.phases = ("generator",)  # pyright: ignore[reportAttributeAccessIssue]

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        """The critic's in "discriminator", the rest in "generator"."""
        return self.part(phase).parameters()

    def part(self, phase: str) -> Generator | Critic:
        """The half of the model that a phase optimises."""
        return self.critic if phase == "discriminator" else self.generator

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The critic's cross-entropies, or the forecast's error with 0.01 of the critic's verdict on it."""
        past = last_frames(batch.query, self.config.observed)
        truth = future_frames(batch, self.config.predicted)
        action = batch.query.action
        with torch.set_grad_enabled(torch.is_grad_enabled() and phase == "generator"):
            answer = self.generator(past, self.config.predicted, self.taught(truth))
        if phase == "discriminator":
            shown = torch.cat((torch.cat((past, truth), 1), self.shown(past, answer, truth)))
            real, fake = self.critic(shown, action.repeat(2, 1)).chunk(2)
            verdict = real_or_fake(real, fake)
            parts = {"real": real.sigmoid().mean().detach(), "fake": fake.sigmoid().mean().detach()}
            return {"loss": verdict + self._shrinkage(phase), **parts}
        error = self.error(answer, truth)
        total = error + self._shrinkage(phase)
        if not self.config.adversarial:
            return {"loss": total, "error": error.detach()}
        # The critic is not learning here: without its own gradients its backward pass costs half.
        fixed = {name: weight.detach() for name, weight in self.critic.named_parameters()}
        verdict = passes_for_real(functional_call(self.critic, fixed, (self.shown(past, answer, truth), action)))
        total = total + self.config.adversarial * verdict
        return {"loss": total, "error": error.detach(), "adversarial": verdict.detach()}

    def error(self, answer: Float[Tensor, "B P D"], truth: Float[Tensor, "B P D"]) -> Float[Tensor, ""]:
        """How far an answer is from the truth, in standardised features."""
        if self.config.loss == "squares":
            return (answer - truth).square().mean()
        return ((answer - truth).square().sum(-1) + 1e-12).sqrt().mean()

    def shown(
        self, past: Float[Tensor, "B T D"], answer: Float[Tensor, "B P D"], truth: Float[Tensor, "B P D"]
    ) -> Float[Tensor, "B whole D"]:
        """The sequence that the critic judges in place of the true one.

        # Differs: the released code skips the last observed frame and shows the first true one before the answers, a
        # seam by which a fake can be told; `seam` keeps it.
        """
        if self.config.seam:
            return torch.cat((past[:, :-1], truth[:, :1], answer), 1)
        return torch.cat((past, answer), 1)

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """One answer, repeated; beyond `predicted` frames the answer is fed back to both encoders."""
        del generator  # deterministic
        needed = query.observed.shape[1] - int(prefix_length(query).min()) if len(query) else 0
        frames = min(max(needed, 1), self.config.predicted)

        def step(past: Float[Tensor, "B T D"]) -> Float[Tensor, "B P D"]:
            return self.generator(past, frames, lambda _, answer: answer)

        return repeat_samples(roll_out(step, query, self.config.observed), samples)

    def taught(self, truth: Float[Tensor, "B P D"]) -> Feed:
        """What is fed back in training: mostly the answer, partly the truth.

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
        """The l2 term: of weights, not of biases."""
        if not self.config.l2:
            return 0.0
        return self.config.l2 * half_squares([weight for weight in self.part(phase).parameters() if weight.ndim > 1])


def _linear(enter: int, leave: int, gain: float = 1.0) -> nn.Linear:
    layer = nn.Linear(enter, leave)
    nn.init.xavier_uniform_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
