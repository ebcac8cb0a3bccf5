"""Classifiers of actions, and the features by which evaluators compare generated with real motion.

"gru" is the default evaluator: small, deterministic, its state starts at zero, and it reads joint positions. "posegpt"
is the transformer of PoseGPT's released evaluation (3,546,428 parameters for 168 numbers per frame and 60 classes),
whose class token is a frame of ones that is pooled together with the first frame. `features` is the last layer before
the logits.

Legend: B batch, T frames, F numbers of a frame, D width, C classes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, Samples, repeat_samples
from kinema.nn.transformer import Block, Halve, sinusoid, start_small


class EncoderStack(nn.Module):
    """PoseGPT's encoder stack: half the frames by convolution and pooling, positions added once, then blocks."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.halve = Halve(width, causal=False, padding="seen")
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(
            Block(width, heads, dropout, causal=False, attention_dropout=dropout) for _ in range(layers)
        )
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, width, bias=False)
        start_small(self.leave)

    def forward(self, x: Float[Tensor, "B T D"], mask: Bool[Tensor, "B T"]) -> Float[Tensor, "B half D"]:
        """T // 2 tokens; frames beyond `mask` are not attended to."""
        x, mask = self.halve(x, mask)
        places = sinusoid(torch.arange(x.shape[1], device=x.device), x.shape[2], interleaved=True)
        x = self.dropout(x) + places.to(x.dtype)
        for block in self.blocks:
            x = block(x, mask)
        return self.leave(self.norm(x))


class GruBody(nn.Module):
    """A convolution of stride 2, a bidirectional GRU from a state of zeros, mean and maximum over time."""

    def __init__(self, width: int, hidden: int, features: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(width, hidden, 5, stride=2, padding=2)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(4 * hidden, features)

    def forward(self, x: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        """Features of clips; `valid` is not used: all frames are read."""
        states, _ = self.gru(functional.gelu(self.enter(x.transpose(1, 2))).transpose(1, 2))
        return torch.tanh(self.leave(torch.cat((states.mean(1), states.amax(1)), -1)))


class TransformerBody(nn.Module):
    """PoseGPT's: a frame of ones before the others, a linear map, a stack, the first token."""

    def __init__(self, width: int, hidden: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(width, hidden)
        self.stack = EncoderStack(hidden, layers, heads, dropout)

    def forward(self, x: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        """Features of clips; frames that are not `valid` are not attended to."""
        x = self.enter(functional.pad(x, (0, 0, 1, 0), value=1.0))
        there = x.new_ones(x.shape[:2], dtype=torch.bool)
        if valid is not None:
            there[:, 1:] = valid
        return self.stack(x, there)[:, 0]


class Classifier(Model):
    """A classifier. Its loss is the binary cross-entropy of every class, so a clip may have several labels."""

    @dataclass(frozen=True)
    class Config:
        """`features` is the width of the features of "gru"; those of "posegpt" have `width`. `dropout`, of "posegpt",
        is also that of the weights of attention."""

        body: Literal["gru", "posegpt"] = "gru"
        width: int = 128
        features: int = 64
        layers: int = 4
        heads: int = 4
        dropout: float = 0.1

        def build(self, shape: FeatureShape) -> Classifier:
            """The classifier for features of this shape."""
            return Classifier(self, shape.width, shape.classes)

        def tiny(self) -> Classifier.Config:
            """A narrow one, for tests."""
            return replace(self, width=16, features=8, layers=1, heads=2)

    def __init__(self, config: Config, width: int, classes: int) -> None:
        super().__init__()
        self.config = config
        if config.body == "gru":
            self.body: nn.Module = GruBody(width, config.width, config.features)
            self.head: nn.Module = nn.Linear(config.features, classes)
        else:
            self.body = TransformerBody(width, config.width, config.layers, config.heads, config.dropout)
            self.head = nn.Sequential(
                nn.Linear(config.width, config.width), nn.ReLU(), nn.Linear(config.width, classes)
            )

    def features(self, clips: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B D"]:
        """The input of the last layers. `valid` is the mask of frames; None: all are valid."""
        return self.body(clips, valid)

    def forward(self, clips: Float[Tensor, "B T F"], valid: Bool[Tensor, "B T"] | None = None) -> Float[Tensor, "B C"]:
        """Logits."""
        return self.head(self.body(clips, valid))

    def cross_entropy(self, clips: Float[Tensor, "B T F"], labels: Float[Tensor, "B C"]) -> Float[Tensor, ""]:
        """Binary cross-entropy, summed over classes, mean over clips."""
        entropy = functional.binary_cross_entropy_with_logits(self(clips), (labels > 0).to(clips), reduction="none")
        return entropy.sum(1).mean()

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """The cross-entropy of the labels given the whole window, and the share of clips recognised."""
        labels = batch.query.action
        logits = self(batch.target, batch.query.valid)
        entropy = functional.binary_cross_entropy_with_logits(logits, (labels > 0).to(logits), reduction="none")
        right = labels.gather(1, logits.detach().argmax(1, keepdim=True)) > 0
        return {"loss": entropy.sum(1).mean(), "accuracy": right.to(logits).mean()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Samples:
        """The observed values: a classifier predicts no motion."""
        return repeat_samples(query.observed, samples)
