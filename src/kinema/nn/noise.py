"""Noise that depends on the seed, the row and the frame alone."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_BLOCK = 16  # torch fills normal numbers by blocks of so many: whole blocks do not depend on how many follow


def row_noise(
    generator: torch.Generator, samples: int, batch: int, frames: int, dim: int
) -> Float[Tensor, "sample batch frame dim"]:
    """Standard normal numbers, on the CPU.

    The first frames of a row are the same whatever is asked for after them and whoever else is in the batch: a longer
    clip begins as the shorter one did.
    """
    base = int(torch.randint(2**62, (), generator=generator))
    width = -(-dim // _BLOCK) * _BLOCK
    noise = torch.empty(samples, batch, frames, width)
    for sample in range(samples):
        for row in range(batch):
            seed = np.random.SeedSequence((base, sample, row)).generate_state(1, np.uint64)[0]
            own = torch.Generator().manual_seed(int(seed >> np.uint64(1)))
            noise[sample, row].normal_(generator=own)
    return noise[..., :dim].contiguous()
