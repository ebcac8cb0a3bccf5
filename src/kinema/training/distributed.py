"""Data-parallel training on several processes, by torch.distributed under torchrun.

    torchrun --nproc_per_node 2 -m kinema train RECIPE --out RUN

Each process sees its part of every batch; DistributedDataParallel averages the gradients. Only rank 0 writes.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from kinema.core.query import Batch
from kinema.models.base import Model


@dataclass(frozen=True)
class Process:
    """The rank of this process among `world`; `local_rank` counts within one machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    @property
    def leads(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Return when every process has called this."""
        if self.world > 1:
            dist.barrier()

    def mean(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean over processes of numbers with the same names."""
        if self.world == 1:
            return dict(values)
        together = torch.tensor(list(values.values()), dtype=torch.float64)
        dist.all_reduce(together)
        return dict(zip(values, (together / self.world).tolist(), strict=True))

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process has set it, so that all of them stop at the same step."""
        if self.world == 1:
            return flags
        together = torch.tensor(flags, dtype=torch.int32)
        dist.all_reduce(together, op=dist.ReduceOp.MAX)
        return tuple(bool(flag) for flag in together.tolist())


@contextlib.contextmanager
def processes() -> Generator[Process]:
    """The process group that torchrun describes in the environment; one process without it."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Process()
        return
    process = Process(int(os.environ["RANK"]), world, int(os.environ.get("LOCAL_RANK", "0")))
    # Flags and logged means go through Gloo; gradients on a GPU through NCCL.
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield process
        gc.collect()  # what averages gradients goes while its connections stand
        process.wait()  # and nobody closes them while another still reads
    finally:
        dist.destroy_process_group()


class PhaseLoss(nn.Module):
    """A model's `loss` as a `forward`, which is what DistributedDataParallel and torch.compile wrap."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        """`Model.loss`."""
        return self.model.loss(batch, phase)


def losses_of(model: Model, process: Process) -> nn.Module:
    """The module to call for the losses of a (batch, phase): with several processes, one that averages gradients."""
    losses = PhaseLoss(model)
    if process.world == 1:
        return losses
    # A phase of a GAN leaves the other side's parameters without a gradient.
    several = len(model.phases) > 1
    return cast("nn.Module", DistributedDataParallel(losses, find_unused_parameters=several))
