"""Vector quantisers behind one interface: vectors in, the nearest of a finite set of codes out, with gradients.

A quantiser has `books` books of `codes` codes each; a token is one code of every book. `forward(z, mask)` gives the
quantised vectors (straight-through: the gradient of the identity), the indices, a loss, and statistics of use. Where
`mask` is False, vectors are 0, indices -1, and nothing is learnt.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kinema.core.errors import UsageError


def nearest(
    z: Float[Tensor, "batch token book dim"], table: Float[Tensor, "book code dim"]
) -> Int[Tensor, "batch token book"]:
    """The nearest code of every book by squared distance (without the vector's own square, which is constant)."""
    products = torch.einsum("btkd,kcd->btkc", z.detach(), table.detach())
    return (table.detach().square().sum(-1) - 2 * products).argmin(-1)


def gathered(
    table: Float[Tensor, "book code dim"], indices: Int[Tensor, "batch token book"]
) -> Float[Tensor, "batch token wide"]:
    """The codes of all books side by side; 0 where an index is negative."""
    books, codes, _ = table.shape
    rows = indices.clamp(min=0) + codes * torch.arange(books, device=indices.device)
    return (table.flatten(0, 1)[rows] * (indices >= 0)[..., None]).flatten(-2)


def histogram(indices: Int[Tensor, " row"], codes: int) -> Float[Tensor, " code"]:
    """The count of each code."""
    return torch.bincount(indices, minlength=codes).float()


def masked_mean(values: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, ""]:
    """The mean where `mask` is True; 0 if it is False everywhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def part_width(config: QuantiserConfig) -> int:
    """The width of the part of a vector that a book gets. Raises UsageError where the books do not divide it evenly."""
    if config.dim % config.books:
        raise UsageError(
            expected=f"a multiple of {config.books} (books) for dim",
            got=f"{config.dim}",
            cure=f"Set dim to {max(1, config.dim // config.books) * config.books}.",
        )
    return config.dim // config.books


class Book(nn.Module):
    """One book whose codes are running means of the vectors that chose them; unused codes are reset.

    It starts from the first batch's vectors. A code whose running count falls below `dead` times the mean is set to a
    vector of the batch, drawn from torch's own generator (which the training loop seeds by the step). All state is in
    buffers, so a resumed run gives the same result.
    """

    codes: Tensor
    sums: Tensor
    counts: Tensor
    ready: Tensor

    def __init__(self, codes: int, dim: int, decay: float, dead: float) -> None:
        super().__init__()
        self.decay, self.dead = decay, dead
        self.register_buffer("codes", torch.randn(codes, dim) / math.sqrt(dim))
        self.register_buffer("sums", torch.zeros(codes, dim))
        self.register_buffer("counts", torch.zeros(codes))
        self.register_buffer("ready", torch.tensor(False))

    @torch.no_grad()
    def start(self, z: Float[Tensor, "row dim"]) -> None:
        """Initialise the codes from data, once."""
        if bool(self.ready) or not len(z):
            return
        count = len(self.codes)
        order = torch.randperm(max(count, len(z)), device=z.device)[:count] % len(z)
        self.codes.copy_(z[order] + 1e-3 * z.std(correction=0) * torch.randn_like(self.codes))
        self.counts.fill_(len(z) / count)
        self.sums.copy_(self.codes * self.counts[:, None])
        self.ready.fill_(True)

    @torch.no_grad()
    def follow(self, z: Float[Tensor, "row dim"], indices: Int[Tensor, " row"]) -> None:
        """Update the means by the vectors that chose codes, then reset dead codes."""
        if not len(z):
            return
        self.counts.mul_(self.decay).add_(histogram(indices, len(self.counts)), alpha=1 - self.decay)
        taken = torch.zeros_like(self.sums).index_add_(0, indices, z)
        self.sums.mul_(self.decay).add_(taken, alpha=1 - self.decay)
        mean = self.counts.mean()
        weak = self.counts < self.dead * mean
        if bool(weak.any()):
            chosen = z[torch.randint(len(z), (len(weak),), device=z.device)]
            self.counts.copy_(torch.where(weak, mean, self.counts))
            self.sums.copy_(torch.where(weak[:, None], chosen * mean, self.sums))
        self.codes.copy_(self.sums / self.counts.clamp(min=1e-6)[:, None])


_FORGET = 0.99  # per training step: decay of the usage behind perplexity and dead codes
_DEAD = 0.01  # a code used less than this share of the mean counts as dead


@dataclass(frozen=True, eq=False)
class Quantised:
    """A quantiser's output. `stats` are scalars for the log: perplexity and the share of dead codes."""

    vectors: Float[Tensor, "batch token dim"]
    indices: Int[Tensor, "batch token book"]
    loss: Float[Tensor, ""]
    stats: dict[str, Tensor]


class Quantiser(nn.Module, ABC):
    """Base of all quantisers. `usage` is a running histogram of every book."""

    usage: Tensor

    def __init__(self, config: QuantiserConfig, codes: int | None = None) -> None:
        super().__init__()
        self.config, self.books, self.codes = config, config.books, codes or config.codes
        self.register_buffer("usage", torch.ones(self.books, self.codes))

    @abstractmethod
    def lookup(self, indices: Int[Tensor, "batch token book"]) -> Float[Tensor, "batch token dim"]:
        """The vectors of tokens; 0 where an index is negative."""

    @abstractmethod
    def quantise(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Vectors (straight-through), indices, and the loss."""

    def forward(self, z: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]) -> Quantised:
        """The nearest codes, computed in float32 also under autocast."""
        with torch.autocast(z.device.type, enabled=False):
            vectors, indices, loss = self.quantise(z.float(), mask)
            vectors = vectors * mask[..., None]
            indices = torch.where(mask[..., None], indices, -1)
            return Quantised(vectors, indices, loss, self._stats(indices, mask))

    @torch.no_grad()
    def _stats(self, indices: Tensor, mask: Tensor) -> dict[str, Tensor]:
        counts = torch.stack([histogram(book, self.codes) for book in indices[mask].unbind(-1)])
        if self.training:
            self.usage.mul_(_FORGET).add_(counts, alpha=1 - _FORGET)
        share = self.usage / self.usage.sum(-1, keepdim=True).clamp(min=1e-9)
        entropy = -(share * share.clamp(min=1e-12).log()).sum(-1)
        return {"perplexity": entropy.exp().mean(), "dead_codes": (share < _DEAD / self.codes).float().mean()}


class Product(Quantiser):
    """Every book quantises its own part of the vector; codes are learnt by the loss (van den Oord et al. 2017).

    Loss: |sg(z) - c|^2 + beta |z - sg(c)|^2 per token. `legacy_beta` exchanges the two weights, as in PoseGPT's code
    (and taming-transformers' "legacy" order): codes then learn slowly, and most die.
    """

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__(config)
        shape, edge = (self.books, self.codes, part_width(config)), 1 / self.codes
        self.table = nn.Parameter(torch.empty(shape).uniform_(-edge, edge))

    def lookup(self, indices: Int[Tensor, "batch token book"]) -> Float[Tensor, "batch token dim"]:
        """The codes side by side."""
        return gathered(self.table, indices)

    def quantise(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nearest codes by squared distance."""
        indices = nearest(z.unflatten(-1, (self.books, -1)), self.table)
        codes = self.lookup(indices)
        codebook = masked_mean((codes - z.detach()).square().mean(-1), mask)
        commitment = masked_mean((codes.detach() - z).square().mean(-1), mask)
        beta = self.config.beta
        loss = beta * codebook + commitment if self.config.legacy_beta else codebook + beta * commitment
        return z + (codes - z).detach(), indices, loss


class RunningMeans(Quantiser):
    """Base of the quantisers whose codes are running means, in books for vectors of that width."""

    def __init__(self, config: QuantiserConfig, width: int) -> None:
        super().__init__(config)
        self.tables = nn.ModuleList(Book(config.codes, width, config.decay, config.dead) for _ in range(config.books))

    @property
    def running(self) -> list[Book]:
        """The books."""
        return [book for book in self.tables if isinstance(book, Book)]

    @property
    def table(self) -> Float[Tensor, "book code dim"]:
        """The codes of all books."""
        return torch.stack([book.codes for book in self.running])


class Averaged(RunningMeans):
    """Product quantisation with codes that are exponential moving averages; dead codes are reset.

    For the first `warmup` training steps vectors pass unchanged: the codes of an untrained encoder are all alike, and
    would keep the encoder so.
    """

    steps: Tensor

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__(config, part_width(config))
        self.register_buffer("steps", torch.tensor(0))

    def lookup(self, indices: Int[Tensor, "batch token book"]) -> Float[Tensor, "batch token dim"]:
        """The codes side by side."""
        return gathered(self.table, indices)

    def quantise(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Nearest codes; in training, the codes are then updated."""
        parts = z.unflatten(-1, (self.books, -1))
        if self.training and int(self.steps) < self.config.warmup:
            self.steps += 1
            return z, nearest(parts, self.table), z.new_zeros(())
        if self.training:
            for place, book in enumerate(self.running):
                book.start(parts[..., place, :][mask].detach())
        indices = nearest(parts, self.table)
        codes = gathered(self.table, indices)
        if self.training:
            for place, book in enumerate(self.running):
                book.follow(parts[..., place, :][mask].detach(), indices[..., place][mask])
        loss = self.config.beta * masked_mean((codes - z).square().mean(-1), mask)
        return z + (codes - z).detach(), indices, loss


class Residual(RunningMeans):
    """Every book quantises the residual of the books before it (Zeghidour et al. 2021), codes as running means.

    In training a row uses, with probability `drop`, only the first few books, so that these carry most information.
    """

    def __init__(self, config: QuantiserConfig) -> None:
        super().__init__(config, config.dim)

    def lookup(self, indices: Int[Tensor, "batch token book"]) -> Float[Tensor, "batch token dim"]:
        """The sum of the codes."""
        return gathered(self.table, indices).unflatten(-1, (self.books, -1)).sum(-2)

    def quantise(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Book after book."""
        used = torch.full((z.shape[0], 1), self.books, device=z.device)  # len() would fix the batch of a graph
        if self.training and self.config.drop:
            few = torch.randint(1, self.books + 1, used.shape, device=z.device)
            used = torch.where(torch.rand(used.shape, device=z.device) < self.config.drop, few, used)
        rest, total, loss = z, torch.zeros_like(z), z.new_zeros(())
        found: list[Tensor] = []
        for place, book in enumerate(self.running):
            counted = mask & (place < used)
            if self.training:
                book.start(rest[counted].detach())
            index = nearest(rest[..., None, :], book.codes[None])[..., 0]
            code = book.codes[index] * (place < used)[..., None]
            if self.training:
                book.follow(rest[counted].detach(), index[counted])
            loss = loss + self.config.beta * masked_mean((code - rest).square().mean(-1), counted)
            rest, total = rest - code, total + code
            found.append(index)
        return z + (total - z).detach(), torch.stack(found, -1), loss


class Finite(Quantiser):
    """Finite scalar quantisation (Mentzer et al. 2024): a few bounded numbers, each rounded; there is no table.

    Every book rounds `len(levels)` numbers, number i to one of `levels[i]` values; codes = the product of the levels.
    """

    levels: Tensor

    def __init__(self, config: QuantiserConfig) -> None:
        levels, numbers = config.levels, config.books * len(config.levels)
        super().__init__(config, math.prod(levels))
        if not levels or min(levels) < 2:
            raise UsageError(
                expected="at least 2 levels for every number", got=f"{levels}", cure="Set levels to 8,8,4."
            )
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.enter, self.leave = nn.Linear(config.dim, numbers), nn.Linear(numbers, config.dim)

    def digits_to_index(self, digits: Int[Tensor, "*b level"]) -> Int[Tensor, "*b"]:
        """Digit i, from 0 to levels[i] - 1, has the product of the levels before it as its weight."""
        return (digits * self._places).sum(-1)

    def index_to_digits(self, index: Int[Tensor, "*b"]) -> Int[Tensor, "*b level"]:
        """The inverse of `digits_to_index`."""
        return index[..., None].div(self._places, rounding_mode="floor") % self.levels

    def lookup(self, indices: Int[Tensor, "batch token book"]) -> Float[Tensor, "batch token dim"]:
        """The rounded numbers, mapped to vectors."""
        values = self._values(self.index_to_digits(indices.clamp(min=0)))
        return self.leave(values.flatten(-2)) * (indices >= 0).all(-1, keepdim=True)

    def quantise(self, z: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers between -1 and 1, rounded; no loss."""
        bounded = torch.tanh(self.enter(z)).unflatten(-1, (self.books, -1))
        digits = ((bounded.detach() + 1) / 2 * (self.levels - 1)).round().long()
        values = bounded + (self._values(digits) - bounded).detach()
        return self.leave(values.flatten(-2)), self.digits_to_index(digits), z.new_zeros(())

    def _values(self, digits: Tensor) -> Tensor:
        return 2 * digits / (self.levels - 1) - 1

    @property
    def _places(self) -> Tensor:
        return torch.cat((self.levels.new_ones(1), self.levels.cumprod(0)[:-1]))


@dataclass(frozen=True)
class QuantiserConfig:
    """A quantiser as data. `levels` is of "finite", `legacy_beta` of "product", `warmup` of "averaged",
    `drop` of "residual", `decay` and `dead` of both."""

    kind: Literal["product", "averaged", "residual", "finite"] = "averaged"
    books: int = 2
    codes: int = 256
    dim: int = 256
    beta: float = 0.25
    legacy_beta: bool = False
    decay: float = 0.97
    dead: float = 0.3
    warmup: int = 0
    drop: float = 0.2
    levels: tuple[int, ...] = (8, 8, 4)

    def build(self) -> Quantiser:
        """The quantiser. Raises UsageError where the numbers do not fit together."""
        kinds = {"product": Product, "averaged": Averaged, "residual": Residual, "finite": Finite}
        return kinds[self.kind](self)
