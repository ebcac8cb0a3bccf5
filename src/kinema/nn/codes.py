"""Tables of codes: the nearest code, codes by index, how often each was chosen."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.errors import UsageError


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
