"""`evaluate`: score a model under a protocol. Evaluators of generated motion are trained when a protocol needs them.

An evaluator is a classifier. Its file name is a hash of its clips, labels, steps, seed and sizes; a cached evaluator is
checked against the hash of its weights.
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
from kinema.core.errors import CheckpointError, UsageError
from kinema.models.base import FeatureShape
from kinema.models.classifier import Classifier
from kinema.pipeline.pipeline import open as open_pipeline
from kinema.protocols.base import Options, Protocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.registry import PROTOCOLS, named
from kinema.protocols.report import Report
from kinema.training.checkpoint import read_tensors, write_tensors

_VERSION = 1
_BATCH = 64
_LOOK = 256  # clips at once


def evaluate(
    model: str | Path | Evaluated,
    protocol: str,
    data: Path | str | None = None,
    answers: Path | None = None,
    classifier: Path | None = None,
) -> Report:
    """Score a model (a name for `open`, a baseline of the protocol, or a pipeline) under a protocol.

    Baselines of single protocols: "nearest-neighbour" (stochastic forecasting; needs the training recordings) and
    filters ("savgol", "one-euro" ...; in-betweening). `data` is the folder of the protocol's data (default: that of
    KINEMA_DATA). Options of some protocols: `answers`, an HDF5 file for ground truth and answers; `classifier`, weights
    for an FID. Raises UsageError for an unknown model or protocol, an option that the protocol does not use, or a model
    without the protocol's verb; MissingDataError for missing data or weights.
    """
    chosen = named(protocol)
    options = Options(answers, classifier, ClassifierTrainer())
    _check(chosen, options)
    pipeline = _opened(chosen, model, data) if isinstance(model, (str, Path)) else model
    if chosen.verb not in pipeline.verbs:
        raise UsageError(
            expected=f"a model that answers {chosen.verb}, which {protocol} needs",
            got=f"{pipeline.name}, which answers {', '.join(pipeline.verbs) or 'none of the verbs'}",
            cure=f"Use a model that lists {chosen.verb} in `kinema models`, or another protocol.",
        )
    beside = [_opened(chosen, name, data) for name in chosen.beside if name != pipeline.name]
    return chosen.evaluate(pipeline, data, beside=beside, options=options)


def _opened(protocol: Protocol, model: str | Path, data: Data) -> Evaluated:
    return protocol.baseline(str(model), data) or open_pipeline(model)


def _check(protocol: Protocol, options: Options) -> None:
    """Raise UsageError for an option that the protocol does not use."""
    for name in ("answers", "classifier"):
        if getattr(options, name) is not None and name not in protocol.options:
            users = [other for other, one in PROTOCOLS.items() if name in one.options]
            raise UsageError(
                expected=f"{' or '.join(users)} with {name}", got=protocol.name, cure=f"Leave --{name} out."
            )


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
