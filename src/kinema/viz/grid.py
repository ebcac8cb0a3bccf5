"""The grid of a stochastic forecaster: one window per row; columns: observed, ground truth, samples.

A PNG shows a few moments of every cell, later ones darker; a GIF plays all cells; a page has one panel per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from kinema.core.atomic import atomic_path
from kinema.core.errors import UsageError
from kinema.motion.motion import Points, concatenate
from kinema.viz.camera import Camera, Shot, shot_of
from kinema.viz.canvas import Canvas
from kinema.viz.layers import Layer, Panel
from kinema.viz.page import page
from kinema.viz.raster import font_of, forecast_panel
from kinema.viz.style import LIGHT, Palette, Theme, mix, rgb

SUFFIXES = (".png", ".gif", ".html")
_MOMENTS = 4  # poses in a cell of a still picture
_SIZE = (156, 150)  # pixels of a cell
_HEAD, _SIDE = 30, 118  # pixels above the cells and left of them
_FPS = 12.5  # pictures per second of the GIF: 8 hundredths of a second each


@dataclass(frozen=True, eq=False)
class GridRow:
    """One window: positions relative to the root, metres. `samples` has batch shape (sample,)."""

    title: str
    observed: Points
    truth: Points
    samples: Points


def write_grid(rows: Sequence[GridRow], path: Path, *, title: str) -> None:
    """Write the grid, atomically. Raises UsageError for another suffix than .png, .gif or .html, or for no rows."""
    check_grid(path)
    if not rows:
        raise UsageError(expected="at least one window", got="none", cure="Type --rows 4.")
    if path.suffix == ".html":
        page([_panel(row) for row in rows], path, title=title, lead="Each panel is one window; the samples are pale.")
        return
    if path.suffix == ".png":
        with atomic_path(path) as beside:
            picture(rows, None, LIGHT).save(beside, "PNG", optimize=True)
        return
    ahead = rows[0].truth.frames / rows[0].truth.fps
    times = np.arange(-rows[0].observed.frames / rows[0].observed.fps, ahead, 1 / _FPS)
    pictures = [picture(rows, float(time), LIGHT) for time in times]
    palette = pictures[-1].quantize(64, dither=Image.Dither.NONE)
    small = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    with atomic_path(path) as beside:
        small[0].save(beside, "GIF", save_all=True, append_images=small[1:], duration=round(1000 / _FPS), loop=0)


def check_grid(path: Path) -> None:
    """Raises UsageError for a suffix that a grid cannot have."""
    if path.suffix not in SUFFIXES:
        raise UsageError(
            expected="a grid that ends in .png, .gif or .html", got=str(path), cure=f"Type --grid {path.stem}.png."
        )


def picture(rows: Sequence[GridRow], time: float | None, colours: Theme) -> Image.Image:
    """The grid at a time in seconds from the last observed frame, or a few moments of every cell."""
    columns = 2 + len(rows[0].samples.positions)
    size = (_SIDE + columns * _SIZE[0], _HEAD + len(rows) * _SIZE[1])
    canvas = Canvas(size, colours, sharpness=2)
    for down, row in enumerate(rows):
        layers = _cells(row)
        shot = shot_of(layers, aspect=_SIZE[0] / _SIZE[1], projection="orthographic", margin=0.08)
        for across, layer in enumerate(layers):
            canvas.middle = (
                (_SIDE + (across + 0.5) * _SIZE[0]) * canvas.sharpness,
                (_HEAD + (down + 0.5) * _SIZE[1]) * canvas.sharpness,
            )
            _cell(canvas, layer, shot, time)
    image = canvas.finish()
    _write(image, rows, time, colours)
    return image


def _cells(row: GridRow) -> list[Layer]:
    """Context, ground truth and samples; each clock starts at the layer's own first frame."""
    samples = [
        Layer(f"sample {1 + each}", row.samples.one(each), "forecast") for each in range(len(row.samples.positions))
    ]
    return [Layer("context", row.observed, "observed"), Layer("truth", row.truth, "truth"), *samples]


def _cell(canvas: Canvas, layer: Layer, shot: Shot, time: float | None) -> None:
    seconds = layer.points.frames / layer.points.fps
    if time is None:
        times = np.linspace(0, seconds - 1 / layer.points.fps, _MOMENTS)
    elif layer.role == "observed":
        times = np.array([min(max(time + seconds, 0.0), seconds - 1e-3)])
    else:
        times = np.array([min(time, seconds - 1e-3)]) if time >= 0 else np.array([])
    palette = canvas.theme.roles[layer.role]
    base = shot.at(0.0)
    # The canvas scales by its whole height; a cell is a part of that.
    height = base.height * canvas.size[1] / _SIZE[1]
    spread = 0.16 * base.height if len(times) > 1 else 0.0
    for place, moment in enumerate(times):
        # Moments stand beside each other, the first at the left.
        aside = spread * ((len(times) - 1) / 2 - place)
        camera = Camera(base.target + aside * base.axes[0], base.azimuth, base.elevation, height, base.lens)
        poses = layer.at(float(moment))
        assert poses is not None, "a moment within the layer"
        share = (place + 1) / len(times)
        canvas.body(camera, poses[0], layer.figure, _paler(palette, canvas.theme, share))


def _paler(palette: Palette, colours: Theme, share: float) -> Palette:
    """Earlier moments nearer to the paper."""

    def towards(colour: str) -> str:
        return "#{:02x}{:02x}{:02x}".format(*mix(colours.panel, colour, 0.25 + 0.75 * share))

    return replace(palette, left=towards(palette.left), right=towards(palette.right), spine=towards(palette.spine))


def _write(image: Image.Image, rows: Sequence[GridRow], time: float | None, colours: Theme) -> None:
    draw, font = ImageDraw.Draw(image), font_of(13)
    names = ["observed", "ground truth", *(f"sample {1 + each}" for each in range(len(rows[0].samples.positions)))]
    for across, name in enumerate(names):
        draw.text((_SIDE + (across + 0.5) * _SIZE[0], 10), name, rgb(colours.muted), font, "mt")
    for down, row in enumerate(rows):
        top = _HEAD + down * _SIZE[1]
        draw.line((0, top, image.width, top), rgb(colours.grid), 1)
        draw.text((12, top + _SIZE[1] / 2), row.title, rgb(colours.ink), font, "lm")
    if time is not None:
        draw.text((12, 10), f"{time:+.2f} s", rgb(colours.ink if time >= 0 else colours.muted), font, "lt")


def _panel(row: GridRow) -> Panel:
    """A row as one panel of a page: the ground truth solid, the samples as ghosts."""
    seconds = row.observed.frames / row.observed.fps
    whole = concatenate(row.observed, row.truth)
    return forecast_panel(whole, row.samples, now=seconds, title=row.title)
