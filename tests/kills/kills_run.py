"""Kills training and jobs at random moments: `make kills`, or `python tests/kills/kills_run.py --kills 50`.

A child trains a tiny recipe of one stage or of two (or converts a folder of files, alone or by two processes) and is
sent SIGKILL at a moment drawn by chance; another goes on from what it left, is killed too, and so on to the end. Every
second kill of a job waits until each of its processes has written half a file, and kills them all; the others kill the
process that shares the work out, whose workers then end by themselves. After every kill the run must open (or the
results that are there be whole), and no step or file that was safe may be lost; at the end the weights must be those of
a run that nobody disturbed, bit by bit, and every logged step must stand in the log once.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from kinema.apps.batch.jobs import LEDGER, Do, Engine, Made, Piece, pieces_in, run_job
from kinema.apps.batch.workers import Here, Processes
from kinema.core.atomic import atomic_path, write_bytes
from kinema.data.synthetic import perform
from kinema.io.formats import load, save
from kinema.motion.motion import Motion
from kinema.pipeline.checkpoints.checkpoint import load_model
from kinema.pipeline.train import Means, train
from kinema.recipes import Recipe, recipe
from kinema.training.checkpoint import RunFolder

torch.set_num_threads(1)  # threads do not live through a fork
PAUSE = 0.1  # seconds for which a job's file is half written


def small(name: str, steps: int) -> Recipe:
    """The tiny recipe, saving after every second step: a good part of the time goes into saving."""
    chosen = recipe(name).tiny().with_steps(steps)
    for stage in chosen.stages:
        chosen = chosen.with_value(f"stages.{stage.name}.save_every", "2")
    return chosen


def kill_training(name: str, kills: int, chance: random.Random, *, steps: int) -> str:
    """Train, kill, resume, until there were so many kills; a line about it. Raises AssertionError."""
    chosen, done, runs, lost = small(name, steps), 0, 0, 0
    stages = ["."] + [f"stages/{stage.name}" for stage in chosen.stages[:-1]]
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        start = time.monotonic()
        train(chosen, place / "undisturbed", means=Means(device="cpu"))
        whole = time.monotonic() - start
        while done < kills:
            out, runs, before = place / f"run-{runs}", runs + 1, 0
            while True:
                begun = [RunFolder(out / stage) for stage in stages if RunFolder(out / stage).exists()]
                killed = _killed(
                    lambda out=out, begun=begun: train(chosen, out, resume=bool(begun), means=Means(device="cpu")),
                    _after(chance.uniform(0, whole)) if done < kills else None,
                )
                if not killed:
                    break
                done += 1
                at = sum(_step(out / stage) for stage in stages)
                assert at >= before, f"step {before} was saved, and step {at} is what is left"
                lost, before = lost + (at > 0), at
            _same(place / "undisturbed", out)
    return f"{name}: {done} kills in {runs} runs, {lost} of them after a first save; weights identical, nothing lost"


def _step(out: Path) -> int:
    """The step of one stage that is safe; 0 where nothing of it was saved yet."""
    if not RunFolder(out).exists():
        return 0
    load_model(out)
    RunFolder(out).state()
    return int(RunFolder(out).facts()["step"])


def _same(one: Path, other: Path) -> None:
    for path in one.rglob("*.safetensors"):
        first, second = load_file(path), load_file(other / path.relative_to(one))
        assert first.keys() == second.keys(), path
        for key, value in first.items():
            assert torch.equal(value, second[key]), f"{path.name}: {key}"
    for path in one.rglob("log.jsonl"):
        logged = [[json.loads(line)["step"] for line in (root / path.relative_to(one)).read_text().splitlines()]
                  for root in (one, other)]  # fmt: skip
        assert logged[0] == logged[1], f"{path.name}: {logged[1]}"
    names = [{str(path.relative_to(root)) for path in root.rglob("*")} for root in (one, other)]
    assert names[0] == names[1], f"files besides: {names[0] ^ names[1]}"


class _Slow:
    """Turns BVH into NPZ, and lets every result stand half written for a while."""

    def stamp(self) -> dict[str, str]:
        return {"work": "slow"}

    def open(self) -> Do:
        def do(piece: Piece) -> Made:
            motion = load(piece.source)
            with tempfile.TemporaryDirectory() as aside:
                save(motion, Path(aside) / "whole.npz")
                data = (Path(aside) / "whole.npz").read_bytes()
            with atomic_path(piece.target) as beside, beside.open("wb") as file:
                file.write(data[: len(data) // 2])
                file.flush()
                time.sleep(PAUSE)
                file.write(data[len(data) // 2 :])
            return Made((piece.target,), {"frames": motion.frames})

        return do


def kill_jobs(kills: int, chance: random.Random, engine: Engine, *, files: int) -> str:
    """Convert a folder, kill, go on, until there were so many kills; a line about it. Raises AssertionError."""
    workers = engine.jobs if isinstance(engine, Processes) else 1
    done, runs, kept, cut = 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        save(perform("walk", seconds=3.0, fps=60.0, seed=0), place / "in" / "0.bvh")
        for index in range(1, files):
            write_bytes(place / "in" / f"{index}.bvh", (place / "in" / "0.bvh").read_bytes())

        def job(out: Path) -> None:
            pieces = pieces_in(place / "in", out, patterns=("*.bvh",), suffix=".npz")
            for outcome in run_job(_Slow(), pieces, out, engine):
                assert outcome.status != "failed", outcome.error

        begun = time.monotonic()
        job(place / "undisturbed")
        whole = time.monotonic() - begun
        while done < kills:
            out, runs, before = place / f"out-{runs}", runs + 1, 0
            while before <= files - workers and done < kills:
                moment, left = _after(chance.uniform(0, whole)), _half_written(out)
                if amid := done % 2 == 0:
                    moment = _amid(out, workers, chance.randint(before, files - workers))
                if not _killed(lambda out=out: job(out), moment, everyone=amid):
                    break
                safe, done, cut = _safe(out), done + 1, cut + (len(_half_written(out) - left) >= workers)
                assert safe >= before, f"{before} files were done, and {safe} are left"
                kept, before = kept + (safe > 0), safe
            _killed(lambda out=out: job(out), None)
            _same_results(place / "undisturbed", out)
    return (
        f"{engine}: {done} kills in {runs} jobs, {kept} of them with files done, {cut} with {workers} or more of them "
        "half written; every result whole, nothing done lost"
    )


def _after(seconds: float) -> Callable[[int], None]:
    """A moment so many seconds after a child's start."""
    return lambda _: time.sleep(seconds)


