"""The same work on many files: resumable, in any number of processes, and one bad file never stops the rest.

A `Work` defines what is done to a file, an engine (`kinema.apps.batch.workers`) where. A ledger beside the results has
a line for each finished file, with a stamp: a hash of the file's bytes and of everything else that the result depends
on. A file is skipped if its line has the same stamp and its results are complete. Results are written atomically and
the line after them, so that an interrupted file is done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TextIO, cast

from kinema.core.atomic import hold, input_as_output, may_overwrite, temporary_prefix, write_text
from kinema.core.constants import VERSION
from kinema.core.errors import FormatError, KinemaError, KinemaWarning, UsageError
from kinema.core.text import parse_json

if TYPE_CHECKING:
    from kinema.io.formats import LoadOptions

LEDGER = "kinema-ledger.jsonl"
Status = Literal["done", "kept", "failed"]


@dataclass(frozen=True)
class Piece:
    """One file of a job, and where its result goes."""

    source: Path
    target: Path


@dataclass(frozen=True)
class Made:
    """The files made from a piece, and facts about them (plain JSON data)."""

    files: tuple[Path, ...]
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True)
class Outcome:
    """The outcome of a piece. "kept": it was done before. "failed": `error` has the parts of the error."""

    piece: Piece
    status: Status
    files: tuple[Path, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    error: Mapping[str, str] | None = None
    seconds: float = 0.0


Do = Callable[[Piece], Made]


class Work(Protocol):
    """What is done to every file. It can be pickled."""

    def stamp(self) -> Mapping[str, Any]:
        """Everything but the file that a result depends on, as JSON data. Raises KinemaError if no file can be done."""
        ...

    def open(self) -> Do:
        """Get ready, once per process (a model is loaded here); the returned function writes a piece's results."""
        ...


class Engine(Protocol):
    """Where work is done."""

    def run(self, work: Work, pieces: Iterable[Piece]) -> Iterator[Outcome]:
        """The outcome of every piece, in any order."""
        ...


def pieces_in(
    folder: Path,
    out: Path,
    *,
    patterns: Sequence[str] | None = None,
    suffix: str | Callable[[Path], str] | None = None,
    given: LoadOptions | None = None,
    pictures: bool = True,
) -> list[Piece]:
    """The files below `folder` that match, each with its target below `out`; `suffix` replaces their own.

    Without `patterns` they are the motions of every format, as `kinema.io.formats.files_in` finds them with the options
    that are `given`; a KinemaWarning names the others. Hidden files and `out` itself are left out. Raises UsageError if
    there is no file, if `out` is `folder`, or if two files have the same target.
    """
    from kinema.io.formats import files_in, left_out

    folder, out = folder.resolve(), out.resolve()
    if folder == out and not may_overwrite():
        raise UsageError(expected="another folder for the results", got=f"{out} for both",
                         cure=f"Type -o {folder.name}-out, or --overwrite.")  # fmt: skip
    others: dict[str, str] = {}
    if patterns is not None:
        found = sorted({path for pattern in patterns for path in folder.rglob(pattern) if path.is_file()})
    else:
        looked = dict(files_in(folder, given, pictures=pictures))
        found = [path for path, why in looked.items() if not why]
        others = {path.relative_to(folder).as_posix(): why for path, why in looked.items() if why}
        others = {name: why for name, why in others.items() if not _below(folder / name, out, folder)}
    pieces: dict[Path, Piece] = {}
    for path in found:
        place = path.relative_to(folder)
        if _below(path, out, folder) or any(part.startswith(".") for part in place.parts):
            continue
        own = suffix(path) if callable(suffix) else suffix
        target = out / (place if own is None else place.with_suffix(own))
        if target in found and not may_overwrite():
            raise input_as_output(target)
        if target in pieces:
            raise UsageError(
                expected="files with different results",
                got=f"{pieces[target].source.name} and {path.name}, which would both become {target.name}",
                cure="Take one format at a time: --pattern '*.bvh'.",
            )
        pieces[target] = Piece(path, target)
    if not pieces:
        there = f"none ({left_out(others)})" if others else "none"
        raise UsageError(
            expected=f"files called {', '.join(patterns)} in {folder}" if patterns else f"motion files in {folder}",
            got=there if folder.is_dir() else "no such folder",
            cure="Name another folder, or the files to take: --pattern '*.bvh'.",
        )
    if others:
        warnings.warn(left_out(others), KinemaWarning, stacklevel=2)
    return list(pieces.values())


