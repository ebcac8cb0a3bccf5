"""Writing files so that a reader finds the old one or the new one, never half of one: write beside, fsync, rename."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path

from kinema.core.errors import KinemaError


@contextlib.contextmanager
def atomic_path(target: Path | str) -> Generator[Path]:
    """A path beside `target` to write to; renamed to it when the block ends well, removed when it does not.

    Raises KinemaError, in one line, where the folder cannot be written to or the disk is full.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=target.suffix)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(target, error) from error
    beside = Path(name)
    try:
        yield beside
        with beside.open("rb") as written:
            os.fsync(written.fileno())
        beside.chmod(0o666 & ~_umask())
        beside.replace(target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(target: Path | str, text: str) -> None:
    """Write UTF-8 text atomically; line ends are written as they are."""
    write_bytes(target, text.encode())


def write_bytes(target: Path | str, data: bytes) -> None:
    """Write bytes atomically."""
    with atomic_path(target) as beside:
        beside.write_bytes(data)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _cannot_write(target: Path, error: OSError) -> KinemaError:
    return KinemaError(
        expected=f"a place to write {target}",
        got=(error.strerror or str(error)).lower(),
        cure="Choose another folder, or free some space, and run the command again.",
    )
