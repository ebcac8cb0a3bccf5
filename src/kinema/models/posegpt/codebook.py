"""Books of codes: the nearest code, codes by index, how often each was chosen, codes that follow the data."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from kinema.core.errors import UsageError


def nearest(
    z: Float[Tensor, "batch token book dim"], table: Float[Tensor, "book code dim"]
) -> Int[Tensor, "batch token book"]:
    """The code of every book that is nearest by squared distance (the vector's own square is the same for all)."""
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
    """How often each code occurs."""
    return torch.bincount(indices, minlength=codes).float()


def masked_mean(values: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"]) -> Float[Tensor, ""]:
    """The mean where `mask` is True; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp(min=1)


def check_split(dim: int, books: int) -> None:
    """Raises UsageError where a vector cannot be shared out evenly among the books."""
    if dim % books:
        raise UsageError(
            expected=f"a width that {books} books share evenly", got=f"{dim}", cure="Choose a multiple of the books."
        )


class Book(nn.Module):
    """One book whose codes are running means of the vectors that chose them; codes that nobody chooses start anew.

    Started from the first batch's vectors. A code whose running count falls below `dead` times the mean takes the
    place of a vector of the batch, drawn from torch's own generator (which a training loop seeds by the step). All
    state is in buffers, so that a resumed run goes on as it would have.
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
        """Codes from the data, once."""
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
        """Take in the vectors that chose codes, then revive the dead."""
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