def _below(path: Path, out: Path, folder: Path) -> bool:
    return path.is_relative_to(out) and not folder.is_relative_to(out)


def run_job(work: Work, pieces: Sequence[Piece], out: Path, engine: Engine) -> Iterator[Outcome]:
    """Do the work on every piece that is not done yet; finished ones come first, as "kept".

    Raises KinemaError if the work cannot be done at all, if `out` cannot be written, or if another job writes there.
    """
    common = json.dumps({"kinema": VERSION, **work.stamp()}, sort_keys=True)
    with _Ledger.opened(out) as ledger:
        _sweep(pieces)
        stamps: dict[Piece, str] = {}
        left: list[Piece] = []
        for piece in pieces:
            before = ledger.kept(piece.target)
            stamps[piece] = _stamp(piece, common)
            if before is not None and before["stamp"] == stamps[piece]:
                yield Outcome(piece, "kept", tuple(out / name for name in before["files"]), before["facts"])
            else:
                left.append(piece)
        for outcome in engine.run(work, left):
            if outcome.status == "done":
                ledger.write(outcome, stamps[outcome.piece])
            yield outcome


def attempt(do: Do, piece: Piece) -> Outcome:
    """Do a piece and return its outcome; an error of any kind becomes a failed outcome. Engines call this."""
    begun = time.monotonic()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", KinemaWarning)
        try:
            made, error = do(piece), None
        except KinemaError as known:
            made = Made(())
            error = {"expected": known.expected, "got": known.got, "cure": known.cure, "text": str(known)}
        except Exception as unknown:  # noqa: BLE001 - a file that breaks us in a new way must not stop the others
            made, error = Made(()), _unforeseen(unknown)
    notes = [str(one.message) for one in heard if issubclass(one.category, KinemaWarning)]
    facts = {**made.facts, **({"warnings": notes} if notes else {})}
    spent = round(time.monotonic() - begun, 3)
    return Outcome(piece, "failed" if error else "done", made.files, facts, error, spent)


def lost(piece: Piece, how: str) -> Outcome:
    """The outcome of a piece whose process died."""
    cure = f"Run this file alone: {piece.source}."
    return Outcome(piece, "failed", error=_parts("a process that finishes the file", how, cure))


def report_of(work: Work, outcomes: Sequence[Outcome], seconds: float, out: Path | None = None) -> dict[str, Any]:
    """A job as JSON data: counts, time, and a row for every file, whose paths are relative to the folder `out`."""
    start = (out or Path()).resolve()

    def near(path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), start)).as_posix()

    count = {status: sum(one.status == status for one in outcomes) for status in ("done", "kept", "failed")}
    rows = [
        {
            "file": near(one.piece.source),
            "status": one.status,
            "files": [near(path) for path in one.files],
            "seconds": one.seconds,
            **({"facts": _placed(one.facts, start)} if one.facts else {}),
            **({"error": _placed(one.error, start)} if one.error else {}),
        }
        for one in sorted(outcomes, key=lambda one: str(one.piece.source))
    ]
    done = _placed(work.stamp(), start)
    return {**count, "seconds": round(seconds, 3), "kinema": VERSION, "work": done, "files": rows}


_ABSOLUTE = re.compile(r"(?<![\w./~:-])/[^\s'\",;()]+")


