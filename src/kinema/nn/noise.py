"""Noise that depends on the seed, the row and the frame alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK = 16  # torch fills normal numbers by blocks of so many: whole blocks do not depend on how many follow


def row_noise(
    generator: torch.Generator, samples: int, batch: int, frames: int, dim: int
) -> Float[Tensor, "sample batch frame dim"]:
    """Standard normal numbers, on the CPU.

    A row's first frames depend neither on the number of frames nor on the batch: a longer clip begins as a shorter one.
    """
    base = int(torch.randint(2**62, (), generator=generator))
    width = -(-dim // _BLOCK) * _BLOCK
    noise = torch.empty(samples, batch, frames, width)
    for sample in range(samples):
        for row in range(batch):
            noise[sample, row].normal_(generator=_stream(base, sample, row))
    return noise[..., :dim].contiguous()


class RowStreams:
    """An independent stream of normal numbers for every sample and row; `base` is the seed of all.

    Sample 3 of row 7 is the same among 5 samples or 50, alone or in a batch.
    """

    def __init__(self, base: int, samples: Sequence[int], rows: Sequence[int]) -> None:
        self._shape = (len(samples), len(rows))
        self._streams = [_stream(base, sample, row) for sample in samples for row in rows]

    def draw(self, tokens: int, dim: int) -> Float[Tensor, "sample batch token dim"]:
        """The next standard normal numbers of every stream, on the CPU."""
        rows = [torch.randn(tokens, dim, generator=stream) for stream in self._streams]
        return torch.stack(rows).view(*self._shape, tokens, dim)


def _stream(base: int, sample: int, row: int) -> torch.Generator:
    seed = np.random.SeedSequence((base, sample, row)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> np.uint64(1)))
