"""`kinema serve`: parse the options, then serve. Nothing heavy is imported before the command runs."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from kinema.apps.cli.console import note, say_address
from kinema.core import budget
from kinema.core.errors import UsageError, require

_MEGABYTE = 1_048_576
_MILLIONS = 2.0  # joint poses in one answer, unless --budget says otherwise


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    model: Annotated[list[str] | None, Parameter(name=["--model", "-m"], negative="")] = None,
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

    from kinema.apps.local_access import is_local
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
