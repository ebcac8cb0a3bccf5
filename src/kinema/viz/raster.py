"""Still pictures of motion: one moment, or a film strip, with captions.

All are Pillow images in Pillow's own font; drawing needs no screen and no graphics card.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kinema.core.errors import UsageError
from kinema.motion.motion import Motion
from kinema.motion.motion import Points as PointsClip
from kinema.viz.camera import Camera, Shot, shot_of
from kinema.viz.canvas import Canvas
from kinema.viz.layers import Drawable, Layer, Panel, duration_of, panel_of, span_of
from kinema.viz.style import KEY, PALE, Role, Theme, mix, rgb
from kinema.viz.style import theme as theme_of

_NAMES: dict[Role, str] = {
    "observed": "observed", "truth": "ground truth", "forecast": "forecast", "ghost": "sampled futures",
    "baseline": "baseline", "key": "key poses",
}  # fmt: skip
_ORDER: tuple[Role, ...] = ("key", "ghost", "baseline", "forecast", "observed", "truth")  # painted in this order


@dataclass(frozen=True)
class _Layout:
    """The measures of a film strip in pixels."""

    cell: int
    height: int
    head: int
    foot: int
    side: int

    @property
    def body(self) -> int:
        """The height of the part with bodies."""
        return self.height - self.head - self.foot


def frame(
    what: Drawable,
    time: float,
    *,
    size: tuple[int, int] = (480, 480),
    theme: str = "light",
    view: str = "three-quarter",
    shot: Shot | None = None,
    caption: bool = True,
    sharpness: int = 3,
    grid: float = 1.0,
) -> Image.Image:
    """One moment, in perspective, on its ground, with the time below.

    `time` is in seconds on the panel's clock; with a boundary the caption counts from it. A `shot` made once by
    `shot_of` keeps the camera the same from frame to frame; `grid` scales the ground's cells. Raises UsageError for an
    unknown theme or view.
    """
    panel, colours = panel_of(what), theme_of(theme)
    shot = shot or shot_of(panel.layers, view=view, aspect=size[0] / size[1])
    camera = shot.at(time)
    canvas = Canvas(size, colours, sharpness=sharpness)
    canvas.ground(camera, shot.floor, grid * cell_of(shot.stature))
    paint(canvas, panel, time, camera, shot.floor)
    image = canvas.finish()
    if caption:
        _write_foot(image, panel, time, colours)
    return image


def strip(
    what: Drawable,
    *,
    count: int = 8,
    height: int = 320,
    theme: str = "light",
    view: str = "three-quarter",
    start: float | None = None,
    stop: float | None = None,
    sharpness: int = 3,
) -> Image.Image:
    """`count` poses side by side on one ground, evenly spaced in time, each with its time in seconds.

    With a boundary, times count from it, and the known part and the forecast are marked. Raises UsageError for a count
    below 1 or an empty span.
    """
    panel, colours = panel_of(what), theme_of(theme)
    times = _times(panel, count, start, stop)
    shot = shot_of(panel.layers, view=view, aspect=0.72, projection="orthographic", margin=0.06)
    width = _reach(panel, times, shot)
    layout = _Layout(
        cell=round((height - 84) * width),
        height=height,
        head=46 if panel.boundary is not None else 20,
        foot=38,
        side=22,
    )
    canvas = Canvas((layout.cell * count + 2 * layout.side, height), colours, sharpness=sharpness)
    # A canvas scales by its height; the bodies have to fit between head and foot.
    zoom = layout.height / layout.body
    for place, time in enumerate(times):
        seen = shot.at(time)
        camera = Camera(_target(panel, time, seen), seen.azimuth, seen.elevation, seen.height * zoom, seen.lens)
        canvas.middle = (
            (layout.side + (place + 0.5) * layout.cell) * sharpness,
            (layout.head + layout.body / 2) * sharpness,
        )
        paint(canvas, panel, time, camera, shot.floor)
    image = canvas.finish()
    _write_strip(image, panel, times, layout, colours)
    return image


def forecast_panel(
    truth: Motion | PointsClip,
    futures: Motion | PointsClip | None,
    *,
    now: float,
    title: str = "forecast",
    role: Role = "ghost",
) -> Panel:
    """The panel of a forecast: the known part in grey, then the ground truth, and futures from `now` (seconds) on."""
    points = truth.points()
    known = min(max(round(now * points.fps), 1), points.frames)
    layers = [Layer("observed", points[:known], "observed")]
    if known < points.frames:
        layers.append(Layer("ground truth", points[known:], "truth", known / points.fps))
    if futures is not None:
        name = "sampled futures" if role == "ghost" else role
        layers.append(Layer(name, futures.points(), role, known / points.fps))
    return Panel(title, tuple(layers), boundary=known / points.fps)


def paint(canvas: Canvas, panel: Panel, time: float, camera: Camera, floor: float) -> None:
    """Every layer of a panel at a time: shadows first, then ghosts, then solid bodies.

    The ground truth is solid over ghosts, and pale behind another solid body.
    """
    ordered = sorted(panel.layers, key=lambda layer: _ORDER.index(layer.role))
    seen = [(layer, poses) for layer in ordered if (poses := layer.at(time)) is not None]
    flat = all(layer.points.positions.shape[-1] == 2 for layer in panel.layers)
    forecast = any(layer.role in ("forecast", "baseline") for layer, _ in seen)
    opacities = [_opacity(layer, time, forecast=forecast) for layer, _ in seen]
    for (layer, poses), opacity in zip(seen, opacities, strict=True):
        for pose in poses if opacity == 1 and not flat else ():
            canvas.shadow(camera, pose, layer.figure, floor)
    # Translucent bodies lie behind solid ones.
    for (layer, poses), opacity in sorted(zip(seen, opacities, strict=True), key=lambda item: item[1] == 1):
        palette = canvas.theme.roles[layer.role]
        for pose in poses:
            if opacity < 1:
                canvas.ghost(camera, pose, layer.figure, palette, opacity=opacity)
            else:
                canvas.body(camera, pose, layer.figure, palette)


def cell_of(stature: float) -> float:
    """The side of a ground cell: a round number of metres near a third of the body's height."""
    wish = stature / 3
    decade = 10.0 ** np.floor(np.log10(wish))
    return float(min((decade * step for step in (1, 2, 5, 10)), key=lambda cell: abs(np.log(cell / wish))))


