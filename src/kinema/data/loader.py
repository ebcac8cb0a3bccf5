"""`Loader`: batches as a pure function of (seed, step).

No state is kept between steps: a resumed run, a run with another number of worker processes and a run on several ranks
get the same batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from kinema.core.errors import UsageError
from kinema.core.query import Batch
from kinema.data.augment import Augment, Draw, grafted
from kinema.data.source import labels_of, mirrored_classes
from kinema.data.tasks import Task
from kinema.data.windows import Balance, ClipEntry, WindowSet
from kinema.representations.base import Representation


class Loader:
    """Batches of a task's windows, standardised by the statistics of `representation`.

    `batch_size` counts the windows of all ranks together; rank r takes the rows r, r + world, ... of the same global
    batch. Windows start every `stride` frames and are drawn with replacement, weighted by `balance`. Raises UsageError
    where no clip is long enough for a window, or where the ranks cannot share the batch evenly.
    """

    def __init__(
        self,
        windows: WindowSet,
        representation: Representation,
        task: Task,
        *,
        batch_size: int,
        seed: int,
        augment: Augment | None = None,
        balance: Balance = "windows",
        stride: int = 1,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if not 0 <= rank < world or batch_size < 1 or batch_size % world:
            fitting = max(1, batch_size // world) * world
            raise UsageError(
                expected=f"a batch size that {world} ranks share evenly, and a rank below {world}",
                got=f"batch size {batch_size}, rank {rank}",
                cure=f"Take a multiple of {world}, as --set stages.0.batch_size={fitting}.",
            )
        if windows.features.shape[1] != representation.width:
            raise UsageError(
                expected=f"features of {representation.width} numbers",
                got=f"windows of {windows.features.shape[1]}",
                cure="Build the windows with this representation.",
            )
        self.task, self.representation, self.augment = task, representation, augment or Augment()
        self.batch_size, self.seed, self._share = batch_size, seed, slice(rank, None, world)
        self._set = windows
        self._windows = windows.windows(
            self.augment.reach(task.frames), stride, balance, shortest=task.shortest or None
        )
        if task.shortest and self.augment != Augment():
            raise UsageError(
                expected="no augmentation of a task that pads short clips",
                got=f"{self.augment}",
                cure="Leave augment out of the stage, or set task.shortest to 0, which skips short clips.",
            )
        self._edges = np.cumsum(self._windows.weight)
        self._other_side = mirrored_classes(windows.actions)

    def __len__(self) -> int:
        """Number of windows that may be drawn."""
        return len(self._windows)

    @property
    def skipped(self) -> tuple[ClipEntry, ...]:
        """Clips that are too short for a window (with the frames that the fastest pace needs)."""
        return self._windows.skipped

    def batch(self, step: int) -> Batch:
        """This rank's part of the batch of a step; it depends on seed and step alone."""
        generator = step_generator(self.seed, step)
        draws = torch.rand(self.batch_size, generator=generator, dtype=torch.float64).numpy()
        # The last edge may fall short of 1 by rounding.
        chosen = np.minimum(np.searchsorted(self._edges, draws, side="right"), len(self) - 1)
        drawn = self.augment.draw(self.batch_size, self.task.frames, self.representation, generator)
        features = self._features(chosen, drawn)
        drawn = drawn.rows(self._share)
        seeds = torch.randint(2**62, (self.batch_size,), generator=generator)[self._share]
        length = None
        if self.task.shortest:
            length = torch.from_numpy(self._windows.length[chosen[self._share]])
        batch = self.task.draw(self.representation.standardise(features), self.representation, seeds, length)
        if not self.task.labelled:
            return batch
        action = self._labels(self._windows.clip[chosen[self._share]])
        if drawn.mirror is not None:  # a left hand that waves has become a right one
            action = torch.where(drawn.mirror[:, None], action[:, self._other_side], action)
        return replace(batch, query=replace(batch.query, action=action))

    def _features(self, chosen: Int64[np.ndarray, " batch"], drawn: Draw) -> Float[Tensor, "own frame feat"]:
        """This rank's windows. Where limbs are grafted, the other ranks' windows that they come from are made, too."""
        own = torch.arange(len(chosen))[self._share]
        needed, place = own, None
        if drawn.donor is not None:
            needed, place = torch.cat((own, drawn.donor[own].flatten())).unique(return_inverse=True)
        rows = chosen[needed.numpy()]
        raw = self._set.gather(self._windows.start[rows], self._windows.frames, self._windows.length[rows])
        features = self.augment.enact(raw, self.task.frames, self.representation, drawn.rows(needed))
        if place is None or drawn.donor is None:
            return features
        donors = place[len(own) :].reshape(len(own), -1)
        return grafted(features, self.representation, place[: len(own)], donors)

    def _labels(self, clips: Int64[np.ndarray, " batch"]) -> Float[Tensor, "batch action"]:
        """K-hot labels of clips among the source's actions; all zero for a clip without one."""
        actions = self._set.actions
        named = [labels_of(self._set.clips[clip].action) for clip in clips]
        return torch.tensor([[float(action in labels) for action in actions] for labels in named])

    def iterate(self, start: int, stop: int, workers: int = 0) -> Iterator[Batch]:
        """The batches of the steps `start` ... `stop - 1`, in order, made by `workers` processes (0: this one)."""
        steps = DataLoader(
            _Steps(self), batch_size=None, sampler=range(start, stop), num_workers=workers, collate_fn=_as_it_is
        )
        return cast("Iterator[Batch]", iter(steps))


def step_generator(seed: int, step: int) -> torch.Generator:
    """A generator whose state is a hash of seed and step."""
    state = np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> np.uint64(1)))


class _Steps(Dataset[Batch]):
    """Batches keyed by step."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def __getitem__(self, index: int) -> Batch:
        return self._loader.batch(index)


def _as_it_is(batch: Any) -> Any:
    return batch
