"""What every test may lean on: one thread (or KINEMA_TEST_THREADS), the shared data where it is there, small files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import jaxtyping
import pytest
import torch

from small_bvh import SMALL_BVH, small_bvh_rows

torch.set_num_threads(int(os.environ.get("KINEMA_TEST_THREADS", "1")))

# A busy machine makes a law slow, not wrong.
hypothesis.settings.register_profile("kinema", deadline=None)
hypothesis.settings.load_profile("kinema")

# Before any import of kinema: a shape in a signature that nobody checks is soon a lie. It costs nothing outside the
# tests. Left out: the rooms above these, which import on demand or speak of `Self`.
CHECKED = (
    "core.query", "data", "geometry", "io", "metrics", "models", "motion", "nn", "protocols", "representations", "viz",
)  # fmt: skip
jaxtyping.install_import_hook([f"kinema.{room}" for room in CHECKED], "shapes.check")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what takes minutes, unless it is asked for."""
    if not os.environ.get("KINEMA_LONG"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes a minute or more: `make test-long` runs it"))


@pytest.fixture
def unchecked() -> Iterator[None]:
    """A caller who checks no types, as users are: what kinema itself says to a wrong value."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real motion beside the project (or `KINEMA_SHARED`); the test is skipped where it is missing."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("KINEMA_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder} (set KINEMA_SHARED)")
    return folder


@pytest.fixture
def write_bvh(tmp_path: Path) -> Callable[..., Path]:
    """`write_bvh(frames=5, name="walk.bvh", **edits)` writes a small body of 1.8 m and gives its path.

    `header`, `rows` (list of lines) and `frame_time` replace those parts; `count` is what `Frames:` claims.
    """

    def write(
        frames: int = 5,
        *,
        name: str = "walk.bvh",
        header: str = SMALL_BVH,
        rows: list[str] | None = None,
        frame_time: str = "0.0333333",
        count: int | None = None,
    ) -> Path:
        rows = small_bvh_rows(frames) if rows is None else rows
        count = len(rows) if count is None else count
        path = tmp_path / name
        motion = ["MOTION", f"Frames: {count}", f"Frame Time: {frame_time}", *rows]
        path.write_text(header + "\n".join(motion) + "\n")
        return path

    return write


_CHROMIUM = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-background-networking",
    "--no-first-run",
]  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium, as playwright drives it; skipped, with the reason, where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(
        (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
    )
    if chromium is None:
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=_CHROMIUM)
        yield browser
        browser.close()