def _opacity(layer: Layer, time: float, *, forecast: bool) -> float:
    """Ghosts are paler the more there are, and fade with their time ahead (by half in one second)."""
    if layer.role == "ghost":
        return (0.55 / len(layer.bodies) ** 0.4) * (0.4 + 0.6 * 0.5 ** max(time - layer.start, 0.0))
    if layer.role == "key":
        return KEY
    return PALE if layer.role == "truth" and forecast else 1.0


def _times(panel: Panel, count: int, start: float | None, stop: float | None) -> list[float]:
    first, last = span_of(panel, start, stop)
    # The last pose stands at its own time; it is shown for a frame more.
    last = max(first, min(last - 1e-3, max(layer.last for layer in panel.layers)))
    if count < 1:
        raise UsageError(expected="at least one pose", got=f"{count}", cure="Type --frames 8.")
    if panel.boundary is None or not first < panel.boundary < last or count < 3:
        return np.linspace(first, last, count).tolist() if count > 1 else [(first + last) / 2]
    # With a boundary, the last known pose stands exactly at it.
    now = panel.boundary - 2e-3
    before = min(max(round((count - 1) * (now - first) / (last - first)), 1), count - 2)
    known = np.linspace(first, now, before + 1)
    return [*known.tolist(), *np.linspace(now, last, count - before)[1:].tolist()]


def _target(panel: Panel, time: float, camera: Camera) -> np.ndarray:
    """The target of a strip's cell: the middle of the most solid body."""
    order = list(reversed(_ORDER))
    for layer in sorted(panel.layers, key=lambda layer: order.index(layer.role)):
        poses = layer.at(time)
        drawn = None if poses is None else poses[:, layer.figure.joints]
        if drawn is not None and np.isfinite(drawn).any():
            middle = (np.nanmin(drawn, (0, 1)) + np.nanmax(drawn, (0, 1))) / 2
            return np.array([middle[0], camera.target[1], middle[2]])
    return camera.target


def _reach(panel: Panel, times: Sequence[float], shot: Shot) -> float:
    """The width of a cell as a share of its height: room for the widest pose, within limits."""
    widest = 0.3
    for time in times:
        seen = shot.at(time)
        camera = Camera(_target(panel, time, seen), seen.azimuth, seen.elevation, seen.height, seen.lens)
        for layer in panel.layers:
            poses = layer.at(time)
            if poses is not None and layer.role != "ghost":
                across = camera.project(poses[:, layer.figure.joints].reshape(-1, 3))[:, 0]
                widest = max(widest, 2 * float(np.nanmax(np.abs(across), initial=0.0)))
    return min(1.06 * widest + 0.03, 0.85)