def _amid(out: Path, workers: int, done: int) -> Callable[[int], None]:
    """The moment when so many files are done, and each of the workers has half a file written, or the child's end."""
    left = _half_written(out)

    def wait(child: int) -> None:
        while _finished(out) < done or len(_half_written(out) - left) < workers:
            if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return
            time.sleep(PAUSE / 20)

    return wait


def _half_written(out: Path) -> set[Path]:
    return set(out.glob(".*.npz"))


def _safe(out: Path) -> int:
    """How many files are done and whole; every result that is there, finished or not in the ledger, must be whole."""
    for path in out.glob("[0-9]*.npz"):
        assert isinstance(load(path), Motion)
    return _finished(out)


def _finished(out: Path) -> int:
    """How many files the ledger says are done."""
    ledger = out / LEDGER
    rows = 0
    for line in ledger.read_text().splitlines() if ledger.exists() else ():
        with contextlib.suppress(ValueError):
            rows += (out / json.loads(line)["target"]).is_file()
    return rows


def _same_results(one: Path, other: Path) -> None:
    names = [sorted(path.name for path in root.iterdir()) for root in (one, other)]
    assert names[0] == names[1], names
    for path in one.glob("*.npz"):
        assert torch.equal(load(path).rotations, load(other / path.name).rotations), path.name


def _killed(do: Callable[[], object], moment: Callable[[int], None] | None, *, everyone: bool = False) -> bool:
    """Do it in a child, which is killed when `moment`, called with its id, returns (None: let it come to its end), and
    with `everyone` its own children too; whether it was. Raises AssertionError where the child itself fails.
    """
    child = os.fork()
    if child == 0:
        try:
            do()
        except BaseException as error:  # noqa: BLE001
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    os.setpgid(child, child)  # a group of its own, with the processes that it will start
    if moment is not None:
        moment(child)
        (os.killpg if everyone else os.kill)(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    _until_gone(child)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def _until_gone(group: int) -> None:
    """Wait for the workers whose job was killed: on a busy machine one may still begin with the file that it was given.

    No longer than a minute: where nobody reaps orphans, a group never ends.
    """
    until = time.monotonic() + 60
    with contextlib.suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < until:
            os.killpg(group, 0)
            time.sleep(PAUSE / 5)


def main() -> int:
    """The command line; 1 where something was lost."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--kills", type=int, default=50)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--steps", type=int, default=30)
    options.add_argument("--files", type=int, default=12)
    options.add_argument("--recipes", nargs="*", default=["simlpe", "posegpt"])
    chosen = options.parse_args()
    chance = random.Random(chosen.seed)
    for name in chosen.recipes:
        print(kill_training(name, chosen.kills, chance, steps=chosen.steps), flush=True)
    for engine in (Here(), Processes(2)):
        print(kill_jobs(chosen.kills, chance, engine, files=chosen.files), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
