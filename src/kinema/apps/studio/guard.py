"""Who may use the studio, and which values a page may send: nothing that arrives is trusted."""

from __future__ import annotations

import contextlib
import math
import re
import secrets
from collections.abc import Callable, Generator
from typing import Any, cast

import websockets.asyncio.server as websocket_server
from websockets.datastructures import Headers

from kinema.apps.local_access import foreign
from kinema.core.errors import FormatError, KinemaError, UsageError

_LONGEST = 200  # characters of a text that a page sends
_FARTHEST = 1000.0  # metres from the origin


def refusal(path: str, headers: Headers, token: str, *, local: bool) -> str | None:
    """Why a request for HTTP or a websocket is refused; None if it is not.

    The token is the first part of the path; `foreign` says who else is refused.
    """
    if why := foreign(headers.get_all("Host"), headers.get_all("Origin"), local=local):
        return why
    first = path.partition("?")[0].removeprefix("/").partition("/")[0]
    if not secrets.compare_digest(first.encode(), token.encode()):
        return "an address without the token: open the one that kinema studio printed"
    return None


@contextlib.contextmanager
def only_with(token: str, *, local: bool) -> Generator[Callable[[], bool]]:
    """The server that viser starts inside refuses requests by `refusal`; gives whether that took hold.

    viser has no hook for this: it starts its server by `websockets.asyncio.server.serve`, which is replaced meanwhile.
    """
    inner, held = cast("Any", websocket_server.serve), False

    def serve(*given: Any, process_request: Any, **options: Any) -> Any:
        nonlocal held
        held = True

        def check(connection: Any, request: Any) -> Any:
            if why := refusal(request.path, request.headers, token, local=local):
                return connection.respond(403, f"kinema studio refuses {why}.\n")
            request.path = request.path.removeprefix(f"/{token}") or "/"
            if "Accept-Encoding" in request.headers:  # as it is, so that the script can be added
                del request.headers["Accept-Encoding"]
            return _with_script(process_request(connection, request))

        return inner(*given, process_request=check, **options)

    cast("Any", websocket_server).serve = serve
    try:
        yield lambda: held
    finally:
        cast("Any", websocket_server).serve = inner


_SCRIPT = b"""<script>
document.documentElement.addEventListener("keydown", event => {  // these step by a frame, and leave the camera alone
  if (["ArrowLeft", "ArrowRight"].includes(event.code)) event.stopPropagation();
});
addEventListener("dragover", event => event.preventDefault());
addEventListener("drop", event => {
  event.preventDefault();
  const input = document.querySelector("input[type=file]");
  if (!input || !event.dataTransfer.files.length) return;
  input.files = event.dataTransfer.files;
  input.dispatchEvent(new Event("change", {bubbles: true}));
});
</script>"""


def _with_script(response: Any) -> Any:
    """The page with files that are dropped on it opened, as the button does; viser's page has no such thing."""
    if response is not None and b"</head>" in response.body:
        response.body = response.body.replace(b"</head>", _SCRIPT + b"</head>", 1)
        del response.headers["Content-Length"]
        response.headers["Content-Length"] = str(len(response.body))
    return response


def check_value(field: Any, value: Any) -> None:
    """Raises UsageError unless the page could have set the control `field` to `value`."""
    label = str(getattr(field, "label", "") or "the control")
    options = getattr(field, "options", None)
    least, most = getattr(field, "min", None), getattr(field, "max", None)
    if isinstance(getattr(field, "value", None), tuple):
        good, wanted = _are_numbers(field, value), "numbers in its range"
    elif options is not None:
        good, wanted = value in options, f"one of {', '.join(map(str, options))}"
    elif least is not None or most is not None:
        least, most = -math.inf if least is None else least, math.inf if most is None else most
        number = isinstance(value, int | float) and not isinstance(value, bool)
        good, wanted = number and least <= value <= most and math.isfinite(value), f"a number from {least} to {most}"
    else:
        good, wanted = isinstance(value, bool) or (isinstance(value, str) and len(value) <= _LONGEST), "yes or no"
    if not good:
        raise UsageError(
            expected=f"{wanted} for {label}", got=repr(value)[:60], cure=f"Set {label} on the page, or reload the page."
        )


def _are_numbers(field: Any, value: Any) -> bool:
    """Whether a page could have set a control of several numbers: a place (as many as it has), or keys on a line."""
    least, most = getattr(field, "min", None), getattr(field, "max", None)
    if not (isinstance(least, int | float) and isinstance(most, int | float)):
        least, most = -_FARTHEST, _FARTHEST
    if not isinstance(value, list | tuple) or len(cast("Any", value)) != len(field.value):
        return False
    return all(
        isinstance(number, int | float) and not isinstance(number, bool) and least <= number <= most
        for number in cast("Any", value)
    )


def check_updates(gui: Any, refused: Callable[[KinemaError], None]) -> None:
    """Let no value of a page reach its control unchecked; a refused one is passed to `refused`.

    viser stores whatever arrives, and other fields of a control too. Raises KinemaError if its private parts have
    changed, because the page would be unguarded.
    """
    try:
        from viser._messages import GuiUpdateMessage

        handlers = gui._websock_interface._incoming_handlers[GuiUpdateMessage]
        fields = gui._gui_input_handle_from_uuid
        (inner,) = handlers
    except (ImportError, AttributeError, LookupError, ValueError) as error:
        raise unknown_viser() from error

    async def update(client: int, message: Any) -> None:
        field, changes = fields.get(message.uuid), message.updates
        if field is None:
            return
        try:
            if not isinstance(changes, dict) or set(cast("dict[Any, Any]", changes)) != {"value"}:
                raise UsageError(expected="a value", got="another change", cure="Reload the page.")
            check_value(field, changes["value"])
        except KinemaError as error:
            refused(error)
            return
        await inner(client, message)

    handlers[:] = [update]


_CONTROLS = {
    "model": "Model",
    "seconds": "Length, s",
    "samples": "Samples",
    "seed": "Seed",
    "keys": "Key every, s",
    "every": "Key every, s",
    "frames": "Key every, s",
    "rate": "Times as many frames",
    "fps": "Times as many frames",
    "strength": "Strength",
    "action": "Action",
    "source-fps": "Rate",
    "pin": "the pin",
    "pose": "the key",
    "path": "the path",
    "plant": "the foot that stands",
    "ground": "Floor",
    "loop": "Loop",
}
"""The control of the page for each option of the command line."""
_TYPED = re.compile(r"--[a-z][\w-]*|\bkn\.|\bkinema [a-z]|(?<!=)=\d")


def page_words(error: KinemaError) -> str:
    """An error in the words of the page: its controls for options, and no commands to type."""

    def control(found: re.Match[str]) -> str:
        return _CONTROLS.get(found[1], found[1])

    option = r"--([a-z][\w-]*)"
    named = dict.fromkeys(_CONTROLS[name] for name in re.findall(option, error.cure) if name in _CONTROLS)
    cure = error.cure
    if "--max-mb" in cure:
        cure = "Open a smaller file."
    elif _TYPED.search(cure):
        cure = f"Change {' or '.join(named)} on the page." if named else "Choose another Model, or open another file."
    where = f"{error.where}: " if isinstance(error, FormatError) else ""
    return re.sub(option, control, f"{where}expected {error.expected}; got {error.got}. ") + cure


def unknown_viser() -> KinemaError:
    """The error for a viser whose server cannot be guarded."""
    return KinemaError(
        expected="a version of viser that kinema can guard",
        got="one with another server",
        cure="Run pip install 'viser==1.1.1'.",
    )
