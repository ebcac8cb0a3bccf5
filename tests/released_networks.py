"""The networks of released codes written down plainly, under the names of their checkpoints, from the specification."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from kinema.geometry.curves import dct_matrix


class Norm(nn.Module):
    """siMLPe's: over the features of [B, F, T], biased variance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.alpha, self.beta = nn.Parameter(torch.ones(1, width, 1)), nn.Parameter(torch.zeros(1, width, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x - x.mean(1, keepdim=True)
        return x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt() * self.alpha + self.beta


class OverTime(nn.Module):
    def __init__(self, frames: int) -> None:
        super().__init__()
        self.fc = nn.Linear(frames, frames)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class MlpBlock(nn.Module):
    def __init__(self, frames: int, width: int) -> None:
        super().__init__()
        self.fc0, self.norm0 = OverTime(frames), Norm(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm0(self.fc0(x))


class Blocks(nn.Module):
    def __init__(self, frames: int, width: int, layers: int) -> None:
        super().__init__()
        self.mlps = nn.Sequential(*(MlpBlock(frames, width) for _ in range(layers)))


class ReleasedSiMLPe(nn.Module):
    def __init__(self, width: int = 66, frames: int = 50, layers: int = 48) -> None:
        super().__init__()
        self.motion_mlp = Blocks(frames, width, layers)
        self.motion_fc_in, self.motion_fc_out = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, past: Tensor, predicted: int) -> Tensor:
        basis = dct_matrix(past.shape[1])
        x = self.motion_mlp.mlps(self.motion_fc_in(basis @ past).transpose(1, 2))
        return (basis.T @ self.motion_fc_out(x.transpose(1, 2)))[:, :predicted] + past[:, -1:]


class GraphConvolution(nn.Module):
    def __init__(self, enter: int, leave: int, nodes: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(enter, leave) / math.sqrt(enter))
        self.att = nn.Parameter(torch.randn(nodes, nodes) / math.sqrt(nodes))
        self.bias = nn.Parameter(torch.randn(leave))

    def forward(self, x: Tensor) -> Tensor:
        return self.att @ (x @ self.weight) + self.bias


class FFN(nn.Module):
    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.gcn1 = GraphConvolution(width, width, count)
        self.gcn2 = GraphConvolution(count, count, width)
        self.linear = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.gelu(self.gcn1(x)).transpose(1, 2)
        return self.linear(functional.gelu(self.gcn2(x)).transpose(1, 2))


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, *, crossed: bool) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.text_norm = nn.LayerNorm(width) if crossed else None
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.norm2 = nn.LayerNorm(width)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        c = (self.text_norm or self.norm)(c)
        q, k, v = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.query(self.norm(x)), self.key(c), self.value(c))
        )
        weights = torch.softmax(q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1]), -1)
        return self.norm2(x + (weights @ v).transpose(1, 2).flatten(2))


class ObserveEmbed(nn.Module):
    def __init__(self, count: int, features: int, width: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(features, width)
        self.pos_embed = nn.Parameter(torch.randn(count, width))
        self.attn = Attention(width, heads, crossed=False)
        self.ffn = FFN(count, width)

    def forward(self, o: Tensor) -> Tensor:
        x = functional.gelu(self.embed(o)) + self.pos_embed
        x = self.attn(x, x)
        return self.ffn(x) + x


class Layer(nn.Module):
    def __init__(self, count: int, width: int, heads: int) -> None:
        super().__init__()
        self.ffn1 = FFN(count, width)
        self.attn = Attention(width, heads, crossed=True)
        self.ffn2 = FFN(count, width)
        self.linear3, self.linear4 = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        u = self.attn(x, c)
        s = self.ffn1(x) + self.ffn2(u) + u
        return x - self.linear3(s), self.linear4(s)


class ReleasedSMRNet(nn.Module):
    def __init__(self, count: int, features: int, width: int, heads: int, layers: int) -> None:
        super().__init__()
        self.width = width
        self.time_embed = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.obse_embed = ObserveEmbed(count, features, width, heads)
        self.joint_embed = nn.Linear(features, width)
        self.layers = nn.ModuleList(Layer(count, width, heads) for _ in range(layers))
        self.out = nn.Linear(width, features)

    def forward(self, y: Tensor, t: Tensor, mod: Tensor) -> Tensor:
        half = self.width // 2
        angles = t[:, None].float() * torch.exp(-math.log(10_000) * torch.arange(half) / half)
        c = self.time_embed(torch.cat((angles.cos(), angles.sin()), -1))[:, None] + self.obse_embed(mod)
        x, total = self.joint_embed(y), torch.zeros(())
        for layer in self.layers:
            x, z = layer(x, c)
            total = total + z
        return self.out(total)
