"""Writing files so that a reader finds the old one or the new one, never half of one: write beside, fsync, rename.

A link is followed: what it points to is replaced. A file that is replaced keeps its mode and, where this is allowed,
its owner. Devices and pipes cannot be replaced: the finished file is copied into them. `hold` keeps a folder to one
process at a time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from kinema.core.errors import KinemaError, UsageError

LOCK = ".kinema.lock"
_inputs: set[str] | None = None
_overwrite = False
_unfinished: set[Path] = set()


@contextlib.contextmanager
def inputs_kept(*, on: bool) -> Generator[None]:
    """Inside, a file that was read as a motion is not written to (`on`); the command line uses this."""
    global _inputs, _overwrite
    _inputs, _overwrite = set() if on else None, not on
    try:
        yield
    finally:
        _inputs, _overwrite = None, False


def was_read(file: Path) -> None:
    """Note that a file, or a folder of keypoints, is an input."""
    if _inputs is not None and (file.is_dir() or file.is_file()):
        _inputs.add(os.path.realpath(file))


def may_overwrite() -> bool:
    """Whether a folder's files may be replaced by their results: with --overwrite."""
    return _overwrite


def input_as_output(target: Path | str) -> UsageError:
    """The error for an output that is an input, too."""
    return UsageError(
        expected="an output that is not the input",
        got=f"{target} for both",
        cure="Choose another --out, or allow it with --overwrite.",
    )


@contextlib.contextmanager
def atomic_path(target: Path | str) -> Generator[Path]:
    """A path to write to; what it holds takes the place of `target` when the block ends well, and is removed when not.

    Raises KinemaError, in one line, where the target is a folder, cannot be written to, or the disk is full, and
    UsageError where it is an input of the command (`inputs_kept`).
    """
    target = Path(target)
    try:
        final = Path(os.path.realpath(target))
        if _inputs and {str(final), str(final.parent)} & _inputs:
            raise input_as_output(target)
        before = final.stat() if final.exists() else None
        if before is not None and stat.S_ISDIR(before.st_mode):
            raise IsADirectoryError(21, "it is a folder")
        special = before is not None and not stat.S_ISREG(before.st_mode)
        if special:
            folder = Path(tempfile.gettempdir())
        else:
            folder = final.parent
            folder.mkdir(parents=True, exist_ok=True)
        prefix = temporary_prefix(final.name)
        handle, name = tempfile.mkstemp(dir=folder, prefix=prefix, suffix=final.suffix[-16:])
        os.close(handle)
    except OSError as error:
        raise cannot_write(target, error) from error
    beside = Path(name)
    _unfinished.add(beside)
    try:
        yield beside
        if special:
            with beside.open("rb") as written, final.open("wb") as device:
                shutil.copyfileobj(written, device)
            return
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        os.umask(mask := os.umask(0))  # the mask can only be read by setting it
        beside.chmod(0o666 & ~mask if before is None else stat.S_IMODE(before.st_mode))
        if before is not None and hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):
                os.chown(beside, before.st_uid, before.st_gid)
        beside.replace(final)
    except OSError as error:
        raise cannot_write(target, error) from error
    finally:
        beside.unlink(missing_ok=True)
        _unfinished.discard(beside)


def remove_unfinished() -> None:
    """Remove the files that are half written, before the process leaves without its clean-ups."""
    for file in list(_unfinished):
        with contextlib.suppress(OSError):
            file.unlink(missing_ok=True)


def temporary_prefix(name: str) -> str:
    """How the names begin of the unfinished files of a target, and of its numbered parts ("walk-2.bvh")."""
    plain = re.sub(r"-\d+(\.\w+)?$", r"\1", name)
    return f".{hashlib.blake2b(plain.encode(), digest_size=4).hexdigest()}-"


def write_text(target: Path | str, text: str) -> None:
    """Write UTF-8 text atomically; line ends are written as they are."""
    write_bytes(target, text.encode())


def write_bytes(target: Path | str, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(target) as beside:
        beside.write_bytes(data)


def cannot_write(target: Path, error: OSError) -> KinemaError:
    """The error for a place that cannot be written to."""
    return KinemaError(
        expected=f"a place to write {target}",
        got=(error.strerror or str(error)).lower(),
        cure="Choose another folder, or free some space, and run the command again.",
    )


@contextlib.contextmanager
def hold(folder: Path, what: str) -> Generator[None]:
    """Hold a folder, which is made where it is missing, for this process; `what` names what runs in it.

    The operating system frees the lock of a process that ends in any way, so a dead one never blocks. Raises
    UsageError, naming the process and since when it runs, where another process holds the folder.
    """
    path, made = folder / LOCK, not folder.exists()
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            opened = path.open("a+", encoding="utf-8", errors="replace")
        except OSError as error:
            raise cannot_write(folder, error) from error
        with opened as file:
            if not _locked(file):
                file.seek(0)
                raise UsageError(
                    expected=f"no other process at work in {folder}",
                    got=_holder(file.read()),
                    cure="Wait until it ends, or choose another --out.",
                )
            if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
                continue  # its last holder removed it just now
            file.truncate(0)
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            json.dump({"process": os.getpid(), "machine": socket.gethostname(), "since": since, "what": what}, file)
            file.flush()
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
                if made:  # nothing was written: nothing is left
                    with contextlib.suppress(OSError):
                        folder.rmdir()
            return


def _locked(file: TextIO) -> bool:
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:  # a system without such locks
        return True
    except OSError:
        return False
    return True


def _holder(text: str) -> str:
    try:
        facts = json.loads(text)
        owner = f"{facts['what']}, process {facts['process']} on {facts['machine']}, since {facts['since']}"
        return owner[:200].encode(errors="replace").decode()
    except (ValueError, KeyError, TypeError, RecursionError):
        return "another process"
