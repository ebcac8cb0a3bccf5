"""Still pictures of motion: one moment, a film strip, and futures over the truth.

All of them are plain Pillow images, drawn without a screen or a graphics card, in fonts that Pillow brings along.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from kinema.core.errors import UsageError
from kinema.motion.motion import Motion
from kinema.motion.motion import Points as PointsClip
from kinema.viz.camera import Camera, Shot, shot_of
from kinema.viz.canvas import Canvas
from kinema.viz.caption import StripLayout, write_foot, write_strip
from kinema.viz.layers import Drawable, Layer, Panel, duration_of, panel_of
from kinema.viz.style import KEY, PALE, Role
from kinema.viz.style import theme as theme_of

_ORDER: tuple[Role, ...] = ("key", "ghost", "baseline", "forecast", "observed", "truth")  # painted in this order


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
    """One moment, in perspective, on its ground, with a line below that tells the time.

    `time` is in seconds on the panel's clock; with a boundary it is told relative to it. A `shot` made once by
    `shot_of` keeps the camera the same from frame to frame; `grid` makes the ground's cells larger. Raises UsageError
    for an unknown theme or view.
    """
    panel, colours = panel_of(what), theme_of(theme)
    shot = shot or shot_of(panel.layers, view=view, aspect=size[0] / size[1])
    camera = shot.at(time)
    canvas = Canvas(size, colours, sharpness=sharpness)
    canvas.ground(camera, shot.floor, grid * cell_of(shot.stature))
    paint(canvas, panel, time, camera, shot.floor)
    image = canvas.finish()
    if caption:
        write_foot(image, panel, time, colours)
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

    With a boundary, the times are told relative to it, and the known part and the forecast are marked. Raises
    UsageError for a count below 1, or a span that holds nothing.
    """
    panel, colours = panel_of(what), theme_of(theme)
    times = _times(panel, count, start, stop)
    shot = shot_of(panel.layers, view=view, aspect=0.72, projection="orthographic", margin=0.06)
    width = _reach(panel, times, shot)
    layout = StripLayout(
        cell=round((height - 84) * width),
        height=height,
        head=46 if panel.boundary is not None else 20,
        foot=38,
        side=22,
    )
    canvas = Canvas((layout.cell * count + 2 * layout.side, height), colours, sharpness=sharpness)
    # A canvas scales by its height; the bodies have to fit into what head and foot leave over.
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
    write_strip(image, panel, times, layout, colours)
    return image


def overlay(
    truth: Motion | PointsClip,
    futures: Motion | PointsClip | None,
    *,
    now: float,
    count: int = 8,
    height: int = 340,
    theme: str = "light",
    view: str = "three-quarter",
) -> Image.Image:
    """A strip of what happened (solid) with sampled futures over it (translucent, paler the further ahead).

    `truth` holds the known part and what came after it; `futures` start at `now` (seconds) and may have a batch axis.
    """
    return strip(forecast_panel(truth, futures, now=now), count=count, height=height, theme=theme, view=view)


def forecast_panel(
    truth: Motion | PointsClip,
    futures: Motion | PointsClip | None,
    *,
    now: float,
    title: str = "forecast",
    role: Role = "ghost",
) -> Panel:
    """The panel of a forecast: the known part in grey, the truth after it, and the futures that start at `now`."""
    points = truth.points()
    known = min(max(round(now * points.fps), 1), points.frames)
    layers = [Layer("observed", points[:known], "observed")]
    if known < points.frames:
        layers.append(Layer("what happened", points[known:], "truth", known / points.fps))
    if futures is not None:
        name = "sampled futures" if role == "ghost" else role
        layers.append(Layer(name, futures.points(), role, known / points.fps))
    return Panel(title, tuple(layers), boundary=known / points.fps)


def paint(canvas: Canvas, panel: Panel, time: float, camera: Camera, floor: float) -> None:
    """Every layer of a panel at a time: shadows first, then ghosts, then solid bodies.

    Over ghosts the truth is solid; where another solid body is there, it is the truth that steps back and turns pale.
    """
    ordered = sorted(panel.layers, key=lambda layer: _ORDER.index(layer.role))
    seen = [(layer, poses) for layer in ordered if (poses := layer.at(time)) is not None]
    flat = all(layer.points.positions.shape[-1] == 2 for layer in panel.layers)
    forecast = any(layer.role in ("forecast", "baseline") for layer, _ in seen)
    opacities = [_opacity(layer, time, forecast=forecast) for layer, _ in seen]
    for (layer, poses), opacity in zip(seen, opacities, strict=True):
        for pose in poses if opacity == 1 and not flat else ():
            canvas.shadow(camera, pose, layer.figure, floor)
    # What is translucent lies behind what is solid.
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
    """Many ghosts are each paler than few, and all pale as they look further ahead (by half in one second)."""
    if layer.role == "ghost":
        return (0.55 / len(layer.bodies) ** 0.4) * (0.4 + 0.6 * 0.5 ** max(time - layer.start, 0.0))
    if layer.role == "key":
        return KEY
    return PALE if layer.role == "truth" and forecast else 1.0


def _times(panel: Panel, count: int, start: float | None, stop: float | None) -> list[float]:
    end = duration_of(panel.layers)
    first, last = max(start or 0.0, 0.0), min(stop if stop is not None else end, end)
    if count < 1 or last <= first:
        raise UsageError(
            expected=f"at least one pose, and a span within 0 to {end:.2f} s",
            got=f"{count} poses from {first:.2f} to {last:.2f} s",
            cure="Change --frames, --from or --to.",
        )
    if panel.boundary is None or not first < panel.boundary < last or count < 3:
        return np.linspace(first, last - 1e-3, count).tolist() if count > 1 else [(first + last) / 2]
    # With a boundary one pose stands exactly at it: the last that is known.
    now = panel.boundary - 2e-3
    before = min(max(round((count - 1) * (now - first) / (last - first)), 1), count - 2)
    known = np.linspace(first, now, before + 1)
    return [*known.tolist(), *np.linspace(now, last - 1e-3, count - before)[1:].tolist()]


def _target(panel: Panel, time: float, camera: Camera) -> np.ndarray:
    """Of a strip's cell: over the most solid body that is there, so that every pose stands in its middle."""
    order = list(reversed(_ORDER))
    for layer in sorted(panel.layers, key=lambda layer: order.index(layer.role)):
        poses = layer.at(time)
        drawn = None if poses is None else poses[:, layer.figure.joints]
        if drawn is not None and np.isfinite(drawn).any():
            middle = (np.nanmin(drawn, (0, 1)) + np.nanmax(drawn, (0, 1))) / 2
            return np.array([middle[0], camera.target[1], middle[2]])
    return camera.target


def _reach(panel: Panel, times: Sequence[float], shot: Shot) -> float:
    """The width of a cell as a share of its height: what the widest pose needs, within limits."""
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
