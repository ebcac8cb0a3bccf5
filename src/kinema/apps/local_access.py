"""Who may ask a server of kinema: on loopback only this machine, and never a page of another address."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

LOCAL = ("127.0.0.1", "localhost", "::1")


def is_local(host: str) -> bool:
    """Whether only this machine can reach a server that is bound to `host`."""
    return host in LOCAL


def foreign(hosts: Sequence[str], origins: Sequence[str], *, local: bool) -> str | None:
    """Why a request with these `Host` and `Origin` headers is refused; None if it is not.

    A browser names the page that asks in `Origin`, and the address that it used in `Host`: on loopback that is a name
    of this machine, which stops a foreign name that resolves to it.
    """
    try:
        name, pages = urlsplit(f"//{hosts[0]}").hostname, [urlsplit(each).netloc for each in origins]
    except (IndexError, ValueError):
        return "a request without a Host"
    if len(hosts) > 1 or (local and not is_local(name or "")):
        return "a Host that is not this machine"
    if any(page.lower() != hosts[0].lower() for page in pages):
        return "a request from a page of another address"
    return None
