"""The network of SMRNet: what of a noisy window is noise (or data, or v), given the level and an observation.

Legend: W windows (rows of a batch), S samples, n tokens (coefficients), F features, D width, N observed frames. Inside
of the network tensors are n x S x W x D: see `kinema.models.smrnet.graph`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kinema.geometry.dct import dct_matrix
from kinema.models.smrnet.graph import Observation, ResidualLayer, TwinGraph, sinusoid

Sources = list[tuple[Tensor, Tensor]]  # keys and values of every layer


class Reading(nn.Module):
    """The whole observation at once: every joint of every observed frame may speak to every token.

    A perceptron with residual blocks upon all coefficients of the N observed frames, as the literature's plain
    regressors read a motion. The graph convolutions, which mix tokens and features in turns, learn the same slowly.
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
        """Tokens of condition, from poses in the window's own terms."""
        x = self.enter((self.basis.to(past) @ past).flatten(1))
        for block in self.blocks:
            x = x + block(x)
        return self.leave(x).unflatten(-1, (self.tokens, -1)).transpose(0, 1)


class Denoiser(nn.Module):
    """Stacked residual layers over the tokens of a noisy window.

    `places` gives the noisy tokens a learnt position. With `reading`, the width of a `Reading` of `observed` frames,
    the observation also enters the stream itself, beside being the keys and values of cross attention.
    """

    def __init__(
        self,
        tokens: int,
        features: int,
        width: int,
        *,
        layers: int,
        heads: int,
        dropout: float,
        attention_dropout: float,
        places: bool,
        awake: bool,
        observed: int,
        reading: int = 0,
        reading_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.width = width
        self.enter = nn.Linear(features, width)
        self.places = nn.Parameter(torch.zeros(tokens, width)) if places else None
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.observe = Observation(tokens, features, width, heads, dropout, attention_dropout)
        self.layers = nn.ModuleList(
            ResidualLayer(tokens, width, heads, dropout, attention_dropout) for _ in range(layers)
        )
        self.leave = nn.Linear(width, features)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        # The last layer hands nothing on. Its map is kept, for the count of parameters, and is not trained.
        self._layers()[-1].back.requires_grad_(False)
        if awake:
            for part in self.modules():
                if isinstance(part, TwinGraph):
                    part.start_awake()
        self.reading = Reading(observed, features, tokens, width, reading, reading_dropout) if reading else None

    def embed(
        self, observation: Float[Tensor, "W n F"], past: Float[Tensor, "W N F"], known: Float[Tensor, " W"]
    ) -> Float[Tensor, "n W D"]:
        """What a window's observation says, independent of level and sample; nothing for windows without one.

        `observation` are the coefficients of the padded past, `past` its poses in the window's own terms. For a window
        without observation (`known` 0) the n equal keys act as one.
        """
        said = self.observe(observation)
        if self.reading is not None:
            said = said + self.reading(past)
        return said * known[:, None]

    def sources(self, embedded: Float[Tensor, "n W D"], level: Int[Tensor, " W"]) -> Sources:
        """Keys and values of every layer; they belong to a window and a level, whatever the sample."""
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
        """The network's word on x. `heads`, the products of every layer's forecast with the last map, save a product
        per layer at inference; see `folded`."""
        # Contiguous: a linear map of a permuted tensor is worked out row by row, with a copy of the weights for each.
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
        """The network's word on x, for training."""
        return self.answer(x, embedded, self.sources(embedded, level))

    def folded(self) -> list[Tensor]:
        """leave(sum of forth_l(s_l)) as one map per layer, and the bias of all: two linear maps in a row are one."""
        with torch.no_grad():
            maps = [self.leave.weight @ layer.forth.weight for layer in self._layers()]
            bias = torch.stack([layer.forth.bias for layer in self._layers()]).sum(0)
            return [*maps, self.leave.weight @ bias + self.leave.bias]

    def _layers(self) -> list[ResidualLayer]:
        return [layer for layer in self.layers if isinstance(layer, ResidualLayer)]


def _block(width: int, dropout: float) -> nn.Sequential:
    inside = 2 * width
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, inside),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(inside, width),
    )
