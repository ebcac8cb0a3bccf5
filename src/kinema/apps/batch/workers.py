"""Engines: do the pieces of a job in this process, in several processes of this machine, or on a Ray cluster.

All call `jobs.attempt`. When a worker dies, only its piece fails, and another worker takes its place.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, Protocol, cast

from kinema.apps.batch.jobs import Engine, Outcome, Piece, Work, attempt, lost
from kinema.core.errors import UsageError, require

EngineName = Literal["local", "ray"]


def engine_of(name: EngineName, jobs: int) -> Engine:
    """The engine of that name with `jobs` workers. Raises UsageError for fewer than one."""
    if jobs < 1:
        raise UsageError(expected="--jobs 1 or more", got=str(jobs), cure="Type --jobs 2.")
    if name == "ray":
        return OnRay(jobs)
    return Here() if jobs == 1 else Processes(jobs)


@dataclass(frozen=True)
class Here:
    """One piece after the other, in this process."""

    def run(self, work: Work, pieces: Iterable[Piece]) -> Iterator[Outcome]:
        """See `Engine`."""
        hand = Hand(work)
        for piece in pieces:
            yield hand.do(piece)


@dataclass
class Hand:
    """Work that gets ready with its first piece; if that fails, every piece fails with the reason."""

    work: Work
    _ready: list[Any] = field(default_factory=list[Any])

    def do(self, piece: Piece) -> Outcome:
        """One piece."""

        def done(piece: Piece) -> Any:
            if not self._ready:
                self._ready.append(self.work.open())
            return self._ready[0](piece)

        return attempt(done, piece)


class _Worker(Protocol):
    def give(self, piece: Piece) -> None: ...
    def take(self) -> Outcome: ...
    def dismiss(self) -> None: ...
    @property
    def alive(self) -> bool: ...


class _Crew(Protocol):
    def hire(self) -> _Worker: ...
    def ready(self, busy: list[_Worker]) -> list[_Worker]: ...


def _share_out(crew: _Crew, pieces: Iterable[Piece], jobs: int) -> Iterator[Outcome]:
    """Give a piece to each of `jobs` workers, and the next piece to each one that finishes."""
    left, busy = iter(pieces), list[_Worker]()
    try:
        for piece in itertools.islice(left, jobs):
            worker = crew.hire()
            busy.append(worker)
            worker.give(piece)
        while busy:
            for worker in crew.ready(busy):
                outcome = worker.take()
                busy.remove(worker)
                following = next(left, None)
                if following is None or not worker.alive:
                    worker.dismiss()
                if following is not None:
                    worker = worker if worker.alive else crew.hire()
                    busy.append(worker)
                    worker.give(following)
                yield outcome
    finally:
        for worker in busy:
            worker.dismiss()


@dataclass(frozen=True)
class Processes:
    """Several processes that share the cores of this machine. They end with the process that started them."""

    jobs: int

    def run(self, work: Work, pieces: Iterable[Piece]) -> Iterator[Outcome]:
        """See `Engine`."""
        threads = max(1, (os.cpu_count() or 1) // self.jobs)
        return _share_out(_LocalCrew(work, threads), pieces, self.jobs)


@dataclass(frozen=True)
class _LocalCrew:
    work: Work
    threads: int

    def hire(self) -> _LocalWorker:
        return _LocalWorker(self.work, self.threads)

    def ready(self, busy: list[_Worker]) -> list[_Worker]:
        lines = {cast("_LocalWorker", worker).line: worker for worker in busy}
        return [lines[cast("Connection[Any, Any]", line)] for line in wait(list(lines))]


class _LocalWorker:
    """A process at the other end of a pipe. Spawned, not forked: threads and locks do not survive a fork."""

    def __init__(self, work: Work, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, work, threads), daemon=True)
        self.process.start()
        theirs.close()  # the pipe then ends when the process does
        self.piece: Piece | None = None

    @property
    def alive(self) -> bool:
        return self.process.is_alive()

    def give(self, piece: Piece) -> None:
        self.piece = piece
        with contextlib.suppress(OSError):  # it has died already: `take` says so
            self.line.send(piece)

    def take(self) -> Outcome:
        assert self.piece is not None
        try:
            return self.line.recv()
        except (EOFError, OSError):
            self.process.join()
            return lost(self.piece, f"the end of the process that worked on it (exit code {self.process.exitcode})")

    def dismiss(self) -> None:
        self.line.close()
        self.process.terminate()
        self.process.join()


def _serve(line: Connection[Any, Any], work: Work, threads: int) -> None:
    """Do pieces until the pipe closes: the worker is dismissed, or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent answers an interrupt
    import torch

    torch.set_num_threads(threads)
    hand = Hand(work)
    with contextlib.suppress(EOFError, OSError):
        while True:
            line.send(hand.do(line.recv()))


@dataclass(frozen=True)
class OnRay:
    """Actors on an existing Ray cluster. All its machines need kinema, and the files at the same paths.

    `address` "auto" is the cluster that this machine belongs to, or the one that RAY_ADDRESS names.
    """

    jobs: int
    address: str = "auto"

    def run(self, work: Work, pieces: Iterable[Piece]) -> Iterator[Outcome]:
        """See `Engine`. Raises UsageError if Ray is not installed or there is no cluster."""
        ray = require("ray", "ray", "which distributes work over machines")
        ours = not ray.is_initialized()
        if ours:
            os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level="ERROR", configure_logging=True)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise UsageError(
                    expected=f"a Ray cluster at {os.environ.get('RAY_ADDRESS', self.address)}",
                    got=str(error).split("\n")[0].rstrip("."),
                    cure="Start one: `ray start --head --node-ip-address 127.0.0.1 --disable-usage-stats`.",
                ) from error
        try:
            yield from _share_out(_RayCrew(ray, work), pieces, self.jobs)
        finally:
            if ours:
                ray.shutdown()


@dataclass(frozen=True)
class _RayCrew:
    ray: Any
    work: Work

    def hire(self) -> _RayWorker:
        return _RayWorker(self.ray, self.work)

    def ready(self, busy: list[_Worker]) -> list[_Worker]:
        answers = {cast("_RayWorker", worker).answer: worker for worker in busy}
        there, _ = self.ray.wait(list(answers))
        return [answers[answer] for answer in there]


class _RayWorker:
    """An actor of one core."""

    def __init__(self, ray: Any, work: Work) -> None:
        self._ray = ray
        self._actor = ray.remote(num_cpus=1)(Hand).remote(work)
        self.alive = True
        self.answer: Any = None
        self._piece: Piece | None = None

    def give(self, piece: Piece) -> None:
        self._piece, self.answer = piece, self._actor.do.remote(piece)

    def take(self) -> Outcome:
        assert self._piece is not None
        try:
            return self._ray.get(self.answer)
        except self._ray.exceptions.RayError as error:
            self.alive = False
            return lost(self._piece, " ".join(str(error).split())[:200])

    def dismiss(self) -> None:
        with contextlib.suppress(self._ray.exceptions.RayError):
            self._ray.kill(self._actor)
