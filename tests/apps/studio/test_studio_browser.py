"""The studio in a real browser: upload, forecast, watch it play; garbage is told on the page; two pages do not meet."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kinema.apps.studio.desk import Desk
from kinema.apps.studio.server import serve
from kinema.data.synthetic import perform
from kinema.io.formats import save

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


def test_upload_forecast_play_and_garbage(browser: sync_api.Browser, address: str, tmp_path: Path) -> None:
    save(perform("walk", seconds=1.5, fps=30.0, seed=0), tmp_path / "walk.bvh")
    foreign: list[str] = []
    tab, other = open_tab(browser, address, foreign), open_tab(browser, address, foreign)
    tab.locator("input[type=file]").set_input_files(tmp_path / "walk.bvh")
    tab.locator(".kinema-plain", has_text="45 frames at 30 per second").wait_for()
    press(tab, "Run")
    tab.locator(".kinema-plain", has_text=" in ").wait_for()
    press(tab, "Play")
    observed = {clock(tab)}
    deadline = time.monotonic() + PATIENCE / 1000
    while len(observed) < 3 and time.monotonic() < deadline:
        tab.wait_for_timeout(200)
        observed.add(clock(tab))
    assert len(observed) >= 3  # frames advance
    press(tab, "Pause")
    tab.get_by_role("button", name="Play").wait_for()
    with tab.expect_download() as caught:
        press(tab, "BVH")
    saved = tmp_path / "saved.bvh"
    caught.value.save_as(saved)
    assert saved.read_text().startswith("HIERARCHY")

    garbage = tmp_path / "garbage.bvh"
    garbage.write_text("HIERARCHY <b>{x}</b> nonsense")
    tab.locator("input[type=file]").set_input_files(garbage)
    told = tab.locator(".kinema-bad", has_text="garbage.bvh")
    told.wait_for()
    assert "expected" in told.inner_text()
    assert "<b>" in told.inner_text()  # as text, not as a tag
    large = tmp_path / "large.bvh"
    large.write_bytes(b"x" * 300_000)
    tab.locator("input[type=file]").set_input_files(large)
    tab.locator(".kinema-bad", has_text="at most 0.2 MB").wait_for()

    assert other.locator(".kinema-plain, .kinema-bad").count() == 0  # nothing of it reached the other page
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.status == 200
    assert not foreign
