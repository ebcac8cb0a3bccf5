"""The one training loop: phases in order, each with its own optimiser, schedule and clipping.

Everything random depends on (seed, step, rank) alone and every schedule on the step alone, so a resumed run continues
as if it had not been interrupted; on a CPU its weights are the same to the last bit.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import signal
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from kinema.core.errors import CheckpointError, TrainingError
from kinema.core.query import Batch
from kinema.data.loader import Loader
from kinema.models.base import Model
from kinema.training.checkpoint import RunFolder
from kinema.training.distributed import Process, losses_of
from kinema.training.log import Reporter
from kinema.training.precision import precision_of_run
from kinema.training.stage import Phase, Stage

Losses = dict[str, dict[str, float]]  # phase -> name -> value


@dataclass(frozen=True, eq=False)
class Job:
    """A stage with its data and its folder.

    `facts` go into the checkpoint's config.json and `constants` among its tensors, unchanged. A `begun` model has the
    weights of another run, and with them what it measured of that run's data.
    """

    stage: Stage
    loader: Loader
    folder: RunFolder
    seed: int
    validation: Loader | None = None
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    constants: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    begun: bool = False


def fit(
    model: Model,
    job: Job,
    *,
    resume: bool = False,
    device: torch.device | None = None,
    process: Process | None = None,
    reporters: Sequence[Reporter] = (),
    compiled: bool = False,
    workers: int = 0,
) -> Model:
    """Train `model` by `job`; it is returned in evaluation mode with the weights that were saved last (the average).

    With `resume` the run continues from the folder's checkpoint. SIGINT and SIGTERM end the run after the current step:
    it is saved, then KeyboardInterrupt is raised. `compiled` uses torch.compile; `workers` is the number of processes
    that make batches. Raises TrainingError, before the optimiser's step, where a loss is not finite.
    """
    if not resume and not job.begun:
        model.measure(map(job.loader.batch, itertools.count(job.stage.steps)))  # batches that training does not use
    run = _Fit(model, job, process or Process(), device or torch.device("cpu"), compiled, resume)
    with torch.random.fork_rng(), _stop_signals() as stop:
        start = run.restore() if resume else 0
        if not resume:
            run.save(0)  # the folder can be written to, and can be resumed, before hours are spent
        batches = run.batches(start, workers)
        for step in range(start, job.stage.steps):
            losses = run.step(step, batches)
            run.report(step + 1, losses, reporters)
            stopped = run.process.any(stop.is_set())[0]
            if stopped or (step + 1) % job.stage.save_every == 0 or step + 1 == job.stage.steps:
                run.save(step + 1)
            if stopped:
                run.process.wait()  # torchrun ends all others as soon as one has left, and one of them still saves
                raise KeyboardInterrupt
    run.process.wait()
    model.load_state_dict(run.average.weights())
    return model.eval()


class _Fit:
    """The moving parts of a run: weights, optimisers, average."""

    def __init__(
        self, model: Model, job: Job, process: Process, device: torch.device, compiled: bool, resume: bool
    ) -> None:
        self.model, self.job, self.process, self.device = model.to(device).train(), job, process, device
        begun = job.folder.facts() if resume else {}
        self.precision = precision_of_run(job.stage.precision, device, begun.get("precision"))
        if process.leads:
            self.precision.warn()
        self.phases = job.stage.phases(model)
        self.parameters = {phase.name: list(model.phase_parameters(phase.name)) for phase in self.phases}
        self.optimizers = {phase.name: phase.optim.build(self.parameters[phase.name]) for phase in self.phases}
        self.losses = losses_of(model, process)
        if compiled:
            self.losses = cast("nn.Module", torch.compile(self.losses))
        self.average = Average(model, job.stage.ema, job.stage.ema_copied)
        self._shares = _shares(self.phases)
        self._since: tuple[int, float] | None = None
        self._precision_logged = False

    def batches(self, start: int, workers: int) -> Iterator[list[Batch]]:
        """For each step from `start`, as many batches as its phases need."""
        draws = max(share.stop for share in self._shares.values())
        stream = self.job.loader.iterate(start * draws, self.job.stage.steps * draws, workers)
        while chunk := list(itertools.islice(stream, draws)):
            yield [batch.map(lambda tensor: tensor.to(self.device, non_blocking=True)) for batch in chunk]

    def step(self, step: int, batches: Iterator[list[Batch]]) -> Losses:
        """One step of every phase; the losses of each."""
        self._since = self._since or (step, time.perf_counter())
        drawn = next(batches)
        torch.manual_seed(_mix(self.job.seed, step, self.process.rank))
        losses: Losses = {}
        for phase in self.phases:
            for batch in drawn[self._shares[phase.name]]:
                losses[phase.name] = self._phase(phase, batch, step)
        self.average.update(step)
        return losses

    def _phase(self, phase: Phase, batch: Batch, step: int) -> dict[str, float]:
        optimizer = self.optimizers[phase.name]
        optimizer.zero_grad(set_to_none=True)
        with self.precision.autocast(self.device):
            values = cast("dict[str, Tensor]", self.losses(batch, phase.name))
        values["loss"].backward()
        losses = {name: float(value.detach()) for name, value in values.items()}
        if self.process.any(not math.isfinite(losses["loss"]))[0]:
            raise TrainingError(
                expected=f"a finite loss of phase '{phase.name}' at step {step + 1} of stage '{self.job.stage.name}'",
                got=", ".join(f"{name} {value}" for name, value in losses.items()),
                cure="Lower the learning rate or set clip_norm; the weights of the last save are untouched.",
            )
        if phase.optim.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters[phase.name], phase.optim.clip_norm)
        for group in optimizer.param_groups:
            group["lr"] = phase.optim.rate(step, self.job.stage.steps)
        optimizer.step()
        return losses

    def report(self, step: int, losses: Losses, reporters: Sequence[Reporter]) -> None:
        """Report `step` finished steps; validate where it is due."""
        stage = self.job.stage
        for reporter in reporters:
            reporter.advance(step, losses[self.phases[0].name]["loss"])
        last = step == stage.steps
        entry: dict[str, Any] = {}
        if step == 1 or step % stage.log_every == 0 or last:
            entry["losses"] = {phase: self.process.mean(values) for phase, values in losses.items()}
            entry["lr"] = {phase.name: phase.optim.rate(step - 1, stage.steps) for phase in self.phases}
            entry["steps_per_second"] = self._rate(step)
            if not self._precision_logged:
                entry["precision"], self._precision_logged = self.precision.facts(), True
        if self.job.validation is not None and (step % stage.validate_every == 0 or last):
            entry["validation"] = self.validate(self.job.validation)
        for reporter in reporters if entry else ():
            reporter.record(step, {"stage": stage.name, **entry})

    def validate(self, loader: Loader) -> Losses:
        """Mean losses of the averaged weights on the same few batches every time."""
        count = self.job.stage.validate_batches
        sums: Losses = {phase.name: {} for phase in self.phases}
        # A critic's gradient penalty needs gradients also where no weight is updated.
        with self.average.applied(), torch.set_grad_enabled(len(self.phases) > 1):
            for index in range(count):
                torch.manual_seed(_mix(self.job.seed, index, self.process.rank))
                batch = loader.batch(index).map(lambda tensor: tensor.to(self.device))
                for phase, total in sums.items():
                    with self.precision.autocast(self.device):
                        values = self.model.loss(batch, phase)
                    for name, value in values.items():
                        total[name] = total.get(name, 0.0) + float(value.detach()) / count
        return {phase: self.process.mean(values) for phase, values in sums.items()}

    def save(self, step: int) -> None:
        """Replace the checkpoint. Raises TrainingError, leaving the old one, where a weight is not finite."""
        weights = self.average.weights()
        if not all(bool(value.isfinite().all()) for value in weights.values() if value.is_floating_point()):
            raise TrainingError(
                expected=f"finite weights after step {step} of stage '{self.job.stage.name}'",
                got="NaN or infinity",
                cure="Lower the learning rate or set clip_norm; the checkpoint before it is untouched.",
            )
        if not self.process.leads:
            return
        tensors = {f"model.{name}": value for name, value in weights.items()} | dict(self.job.constants)
        last = step == self.job.stage.steps
        facts = {**self.job.facts, "precision": self.precision.facts()}
        self.job.folder.save(facts, tensors, self._state(), step=step, last=last)

    def restore(self) -> int:
        """Load the checkpoint of the folder; the number of its finished steps."""
        state = {name: value.to(self.device) for name, value in self.model.renamed(self.job.folder.state()).items()}
        try:
            self.model.load_state_dict(_below(state, "weights."))
            averages = _below(state, "average.")
            for name, tensor in averages.items():
                _fits(f"average.{name}", tensor, self.average.tensors[name])
            self.average.tensors = averages
            for phase, optimizer in self.optimizers.items():
                for name, parameter in self._named(phase):
                    if moments := _below(state, f"optim.{phase}.{name}:"):
                        for moment, tensor in moments.items():
                            _fits(f"optim.{phase}.{name}:{moment}", tensor, parameter)
                        optimizer.state[parameter] = moments
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                expected=f"the training state of this model in {self.job.folder.path}",
                got=str(error).splitlines()[-1].strip(),
                cure="Start a new run: another --out, without --resume.",
            ) from error
        facts = self.job.folder.facts()
        if self.process.leads:
            self.job.folder.tidy(keep=(str(facts["weights"]), str(facts["state"])))
        return int(facts["step"])

    def _state(self) -> dict[str, Tensor]:
        state = {f"weights.{name}": value for name, value in self.model.state_dict().items()}
        state |= {f"average.{name}": value for name, value in self.average.tensors.items()}
        for phase, optimizer in self.optimizers.items():
            for name, parameter in self._named(phase):
                for key, value in optimizer.state.get(parameter, {}).items():
                    state[f"optim.{phase}.{name}:{key}"] = value
        return state

    def _named(self, phase: str) -> list[tuple[str, nn.Parameter]]:
        own = {id(parameter) for parameter in self.parameters[phase]}
        return [(name, value) for name, value in self.model.named_parameters() if id(value) in own]

    def _rate(self, step: int) -> float:
        first, then = self._since or (step, time.perf_counter())
        now = time.perf_counter()
        self._since = (step, now)
        return round((step - first) / (now - then), 3) if now > then else 0.0


def _fits(name: str, tensor: Tensor, like: Tensor) -> None:
    """Raises RuntimeError, as torch does for weights, where a tensor of the state has another shape than its weight."""
    if tensor.shape != like.shape and tensor.numel() != 1:  # optimisers count steps in one number
        raise RuntimeError(f"{name} of shape {tuple(tensor.shape)}, not {tuple(like.shape)}")


def _shares(phases: Sequence[Phase]) -> dict[str, slice]:
    """Which of a step's batches each phase takes: the first ones, or the first that no earlier phase took."""
    shares: dict[str, slice] = {}
    for phase in phases:
        start = max((share.stop for share in shares.values()), default=0) if phase.fresh else 0
        shares[phase.name] = slice(start, start + phase.repeats)
    return shares


