"""What is done in a clip: recognisers of labelled motion, and the features that generated motion is judged by.

"gru" is the default judge: small, deterministic, its state starts at zero, and it reads joint positions. "posegpt" is
the transformer of PoseGPT's released evaluation (3,546,428 parameters for 168 numbers a frame and 60 classes), whose
class token is a constant that is pooled together with the first frame. In both, `features` is the last layer before the
logits.

Legend: B batch, T frames, F numbers of a frame, D width, C classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.query import Batch, Query
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.nn.attention import attend


class Block(nn.Module):
    """Pre-norm transformer block: attention over all frames, then two linear maps with a GELU between."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query, self.key, self.value, self.leave = (nn.Linear(width, width) for _ in range(4))
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """One block."""
        y = self.before_attention(x)
        looked = self.leave(attend(self.query(y), self.key(y), self.value(y), self.heads))
        x = x + functional.dropout(looked, self.dropout, self.training)
        return x + functional.dropout(self.mlp(self.before_mlp(x)), self.dropout, self.training)


class Stack(nn.Module):
    """PoseGPT's encoder stack: half the frames by convolution and pooling, then blocks, each with positions added."""

    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.down = nn.Conv1d(width, width, 3, padding=1)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.leave = nn.Linear(width, width, bias=False)
        self.dropout = dropout

    def forward(self, x: Float[Tensor, "B T D"]) -> Float[Tensor, "B half D"]:
        """T // 2 tokens."""
        x = functional.max_pool1d(self.down(x.transpose(1, 2)), 2).transpose(1, 2)
        x = functional.dropout(x, self.dropout, self.training)
        places = sinusoids(x.shape[1], x.shape[2]).to(x)
        for block in self.blocks:
            x = block(x + places)
        return self.leave(self.norm(x))


class GruBody(nn.Module):
    """Every second frame by convolution, a GRU both ways from a state of zeros, the mean and the largest over time."""

    def __init__(self, width: int, hidden: int, features: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(width, hidden, 5, stride=2, padding=2)
        self.gru = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
        self.leave = nn.Linear(4 * hidden, features)

    def forward(self, x: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Features of clips."""
        states, _ = self.gru(functional.gelu(self.enter(x.transpose(1, 2))).transpose(1, 2))
        return torch.tanh(self.leave(torch.cat((states.mean(1), states.amax(1)), -1)))


class TransformerBody(nn.Module):
    """PoseGPT's: a token of ones before the embedded frames, a stack, what the first token has become."""

    def __init__(self, width: int, hidden: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.enter = nn.Linear(width, hidden)
        self.stack = Stack(hidden, layers, heads, dropout)

    def forward(self, x: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """Features of clips."""
        x = self.enter(x)
        return self.stack(torch.cat((torch.ones_like(x[:, :1]), x), 1))[:, 0]


class Classifier(Model):
    """A recogniser. Its loss is the binary cross-entropy of every class, so that a clip may have several labels."""

    @dataclass(frozen=True)
    class Config:
        """`features` is the width of what `features` gives ("gru"; "posegpt" gives `width`)."""

        body: Literal["gru", "posegpt"] = "gru"
        width: int = 128
        features: int = 64
        layers: int = 4
        heads: int = 4
        dropout: float = 0.1

        def build(self, shape: FeatureShape) -> Classifier:
            """The recogniser for features of this width and so many classes."""
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

    def features(self, clips: Float[Tensor, "B T F"]) -> Float[Tensor, "B D"]:
        """What the logits are made of."""
        return self.body(clips)

    def forward(self, clips: Float[Tensor, "B T F"]) -> Float[Tensor, "B C"]:
        """Logits."""
        return self.head(self.body(clips))

    def cross_entropy(self, clips: Float[Tensor, "B T F"], labels: Float[Tensor, "B C"]) -> Float[Tensor, ""]:
        """Binary cross-entropy, summed over classes, mean over clips."""
        entropy = functional.binary_cross_entropy_with_logits(self(clips), (labels > 0).to(clips), reduction="none")
        return entropy.sum(1).mean()

    def loss(self, batch: Batch, turn: str) -> dict[str, Tensor]:
        """The cross-entropy of the labels given the whole window, and the share that is recognised."""
        del turn
        labels = batch.query.action
        logits = self(batch.target)
        entropy = functional.binary_cross_entropy_with_logits(logits, (labels > 0).to(logits), reduction="none")
        right = labels.gather(1, logits.detach().argmax(1, keepdim=True)) > 0
        return {"loss": entropy.sum(1).mean(), "accuracy": right.to(logits).mean()}

    def predict(
        self, query: Query, samples: int, generator: torch.Generator
    ) -> Float[Tensor, "sample batch frame feat"]:
        """What is known: a recogniser adds nothing."""
        del generator
        return repeat_samples(query.seen, samples)


def sinusoids(frames: int, width: int) -> Float[Tensor, "frame dim"]:
    """Sines and cosines of the frame number, wavelengths from 2 pi to 10,000 x 2 pi."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(frames)[:, None] * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width]
