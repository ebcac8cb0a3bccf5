"""The inputs of PoseGPT's prior at every step: the token before, the position, the action, the length.

Legend: R rows, N tokens, K books, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from kinema.core.errors import UsageError
from kinema.core.query import Query
from kinema.nn.transformer import sinusoid, start_small

Labels = tuple[Tensor | None, Tensor | None]  # embeddings of the action and of the length [R, D]


@dataclass(frozen=True)
class InputsConfig:
    """`places` are the embeddings of positions; "none" is for blocks with rotary attention.

    With `every_step` action and length are given at every token; otherwise the action replaces the first token and the
    length is not given. `concatenate` puts token, position, action and length side by side before a linear map;
    otherwise they are added. `lengths` is the number of distinct lengths in frames, 0 for none; their rows start at
    N(0, `length_start`). `action_rows` is the least size of the table of actions, whose rows start at
    N(0, `action_start`). `small_fuse` starts the linear map at N(0, 0.02) instead of torch's default. `shared_row`
    keeps the table of PoseGPT's code, in which the last code of a book and "none" of the next share a row.
    Raises UsageError where `every_step` is off and a length is given or parts are concatenated.
    """

    places: Literal["learned", "interleaved", "sine", "none"] = "learned"
    every_step: bool = True
    concatenate: bool = True
    lengths: int = 1024
    length_start: float = 0.02
    action_rows: int = 0
    action_start: float = 0.02
    small_fuse: bool = True
    shared_row: bool = False

    def __post_init__(self) -> None:
        if not self.every_step and (self.concatenate or self.lengths):
            raise UsageError(
                expected="every_step, where parts are concatenated or a length is given",
                got="every_step false",
                cure="Set every_step, or concatenate to false and lengths to 0.",
            )


class TokenInputs(nn.Module):
    """Tables of codes, positions, actions and lengths, and how they are joined."""

    def __init__(self, config: InputsConfig, dim: int, books: int, codes: int, block: int, classes: int) -> None:
        super().__init__()
        self.config, self.dim, self.books, self.codes, self.classes = config, dim, books, codes, classes
        self.token_table = nn.Embedding(books * (codes + 1), dim // books)
        self.place_table = nn.Parameter(torch.zeros(block, dim)) if config.places == "learned" else None
        rows = max(classes, config.action_rows) if classes else 0
        self.action_table = nn.Embedding(rows, dim) if rows else None
        self.length_table = nn.Embedding(config.lengths, dim) if config.lengths else None
        parts = 1 + (config.places != "none") + (rows > 0) + (config.lengths > 0)
        self.fuse = nn.Linear(parts * dim, dim) if config.concatenate else None
        start_small(self.token_table)
        if self.length_table is not None:
            nn.init.normal_(self.length_table.weight, std=config.length_start)
        if self.fuse is not None and config.small_fuse:
            start_small(self.fuse)
        if self.action_table is not None:
            nn.init.normal_(self.action_table.weight, std=config.action_start)

    def labels(self, query: Query) -> Labels:
        """The embeddings of a query's action (label weights, several at once) and length.

        Raises UsageError where the query's classes are not the model's; a query without classes has no action.
        """
        weights = query.action
        if self.action_table is not None:
            if weights.shape[-1] == 0:
                weights = weights.new_zeros(len(weights), self.classes)
            if weights.shape[-1] != self.classes:
                raise UsageError(
                    expected=f"weights of {self.classes} actions",
                    got=f"{weights.shape[-1]}",
                    cure="Use the labels that the model was trained with: `kinema models` lists them.",
                )
        return self.embed(weights, query.valid.sum(1))

    def embed(self, weights: Float[Tensor, "R class"] | None, frames: Int[Tensor, " R"] | None) -> Labels:
        """The embeddings of label weights and of a length in frames, where there are tables for them.

        Where parts are concatenated, the embedding's columns of the linear map are applied here, once, not per token.
        """
        action, length = None, None
        columns = iter(self._columns()[1 + (self.config.places != "none") :])
        if self.action_table is not None:
            own = next(columns, None)
            if weights is not None:
                action = _through(weights @ self.action_table.weight[: self.classes], own)
        if self.length_table is not None and frames is not None:
            length = self.length_table(frames.clamp(max=self.config.lengths - 1))
            length = _through(length, next(columns, None))
        return action, length

    def forward(self, tokens: Int[Tensor, "R N K"], labels: Labels, *, first: int = 0) -> Float[Tensor, "R M D"]:
        """Inputs at the positions from `first` on: nothing at position 0 (so M = N + 1), token n - 1 at position n."""
        step = self.codes if self.config.shared_row else self.codes + 1
        rows = tokens + 1 + step * torch.arange(self.books, device=tokens.device)
        x = self.token_table(torch.where(tokens < 0, 0, rows)).flatten(-2)
        action, length = labels
        if first == 0:
            start = x.new_zeros(x.shape[0], 1, x.shape[-1])
            x = torch.cat((start if self.config.every_step or action is None else start + action[:, None], x), 1)
        where = torch.arange(first, first + x.shape[1], device=x.device)
        parts = [x]
        if self.config.places != "none":
            parts.append(self._places(where, x.shape[-1]))
        if self.fuse is not None:
            parts = [functional.linear(part, own) for part, own in zip(parts, self._columns(), strict=False)]
            parts = [self.fuse.bias, *parts]
        if self.config.every_step:
            parts += [part[:, None] for part in (action, length) if part is not None]
        return sum(parts[1:], parts[0])

    def _columns(self) -> tuple[Tensor, ...]:
        """The linear map's columns of tokens, positions, action and length, those that exist."""
        return () if self.fuse is None else self.fuse.weight.split(self.dim, 1)

    def _places(self, where: Int[Tensor, " M"], dim: int) -> Float[Tensor, "M D"]:
        if self.place_table is not None:
            return self.place_table[where]
        return sinusoid(where, dim, interleaved=self.config.places == "interleaved")


def _through(x: Float[Tensor, "R D"], columns: Float[Tensor, "D D"] | None) -> Float[Tensor, "R D"]:
    return x if columns is None else functional.linear(x, columns)
