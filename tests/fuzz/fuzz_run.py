"""Feeds every reader spoilt files: `make fuzz`, or `PYTHONPATH=tests python tests/fuzz/fuzz_run.py --files 10000`.

Each file is read in a process of its own kind: 2 GiB of memory above what the program itself takes, 5 s of processor
time, and an ear on whatever Python is asked to run. A reader may read the file or raise a KinemaError. Anything else is
a finding: another exception, a process that dies, hangs or asks for more memory, and any sign that code was run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from fuzz_readers import READERS, Reader

from kinema.core.errors import KinemaError

torch.set_num_threads(1)  # threads do not live through a fork

SECONDS = 5
MEMORY = 2 << 30
_PATIENCE = 600  # seconds of the clock for one file: a busy machine is no finding
_RUNS = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "subprocess.Popen",
    "socket.connect",
    "pty.spawn",
)


@dataclass(frozen=True)
class Finding:
    """What went wrong with which file, and where."""

    reader: str
    kind: str  # crash, memory, hang, code, death
    what: str
    where: str
    mutator: str
    file: str


def fuzz(files: int, seed: int, keep: Path, only: str | None = None) -> Iterator[Finding]:
    """Feed `files` spoilt files to the readers in turn; what was found, the files themselves kept in `keep`."""
    names = [only] if only else list(READERS)
    for place, name in enumerate(names):
        share = range(place, files, len(names))
        with tempfile.TemporaryDirectory() as sound:
            targets = [path.relative_to(sound) for path in READERS[name].write(Path(sound))]
            for target in targets:
                READERS[name].read(Path(sound) / target)  # sound files are read; and what is imported late is there
            todo = list(share)
            while todo:
                done, found = _batch(name, Path(sound), targets, todo, seed, keep)
                yield from found
                todo = todo[done:]


def _batch(
    name: str, sound: Path, targets: list[Path], todo: list[int], seed: int, keep: Path
) -> tuple[int, list[Finding]]:
    """Read files in a child until it has read all or died; how many it has got through, and what was found."""
    with tempfile.TemporaryDirectory() as work:
        copy = Path(shutil.copytree(sound, Path(work) / "files"))
        inlet, outlet = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(inlet)
            _read_all(READERS[name], name, copy, targets, todo, seed, outlet)
        os.close(outlet)
        said = _listen(inlet, child)
        _, status = os.waitpid(child, 0)
        found: list[Finding] = []
        for index, target, mutator, entry in said:
            if entry is not None or (index == said[-1][0] and status):
                kind, what, where = entry or _death(status)
                path = keep / f"{name}-{seed}-{index}{target.suffix}"
                keep.mkdir(parents=True, exist_ok=True)
                path.write_bytes(_spoilt(READERS[name], sound / target, _chance(seed, name, index, targets))[0])
                found.append(Finding(name, kind, what, where, mutator, str(path)))
        return len(said), found


def _listen(inlet: int, child: int) -> list[tuple[int, Path, str, tuple[str, str, str] | None]]:
    """What the child says: a line when it begins a file, another when it has found something."""
    heard: list[tuple[int, Path, str, tuple[str, str, str] | None]] = []

    def patience(number: int, frame: object) -> None:
        os.kill(child, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, patience)
    with os.fdopen(inlet, encoding="utf-8", errors="replace") as lines:
        signal.alarm(_PATIENCE)
        for line in lines:
            signal.alarm(_PATIENCE)
            said: dict[str, Any] = json.loads(line)
            if "found" in said:
                heard[-1] = (*heard[-1][:3], tuple(said["found"]))
            else:
                heard.append((said["index"], Path(said["target"]), said["mutator"], None))
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    return heard


def _chance(seed: int, name: str, index: int, targets: list[Path]) -> random.Random:
    chance = random.Random(f"{seed} {name} {index}")
    chance.choice(targets)  # drawn first, by both who ask
    return chance


def _spoilt(reader: Reader, path: Path, chance: random.Random) -> tuple[bytes, str]:
    data = path.read_bytes()
    rare = reader.rare and chance.random() < 1 / 30
    for _ in range(1 if rare else chance.choice((1, 1, 1, 2, 3))):
        mutator = chance.choice(reader.rare if rare else reader.mutators)
        with contextlib.suppress(Exception):  # the second may not find what it looks for after the first
            data = mutator(chance, data)
    return data, mutator.__qualname__.split(".")[0]


def _read_all(
    reader: Reader, name: str, folder: Path, targets: list[Path], todo: list[int], seed: int, outlet: int
) -> None:
    """The child: one file after the other, within the limits, then the end of the process."""
    os.chdir(folder)
    warnings.simplefilter("ignore")
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    heard: list[str] = []
    armed = [False]

    def ear(event: str, arguments: tuple[Any, ...]) -> None:
        if armed[0] and (
            (event in _RUNS and event not in reader.starts)
            or (event == "exec" and arguments[0].co_filename.startswith("<"))
        ):
            heard.append(event)

    sys.addaudithook(ear)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (_address_space() + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for index in todo:
        chance = random.Random(f"{seed} {name} {index}")
        target = chance.choice(targets)
        path = folder / target
        sound = path.read_bytes()
        data, mutator = _spoilt(reader, path, chance)
        _say(outlet, index=index, target=str(target), mutator=mutator)
        path.write_bytes(data)
        del data
        heard.clear()
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        armed[0] = True
        found = _read(reader, path)
        armed[0] = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        if heard or (folder / "it_ran").exists():
            found = ("code", ", ".join(heard) or "a mark was left", "")
        if found:
            _say(outlet, found=found)
        path.write_bytes(sound)
    os._exit(0)


def _read(reader: Reader, path: Path) -> tuple[str, str, str] | None:
    try:
        reader.read(path)
    except KinemaError as error:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, MemoryError) or "allocate" in str(cause):
                return "memory", str(cause)[:200], _place(cause)
            cause = cause.__cause__ or cause.__context__
        if not (error.expected and error.got and error.cure):
            return "crash", f"an error without its three parts: {error}", _place(error)
        try:
            str(error).encode()
        except UnicodeEncodeError:
            return "crash", "an error that cannot be printed", _place(error)
        return None
    except MemoryError as error:
        return "memory", str(error)[:200], _place(error)
    except BaseException as error:  # noqa: BLE001
        kind = "memory" if "allocate" in str(error) else "crash"
        return kind, f"{type(error).__name__}: {error}"[:200], _place(error)
    return None


def _place(error: BaseException) -> str:
    """Where in kinema it came from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "kinema" in frame.filename]
    return " < ".join(f"{Path(one.filename).name}:{one.lineno}" for one in frames[:-4:-1])


def _death(status: int) -> tuple[str, str, str]:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number in (signal.SIGPROF, signal.SIGKILL):
            return "hang", f"more than {SECONDS} s", ""
        return "death", signal.Signals(number).name, ""
    return "death", f"exit status {os.WEXITSTATUS(status)}", ""


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _say(outlet: int, **facts: object) -> None:
    os.write(outlet, (json.dumps(facts) + "\n").encode("utf-8", "replace"))


def main() -> int:
    """The command line; 1 where something was found."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=10_000)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--reader", choices=list(READERS))
    options.add_argument("--keep", type=Path, default=Path("fuzz-findings"))
    chosen = options.parse_args()
    start = time.monotonic()
    counts: Counter[str] = Counter()
    for finding in fuzz(chosen.files, chosen.seed, chosen.keep, chosen.reader):
        counts[finding.reader] += 1
        print(json.dumps(asdict(finding)), flush=True)
    seconds = time.monotonic() - start
    print(f"{chosen.files} files, {sum(counts.values())} findings {dict(counts)}, {seconds:.0f} s", file=sys.stderr)
    return 1 if counts else 0


if __name__ == "__main__":
    sys.exit(main())
