"""How PoseGPT samples: the choice of a code by its logits, fast linear maps for one token at a time, and the seam.

The seam is where the answer follows the observed frames."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from kinema.core.errors import UsageError
from kinema.core.query import Query


@dataclass(frozen=True)
class Choice:
    """How a code is drawn. `temperature` 0 takes the likeliest; `top_k` 0 leaves all codes in, as `top_p` 1 does.

    `guidance` is the scale of classifier-free guidance (Ho and Salimans 2022): logits are without + guidance (with -
    without); 1 is none. Raises UsageError for values that cannot be.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    guidance: float = 1.0

    def __post_init__(self) -> None:
        for name, fine, expected in (
            ("temperature", self.temperature >= 0, "0 or more"),
            ("top_k", self.top_k >= 0, "0 (all) or more"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1"),
            ("guidance", self.guidance >= 0, "0 or more"),
        ):
            if not fine:
                raise UsageError(
                    expected=f"{name} of {expected}",
                    got=f"{getattr(self, name)}",
                    cure=f"Give {name} a value of {expected}.",
                )

    def pick(
        self, scores: Float[Tensor, "row code"], uniform: Float[Tensor, " row_out"], *, guided: bool = False
    ) -> Int[Tensor, " row_out"]:
        """One code per row, by numbers in (0, 1); where `guided`, the second half of the rows is the one without."""
        scores = scores.float()
        if guided:
            told, untold = scores[: uniform.shape[0]], scores[uniform.shape[0] :]
            scores = untold + self.guidance * (told - untold)
        if self.temperature == 0:
            return scores.argmax(-1)
        scores = scores / self.temperature
        if 0 < self.top_k < scores.shape[-1]:
            scores = scores.masked_fill(scores < scores.topk(self.top_k).values[:, -1:], -torch.inf)
        weights = scores.softmax(-1)
        if self.top_p < 1:
            ordered, order = weights.sort(descending=True)
            beyond = ordered.cumsum(-1) - ordered >= self.top_p
            weights = weights.masked_fill(torch.zeros_like(beyond).scatter(-1, order, beyond), 0.0)
        reached = weights.cumsum(-1)
        picked = (reached <= uniform[:, None] * reached[:, -1:]).sum(-1)
        # Rounding at the far end must not pick a code that was left out.
        last = (weights > 0).long().cumsum(-1).argmax(-1)
        return torch.minimum(picked, last)


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


def joined(
    query: Query, answer: Float[Tensor, "R T F"], prefix: Int[Tensor, " R"], blend: int
) -> Float[Tensor, "R T F"]:
    """The answer after the observed prefix without a jump: the gap at the seam is closed over `blend` frames."""
    seam = (prefix - 1).clamp(min=0)[:, None, None].expand(-1, 1, answer.shape[2])
    gap = (query.observed - answer).gather(1, seam) * (prefix > 0)[:, None, None]
    after = torch.arange(answer.shape[1], device=answer.device) - seam[:, :, 0]
    share = (1 - after / (blend + 1)).clamp(0, 1) ** 2
    return torch.where(query.observed_frames()[..., None], query.observed, answer + share[..., None] * gap)
