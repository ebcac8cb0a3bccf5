"""The HTTP server: the protocol's application behind a guard, run until a signal ends it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from motionmcp.backbone import Limits
from motionmcp.server import build_app
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kinema.apps.local_access import foreign, is_local
from kinema.apps.serve.backbone import Line, backbones
from kinema.core.errors import UsageError

_CLIENTS = 128  # connections at a time; more get a 503
_LEFT = 20  # seconds that a stopping server gives the answer that it is working on
_DRAINED = 1 << 26  # bytes of a body that is too large that are read and dropped
_LATER = b"5"  # seconds after which a client that got a 503 may ask again


def application(line: Line, limits: Limits, models: tuple[str, ...] = ()) -> FastAPI:
    """The protocol's application: every refusal is its error envelope."""
    logging.getLogger("motionmcp").setLevel(logging.CRITICAL)  # a path of travel that it cannot find is no news
    app = build_app(backbones(line, limits, models), title="kinema")

    async def broken(request: Request, error: Exception) -> JSONResponse:
        del request
        return _envelope(500, "internal_error", f"{type(error).__name__}: {error}"[:300])

    async def refused(request: Request, error: Exception) -> JSONResponse:
        del request
        found = cast("HTTPException", error)
        return _envelope(found.status_code, "schema_validation", str(found.detail))

    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, broken)
    return app


class Guard:
    """Refuses other machines and other pages, and names a time to come back with every 503."""

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self.app, self.local = app, local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name, []).append(value.decode("latin-1"))
        why = foreign(headers.get(b"host", []), headers.get(b"origin", []), local=self.local)
        if why:
            await _envelope(403, "forbidden", f"kinema serve refuses {why}")(scope, receive, send)
            return
        started = False

        async def later(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if message["status"] == 503:
                    message["headers"] = [*message["headers"], (b"retry-after", _LATER)]
                if message["status"] == 413:
                    await _read_on(receive)
            await send(message)

        try:
            await self.app(scope, receive, later)
        except Exception as error:  # it has its envelope; the other requests go on
            logging.getLogger("kinema.serve").warning("%s: %s", type(error).__name__, error)
            if not started:
                raise


async def _read_on(receive: Receive) -> None:
    """Read the rest of a large body, within bounds: a client that is still sending does not see the refusal."""
    left = _DRAINED
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if not message.get("more_body"):
            return


class _Server(uvicorn.Server):
    """uvicorn's server; `run` below has the signals."""

    def capture_signals(self) -> Any:
        return nullcontext()


def run(
    limits: Limits,
    *,
    models: tuple[str, ...] = (),
    host: str = "127.0.0.1",
    port: int = 8000,
    waiting: int = 16,
    ready: Callable[[str], None] | None = None,
    stop: Callable[[Callable[[], None]], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM: the answer in progress is sent, those that wait get a 503.

    `ready` is called once with the address. `stop` is given a function that ends the server, in place of the signals.
    Raises UsageError where the address cannot be had.
    """
    line = Line(waiting)
    app = Guard(application(line, limits, models), local=is_local(host))
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        limit_concurrency=_CLIENTS,
        timeout_graceful_shutdown=_LEFT,
        ws="none",
    )
    server = _Server(config)
    bound = _bound(host, port)
    place = f"[{host}]" if ":" in host else host

    def end() -> None:
        line.closed = True
        server.should_exit = True

    ours = (signal.SIGINT, signal.SIGTERM) if stop is None else ()
    before = [(each, signal.getsignal(each)) for each in ours]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for each in ours:
            loop.add_signal_handler(each, end)
        if stop is not None:
            stop(lambda: loop.call_soon_threadsafe(end) and None)
        if ready is not None:
            ready(f"http://{place}:{bound.getsockname()[1]}")
        await server.serve(sockets=[bound])

    try:
        asyncio.run(main())
    finally:
        for each, handler in before:
            signal.signal(each, handler)


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise UsageError(
            expected="an address of this machine and a free port",
            got=f"{host} {port}: {error}",
            cure="Type --port 0 for any free one.",
        ) from error


def _envelope(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message, "details": {}}}, status_code=status)