def _mix(*numbers: int) -> int:
    # The last number separates this stream from the loader's, which is seeded by (seed, step); 0 would not.
    return int(np.random.SeedSequence((*numbers, 0x6D6F64656C)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


class Average:
    """A running mean of the weights: average <- d average + (1 - d) weights, with d = min(decay, (1 + n) / (10 + n)).

    n counts the updates so far; by the second term the average forgets the random start quickly. With `copied` steps
    the average is instead a copy of the weights for that many updates, and d = decay from then on. Numbers that are not
    floating point (counters) are copied. Without a `decay` the average is the weights themselves.
    """

    def __init__(self, model: nn.Module, decay: float | None, copied: int = 0) -> None:
        self.decay, self.copied = decay, copied
        self._model = model
        self.tensors = {} if decay is None else {name: value.clone() for name, value in _weights(model).items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Include the weights after step `step` (the first is 0)."""
        if self.decay is None:
            return
        if self.copied:
            weight = 1.0 if step < self.copied else 1 - self.decay
        else:
            weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, now in _weights(self._model).items():
            mean = self.tensors[name]
            if mean.is_floating_point():
                mean.lerp_(now, weight)
            else:
                mean.copy_(now)

    def weights(self) -> dict[str, Tensor]:
        """The averaged weights; the model's own where nothing is averaged."""
        return self.tensors if self.decay is not None else _weights(self._model)

    @contextlib.contextmanager
    def applied(self) -> Generator[nn.Module]:
        """The model in evaluation mode with the averaged weights, for as long as the block lasts."""
        own = {name: value.clone() for name, value in _weights(self._model).items()} if self.tensors else {}
        was_training = self._model.training
        self._model.load_state_dict(self.weights())
        self._model.eval()
        try:
            yield self._model
        finally:
            if own:
                self._model.load_state_dict(own)
            self._model.train(was_training)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in model.state_dict().items()}


@contextlib.contextmanager
def _stop_signals() -> Generator[threading.Event]:
    """An event that the first SIGINT or SIGTERM sets; a second one has its usual effect at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
