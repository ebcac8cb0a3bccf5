"""`kinema mcp FOLDER`: parse the options, then serve on standard input and output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note
from kinema.core import budget
from kinema.core.errors import UsageError, require

_MILLIONS = 2.0  # joint poses in one answer, unless --budget says otherwise


def mcp(
    folder: Path,
    /,
    *,
    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None,
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
