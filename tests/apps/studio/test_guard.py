"""What a foreign page, a neighbour or a forged page can do to the studio: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
import random
import resource
import sys
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
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from kinema.apps.studio.desk import Desk, Upload
from kinema.apps.studio.guard import check_updates, check_value, page_words, unknown_viser
from kinema.apps.studio.server import serve
from kinema.core.errors import KinemaError, UsageError
from kinema.data.synthetic import perform
from kinema.pipeline.requests import ForecastRequest


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    stop, found = threading.Event(), list[str]()
    walk = Upload("walk.bvh", perform("walk", seconds=1.0, fps=30.0, seed=0))
    thread = threading.Thread(
        target=serve,
        args=(Desk(),),
        kwargs={"port": 0, "ready": found.append, "keep_on": lambda: not stop.is_set(), "first": walk},
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


SHOWN = "NotificationShowMessage"
_TIRING = ("Run", "Pause", "Play or pause")  # pages that run and play keep the machine busy, and prove nothing


class ForgedPage:
    """A page that speaks the protocol of viser, and sends what it likes."""

    def __init__(self, address: str) -> None:
        words = [Subprotocol(f"viser-v{viser.__version__}")]
        self.line = connect(address.replace("http", "ws"), subprotocols=words, max_size=None, ping_timeout=None)
        self.fields: dict[str, str] = {}
        self.commands: dict[str, str] = {}
        camera = {"wxyz": (1, 0, 0, 0), "position": (0, 0, 3), "fov": 1.0, "near": 0.1, "far": 10.0}
        size = {"image_height": 9, "image_width": 9, "look_at": (0, 0, 0), "up_direction": (0, 1, 0)}
        self.send("ViewerCameraMessage", **camera, **size)

    def send(self, kind: str, **fields: object) -> None:
        self.line.send(msgspec.msgpack.encode({"type": kind, **fields}))

    def until(self, found: Callable[[dict[str, Any]], bool], seconds: float = 120) -> dict[str, Any]:
        """The first message for which `found`. A page that plays never falls silent."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for message in self.messages(60):
                if found(message):
                    return message
        raise TimeoutError

    def messages(self, timeout: float) -> list[dict[str, Any]]:
        """The messages of one packet; the identities of controls and commands are kept."""
        data = self.line.recv(timeout=timeout)
        assert isinstance(data, bytes)
        packed = zstandard.ZstdDecompressor().decompress(data[16 : 16 + int.from_bytes(data[8:16], "little")])
        found: list[dict[str, Any]] = msgspec.msgpack.decode(packed)["messages"]
        for message in found:
            props = message.get("props")
            assert "This is a bug of kinema" not in (props["body"] if message["type"] == SHOWN else "")
            if isinstance(props, dict) and "label" in props:
                kept = self.commands if message["type"] == "RegisterCommandMessage" else self.fields
                kept[props["label"]] = message["uuid"]
        return found

    def drain(self) -> None:
        """Read what has arrived, so that the line stays open."""
        with contextlib.suppress(TimeoutError):
            while True:
                self.messages(0)

    def press(self, command: str) -> None:
        self.send("CommandTriggerMessage", uuid=self.commands[command])

    def set(self, field: str, value: object) -> None:
        self.send("GuiUpdateMessage", uuid=self.fields[field], updates={"value": value})

    def upload(self, name: str, content: bytes, size: object = None) -> None:
        part, of = f"{random.random()}", self.fields["Open a file"]
        facts = {"mime_type": "", "part_count": 1, "size_bytes": len(content) if size is None else size}
        self.send("FileTransferStartUpload", source_component_uuid=of, transfer_uuid=part, filename=name, **facts)
        self.send("FileTransferPart", source_component_uuid=of, transfer_uuid=part, part_index=0, content=content)


