"""A skeleton, windows and models that are small enough to be trained in milliseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from kinema.core.query import Batch, Query
from kinema.data.loader import Loader
from kinema.data.tasks import Forecast
from kinema.data.windows import ClipEntry, WindowSet
from kinema.models.base import FeatureShape, Model, repeat_samples
from kinema.motion.skeleton import Skeleton
from kinema.representations.positions import RootPositions, RootPositionsConfig
from kinema.training.checkpoint import RunFolder, skeleton_to_json
from kinema.training.loop import Job
from kinema.training.stage import Optim, Stage

SKELETON = Skeleton("toy", ("hip", "knee"), (-1, 0), torch.tensor([[0.0, 0, 0], [0, -0.4, 0]]))


class ToyModel(Model):
    """One linear map with dropout; a buffer counts its training passes."""

    @dataclass(frozen=True)
    class Config:
        dropout: float = 0.2

        def build(self, shape: FeatureShape) -> ToyModel:
            return ToyModel(self, shape)

        def tiny(self) -> Self:
            return self

    def __init__(self, config: Config, shape: FeatureShape) -> None:
        super().__init__()
        self.map = nn.Linear(shape.width, shape.width)
        self.drop = nn.Dropout(config.dropout)
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        if self.training:
            self.passes += 1
        error = (self.drop(self.map(batch.query.observed)) - batch.target).pow(2).mean()
        return {"loss": error, "root": error.detach().sqrt()}

    def predict(self, query: Query, samples: int, generator: torch.Generator) -> Tensor:
        return repeat_samples(self.map(query.observed), samples)


class ToyGan(ToyModel):
    """Two turns over two halves of the parameters; notes the order in which they come, and each batch."""

    phases = ("critic", "maker")

    def __init__(self, config: ToyModel.Config, shape: FeatureShape) -> None:
        super().__init__(config, shape)
        self.judge = nn.Linear(shape.width, 1)
        self.heard: list[tuple[str, float]] = []

    def phase_parameters(self, phase: str) -> Iterable[nn.Parameter]:
        return (self.judge if phase == "critic" else self.map).parameters()

    def loss(self, batch: Batch, phase: str) -> dict[str, Tensor]:
        self.heard.append((phase, float(batch.target.sum())))
        score = self.judge(self.map(batch.query.observed)).mean()
        return {"loss": score if phase == "critic" else -score}


def representation() -> RootPositions:
    return RootPositionsConfig(25.0).build(SKELETON)


def windows(seed: int = 0) -> WindowSet:
    rows = np.random.default_rng(seed).normal(size=(80, 6)).astype(np.float32)
    clips = [ClipEntry(0, 40, "toy/1", None), ClipEntry(40, 80, "toy/2", None)]
    return WindowSet(rows, clips, (), 25.0)


def stage(**changes: Any) -> Stage:
    plain = Stage(
        "model",
        ToyModel.Config(),
        Forecast(6, 4),
        Optim(lr=1e-2, warmup_steps=3, schedule="cosine"),
        steps=12,
        batch_size=4,
        ema=0.9,
        log_every=1,
        save_every=4,
        validate_every=5,
        validate_batches=2,
    )
    return replace(plain, **changes)


def model(seed: int = 0, kind: type[ToyModel] = ToyModel) -> ToyModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return kind(ToyModel.Config(), FeatureShape(6, 2))


def facts() -> Mapping[str, Any]:
    return {
        "recipe": {},
        "stage": "model",
        "skeleton": skeleton_to_json(SKELETON),
        "trained_on": ["toy/1", "toy/2"],
        "licence": "none",
    }


def job(folder: Path, plan: Stage | None = None, *, validate: bool = False) -> Job:
    plan = plan or stage()

    def loader(source: WindowSet) -> Loader:
        return Loader(source, representation(), plan.task, batch_size=plan.batch_size, seed=3)

    return Job(
        plan, loader(windows()), RunFolder(folder), 3, loader(windows(1)) if validate else None, facts(), constants={}
    )


class Listener:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.entries: dict[int, Mapping[str, Any]] = {}
        self.losses: list[float] = []

    def record(self, step: int, entry: Mapping[str, Any]) -> None:
        self.entries[step] = entry

    def advance(self, step: int, loss: float) -> None:
        self.losses.append(loss)

    def close(self) -> None:
        pass


def same(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
