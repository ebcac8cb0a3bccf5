"""Linear maps that are applied many times to few rows: their weights are laid out once, as oneDNN reads them best.

torch's own linear map lays weights out anew in every product. Where products have few rows, as when a sequence is made
token by token, that is half of the work.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


class PackedLinear(nn.Module):
    """A linear map in oneDNN's own layout, best for `rows` rows and good for any number; without gradients."""

    def __init__(self, layer: nn.Linear, rows: int) -> None:
        super().__init__()
        self.laid: Tensor = _kernels()._reorder_linear_weight(layer.weight.detach(), rows)
        self.bias = layer.bias

    def forward(self, x: Float[Tensor, "*b enter"]) -> Float[Tensor, "*b leave"]:
        """The map."""
        return _kernels()._linear_pointwise(x, self.laid, self.bias, "none", [], "")


def packed(module: Module, rows: int, keep: Sequence[object] = ()) -> Module:
    """A module that answers as `module` does, to a few roundings, with its linear maps laid out for `rows` rows.

    It shares every parameter, and what it is to `keep`: parts that stay as they are. Of weights that change later it
    knows nothing. Where there is nothing to
    gain it is `module` itself: elsewhere than on a CPU, in another precision than float32, with gradients, and without
    oneDNN. Laying out takes as long as some three products of 32 rows.
    """
    kept = [part for each in keep if isinstance(each, nn.Module) for part in each.modules()]
    weights = list(module.parameters())
    plain = all(weight.device.type == "cpu" and weight.dtype == torch.float32 for weight in weights)
    watched = torch.is_grad_enabled() or torch.is_autocast_enabled("cpu") or torch.compiler.is_compiling()
    if not plain or watched or not torch.backends.mkldnn.is_available() or not _known():
        return module
    memo: dict[int, Any] = {id(part): part for part in (*weights, *module.buffers(), *keep, *kept)}
    for part in module.modules():
        if type(part) is nn.Linear and id(part) not in memo:
            memo[id(part)] = PackedLinear(part, rows)
    return copy.deepcopy(module, memo)


def _kernels() -> Any:
    return cast("Any", torch.ops.mkldnn)


def _known() -> bool:
    """torch's own compiler uses these two kernels; they have no public name."""
    return hasattr(_kernels(), "_reorder_linear_weight") and hasattr(_kernels(), "_linear_pointwise")
