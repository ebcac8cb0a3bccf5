"""`kinema view` and `kinema render` on files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from command import run

Write = Callable[..., Path]


def test_view_writes_a_page_beside_the_file(write_bvh: Write, capsys: pytest.CaptureFixture[str]) -> None:
    clip = write_bvh(12)
    assert run("view", clip, "--no-open") == 0
    target = clip.with_suffix(".html")
    assert capsys.readouterr().out.strip() == str(target)
    assert "walk.bvh" in target.read_text()


def test_view_opens_the_page_where_there_is_a_display(
    write_bvh: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", ":0")
    clip, target = write_bvh(4), tmp_path / "p.html"
    assert run("view", clip, "-o", target) == 0
    assert opened == [target.resolve().as_uri()]
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert run("view", clip, "-o", target) == 0
    assert len(opened) == 1


@pytest.mark.parametrize("name", ["a.png", "a.gif", "a.mp4"])
def test_render_by_suffix(write_bvh: Write, tmp_path: Path, name: str) -> None:
    if name.endswith("mp4"):
        pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    target = tmp_path / name
    assert run("render", write_bvh(12), "-o", target, "--size", 96, "--theme", "dark", "--view", "side") == 0
    assert target.stat().st_size > 500
    if not name.endswith("mp4"):
        with Image.open(target) as image:
            assert image.height == 96


def test_render_cuts_and_counts(write_bvh: Write, tmp_path: Path) -> None:
    target = tmp_path / "a.gif"
    assert run("render", write_bvh(31), "-o", target, "--size", 64, "--frames", 5, "--from", 0.2, "--to", 0.7) == 0
    with Image.open(target) as image:
        assert image.n_frames == 5


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["-o", "a.tif"], 2),
        (["-o", "a.gif", "--size", "5"], 2),
        (["-o", "a.gif", "--frames", "0"], 2),
        (["-o", "a.gif", "--from", "99"], 2),
        (["-o", "a.gif", "--theme", "sepia"], 2),
    ],
)
def test_misuse_is_one_line_and_code_2(
    write_bvh: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], code: int
) -> None:
    clip = write_bvh(6)
    monkeypatch.chdir(tmp_path)
    assert run("render", clip, *options) == code
    assert [path.name for path in tmp_path.iterdir()] == [clip.name]


def test_a_missing_file_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("view", tmp_path / "none.bvh") != 0
    assert "none.bvh" in capsys.readouterr().err
