"""Long work in pieces, and who is told how far it has come.

Functions that go through a long clip ask `pieces` for its spans. Nobody listens by default; the command line does on a
terminal (`kinema.apps.cli.waiting`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is: frames, rows."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener | None) -> Generator[None]:
    """`listener` is called as work goes on, until the block ends; None: nobody is."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


def tell(doing: str, done: int, total: int) -> None:
    """Tell whoever listens how far the work is."""
    if (listener := _listener.get()) is not None:
        listener(doing, done, total)


def pieces(count: int, size: int, doing: str = "") -> Iterator[slice]:
    """Slices of `size` items that cover `count`, in order; the last one takes the rest, up to twice the size.

    None at all for a count of 0. Where `doing` says what is done, whoever listens is told after every piece.
    """
    starts = list(range(0, max(count - size, 0) + 1, size)) if count else []
    for start, stop in itertools.pairwise([*starts, count]):
        yield slice(start, stop)
        if doing:
            tell(doing, stop, count)
