"""`kinema studio`: a live page for all five verbs."""

from __future__ import annotations

import sys
import warnings
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note
from kinema.apps.cli.view import has_display
from kinema.core.errors import UsageError


def studio(
    file: Path | None = None,
    /,
    *,
    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_mb: float = 64.0,
    fps: float | None = None,
    open_: Annotated[bool, Parameter(name="--open")] = True,
) -> None:
    """Open a live page: load a motion, ask a model, compare, save.

    Parameters
    ----------
    file
        The motion to begin with; others are opened on the page.
    model
        A run folder to offer besides what is shipped. May be said several times.
    host
        The address to listen at. Only this machine can reach the default; whoever can reach another may use the page.
    port
        The port; where it is taken, the next free one.
    max_mb
        The largest file that may be opened on the page, in megabytes.
    fps
        Frames per second of FILE, where it does not say.
    open_
        Open the page in the web browser.
    """
    from kinema.apps.studio.desk import MEGABYTE, Desk
    from kinema.apps.studio.server import is_local, serve

    if not 0 < max_mb <= 4096:
        raise UsageError(expected="a limit above 0, up to 4096 megabytes", got=f"{max_mb:g}", cure="Say --max-mb 64.")
    desk = Desk(tuple(model or ()), round(max_mb * MEGABYTE))
    for name in desk.models:
        desk.open(str(name))  # a folder without a model is said now
    first = None if file is None else desk.open_file(file, fps=fps)
    if not is_local(host):
        note(f"listening at {host}: everybody who can reach this machine there can use the page; there is no password")

    def ready(address: str) -> None:
        print(f"{address}  (Ctrl-C ends it)", file=sys.stderr, flush=True)
        if open_ and has_display():
            webbrowser.open(address)

    # A page may be closed between two pictures.
    warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
    serve(desk, first=first, host=host, port=port, ready=ready)
