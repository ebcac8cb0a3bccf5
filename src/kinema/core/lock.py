"""One writer at a time in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Generator
from pathlib import Path
from typing import TextIO

from kinema.core.atomic import cannot_write
from kinema.core.errors import UsageError

LOCK = ".kinema.lock"


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
