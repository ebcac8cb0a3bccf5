"""The network of SMRNet: what of a noisy window is noise (or data, or v), given the level and an observation.

Legend: W windows (rows of a batch), S samples, n tokens (coefficients), F features, D width, N observed frames. Inside
the network, tensors are n x S x W x D (token first): a mix of tokens is then one matrix product on n x (S W D), a map
of features one on (n S W) x D, the layer norm runs over contiguous memory, and nothing is transposed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kinema.geometry.curves import dct_matrix

if TYPE_CHECKING:
    from kinema.models.smrnet.model import SMRNet

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
        """A starts as the identity and W keeps the variance, so that the input has an effect from the first step on."""
        nn.init.eye_(self.nodes)
        self.nodes.data.add_(_SMALL * torch.randn_like(self.nodes))
        nn.init.xavier_uniform_(self.weight)


class TwinGraph(nn.Module):
    """Two graph convolutions, one over tokens and one over features, then a linear map ("DTGCN").

    gelu(A X W + b), transposed, gelu(A' X' W' + b'), transposed back, V x + c; dropout after each GELU. Without the
    transposes the second is a linear map of features by A' and a mix of tokens by W'.
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
    """LN(x + attention of LN(x) to given keys and values), without biases and without an output map.

    All samples of a window share its keys, so their tokens are the queries of one attention. `heads` must divide
    `width`.
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
        """Keys and values [W head n dim] of normalised conditions."""
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
        # For so few tokens the backward pass of the fused kernel takes many times as long as these products, and the
        # published network drops attention weights, which the fused kernel cannot.
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        return functional.dropout(scores.softmax(-1), self.dropout, training=True) @ value


class ResidualLayer(nn.Module):
    """One motion residual layer ("STCF-GCN"): p = G1(x); u = attention(x, c); q = G2(u) + u; s = p + q.

    The next layer gets x - back(s), the output the sum of forth(s): backcast and forecast as in N-BEATS.
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
        """s, of which backcast and forecast are linear maps."""
        u = self.attention(x, sources)
        return self.first(x) + self.second(u) + u


class Observation(nn.Module):
    """The embedding of a window's observation, independent of level and sample: self-attention, then a twin graph."""

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
    """Tokens and samples become one axis (a view)."""
    return x.unflatten(-1, (heads, -1)).permute(2, 3, 0, 1, 4).flatten(2, 3)


Sources = list[tuple[Tensor, Tensor]]  # keys and values of every layer


class Reading(nn.Module):
    """A perceptron with residual blocks on all coefficients of the N observed frames.

    It connects every joint of every observed frame to every token at once. The graph convolutions, which mix tokens and
    features in turns, learn the same slowly.
    """

    def __init__(self, frames: int, features: int, tokens: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.basis: Tensor
        self.register_buffer("basis", dct_matrix(frames), persistent=False)
        self.enter = nn.Linear(frames * features, hidden)
        self.blocks = nn.ModuleList(_block(hidden, dropout) for _ in range(4))
        self.leave = nn.Linear(hidden, tokens * width)
        self.tokens = tokens

    def forward(self, past: Float[Tensor, "W N F"]) -> Float[Tensor, "n W D"]:
        """Tokens of condition, from poses in the window's terms."""
        x = self.enter((self.basis.to(past) @ past).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).unflatten(-1, (self.tokens, -1)).transpose(0, 1)


class Denoiser(nn.Module):
    """Stacked residual layers over the tokens of a noisy window.

    With `config.reading` the observation is also added to the stream, beside being the keys and values of cross
    attention.
    """

    def __init__(self, config: SMRNet.Config, features: int) -> None:
        super().__init__()
        self.width = width = config.width
        tokens, part = config.coefficients, (config.heads, config.dropout, config.attention_dropout)
        self.enter = nn.Linear(features, width)
        self.places = nn.Parameter(torch.zeros(tokens, width)) if config.places else None
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.observe = Observation(tokens, features, width, *part)
        self.layers = nn.ModuleList(ResidualLayer(tokens, width, *part) for _ in range(config.layers))
        self.leave = nn.Linear(width, features)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        # The last layer's backcast is not used. It stays for the published count of parameters, and is not trained.
        self._layers()[-1].back.requires_grad_(False)
        if config.start == "awake":
            for module in self.modules():
                if isinstance(module, TwinGraph):
                    module.start_awake()
        reader = (config.observed, features, tokens, width, config.reading, config.reading_dropout)
        self.reading = Reading(*reader) if config.reading else None

    def embed(
        self, observation: Float[Tensor, "W n F"], past: Float[Tensor, "W N F"], known: Float[Tensor, " W"]
    ) -> Float[Tensor, "n W D"]:
        """The embedded observation, independent of level and sample; zeros for windows without one (`known` 0).

        `observation` are the coefficients of the padded past, `past` its poses in the window's terms.
        """
        tokens = self.observe(observation)
        if self.reading is not None:
            tokens = tokens + self.reading(past)
        return tokens * known[:, None]

    def sources(self, embedded: Float[Tensor, "n W D"], level: Int[Tensor, " W"]) -> Sources:
        """Keys and values of every layer, for a window and a level, the same for all samples."""
        waves = sinusoid(level, self.width)
        time = self.time(waves.to(embedded.dtype))
        condition = time + embedded
        return [layer.sources(condition) for layer in self._layers()]

    def answer(
        self,
        x: Float[Tensor, "S W n F"],
        embedded: Float[Tensor, "n W D"],
        sources: Sources,
        heads: Sequence[Tensor] = (),
    ) -> Float[Tensor, "S W n F"]:
        """The network's output at x. `heads` (see `folded`) save a product per layer at inference."""
        # Contiguous: a linear map of a permuted tensor is computed row by row, with a copy of the weights for each.
        stream = self.enter(x.permute(2, 0, 1, 3).contiguous())
        if self.places is not None:
            stream = stream + self.places[:, None, None].to(stream)
        if self.reading is not None:
            stream = stream + embedded[:, None].to(stream)
        layers, total = self._layers(), torch.zeros((), dtype=stream.dtype, device=stream.device)
        for place, (layer, source) in enumerate(zip(layers, sources, strict=True)):
            s = layer(stream, source)
            z = functional.linear(s, heads[place]) if heads else layer.forth(s)
            total = total + z
            if place + 1 < len(layers):
                stream = stream - layer.back(s)
        answer = total + heads[-1] if heads else self.leave(total)
        return answer.permute(1, 2, 0, 3)

    def forward(
        self, x: Float[Tensor, "S W n F"], level: Int[Tensor, " W"], embedded: Float[Tensor, "n W D"]
    ) -> Float[Tensor, "S W n F"]:
        """The network's output at x, for training."""
        return self.answer(x, embedded, self.sources(embedded, level))

    def folded(self) -> list[Tensor]:
        """leave(sum of forth_l(s_l)) as one map per layer and one bias: two linear maps in a row are one."""
        with torch.no_grad():
            maps = [self.leave.weight @ layer.forth.weight for layer in self._layers()]
            bias = torch.stack([layer.forth.bias for layer in self._layers()]).sum(0)
            return [*maps, self.leave.weight @ bias + self.leave.bias]

    def _layers(self) -> list[ResidualLayer]:
        return [layer for layer in self.layers if isinstance(layer, ResidualLayer)]


def _block(width: int, dropout: float) -> nn.Sequential:
    enter, leave = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
    return nn.Sequential(nn.LayerNorm(width), enter, nn.GELU(), nn.Dropout(dropout), leave)
