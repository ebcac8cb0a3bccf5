"""Graph convolutions over the tokens of a sequence, and layers made of them (the blocks of SMRNet).

Tensors are laid out token first: n token x *batch x D feat. A mix of tokens is then one matrix product on
n x (batch D), a map of features one on (n batch) x D, the layer norm runs over contiguous memory, and nothing is ever
transposed.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

_SMALL = 0.01


def over_tokens(matrix: Float[Tensor, "m n"], x: Float[Tensor, "n *b D"]) -> Float[Tensor, "m *b D"]:
    """A linear map of the token axis."""
    return (matrix @ x.flatten(1)).view(-1, *x.shape[1:])


class GraphConvolution(nn.Module):
    """The weights of Y = A X W + b, A a free dense matrix over the nodes: no skeleton is behind it."""

    def __init__(self, nodes: int, width: int) -> None:
        super().__init__()
        self.nodes = nn.Parameter(_SMALL * torch.randn(nodes, nodes))
        self.weight = nn.Parameter(_SMALL * torch.randn(width, width))
        self.bias = nn.Parameter(torch.zeros(width))

    def start_awake(self) -> None:
        """A starts as the identity and W keeps the variance, so that the first steps see more than the bias."""
        nn.init.eye_(self.nodes)
        self.nodes.data.add_(_SMALL * torch.randn_like(self.nodes))
        nn.init.xavier_uniform_(self.weight)


class TwinGraph(nn.Module):
    """Two graph convolutions, one over tokens and one over features, then a linear map ("DTGCN").

    gelu(A X W + b), transposed, gelu(A' X' W' + b'), transposed back, V x + c; dropout after each GELU. The second is,
    without the transposes, a linear map of features by A' and a mix of tokens by W'.
    """

    def __init__(self, tokens: int, width: int, dropout: float) -> None:
        super().__init__()
        self.over_tokens = GraphConvolution(tokens, width)
        self.over_features = GraphConvolution(width, tokens)
        self.leave = nn.Linear(width, width)
        self.dropout = dropout

    def start_awake(self) -> None:
        """Both convolutions start as maps that keep the variance."""
        self.over_tokens.start_awake()
        self.over_features.start_awake()
        nn.init.xavier_uniform_(self.over_features.nodes)
        nn.init.eye_(self.over_features.weight)

    def forward(self, x: Float[Tensor, "n *b D"]) -> Float[Tensor, "n *b D"]:
        """No residual inside."""
        first, second = self.over_tokens, self.over_features
        x = over_tokens(first.nodes, functional.linear(x, first.weight.T)) + first.bias
        x = functional.dropout(functional.gelu(x), self.dropout, self.training)
        x = over_tokens(second.weight.T, functional.linear(x, second.nodes))
        x = x + second.bias.view(-1, *(1,) * (x.ndim - 1))
        x = functional.dropout(functional.gelu(x), self.dropout, self.training)
        return self.leave(x)


class SharedAttention(nn.Module):
    """LN(x + attention of LN(x) to given keys and values): no biases, no map of what comes out.

    The keys belong to a window; all samples of the window share them, so the samples' tokens stand side by side as the
    queries of one attention. `heads` must divide `width`.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.leave = nn.LayerNorm(width)

    def sources(self, c: Float[Tensor, "n W D"]) -> tuple[Tensor, Tensor]:
        """Keys and values [W head n dim] of conditions that are normalised already."""
        return _heads(self.key(c)[:, None], self.heads), _heads(self.value(c)[:, None], self.heads)

    def forward(self, x: Float[Tensor, "n S W D"], sources: tuple[Tensor, Tensor]) -> Float[Tensor, "n S W D"]:
        """`sources` are the keys and values of every window."""
        query = _heads(self.query(self.norm(x)), self.heads)
        if self.training:
            found = self._attend(query, *sources)
        else:
            found = functional.scaled_dot_product_attention(query, *sources)
        # W head (n S) dim -> n S W D
        found = found.permute(2, 0, 1, 3).reshape(x.shape)
        return self.leave(x + found)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        # For so few tokens the fused kernel's way back takes many times as long as these products; and the published
        # network drops attention weights, which the fused kernel cannot.
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return functional.dropout(scores.softmax(-1), self.dropout, training=True) @ value


class ResidualLayer(nn.Module):
    """One motion residual layer ("STCF-GCN"): p = G1(x); u = attention(x, c); q = G2(u) + u; s = p + q.

    The layer hands on x - back(s) and adds z = forth(s) to the answer, a pair of backcast and forecast as in N-BEATS.
    """

    def __init__(self, tokens: int, width: int, heads: int, dropout: float, attention_dropout: float) -> None:
        super().__init__()
        self.first = TwinGraph(tokens, width, dropout)
        self.attention = SharedAttention(width, heads, attention_dropout)
        self.source_norm = nn.LayerNorm(width)
        self.second = TwinGraph(tokens, width, dropout)
        self.back = nn.Linear(width, width)
        self.forth = nn.Linear(width, width)

    def sources(self, c: Float[Tensor, "n W D"]) -> tuple[Tensor, Tensor]:
        """Keys and values of the conditions of every window."""
        return self.attention.sources(self.source_norm(c))

    def forward(self, x: Float[Tensor, "n S W D"], sources: tuple[Tensor, Tensor]) -> Float[Tensor, "n S W D"]:
        """s, of which both answers are linear maps."""
        u = self.attention(x, sources)
        return self.first(x) + self.second(u) + u


class Observation(nn.Module):
    """What a window's observation says, independent of level and sample: embedding, self-attention, twin graph."""

    def __init__(
        self, tokens: int, features: int, width: int, heads: int, dropout: float, attention_dropout: float
    ) -> None:
        super().__init__()
        self.enter = nn.Linear(features, width)
        self.places = nn.Parameter(torch.randn(tokens, width))
        self.attention = SharedAttention(width, heads, attention_dropout)
        self.graph = TwinGraph(tokens, width, dropout)

    def forward(self, observation: Float[Tensor, "W n F"]) -> Float[Tensor, "n W D"]:
        """Tokens of condition."""
        x = functional.gelu(self.enter(observation.transpose(0, 1))) + self.places[:, None]
        x = self.attention(x[:, None], self.attention.sources(self.attention.norm(x)))[:, 0]
        return self.graph(x) + x


def sinusoid(level: Int[Tensor, " W"], width: int) -> Float[Tensor, "W D"]:
    """[cos | sin] of level * 10000^(-k / half), k from 0 to half - 1, half = width / 2."""
    half = width // 2
    angles = level[:, None] * torch.exp(-math.log(10_000) / half * torch.arange(half, device=level.device))
    return torch.cat((angles.cos(), angles.sin()), -1)


def _heads(x: Float[Tensor, "n S W D"], heads: int) -> Float[Tensor, "W head nS dim"]:
    """Tokens and samples become one axis; a view, for they stand side by side."""
    return x.unflatten(-1, (heads, -1)).permute(2, 3, 0, 1, 4).flatten(2, 3)
