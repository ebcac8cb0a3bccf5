"""The studio in a real browser: drop a file, forecast, play, set constraints by hand; errors are told on the page."""

from __future__ import annotations

import contextlib
import io
import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kinema.apps.studio.desk import Desk
from kinema.apps.studio.server import serve
from kinema.data.synthetic import perform
from kinema.io.constraints import read_constraints
from kinema.io.formats import save
from kinema.motion.constraints.kinds import Pin, RootPath

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

PATIENCE = 120_000  # milliseconds: WebGL without a graphics card, on a busy machine


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A studio that takes files of up to 0.2 MB."""
    stop, found = threading.Event(), list[str]()
    desk = Desk(largest=200_000)
    thread = threading.Thread(
        target=serve, args=(desk,), kwargs={"port": 0, "ready": found.append, "keep_on": lambda: not stop.is_set()}
    )
    thread.start()
    while not found and thread.is_alive():
        time.sleep(0.05)
    yield found[0]
    stop.set()
    thread.join()


def open_tab(browser: sync_api.Browser, address: str, foreign: list[str]) -> sync_api.Page:
    """A small page of the studio, its panel laid out."""
    tab = browser.new_page(viewport={"width": 640, "height": 480})
    tab.set_default_timeout(PATIENCE)
    tab.on("request", lambda request: foreign.append(request.url) if is_foreign(request.url, address) else None)
    tab.goto(address)
    tab.get_by_role("button", name="Run").wait_for()
    press(tab, "Pause")  # drawing without a graphics card takes all there is
    return tab


def press(tab: sync_api.Page, name: str) -> None:
    """Click a button without waiting for a picture to be drawn, which may take seconds here."""
    tab.get_by_role("button", name=name, exact=True).dispatch_event("click")


def is_foreign(url: str, address: str) -> bool:
    return not url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


def clock(tab: sync_api.Page) -> float:
    """Where the slider of time stands."""
    row = "xpath=//label[text()='Time, s']/ancestor::div[contains(@class,'mantine-Flex-root')][1]"
    return float(tab.locator(f"{row}//input[@type='text']").input_value())


def test_what_an_animator_does_in_one_page(browser: sync_api.Browser, address: str, tmp_path: Path) -> None:
    """Drop a file, forecast, play; pin a joint, drag it, undo; draw a path; open garbage. One page: it is slow."""
    save(perform("walk", seconds=1.0, fps=30.0, seed=0), tmp_path / "walk.bvh")
    foreign: list[str] = []
    tab = open_tab(browser, address, foreign)
    drop(tab, tmp_path / "walk.bvh")
    tab.locator(".kinema-plain", has_text="30 frames at 30 per second").wait_for()
    tab.keyboard.press("r")
    tab.locator(".kinema-plain", has_text=" in ").wait_for()
    plays(tab)
    with tab.expect_download() as caught:
        press(tab, "BVH")
    caught.value.save_as(tmp_path / "saved.bvh")
    assert (tmp_path / "saved.bvh").read_text().startswith("HIERARCHY")
    drags(tab)
    draws(tab, tmp_path / "wanted.json")
    complains(tab, tmp_path)
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.status == 200
    assert not foreign


def plays(tab: sync_api.Page) -> None:
    """The space bar plays and pauses, End goes to the last frame."""
    tab.keyboard.press("Space")
    observed = {clock(tab)}
    deadline = time.monotonic() + PATIENCE / 1000
    while len(observed) < 3 and time.monotonic() < deadline:
        tab.wait_for_timeout(200)
        observed.add(clock(tab))
    assert len(observed) >= 3  # frames advance
    tab.keyboard.press("Space")
    tab.get_by_role("button", name="Play").wait_for()
    tab.keyboard.press("End")
    tab.wait_for_function("[...document.querySelectorAll('input')].some(each => each.value === '1.97')")


def drags(tab: sync_api.Page) -> None:
    """A pin that is dragged is elsewhere, and undo brings it back."""
    tab.locator("text=Constraints").first.dispatch_event("click")
    tab.keyboard.press("p")
    first = place(tab)
    x, y = middle_of_pink(tab)
    tab.mouse.move(x, y)
    tab.wait_for_timeout(300)
    tab.mouse.down()
    for step in range(1, 5):
        tab.mouse.move(x, y - 8 * step)
        tab.wait_for_timeout(100)
    tab.mouse.up()
    dragged = changed(tab, first)
    assert dragged[1] > first[1] + 0.05  # metres up
    assert dragged[0] == first[0]  # the pink square moves it in its own plane
    tab.keyboard.press("Control+z")
    assert changed(tab, dragged) == first
    tab.keyboard.press("Control+Shift+z")
    assert changed(tab, first) == dragged


def draws(tab: sync_api.Page, file: Path) -> None:
    """A click on the floor adds a point of the path; the answer says what is left; the file has both constraints."""
    pinned = place(tab)
    press(tab, "Draw a path")
    tab.get_by_role("button", name="Stop drawing").wait_for()
    drawn = "[...document.querySelectorAll('input')].some(each => each.value.endsWith('of 2 points'))"
    deadline = time.monotonic() + PATIENCE / 1000
    while not tab.evaluate(drawn):  # the page listens to clicks a moment after it says so
        assert time.monotonic() < deadline
        tab.wait_for_timeout(1000)
        tab.mouse.click(100, 230)  # on the floor, beside the panels
        with contextlib.suppress(sync_api.TimeoutError):
            tab.wait_for_function(drawn, timeout=10_000)
    press(tab, "Run")
    tab.locator(".kinema-plain", has_text="pin of r_wrist at frame 29: ").wait_for()
    assert "cm left" in tab.locator(".kinema-plain").inner_text()
    with tab.expect_download() as caught:
        press(tab, "Save constraints")
    caught.value.save_as(file)
    pin, path = read_constraints(file)
    assert isinstance(pin, Pin)
    assert pin.positions[0] == pytest.approx(pinned, abs=0.006)  # the page shows centimetres
    assert isinstance(path, RootPath)
    assert path.frames == (0, 29)


def complains(tab: sync_api.Page, folder: Path) -> None:
    """Errors are told on the page, and stay."""
    garbage, large = folder / "garbage.bvh", folder / "large.bvh"
    garbage.write_text("HIERARCHY <b>{x}</b> nonsense")
    tab.locator("input[type=file]").set_input_files(garbage)
    told = tab.locator(".mantine-Notification-body", has_text=re.compile(r"did not work.*garbage\.bvh", re.DOTALL))
    told.wait_for()
    assert "expected" in told.inner_text()
    assert "<b>" in told.inner_text()  # as text, not as a tag
    large.write_bytes(b"x" * 300_000)
    tab.locator("input[type=file]").set_input_files(large)
    tab.locator(".mantine-Notification-body", has_text="at most 0.2 MB").wait_for()
    assert told.is_visible()  # an error stays until it is closed


def drop(tab: sync_api.Page, file: Path) -> None:
    """Drop a file on the page, as from another window."""
    tab.evaluate(
        """([name, text]) => {
            const moved = new DataTransfer();
            moved.items.add(new File([text], name));
            document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: moved, bubbles: true, cancelable: true}));
        }""",
        [file.name, file.read_text()],
    )


def place(tab: sync_api.Page) -> list[float]:
    """Where the page says that the pin is, metres."""
    fields = tab.locator("xpath=//label[text()='Place, m']/following::input")
    return [float(fields.nth(axis).input_value()) for axis in range(3)]


def changed(tab: sync_api.Page, before: list[float]) -> list[float]:
    """Where the pin is as soon as it is elsewhere."""
    deadline = time.monotonic() + PATIENCE / 1000
    while place(tab) == before and time.monotonic() < deadline:
        tab.wait_for_timeout(100)
    return place(tab)


def middle_of_pink(tab: sync_api.Page) -> tuple[float, float]:
    """The middle of the pink square of a handle on the screen, as soon as it is drawn."""
    deadline = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < deadline:
        shot = np.asarray(Image.open(io.BytesIO(tab.screenshot())).convert("RGB")).astype(int)
        rows, columns = np.nonzero(np.abs(shot - (255, 42, 109)).sum(-1) < 40)
        if len(rows) > 20:
            return float(np.median(columns)), float(np.median(rows))
        tab.wait_for_timeout(300)
    raise AssertionError("no handle on the page")
