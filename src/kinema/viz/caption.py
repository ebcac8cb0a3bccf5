"""What is written on a picture: the time, what is known and what is forecast, and what the colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from kinema.viz.layers import Panel, duration_of
from kinema.viz.style import PALE, Role, Theme, mix, rgb

_NAMES: dict[Role, str] = {
    "observed": "observed", "truth": "what happened", "forecast": "forecast", "ghost": "sampled futures",
    "baseline": "baseline", "key": "key poses",
}  # fmt: skip


@dataclass(frozen=True)
class StripLayout:
    """The measures of a film strip in pixels."""

    cell: int
    height: int
    head: int
    foot: int
    side: int

    @property
    def body(self) -> int:
        """The height of the part that shows bodies."""
        return self.height - self.head - self.foot


def font_of(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font that Pillow brings along."""
    return ImageFont.load_default(size)


def write_foot(image: Image.Image, panel: Panel, time: float, colours: Theme) -> None:
    """The time, what part of the clip it is in, and a thin line that shows how far along."""
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
    """The time as it is told in captions: from the start, or before and after the boundary."""
    if boundary is None:
        return f"{time:.2f} s"
    ahead = time - boundary
    return "now" if abs(ahead) < 5e-3 else f"{ahead:+.2f} s"


def write_strip(image: Image.Image, panel: Panel, times: Sequence[float], layout: StripLayout, colours: Theme) -> None:
    """Times below the poses; with a boundary, the two parts, the line between them and what the colours mean."""
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
    """What the colours after the boundary mean, from right to left, as far as there is room."""
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
