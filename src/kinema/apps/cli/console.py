"""What a command shows on standard error: notes, and on a terminal a line of progress while it works.

The line is shown before anything slow is imported and erased before anything else is written.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO, cast

from rich.console import Console, RenderableType

from kinema.core.progress import progress_to

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_OWN_DISPLAY = ("train", "demo", "studio", "serve", "mcp")
_QUICK = ("-h", "--help", "--version")

stderr = Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """Print one line that the user should know, on standard error."""
    stderr.print(f"note: {text}", style="yellow", markup=False, soft_wrap=not stderr.is_terminal)


def say_address(address: str) -> None:
    """Print where a server is, on standard error."""
    print(f"{address}  (Ctrl-C ends it)", file=sys.stderr, flush=True)


def has_display() -> bool:
    """Whether this machine has a display for a web browser."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@contextmanager
def shown_while_working(arguments: Sequence[str]) -> Generator[None]:
    """Show a progress line while the block runs, unless the command is quick or has a display of its own."""
    quick = not arguments or arguments[0] in _OWN_DISPLAY or any(one in _QUICK for one in arguments)
    if quick or not sys.stderr.isatty():
        yield
        return
    out, error = sys.stdout, sys.stderr
    line = _Line(error, f"kinema {arguments[0]}")
    sys.stderr = cast("TextIO", _After(error, line.hide))
    if out.isatty():
        sys.stdout = cast("TextIO", _After(out, line.hide))
    try:
        line.show("start", 0, None)
        with progress_to(line.show):
            yield
    finally:
        line.hide()
        sys.stdout, sys.stderr = out, error


class _Line:
    """One line on a terminal: a spinner, and a bar when the total is known."""

    def __init__(self, stream: TextIO, command: str) -> None:
        self._stream, self._command = stream, command
        self._shown: tuple[Progress, TaskID] | None = None
        self._doing = ""

    def show(self, doing: str, done: int, total: int | None) -> None:
        """Show how far the work is."""
        description = f"{self._command}: {doing}"
        if self._shown is None:
            progress = _progress(self._stream)
            self._shown = progress, progress.add_task(description, total=total, completed=done)
            progress.start()
        elif doing != self._doing:
            progress, task = self._shown
            progress.reset(task, description=description, total=total, completed=done)
        else:
            progress, task = self._shown
            progress.update(task, total=total, completed=done)
        self._doing = doing

    def hide(self) -> None:
        """Erase the line; the next `show` brings it back."""
        if self._shown is not None:
            progress, _ = self._shown
            self._shown = None
            progress.stop()


class _After:
    """A stream that calls a function before anything is written to it."""

    def __init__(self, stream: TextIO, before: Callable[[], None]) -> None:
        self._stream, self._before = stream, before

    def write(self, text: str) -> int:
        """Write, after the call."""
        self._before()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def _progress(stream: TextIO) -> Progress:
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column

    class Known(ProgressColumn):
        """Another column, shown when the total is known."""

        def __init__(self, column: ProgressColumn) -> None:
            super().__init__(Column(no_wrap=True))
            self._column = column

        def render(self, task: Task) -> RenderableType:
            return self._column.render(task) if task.total else ""

    class Rate(ProgressColumn):
        """Frames per second."""

        def render(self, task: Task) -> RenderableType:
            return f"{task.speed:,.0f}/s" if task.speed else ""

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        *(Known(column) for column in (BarColumn(), Rate(), TimeRemainingColumn(compact=True))),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


def tell_constraints(residuals: Iterable[Mapping[str, Any]]) -> int:
    """Note every constraint that is met (the others have a warning); the exit code: 4 where one is not met, else 0."""
    code = 0
    for each in residuals:
        if each["met"]:
            moved = f"moved by {100 * each['moved']:.1f} cm"
            note(f"{each['constraint']}: met within {1000 * each['residual']:.2f} mm, {moved}")
        else:
            code = 4
    return code
