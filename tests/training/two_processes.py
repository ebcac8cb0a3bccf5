"""Two processes that train together, told of each other as torchrun tells its own.

The process that asks keeps the store through which they meet, so that nobody can take the port in between, and nothing
ends them for being slow, as torchrun does 30 seconds after a signal. They are forked from a server that has imported
kinema: that is done once for all pairs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from unittest import mock

import torch
import torch.distributed as dist

from kinema.data.loader import Loader
from kinema.data.windows import WindowSet
from kinema.pipeline import train as train_module
from kinema.pipeline.checkpoints.checkpoint import feature_shape
from kinema.pipeline.train import Means
from kinema.recipes import Recipe, recipe
from kinema.training.distributed import losses_of, processes
from kinema.training.log import JsonLines

_PATIENCE = 500.0  # seconds, for a machine with much else to do


class Pair:
    """Two processes that do the same work."""

    def __init__(self, work: Callable[..., None], *arguments: object, **named: object) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([__name__])
        self.store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        self.processes: list[ForkServerProcess] = [
            context.Process(target=_one, args=(rank, self.store.port, work, *arguments), kwargs=named)
            for rank in range(2)
        ]
        for process in self.processes:
            process.start()

    def join(self, code: int = 0) -> None:
        """Wait for both, who leave with this status."""
        for process in self.processes:
            process.join(_PATIENCE)
        found = [process.exitcode for process in self.processes]
        for process in self.processes:
            process.kill()
        assert found == [code, code]


def _one(rank: int, port: int, work: Callable[..., None], *arguments: object, **named: object) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
        "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    torch.set_num_threads(1)
    try:
        work(*arguments, **named)
    except KeyboardInterrupt:
        sys.exit(130)


def gradients(file: Path) -> None:
    """Save the gradient of one batch, and how many samples of it this process saw."""
    with processes() as process:
        tiny = recipe("simlpe").tiny()
        stage = tiny.stages[0]
        representation = tiny.representation.build(tiny.source.skeleton)
        windows = WindowSet.build(tiny.source, "train", representation)
        torch.manual_seed(0)
        model = stage.build(feature_shape(representation, 0), {}).eval().double()
        rank, world = process.rank, process.world
        loader = Loader(windows, representation, stage.task, batch_size=8, seed=0, rank=rank, world=world)
        batch = loader.batch(0)
        # In double precision: the direction of an error that is nearly nothing is made of rounding.
        batch = batch.map(lambda value: value.double() if value.is_floating_point() else value)
        losses = losses_of(model, process)  # it averages as long as it is there
        losses(batch, "model")["loss"].backward()
        if process.leads:
            found = {name: value.grad for name, value in model.named_parameters()}
            torch.save({"samples": len(batch), "gradients": found}, file)
        del losses


def training(plan: Recipe, out: Path, *, stop_at: int | None = None, resume: bool = False) -> None:
    """`kinema train --device cpu`; only the first process gets the signal to stop, after so many steps."""

    class Stopping(JsonLines):
        def advance(self, step: int, loss: float) -> None:
            super().advance(step, loss)
            if step == stop_at:
                os.kill(os.getpid(), signal.SIGTERM)

    with mock.patch.object(train_module, "JsonLines", Stopping):
        train_module.train(plan, out, resume=resume, means=Means(device="cpu"))
