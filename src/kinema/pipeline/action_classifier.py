"""Evaluators of generated motion: classifiers, trained when a protocol needs them and cached.

The file name of an evaluator is a hash of its clips, labels, steps, seed and sizes. A cached evaluator is checked
against the hash of its weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.atomic import write_text
from kinema.core.errors import CheckpointError
from kinema.models.base import FeatureShape
from kinema.models.classifier import Classifier
from kinema.training.checkpoint import read_tensors, write_tensors

_VERSION = 1
_BATCH = 64
_LOOK = 256  # clips at once


def evaluator_folder() -> Path:
    """The cache of evaluators: `evaluators` in KINEMA_CACHE, else in `kinema` in the user's cache folder."""
    named = os.environ.get("KINEMA_CACHE", "")
    base = os.environ.get("XDG_CACHE_HOME", "") or str(Path.home() / ".cache")
    return (Path(named) if named else Path(base) / "kinema") / "evaluators"


@dataclass(frozen=True, eq=False)
class TrainedEvaluator:
    """A classifier with the mean and deviation of its input. `digest` is a hash of its weights."""

    model: Classifier
    mean: Float[Tensor, " feat"]
    std: Float[Tensor, " feat"]

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the weights, name by name."""
        found = hashlib.sha256()
        for name, value in sorted(self.tensors().items()):
            found.update(name.encode() + value.contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    def tensors(self) -> dict[str, Tensor]:
        """Everything that is stored."""
        return {**self.model.state_dict(), "representation.mean": self.mean, "representation.std": self.std}

    @torch.inference_mode()
    def look(
        self, clips: Float[Tensor, "clip frame feat"]
    ) -> tuple[Float[Tensor, "clip dim"], Float[Tensor, "clip class"]]:
        """Features (the last layer before the logits) and logits."""
        self.model.eval()
        parts = [self.model.features((some - self.mean) / self.std) for some in clips.float().split(_LOOK)]
        features = torch.cat(parts)
        return features, self.model.head(features)


@dataclass(frozen=True)
class ClassifierTrainer:
    """Trains evaluators, which are classifiers. `folder` None: `evaluator_folder()`."""

    folder: Path | None = None
    seed: int = 0
    config: Classifier.Config = field(default_factory=Classifier.Config)

    def train(
        self, clips: Float[Tensor, "clip frame feat"], labels: Float[Tensor, "clip class"], *, steps: int, keep: bool
    ) -> TrainedEvaluator:
        """An evaluator trained on these clips; with `keep` it is cached."""
        if not keep:
            return self._train(clips, labels, steps)
        folder = self.folder or evaluator_folder()
        path = folder / f"{self._key(clips, labels, steps)}.safetensors"
        if path.is_file():
            return self._read(path, clips.shape[-1], labels.shape[-1])
        evaluator = self._train(clips, labels, steps)
        folder.mkdir(parents=True, exist_ok=True)
        write_tensors(path, evaluator.tensors())
        write_text(
            path.with_suffix(".json"), json.dumps({"digest": evaluator.digest, "clips": len(clips), "steps": steps})
        )
        return evaluator

    def _key(self, clips: Tensor, labels: Tensor, steps: int) -> str:
        about = json.dumps([_VERSION, self.seed, steps, asdict(self.config), list(clips.shape), list(labels.shape)])
        found = hashlib.sha256(about.encode())
        # Rounded: the last digit differs between processors.
        found.update((clips * 1e3).round().int().contiguous().numpy().tobytes())
        found.update(labels.contiguous().numpy().tobytes())
        return found.hexdigest()[:16]

    def _read(self, path: Path, width: int, classes: int) -> TrainedEvaluator:
        tensors = read_tensors(path)
        mean, std = tensors.pop("representation.mean"), tensors.pop("representation.std")
        model = self.config.build(FeatureShape(width, 1, classes))
        model.load_state_dict(tensors)
        evaluator = TrainedEvaluator(model.eval(), mean, std)
        about = path.with_suffix(".json")
        known = json.loads(about.read_text(encoding="utf-8"))["digest"] if about.is_file() else ""
        if evaluator.digest != known:
            raise CheckpointError(
                expected=f"an evaluator with the hash {known or 'in its .json file'} at {path}",
                got=evaluator.digest,
                cure=f"Delete {path}; it is then trained again.",
            )
        return evaluator

    def _train(self, clips: Tensor, labels: Tensor, steps: int) -> TrainedEvaluator:
        clips = clips.detach().float()
        flat = clips.flatten(0, 1)
        mean, deviation = flat.mean(0), flat.std(0)
        std = torch.where(deviation < 1e-4, torch.ones_like(deviation), deviation)
        generator = torch.Generator().manual_seed(self.seed)
        weights = _balanced(labels)
        with _one_thread(self.seed):
            model = self.config.build(FeatureShape(clips.shape[-1], 1, labels.shape[-1])).train()
            optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-3)
            rate = torch.optim.lr_scheduler.LambdaLR(
                optimiser, lambda step: min(1, (step + 1) / 50) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
            )
            for _ in range(steps):
                rows = torch.multinomial(weights, _BATCH, replacement=True, generator=generator)
                batch = (clips[rows] - mean) / std
                noisy = batch + 0.05 * torch.randn(batch.shape, generator=generator)
                optimiser.zero_grad(set_to_none=True)
                model.cross_entropy(noisy, labels[rows]).backward()
                torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimiser.step()
                rate.step()
        return TrainedEvaluator(model.eval(), mean, std)


def _balanced(labels: Float[Tensor, "clip class"]) -> Float[Tensor, " clip"]:
    """Sampling weights of clips: rare labels more often, by the square root of their frequency."""
    count = (labels > 0).sum(0).clamp_min(1).float()
    share = ((labels > 0) / count.sqrt()).sum(1)
    return share / share.sum()


@contextmanager
def _one_thread(seed: int) -> Generator[None]:
    """One thread and an own random state: training gives the same weights every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
