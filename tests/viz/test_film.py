"""Films last as long as the motion, stay small, and leave nothing half-written."""

import builtins
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kinema.core.errors import UsageError
from kinema.motion.motion import Points
from kinema.viz import film
from kinema.viz.layers import Panel


def lengths(path: Path) -> list[int]:
    with Image.open(path) as image:
        found: list[int] = []
        for index in range(image.n_frames):
            image.seek(index)
            found.append(image.info["duration"])
    return found


@pytest.mark.parametrize("fps", [30.0, 24.0, 7.0])
def test_a_gif_lasts_as_long_as_the_motion(walk: Points, tmp_path: Path, fps: float) -> None:
    film.gif(tmp_path / "a.gif", walk[:30], fps=fps, size=(96, 96))
    found = lengths(tmp_path / "a.gif")
    assert sum(found) == pytest.approx(1200, abs=10)
    assert all(length >= 20 and length % 10 == 0 for length in found)


def test_sixty_pictures_of_a_forecast_stay_small(forecast: Panel, tmp_path: Path) -> None:
    film.gif(tmp_path / "a.gif", forecast, frames=60)
    assert 50 <= len(lengths(tmp_path / "a.gif")) <= 70
    assert (tmp_path / "a.gif").stat().st_size < 400_000


def test_a_gif_written_in_pieces_shows_the_same_pictures(
    walk: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film.gif(tmp_path / "whole.gif", walk[:40], size=(96, 96))
    monkeypatch.setattr(film, "_PIXELS", 5 * 96 * 96)
    film.gif(tmp_path / "pieces.gif", walk[:40], size=(96, 96))
    assert lengths(tmp_path / "pieces.gif") == lengths(tmp_path / "whole.gif")
    with Image.open(tmp_path / "pieces.gif") as pieces, Image.open(tmp_path / "whole.gif") as whole:
        assert pieces.info["loop"] == whole.info["loop"] == 0
        for index in range(whole.n_frames):
            pieces.seek(index)
            whole.seek(index)
            assert pieces.convert("RGB").tobytes() == whole.convert("RGB").tobytes()


def test_a_span_can_be_cut_out(walk: Points, tmp_path: Path) -> None:
    film.gif(tmp_path / "a.gif", walk, start=0.5, stop=1.1, size=(96, 96))
    assert sum(lengths(tmp_path / "a.gif")) == pytest.approx(600, abs=10)
    with pytest.raises(UsageError, match="a span within"):
        film.gif(tmp_path / "b.gif", walk, start=5.0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_an_mp4_has_every_picture(walk: Points, tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="PyAV (the extra video) is not installed")
    film.mp4(tmp_path / "a.mp4", walk[:25], fps=20, size=(129, 128))
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (128, 128)
        assert sum(1 for _ in container.decode(stream)) == 20
        assert float(stream.average_rate) == 20


def test_without_pyav_the_extra_is_named(walk: Points, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == "av":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"kinema\[video\]"):
        film.mp4(tmp_path / "a.mp4", walk)
    assert not list(tmp_path.iterdir())
