"""The page in a real browser: it draws, plays, scrubs, hides, turns, and asks the network for nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kinema.motion.motion import Points
from kinema.viz.layers import Panel
from kinema.viz.page import Link, Note, PageTable, Section, page, sections_text
from kinema.viz.scene import scene_html

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

INK = """canvas => { const c = canvas.getContext("2d"), d = c.getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Map(); for (let i = 0; i < d.length; i += 4) { const k = `${d[i]},${d[i+1]},${d[i+2]}`;
  seen.set(k, (seen.get(k) || 0) + 1); } return Object.fromEntries([...seen].filter(([, n]) => n > 20)); }"""
# How many lines of the ground are cut at the camera, and how far (pixels) a seen place of a line is off what is drawn.
GROUND = """() => {
  const panel = page.panels[0], camera = makeCamera(panel, { turn: 0.3, rise: 0, zoom: 6 }, 1, 400, 400);
  let cut = 0, astray = 0;
  for (let i = -20; i <= 20; i++) {
    const from = [i, panel.floor, -40], to = [i, panel.floor, 40], ends = [];
    const ctx = { moveTo: (x, y) => ends.push([x, y]), lineTo: (x, y) => ends.push([x, y]) };
    groundLine(ctx, camera, from, to);
    if (!ends.length) continue;
    if (depthOf(camera, from) < 0 || depthOf(camera, to) < 0) cut++;
    const [[ax, ay], [bx, by]] = ends, length = Math.hypot(bx - ax, by - ay);
    for (let z = -40; z <= 40; z++) {
      if (depthOf(camera, [i, panel.floor, z]) < 1) continue;
      const [x, y] = project(camera, i, panel.floor, z);
      astray = Math.max(astray, Math.abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) / length);
    }
  }
  return [cut, astray];
}"""
Open = Callable[..., "sync_api.Page"]


@pytest.fixture
def open_page(browser: sync_api.Browser) -> Iterator[Open]:
    """Opens a file and fails at the end on any console error and any request that leaves the machine."""
    complaints: list[str] = []
    contexts: list[sync_api.BrowserContext] = []

    def visit(
        path: Path, *, size: tuple[int, int] = (1280, 800), scheme: str = "light", still: bool = True, js: bool = True
    ) -> sync_api.Page:
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme=scheme,
            reduced_motion="reduce" if still else "no-preference",
            java_script_enabled=js,
        )
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: complaints.append(request.url) if not local(request.url) else None)
        tab.goto(path.as_uri())
        tab.wait_for_timeout(250)
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert not complaints


def local(url: str) -> bool:
    return url.startswith(("file:", "data:", "blob:"))


def colours(tab: sync_api.Page, which: int = 0) -> dict[str, int]:
    return tab.locator("canvas").nth(which).evaluate(INK)


def picture(tab: sync_api.Page) -> bytes:
    return tab.locator("canvas").first.screenshot()


def now(tab: sync_api.Page) -> float:
    return float(tab.locator("#scrub").input_value())


@pytest.fixture(scope="module")
def two_panels(forecast: Panel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "two.html"
    panels = [replace(forecast, title="First", caption="Four futures."), replace(forecast, title="Second")]
    table = PageTable(["MPJPE, mm", "80 ms", "400 ms"], [["siMLPe", "10.1", "46.0"], ["zero velocity", "18.4", "78.9"]])
    page(panels, path, title="What comes next?", lead="Grey is known.", table=table, links=[Link("forecast.bvh")])
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desktop", "phone"])
def test_it_draws_at_every_size_and_theme(
    open_page: Open, two_panels: Path, tmp_path: Path, scheme: str, size: tuple[int, int]
) -> None:
    tab = open_page(two_panels, size=size, scheme=scheme)
    for which in (0, 1):
        assert len(colours(tab, which)) > 8  # the paper, the ground, three colours of a body, ghosts
    paper = tab.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    brightness = np.mean([int(part) for part in paper.strip("rgba()").split(",")[:3]])
    assert brightness > 200 if scheme == "light" else brightness < 60
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")  # nothing sticks out sideways
    tab.screenshot(path=tmp_path / "page.png")


def test_sections_have_panels_of_their_own_and_one_clock(open_page: Open, forecast: Panel, tmp_path: Path) -> None:
    keyed = Panel("keys", forecast.layers[:1], known=[(0.0, 0.1), (0.5, 0.6)], words=("key", "between"))
    sections = [
        Section("Many futures", [forecast], "Why.", [Note("smrnet")], PageTable(["mm", "at 1 s"], [["smrnet", "12"]])),
        Section("Nothing here", (), "", [Note("posegpt: no weights", model=False)]),
        Section("Grid", [keyed] * 6, size="small"),
    ]
    (tmp_path / "s.html").write_text(sections_text(sections, title="All", lead="One clock."))
    tab = open_page(tmp_path / "s.html")
    assert tab.locator(".jumps a").all_inner_texts() == ["Many futures", "Nothing here", "Grid"]
    assert [tab.locator(f"section.verb:nth-of-type({n}) canvas").count() for n in (1, 2, 3)] == [1, 0, 6]
    assert tab.locator(".stand-in").all_inner_texts() == ["posegpt: no weights"]
    assert tab.locator("#grid .bar i").count() == 12
    tab.locator("#scrub").fill("0.55")
    tab.locator("#grid").scroll_into_view_if_needed()
    tab.wait_for_timeout(200)
    assert tab.locator("#grid .stage").first.inner_text() == "key"
    assert len(colours(tab, 6)) > 5  # it is drawn once it can be seen
    box = tab.locator("#play").bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 800  # the controls stay in sight
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_it_plays_by_itself_and_stops(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels, still=False)
    first = now(tab)
    tab.wait_for_timeout(400)
    assert now(tab) != first
    assert tab.locator("#play").get_attribute("aria-label") == "Pause"
    tab.keyboard.press("Space")
    tab.wait_for_timeout(50)
    stopped = now(tab)
    tab.wait_for_timeout(200)
    assert now(tab) == stopped
    assert tab.locator("#play").get_attribute("aria-label") == "Play"


def test_reduced_motion_waits_for_the_reader(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels)
    first = now(tab)
    tab.wait_for_timeout(300)
    assert now(tab) == first > 1.2  # it shows the forecast at once, and stands still
    tab.locator("#play").click()
    tab.wait_for_timeout(300)
    assert now(tab) != first


def test_scrubbing_changes_the_picture_and_the_clock(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels)
    pictures: list[bytes] = []
    for time, clock, part in (
        (0.2, "\u22121.00 s", "observed"),
        (1.2, "now", "forecast"),
        (1.7, "+0.50 s", "forecast"),
    ):
        tab.locator("#scrub").fill(str(time))
        tab.wait_for_timeout(100)
        assert tab.locator("#clock").inner_text() == clock
        assert tab.locator(".stage").first.inner_text() == part
        pictures.append(picture(tab))
    assert len(set(pictures)) == 3
    tab.locator("canvas").first.focus()
    tab.keyboard.press("ArrowLeft")
    tab.wait_for_timeout(60)
    assert now(tab) == pytest.approx(1.7 - 1 / 25, abs=2e-3)
    tab.keyboard.press("Home")
    tab.wait_for_timeout(60)
    assert now(tab) == 0


def test_toggles_hide_layers(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels)
    tab.locator("#scrub").fill("1.7")
    tab.wait_for_timeout(100)
    blue, counts = "42,111,187", []  # the left limbs of the truth
    chips = tab.locator(".chips").first.locator("button")
    assert chips.all_inner_texts() == ["observed", "ground truth", "sampled futures"]
    both = picture(tab)
    for _ in range(2):
        counts.append(colours(tab).get(blue, 0))
        chips.nth(1).click()
        tab.wait_for_timeout(100)
    assert counts[0] > 100 > counts[1] == 0
    assert picture(tab) == both  # shown again, as it was
    assert colours(tab, 1).get(blue, 0) > 100  # the other panel keeps its own
    chips.nth(2).click()
    tab.wait_for_timeout(100)
    assert chips.nth(2).get_attribute("aria-pressed") == "false"
    assert picture(tab) != both


def test_dragging_turns_all_panels_and_reset_turns_back(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels)
    before = [tab.locator("canvas").nth(which).screenshot() for which in (0, 1)]
    box = tab.locator("canvas").first.bounding_box()
    assert box is not None
    tab.mouse.move(box["x"] + 200, box["y"] + 200)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 320, box["y"] + 230, steps=4)
    tab.mouse.up()
    tab.mouse.wheel(0, -300)
    tab.wait_for_timeout(120)
    after = [tab.locator("canvas").nth(which).screenshot() for which in (0, 1)]
    assert before[0] != after[0]
    assert before[1] != after[1]
    tab.keyboard.press("r")
    tab.locator("h1").click()
    tab.mouse.move(2, 2)
    tab.evaluate("document.activeElement.blur()")
    tab.wait_for_timeout(120)
    assert [tab.locator("canvas").nth(which).screenshot() for which in (0, 1)] == before


def test_looking_along_the_ground_from_within_draws_no_wild_lines(open_page: Open, two_panels: Path) -> None:
    """A line of the ground that passes behind the camera is cut there: what is left lies where the whole line does."""
    tab = open_page(two_panels)
    tab.locator("canvas").first.focus()
    for _ in range(14):
        tab.keyboard.press("+")  # so near that much of the ground is behind the camera
    tab.wait_for_timeout(120)
    assert len(colours(tab)) > 3
    cut, astray = tab.evaluate(GROUND)
    assert cut > 10
    assert astray < 1


def test_the_theme_can_be_chosen(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels, scheme="light")
    assert colours(tab).get("253,253,251", 0) > 1000
    tab.locator("#theme").click()
    tab.wait_for_timeout(120)
    assert colours(tab).get("25,29,37", 0) > 1000
    assert tab.evaluate("getComputedStyle(document.body).color") == "rgb(233, 235, 239)"


def test_it_tells_what_it_shows_to_those_who_cannot_see_it(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels)
    label = tab.locator("canvas").first.get_attribute("aria-label")
    assert label is not None
    assert "sampled futures (4 bodies)" in label
    unnamed = (
        "[...document.querySelectorAll('button,input,select')]"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length))"
    )
    assert tab.evaluate(f"{unnamed}.length") == 0
    assert tab.locator("#scrub").get_attribute("aria-valuetext") is not None


def test_without_javascript_a_line_says_so(open_page: Open, two_panels: Path) -> None:
    tab = open_page(two_panels, js=False)
    assert "JavaScript" in tab.locator(".notice").inner_text()
    assert tab.locator("table").is_visible()


def test_one_clip_fills_the_window(open_page: Open, walk: Points, tmp_path: Path) -> None:
    page([walk], tmp_path / "one.html", title="walk.bvh")
    tab = open_page(tmp_path / "one.html")
    box = tab.locator("canvas").bounding_box()
    assert box is not None
    assert box["width"] > 1000
    assert box["height"] > 400
    assert tab.evaluate("document.documentElement.scrollHeight") <= 800
    assert len(colours(tab)) > 5
    assert tab.locator(".parts").is_hidden()


def test_the_webgl_page_opens_too(open_page: Open, walk: Points, tmp_path: Path) -> None:
    scene_html(tmp_path / "gl.html", walk[:5])
    tab = open_page(tmp_path / "gl.html")
    tab.locator("canvas").first.wait_for(timeout=20_000)
    assert tab.locator("canvas").first.is_visible()
