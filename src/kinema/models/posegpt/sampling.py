"""How PoseGPT samples: the choice of a code by its logits, fast linear maps for one token at a time, and the seam.

The seam is where the answer follows the observed frames."""

from __future__ import annotations

import copy
import math
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
    """How a code is drawn. `temperature` 0 takes the most probable; `top_k` 0 and `top_p` 1 keep all codes.

    `guidance` is the scale of classifier-free guidance (Ho and Salimans 2022): logits are without + guidance (with -
    without); 1 is none. Raises UsageError for values out of range.
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
            conditional, free = scores[: uniform.shape[0]], scores[uniform.shape[0] :]
            scores = free + self.guidance * (conditional - free)
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
        # Rounding at the upper end must not pick an excluded code.
        last = (weights > 0).long().cumsum(-1).argmax(-1)
        return torch.minimum(picked, last)


Module = TypeVar("Module", bound=nn.Module)


class PackedLinear(nn.Module):
    """A linear map in oneDNN's own layout, fastest for `rows` rows, correct for any number; without gradients."""

    def __init__(self, layer: nn.Linear, rows: int) -> None:
        super().__init__()
        self.laid: Tensor = _kernels()._reorder_linear_weight(layer.weight.detach(), rows)
        self.bias = layer.bias

    def forward(self, x: Float[Tensor, "*b enter"]) -> Float[Tensor, "*b leave"]:
        """The map."""
        return _kernels()._linear_pointwise(x, self.laid, self.bias, "none", [], "")


def packed(module: Module, rows: int, keep: Sequence[object] = ()) -> Module:
    """`module` with its linear maps packed for `rows` rows; its outputs are equal up to rounding.

    torch's linear map rearranges its weights in every product, half of the work at few rows; here it is done once, at
    the cost of about three products of 32 rows. The result shares every parameter and the parts in `keep`; it must not
    be used after weights change. It is `module` itself where packing does not help: not on a CPU, not in float32, with
    gradients, or without oneDNN.
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
    """Whether torch has the two kernels, which its own compiler uses; they have no public name."""
    return hasattr(_kernels(), "_reorder_linear_weight") and hasattr(_kernels(), "_linear_pointwise")


def calmed(frames: Float[Tensor, "R T F"], deviation: float) -> Float[Tensor, "R T F"]:
    """Frames averaged over time by a Gaussian of that deviation, in frames; the ends are held. 0 leaves them as is.

    Frames of neighbouring tokens differ by a rounding to codes, which shows as trembling.
    """
    if not deviation:
        return frames
    reach = math.ceil(3 * deviation)
    weight = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=frames.device) / deviation) ** 2)
    around = torch.cat((frames[:, :1].expand(-1, reach, -1), frames, frames[:, -1:].expand(-1, reach, -1)), 1)
    return (around.unfold(1, 2 * reach + 1, 1) * (weight / weight.sum()).to(frames)).sum(-1)


def joined(
    query: Query, answer: Float[Tensor, "R T F"], prefix: Int[Tensor, " R"], blend: int
) -> Float[Tensor, "R T F"]:
    """The answer after the observed prefix without a jump: the offset at the seam fades out over `blend` frames."""
    seam = (prefix - 1).clamp(min=0)[:, None, None].expand(-1, 1, answer.shape[2])
    gap = (query.observed - answer).gather(1, seam) * (prefix > 0)[:, None, None]
    after = torch.arange(answer.shape[1], device=answer.device) - seam[:, :, 0]
    share = (1 - after / (blend + 1)).clamp(0, 1) ** 2
    return torch.where(query.observed_frames()[..., None], query.observed, answer + share[..., None] * gap)
