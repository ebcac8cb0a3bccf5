"""Work on a long clip in pieces, with a report of progress.

Functions that go through a long clip take its spans from `pieces`. Nobody listens by default; the command line does on
a terminal (`kinema.apps.cli.waiting`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Called with the name of the work, how much is done, and how much there is (frames, rows)."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def progress_to(listener: Listener | None) -> Generator[None]:
    """Call `listener` with progress until the block ends; None: report to nobody."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def report_progress(doing: str, done: int, total: int) -> None:
    """Report to the listener, if there is one."""
    if (listener := _listener.get()) is not None:
        listener(doing, done, total)


def pieces(count: int, size: int, doing: str = "") -> Iterator[slice]:
    """Slices of `size` items that cover `count`, in order; the last one takes the rest, up to twice the size.

    No slice for a count of 0. Where `doing` names the work, progress is reported after every piece.
    """
    starts = list(range(0, max(count - size, 0) + 1, size)) if count else []
    for start, stop in itertools.pairwise([*starts, count]):
        yield slice(start, stop)
        if doing:
            report_progress(doing, stop, count)