def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own font."""
    return ImageFont.load_default(size)


def _write_foot(image: Image.Image, panel: Panel, time: float, colours: Theme) -> None:
    """Write the time and the part of the clip, with a progress line."""
    width, height = image.size
    unit = max(height / 480, 0.6)
    draw, font = ImageDraw.Draw(image), font_of(max(11, round(14 * unit)))
    left, right, line = 18 * unit, width - 18 * unit, height - 16 * unit
    thick = max(2, round(2.5 * unit))
    end = duration_of(panel.layers)
    here = left + (right - left) * min(max(time / end, 0.0), 1.0)
    draw.line((left, line, right, line), rgb(colours.grid), thick)
    known = panel.boundary is None or time < panel.boundary - 1e-6
    accent = _accent(panel, colours)
    if panel.boundary is None:
        draw.line((left, line, here, line), rgb(colours.muted), thick)
    else:
        split = left + (right - left) * min(panel.boundary / end, 1.0)
        draw.line((left, line, min(here, split), line), rgb(colours.muted), thick)
        if not known:
            draw.line((split, line, here, line), rgb(accent), thick)
        draw.line((split, line - 4 * unit, split, line + 4 * unit), rgb(colours.ink), max(1, round(1.5 * unit)))
        word = "observed" if known else "forecast"
        draw.text((left, line - 9 * unit), word, rgb(colours.muted if known else accent), font, "ls")
    draw.text((right, line - 9 * unit), clock(time, panel.boundary), rgb(colours.muted), font, "rs")


def _accent(panel: Panel, colours: Theme) -> str:
    roles = {layer.role for layer in panel.layers}
    return colours.roles["ghost" if "ghost" in roles else "forecast"].left


def clock(time: float, boundary: float | None) -> str:
    """The time in captions: from the start, or from the boundary."""
    if boundary is None:
        return f"{time:.2f} s"
    ahead = time - boundary
    return "now" if abs(ahead) < 5e-3 else f"{ahead:+.2f} s"


def _write_strip(image: Image.Image, panel: Panel, times: Sequence[float], layout: _Layout, colours: Theme) -> None:
    """Write times below the poses; with a boundary also the two parts, a line between them, and a legend."""
    draw, font, small = ImageDraw.Draw(image), font_of(14), font_of(13)
    line = layout.height - layout.foot
    right = image.width - layout.side
    draw.line((layout.side, line, right, line), rgb(colours.grid), 1)
    centres = [layout.side + (place + 0.5) * layout.cell for place in range(len(times))]
    for centre, time in zip(centres, times, strict=True):
        draw.line((centre, line - 3, centre, line), rgb(colours.muted), 1)
        draw.text((centre, line + 9), clock(time, panel.boundary), rgb(colours.muted), small, "mt")
    if panel.boundary is None:
        return
    known = sum(time < panel.boundary for time in times)
    split = layout.side + known * layout.cell
    for step in range(layout.head - 28, line, 7):
        draw.line((split, step, split, step + 3), rgb(colours.muted), 1)
    top = layout.head - 24
    draw.text((split - 12, top), "observed", rgb(colours.muted), font, "rt")
    draw.text((split + 12, top), "forecast", rgb(_accent(panel, colours)), font, "lt")
    _legend(draw, panel, right, top, split + 110, colours)


def _legend(draw: ImageDraw.ImageDraw, panel: Panel, right: float, top: float, left: float, colours: Theme) -> None:
    """The legend of the part after the boundary, from right to left, as far as there is room."""
    font, place = font_of(13), right
    pale = any(layer.role in ("forecast", "baseline") for layer in panel.layers)
    for layer in panel.layers:
        if layer.role == "observed":
            continue
        name = layer.name or _NAMES[layer.role]
        width = draw.textlength(name, font)
        if place - width - 22 < left:
            return
        draw.text((place - width, top + 1), name, rgb(colours.muted), font, "lt")
        palette = colours.roles[layer.role]
        swatch = [rgb(colour) for colour in (palette.left, palette.spine, palette.right)]
        if layer.role == "ghost":
            swatch = swatch[:1]
        elif layer.role == "truth" and pale:
            swatch = [mix(colours.panel, palette.spine, PALE)]
        for row, colour in enumerate(swatch):
            x = place - width - 9 - 6 * (len(swatch) - 1 - row)
            draw.ellipse((x - 3, top + 4, x + 3, top + 10), colour)
        place -= width + 22 + 6 * len(swatch)
