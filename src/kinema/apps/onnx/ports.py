"""What goes in and out of a graph: names, shapes, kinds, and examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from kinema.representations.base import Representation

Kind = Literal["float32", "int64", "bool"]
Sizes = Mapping[str, int]
Axis = int | str  # a number, a word (any number), or "2*token": so many times that word
Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Port:
    """One input or output."""

    name: str
    axes: tuple[Axis, ...]
    kind: Kind
    says: str

    def shape(self, sizes: Sizes) -> tuple[int, ...]:
        """The axes, with words replaced by their sizes."""
        pairs = ((1, axis) if isinstance(axis, int) else factor_of(axis) for axis in self.axes)
        return tuple(number * (axis if isinstance(axis, int) else sizes[axis]) for number, axis in pairs)


def factor_of(axis: str) -> tuple[int, str]:
    """The number and the word of an axis such as "2*token"."""
    number, star, word = axis.rpartition("*")
    return (int(number), word) if star else (1, axis)


Example = Callable[[Sizes, torch.Generator], dict[str, Tensor]]


@dataclass(frozen=True, eq=False)
class PortedNetwork:
    """A network that is called by the names of its ports. `example` makes inputs for it."""

    name: str
    says: str
    network: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    example: Example
    notes: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def words(self) -> tuple[str, ...]:
        """The free axes."""
        axes = [axis for port in self.inputs for axis in port.axes if isinstance(axis, str)]
        return tuple(dict.fromkeys(factor_of(axis)[1] for axis in axes))


class InUnits(nn.Module, Generic[Network]):
    """A network whose graph takes and gives features in their own units: standardising is inside."""

    def __init__(self, model: Network, representation: Representation) -> None:
        super().__init__()
        self.model, self.representation = model, representation


def numbers(ports: tuple[Port, ...]) -> Example:
    """Small numbers for every port, and True."""

    def example(sizes: Sizes, generator: torch.Generator) -> dict[str, Tensor]:
        return {
            port.name: torch.ones(port.shape(sizes), dtype=torch.bool)
            if port.kind == "bool"
            else 0.3 * torch.randn(port.shape(sizes), generator=generator)
            for port in ports
        }

    return example
