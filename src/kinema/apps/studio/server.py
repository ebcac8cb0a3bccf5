"""The studio's server: a session for every page, and one clock for all."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

import viser

from kinema.apps.local_access import is_local
from kinema.apps.studio.desk import Desk, Upload
from kinema.apps.studio.guard import only_with, unknown_viser
from kinema.apps.studio.session import Session
from kinema.viz.scene import quietly

_STEP = 1 / 30  # seconds between two pictures


def serve(
    desk: Desk,
    *,
    first: Upload | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
    ready: Callable[[str], None] | None = None,
    keep_on: Callable[[], bool] = lambda: True,
) -> None:
    """Serve the studio until `keep_on` returns False or Ctrl-C; every page starts with the clip `first`.

    `ready` is called once with the address, which has a random token: requests without it are refused, and so are
    those of other pages (`guard.refusal`). If the port is taken, the next free one is used.
    """
    desk.verbs()  # opens the shipped models before anybody waits for them
    token = secrets.token_urlsafe(18)
    with quietly(), only_with(token, local=is_local(host)) as guarded:
        server = viser.ViserServer(host=host, port=port, label="kinema studio", verbose=False)
    if not guarded():
        server.stop()
        raise unknown_viser()
    sessions: dict[int, Session] = {}

    @server.on_client_connect
    def _(client: viser.ClientHandle) -> None:
        sessions[client.client_id] = Session(client, desk, first)

    @server.on_client_disconnect
    async def _(client: viser.ClientHandle) -> None:  # at once, before the steps of that page that still wait
        if session := sessions.pop(client.client_id, None):
            session.closed = True

    try:
        if ready is not None:
            name = f"[{host}]" if ":" in host else host
            ready(f"http://{name}:{server.get_port()}/{token}")
        before = time.monotonic()
        while keep_on():
            time.sleep(_STEP)
            now = time.monotonic()
            for session in list(sessions.values()):
                session.tick(now - before)
            before = now
    finally:
        with quietly():
            server.stop()