HOSTILE: list[Any] = [
    100_000_000, -1, -1e308, float("nan"), float("inf"), 2**63, "../../x", "x" * 300, "<script>", None, True, [1],
    [float("nan")] * 3, [1e300, 0, 0], ["a", "b", "c"], [[1]], {"a": 1}, b"\xff", [0.5] * 1000, [],
]  # fmt: skip
PLACES: list[Any] = [[float("nan")] * 3, [1e300, 0, 0], [0, 0, 0], [2**63, 0, 0], [1, -1, 1]]
FILES = [
    ("a.json", b'[{"kind": "pose", "frame": 1, "file": "/etc/passwd"}]'),
    ("a.json", b'[{"kind": "pin", "joint": "r_wrist", "frames": [1], "positions": [[1e300, 0, NaN]]}]'),
    ("a.json", b'[{"kind": "loop"}' + b', {"kind": "loop"}' * 300 + b"]"),
    ("../../a.bvh", b"HIERARCHY\nROOT"),
    ("a.npz", b"PK\x03\x04"),
    ("", b""),
]


def attack(page: ForgedPage, chance: random.Random) -> None:
    """Send one thing that no honest page sends, or a button at a moment at which it makes no sense."""
    place = chance.choice(PLACES)  # other shapes end the connection: viser refuses them
    match chance.randrange(6):
        case 0 | 1:
            page.set(chance.choice([name for name in page.fields if name not in _TIRING]), chance.choice(HOSTILE))
        case 2:
            page.press(chance.choice([name for name in page.commands if name not in _TIRING]))
        case 3:
            name = f"/world/0/marks/{chance.randrange(3)}"
            page.send("TransformControlsUpdateMessage", name=name, wxyz=[1, 0, 0, 0], position=place, owner="")
            page.send("TransformControlsDragEndMessage", name=name, owner="")
        case 4:
            facts = {"event_type": "click", "screen_pos": [[0.5, 0.5]], "modifier": None}
            page.send("ScenePointerMessage", ray_origin=place, ray_direction=chance.choice(PLACES), **facts)
        case _:
            page.upload(*chance.choice(FILES), size=chance.choice([None, 2**60, -1]))


def is_ready(message: dict[str, Any]) -> bool:
    """Whether this is the last message of a page that is built."""
    return message["type"] == "RegisterCommandMessage" and message["props"]["label"] == "Redo"


def peak() -> float:
    """The most memory that this process has taken, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_ten_hostile_pages_are_told_and_the_server_goes_on(address: str) -> None:
    """They send to every control, handle, command and upload; an honest page still gets its answer, and no memory goes.

    KINEMA_STUDIO_SECONDS=30 is the long form.
    """
    seconds = float(os.environ.get("KINEMA_STUDIO_SECONDS", "0"))
    pages = [ForgedPage(address) for _ in range(10)]
    for page in pages:
        page.until(is_ready)
        page.press("Play or pause")
        page.set("Do", "In-between: fill between key frames")
        page.press("Pin the joint")
        page.set("Draw a path", True)
    before = peak()
    end, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end or sent < 120:
        attack(pages[sent % 10], random.Random(sent))
        pages[sent % 10].drain()
        time.sleep(0.02)  # a page that sends without end makes the others wait
        sent += 1
    pages[0].send("TransformControlsUpdateMessage", name=1, wxyz=None)  # ends its own connection only
    with pytest.raises(ConnectionClosed):
        pages[0].until(lambda _: False)
    for page in pages[1:]:
        page.set("Samples", 10**9)
        page.until(lambda message: message["type"] == SHOWN and "for Samples" in message["props"]["body"])
        page.line.close()
    assert peak() - before < 5e8  # bytes: a forged number of samples took twenty billion
    honest = ForgedPage(address)
    honest.until(is_ready)
    for patience in (20, 40, 120):  # what the pages asked before may still keep the server busy
        honest.set("Run", True)
        with contextlib.suppress(TimeoutError):
            honest.until(lambda message: "simlpe-cmu in " in str(message.get("updates", {}).get("content")), patience)
            break
    else:
        raise AssertionError("no answer")
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
