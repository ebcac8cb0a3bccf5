"""Features of a trained action classifier, whose file the user brings: what published FIDs of futures are measured on.

`h36m_classifier.pth` of BeLFusion's and CoMusion's repositories: a recurrent network of two layers over the poses, its
last state through tanh(Linear 30). Published code begins it with a random state at every call, so that its FID changes
from run to run; here it begins with zeros.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from kinema.core.errors import FormatError
from kinema.core.safe_pickle import read_torch

POSE = 48  # sixteen joints, relative to the root
_BLOCK = 1024  # futures at a time


@dataclass(frozen=True, eq=False)
class ClassifierFeatures:
    """The thirty features of futures: joint places relative to the root, metres, y up."""

    recurrent: nn.GRU
    leave: nn.Linear

    @classmethod
    def read(cls, path: Path) -> ClassifierFeatures:
        """From a file as PyTorch saved it, of which nothing is run.

        The parts are known by their shapes and by PyTorch's own names of a GRU's weights. Raises FormatError where the
        file is damaged or holds another network.
        """
        weights = next(_tables(read_torch(path)), {})
        gates = [value for key, value in weights.items() if "weight_ih_l" in key]
        hidden = len(gates[0]) // 3 if gates else 0
        recurrent = nn.GRU(POSE, hidden, num_layers=len(gates), batch_first=True) if hidden else None
        first = [key for key, value in weights.items() if value.dim() == 2 and value.shape[1] == hidden
                 and "_l" not in key and key.endswith("weight")]  # fmt: skip
        if recurrent is None or len(first) != 1:
            raise _other(path, weights)
        leave = nn.Linear(hidden, len(weights[first[0]]))
        own = {name: value for name in recurrent.state_dict() for key, value in weights.items() if key.endswith(name)}
        try:
            recurrent.load_state_dict(own)
            stem = first[0].removesuffix("weight")
            leave.load_state_dict({name: weights[f"{stem}{name}"] for name in ("weight", "bias")})
        except (KeyError, RuntimeError) as error:
            raise _other(path, weights) from error
        return cls(recurrent.eval(), leave.eval())

    @torch.inference_mode()
    def of(self, futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window dim"]:
        """The features of futures."""
        return torch.cat([self._some(some) for some in futures.split(_BLOCK)])

    def _some(self, futures: Tensor) -> Tensor:
        # The classifier learnt on the axes of the archive, z up: kinema has turned it by a quarter about x.
        x, y, z = futures.float().unflatten(-1, (-1, 3)).unbind(-1)
        states, _ = self.recurrent(torch.stack((x, -z, y), -1).flatten(-2))
        return torch.tanh(self.leave(states[:, -1]))


def _tables(found: object) -> Iterator[dict[str, Tensor]]:
    """Tables of weights that have a GRU's, whatever they are wrapped in."""
    if not isinstance(found, Mapping):
        return
    entries = cast("Mapping[Any, Any]", found)
    weights = {str(key): value for key, value in entries.items() if isinstance(value, Tensor)}
    if any("weight_ih_l0" in key for key in weights):
        yield weights
    for value in entries.values():
        yield from _tables(value)


def _other(path: Path, weights: Mapping[str, Tensor]) -> FormatError:
    shapes = ", ".join(f"{key} {tuple(value.shape)}" for key, value in list(weights.items())[:6])
    return FormatError(
        where=str(path),
        expected=f"a classifier of poses of {POSE} numbers: a GRU, and a linear layer from its last state to features",
        got=shapes or "no weights of a GRU",
        cure="Give h36m_classifier.pth as BeLFusion or CoMusion have it.",
    )
