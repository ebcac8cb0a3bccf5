"""SMRNet's network written down plainly, with the weights of ours: what tests and benchmarks measure the fast form by.

Batch x node x feature throughout, graph convolutions with transposes, and everything computed for every sample.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinema.models.smrnet.denoiser import (
    Denoiser,
    GraphConvolution,
    Observation,
    ResidualLayer,
    SharedAttention,
    TwinGraph,
)


class Plain(nn.Module):
    def __init__(self, network: Denoiser) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, level: Tensor, observation: Tensor | None) -> Tensor:
        """x [B n F], level [B], observation [B n F] or none."""
        network = self.network
        half = network.width // 2
        angles = level[:, None].float() * torch.exp(-math.log(10_000) * torch.arange(half) / half)
        condition = network.time(torch.cat((angles.cos(), angles.sin()), -1))[:, None]
        if observation is not None:
            condition = condition + embed(network.observe, observation)
        stream = network.enter(x)
        total = torch.zeros_like(stream)
        for layer in network.layers:
            assert isinstance(layer, ResidualLayer)
            p = twin(layer.first, stream)
            u = attend(layer.attention, stream, layer.source_norm(condition))
            s = p + twin(layer.second, u) + u
            stream = stream - layer.back(s)
            total = total + layer.forth(s)
        return network.leave(total)


def embed(part: Observation, observation: Tensor) -> Tensor:
    x = functional.gelu(part.enter(observation)) + part.places
    x = attend(part.attention, x, part.attention.norm(x))
    return twin(part.graph, x) + x


def convolve(part: GraphConvolution, x: Tensor) -> Tensor:
    return part.nodes @ (x @ part.weight) + part.bias


def twin(part: TwinGraph, x: Tensor) -> Tensor:
    x = functional.gelu(convolve(part.over_tokens, x)).transpose(1, 2)
    x = functional.gelu(convolve(part.over_features, x)).transpose(1, 2)
    return part.leave(x)


def attend(part: SharedAttention, x: Tensor, c: Tensor) -> Tensor:
    def split(y: Tensor) -> Tensor:
        return y.unflatten(-1, (part.heads, -1)).transpose(1, 2)

    q, k, v = split(part.query(part.norm(x))), split(part.key(c)), split(part.value(c))
    weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
    return part.leave(x + (weights @ v).transpose(1, 2).flatten(2))