def _placed(part: Any, start: Path) -> Any:
    """JSON data whose texts name files relative to a folder: a report may be passed on, places of this machine not."""

    def near(found: re.Match[str]) -> str:
        path = Path(found[0])
        known = len(path.parts) > 2 and Path(*path.parts[:2]).is_dir()
        return Path(os.path.relpath(path, start)).as_posix() if known else found[0]

    if isinstance(part, str):
        return _ABSOLUTE.sub(near, part)
    if isinstance(part, Mapping):
        return {key: _placed(value, start) for key, value in cast("Mapping[str, Any]", part).items()}
    if isinstance(part, list | tuple):
        return [_placed(value, start) for value in cast("Sequence[Any]", part)]
    return part


@dataclass
class _Ledger:
    """The lines of finished pieces, by target; one writer at a time."""

    out: Path
    rows: dict[str, dict[str, Any]]
    file: TextIO

    @classmethod
    @contextlib.contextmanager
    def opened(cls, out: Path) -> Generator[_Ledger]:
        """The ledger of a folder, created if it is missing. A truncated last line is dropped."""
        path = out / LEDGER
        with hold(out, "a job"):
            rows = {row["target"]: row for row in _rows(path)}
            write_text(path, "".join(json.dumps(row) + "\n" for row in rows.values()))
            with path.open("a", encoding="utf-8") as file:
                yield cls(out, rows, file)

    def kept(self, target: Path) -> dict[str, Any] | None:
        """The line of a target if all its results are there with the size they had."""
        row = self.rows.get(str(target.relative_to(self.out.resolve())))
        sizes = cast("dict[str, int]", row["files"]) if row else {}
        return row if sizes and all(_size(self.out / name) == size for name, size in sizes.items()) else None

    def write(self, outcome: Outcome, stamp: str) -> None:
        """Write one more line, safely on disk before the next piece."""
        root = self.out.resolve()
        names = {str(path.resolve().relative_to(root)): _size(path) for path in outcome.files}
        row = {"target": str(outcome.piece.target.relative_to(root)), "stamp": stamp, "files": names}
        self.file.write(json.dumps({**row, "facts": _placed(outcome.facts, root)}) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(FormatError):
            row = parse_json(line.encode(), path.name)
            if _is_row(row):
                yield row


def _is_row(row: Any) -> bool:
    """Whether a line of a ledger is one of ours; any other is left out, and its file is done again."""
    if not isinstance(row, dict) or not isinstance(row.get("files"), dict) or not isinstance(row.get("facts"), dict):
        return False
    names = [row.get("target"), row.get("stamp"), *cast("dict[Any, Any]", row["files"])]
    return all(isinstance(name, str) and "\0" not in name for name in names)


def _stamp(piece: Piece, common: str) -> str:
    """A hash of the file's bytes and of everything else that its result depends on."""
    digest = hashlib.blake2b(common.encode(), digest_size=16)
    with contextlib.suppress(OSError), piece.source.open("rb") as file:  # an unreadable file fails later, in `attempt`
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _sweep(pieces: Sequence[Piece]) -> None:
    """Remove temporary files that interrupted atomic writes left beside the results."""
    wanted: dict[Path, set[str]] = {}
    for piece in pieces:
        wanted.setdefault(piece.target.parent, set()).add(piece.target.name)
    for folder, names in wanted.items():
        for prefix in {temporary_prefix(name) for name in names}:
            for file in folder.glob(f"{prefix}*") if folder.is_dir() else ():
                file.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else -1
    except OSError:  # a name that no file can have
        return -1


def _parts(expected: str, got: str, cure: str) -> dict[str, str]:
    return {"expected": expected, "got": got, "cure": cure, "text": f"expected {expected}; got {got}. {cure}"}


def _unforeseen(error: Exception) -> dict[str, str]:
    got = f"{type(error).__name__}: {' '.join(str(error).split())}"
    cure = "Run this file alone; if the file is valid, please report a bug of kinema with this line."
    return _parts("a file that can be read to its end", got, cure)
