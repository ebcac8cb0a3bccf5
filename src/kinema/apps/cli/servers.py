"""`kinema studio`, `kinema serve` and `kinema mcp`: for a browser, for other tools, for agents.

Nothing heavy is imported before a command runs.
"""

from __future__ import annotations

import warnings
import webbrowser
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import has_display, note, say_address
from kinema.apps.local_access import is_local
from kinema.core import budget
from kinema.core.errors import UsageError, require

_MEGABYTE = 1_048_576
_MILLIONS = 2.0  # joint poses in one answer of a server, unless --budget says otherwise
_Models = Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")]


def studio(
    file: Path | None = None,
    /,
    *,
    model: _Models = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    max_mb: float = 64.0,
    fps: float | None = None,
    open_: Annotated[bool, Parameter(name="--open")] = True,
) -> None:
    """Open a live page: load a motion, run a model, compare, save.

    Parameters
    ----------
    file
        The motion to start with; the page opens others.
    model
        A run folder to offer besides the shipped models. Can be repeated.
    host
        The address to listen at; the default is this machine only. With another one, whoever has the printed address,
        which holds a random token, can use the page from elsewhere, and it is not encrypted.
    port
        The port; if it is taken, the next free one.
    max_mb
        The largest file that the page opens, in megabytes.
    fps
        Frames per second of FILE, if it has none.
    open_
        Open the page in the web browser.
    """
    from kinema.apps.studio.desk import MEGABYTE, Desk
    from kinema.apps.studio.server import serve

    if not 0 < max_mb <= 4096:
        raise UsageError(expected="a limit above 0, up to 4096 megabytes", got=f"{max_mb:g}", cure="Type --max-mb 64.")
    desk = Desk(tuple(model or ()), round(max_mb * MEGABYTE))
    for name in desk.models:
        desk.open(str(name))  # a folder without a model fails here, not on the page
    first = None if file is None else desk.open_file(file, fps=fps)
    if not is_local(host):
        note(
            f"listening at {host}: whoever reaches this machine and has the address below can open files on the page, "
            "run models and fetch results; it is not encrypted"
        )

    def ready(address: str) -> None:
        say_address(address)
        if open_ and has_display():
            webbrowser.open(address)

    # A page can be closed between two pictures.
    warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
    serve(desk, first=first, host=host, port=port, ready=ready)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    model: _Models = None,
    max_seconds: float = 30.0,
    max_samples: int = 16,
    max_mb: float = 4.0,
    waiting: int = 16,
) -> None:
    """Serve in-betweens, forecasts and generated motion over HTTP (MMCP), for Blender and other tools.

    Parameters
    ----------
    host
        The address to listen at; the default is this machine only. With another one, everybody who reaches it can ask,
        without a password, and nothing is encrypted.
    port
        The port; 0 takes any free one.
    model
        A run folder to offer besides the shipped models, as a value of the dial "method". Can be repeated.
    max_seconds
        The longest answer, in seconds.
    max_samples
        The most samples in one answer.
    max_mb
        The largest request, in megabytes.
    waiting
        How many requests may wait while one is answered; others get a 503 and come back later.
    """
    require("uvicorn", "serve", "the HTTP server")
    require("motionmcp", "serve", "the protocol")
    for good, expected, got, cure in (
        (0 < max_seconds <= 3600, "a length above 0, up to 3600 seconds", f"{max_seconds:g}", "--max-seconds 30"),
        (1 <= max_samples <= 16, "1 to 16 samples", f"{max_samples}", "--max-samples 16"),
        (0 < max_mb <= 1024, "a limit above 0, up to 1024 megabytes", f"{max_mb:g}", "--max-mb 4"),
        (0 <= waiting <= 1000, "0 to 1000 waiting requests", f"{waiting}", "--waiting 16"),
    ):
        if not good:
            raise UsageError(expected=expected, got=got, cure=f"Type {cure}.")
    from motionmcp.backbone import Limits

    from kinema.apps.serve.server import run

    budget.suggest(_MILLIONS)
    sizes = {"max_duration_seconds": max_seconds, "max_num_samples": max_samples}
    limits = Limits.model_validate({**sizes, "max_request_bytes": round(max_mb * _MEGABYTE)})
    if not is_local(host):
        note(
            f"listening at {host}: whoever reaches this machine can ask for motion and keep it busy; there is no "
            "password, and nothing is encrypted"
        )
    run(limits, models=tuple(model or ()), host=host, port=port, waiting=waiting, ready=say_address)
    note("stopped")


def mcp(
    folder: Path,
    /,
    *,
    model: _Models = None,
) -> None:
    """Offer the verbs as tools to an agent (Model Context Protocol), on standard input and output.

    Parameters
    ----------
    folder
        The folder whose files the tools read and write; they reach nothing outside it.
    model
        A run folder to offer besides the shipped models. Can be repeated.
    """
    require("mcp.server", "mcp", "the agents' protocol")
    if not folder.is_dir():
        raise UsageError(expected="a folder", got=f"'{folder}'", cure="Type kinema mcp . for this one.")
    from kinema.apps.mcp.server import serve

    budget.suggest(_MILLIONS)
    note(f"tools for the files below {folder.resolve()}; an agent starts this command itself (docs/mcp.md)")
    serve(folder.resolve(), tuple(model or ()))
