"""What a foreign page, a neighbour or a forged page can do to the studio: nothing."""

from __future__ import annotations

import asyncio
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
import viser
import zstandard
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from kinema.apps.studio.desk import Desk
from kinema.apps.studio.guard import check_updates, check_value, page_words, unknown_viser
from kinema.apps.studio.server import serve
from kinema.core.errors import KinemaError, UsageError
from kinema.pipeline.requests import ForecastRequest


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    stop, found = threading.Event(), list[str]()
    thread = threading.Thread(
        target=serve, args=(Desk(),), kwargs={"port": 0, "ready": found.append, "keep_on": lambda: not stop.is_set()}
    )
    thread.start()
    while not found and thread.is_alive():
        time.sleep(0.05)
    yield found[0]
    stop.set()
    thread.join()


def status(address: str, path: str, **headers: str) -> int:
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    line.request("GET", path, headers=headers)
    return line.getresponse().status


def test_the_address_has_a_token_and_http_needs_it(address: str) -> None:
    path = urlsplit(address).path
    assert len(path) > 20
    assert status(address, path) == 200
    assert status(address, f"{path}/index.html") == 200
    assert [status(address, other) for other in ("/", "/index.html", path[:-1], f"{path}x", "//", "/?a=/b")] == [
        403
    ] * 6


def test_foreign_names_and_pages_are_refused(address: str) -> None:
    url = urlsplit(address)
    assert status(address, url.path, Host=f"evil.example:{url.port}") == 403
    assert status(address, url.path, Host=f"localhost:{url.port}") == 200
    assert status(address, url.path, Origin="http://evil.example") == 403
    assert status(address, url.path, Origin="null") == 403
    assert status(address, url.path, Origin=f"http://127.0.0.1:{url.port}") == 200


def test_a_websocket_needs_token_and_own_origin(address: str) -> None:
    own, socket = Origin(f"http://{urlsplit(address).netloc}"), address.replace("http", "ws")
    words = [Subprotocol(f"viser-v{viser.__version__}")]
    for where, origin in (
        (socket, Origin("http://evil.example")),
        (socket.rpartition("/")[0], own),
        (f"{socket}x", own),
    ):
        with pytest.raises(InvalidStatus, match="403"):
            connect(where, origin=origin, subprotocols=words)
    with connect(socket, origin=own, subprotocols=words) as line:
        assert line.recv(timeout=60)


class ForgedPage:
    """A page that speaks the protocol of viser, and sends what it likes."""

    def __init__(self, address: str) -> None:
        words = [Subprotocol(f"viser-v{viser.__version__}")]
        self.line = connect(address.replace("http", "ws"), subprotocols=words, max_size=None)
        self.fields: dict[str, str] = {}
        camera = {"wxyz": (1, 0, 0, 0), "position": (0, 0, 3), "fov": 1.0, "near": 0.1, "far": 10.0}
        size = {"image_height": 9, "image_width": 9, "look_at": (0, 0, 0), "up_direction": (0, 1, 0)}
        self.send("ViewerCameraMessage", **camera, **size)

    def send(self, kind: str, **fields: object) -> None:
        self.line.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def until(self, found: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message for which `found`; the identities of the controls are kept on the way."""
        while True:
            data = self.line.recv(timeout=60)
            assert isinstance(data, bytes)
            packed = zstandard.ZstdDecompressor().decompress(data[16 : 16 + int.from_bytes(data[8:16], "little")])
            for message in msgspec.msgpack.decode(packed)["messages"]:
                props = message.get("props")
                if isinstance(props, dict) and "label" in props:
                    self.fields[props["label"]] = message["uuid"]
                if found(message):
                    return message


def test_a_forged_page_is_told_and_the_server_goes_on(address: str) -> None:
    """Ten pages send hostile values to every control; all are refused, and an honest page still gets answers."""
    pages = [ForgedPage(address) for _ in range(10)]
    for page in pages:
        page.until(lambda message: "Undo" in str(message.get("props")))
        for name in ("Samples", "Length, s", "Do", "Model", "Seed", "Speed", "Time, s"):
            for value in (100_000_000, -1, "../../x", None, [1], {"a": 1}):
                page.send("GuiUpdateMessage", uuid=page.fields[name], updates={"value": value})
        page.send("GuiUpdateMessage", uuid=page.fields["Samples"], updates={"props": None})
    for page in pages:
        page.until(lambda message: "This did not work" in str(message.get("props")))
        page.line.close()
    honest = ForgedPage(address)
    honest.until(lambda message: "Undo" in str(message.get("props")))
    honest.send("GuiUpdateMessage", uuid=honest.fields["Run"], updates={"value": True})
    told = honest.until(lambda message: "This did not work" in str(message.get("props")))
    assert "Press Open a file first" in str(told)
    honest.line.close()


SLIDER = SimpleNamespace(label="Samples", min=1, max=12, value=1)
MENU = SimpleNamespace(label="Do", options=("a", "b"), value="a")
BOX = SimpleNamespace(label="Dark", value=False)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (SLIDER, 100_000),
        (SLIDER, float("nan")),
        (SLIDER, 0),
        (SLIDER, "3"),
        (SLIDER, True),
        (SLIDER, [3]),
        (MENU, "../x"),
        (MENU, None),
        (BOX, "x" * 300),
        (BOX, {"a": 1}),
    ],
)
def test_values_that_no_control_can_send_are_refused_in_one_line(field: Any, value: Any) -> None:
    with pytest.raises(UsageError, match=field.label) as caught:
        check_value(field, value)
    assert "\n" not in str(caught.value)


def test_what_a_page_sends_reaches_its_control_only_after_the_check() -> None:
    from viser._messages import GuiUpdateMessage

    reached, refused = list[Any](), list[KinemaError]()

    async def inner(_: int, message: Any) -> None:
        reached.append(message.updates)

    gui = SimpleNamespace(
        _websock_interface=SimpleNamespace(_incoming_handlers={GuiUpdateMessage: [inner]}),
        _gui_input_handle_from_uuid={"one": SLIDER},
    )
    check_updates(gui, refused.append)
    (handler,) = gui._websock_interface._incoming_handlers[GuiUpdateMessage]
    hostile: list[Any] = [{"value": 10**6}, {"max": 5}, {"value": 2, "update_cb": []}, {}, None, {"value": b"\xff"}]
    for updates in [*hostile, {"value": 3}]:
        asyncio.run(handler(0, SimpleNamespace(uuid="one", updates=updates)))
    asyncio.run(handler(0, SimpleNamespace(uuid="other", updates={"value": 3})))
    assert reached == [{"value": 3}]
    assert len(refused) == len(hostile)


def test_the_real_viser_is_guarded_and_another_one_is_refused() -> None:
    server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    try:
        check_updates(server.gui, lambda _: None)
    finally:
        server.stop()
    with pytest.raises(KinemaError, match="viser"):
        check_updates(SimpleNamespace(), lambda _: None)


@pytest.mark.parametrize(
    "wrong",
    [lambda: ForecastRequest(-1.0), lambda: Desk().open("nothing")],
)
def test_errors_name_the_controls_of_the_page(wrong: Callable[[], Any]) -> None:
    with pytest.raises(KinemaError) as caught:
        wrong()
    told = page_words(caught.value)
    assert "--" not in told
    assert "kn." not in told


def test_an_error_about_samples_and_seconds_names_both_controls() -> None:
    with pytest.raises(UsageError) as caught:
        ForecastRequest(-1.0)
    assert page_words(caught.value).endswith("Change Samples or Length, s on the page.")
    assert page_words(unknown_viser()).endswith("'viser==1.1.1'.")
