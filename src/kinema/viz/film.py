"""Moving pictures of motion: GIF with Pillow alone, MP4 (H.264) through PyAV where it is installed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from kinema.core.atomic import atomic_path
from kinema.core.errors import UsageError
from kinema.core.progress import pieces
from kinema.viz.camera import Shot, shot_of
from kinema.viz.layers import Drawable, Panel, panel_of, span_of
from kinema.viz.raster import frame
from kinema.viz.style import Role, mix, rgb
from kinema.viz.style import theme as theme_of

_SHORTEST = 2  # centiseconds: browsers slow down anything faster
_SHADES = 12
_SAMPLED = 6  # frames that the palette is made from
_PIXELS = 2**24  # of pictures that are held at once
_TRAILER = b";"
_APPLICATION = 0xFF


def gif(
    path: Path | str,
    what: Drawable,
    *,
    frames: int | None = None,
    fps: float = 20.0,
    size: tuple[int, int] = (360, 360),
    theme: str = "light",
    view: str = "three-quarter",
    start: float | None = None,
    stop: float | None = None,
) -> None:
    """Write a GIF that loops and lasts as long as the motion.

    A GIF counts time in hundredths of a second: the step is the whole number nearest to `fps` (or to `frames` pictures
    in all), and poses between two frames are interpolated. Written atomically. Raises UsageError for an empty span, an
    unknown theme or an unknown view.
    """
    panel = panel_of(what)
    first, last = span_of(panel, start, stop)
    wish = 100 * (last - first) / frames if frames else 100 / fps
    delay = max(_SHORTEST, round(wish))
    count = max(1, round(100 * (last - first) / delay))
    times = [first + step * delay / 100 for step in range(count)]
    # The last picture takes the remainder of the rounding.
    delays = [10 * delay] * (count - 1) + [10 * max(_SHORTEST, round(100 * (last - times[-1])))]
    shown, shot = times[:: max(1, count // _SAMPLED)], shot_of(panel.layers, view=view, aspect=size[0] / size[1])
    palette = _palette(list(_pictures(panel, shown, size, theme, shot, grid=3.0)), panel, theme)
    together = max(2, _PIXELS // (size[0] * size[1]))
    with atomic_path(path) as beside, beside.open("wb") as file:
        for span in pieces(count, together, "draw"):
            drawn = _pictures(panel, times[span], size, theme, shot, grid=3.0)
            small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in drawn]
            data = io.BytesIO()
            small[0].save(
                data, "GIF", save_all=True, append_images=small[1:], duration=delays[span], loop=0, disposal=1,
                optimize=False,
            )  # fmt: skip
            whole, start_at = data.getvalue(), 0 if span.start == 0 else _after_header(data.getvalue())
            file.write(whole[start_at : -len(_TRAILER)])
        file.write(_TRAILER)


def _after_header(data: bytes) -> int:
    """Where the pictures of a GIF begin: after its signature, palette and loop block.

    Pieces of one film share all three, so that only the first piece is written with them.
    """
    palette = 3 * 2 ** ((data[10] & 7) + 1) if data[10] & 128 else 0
    at = 13 + palette
    while data[at : at + 1] == b"!" and data[at + 1] == _APPLICATION:
        at += 2
        while data[at]:
            at += data[at] + 1
        at += 1
    return at


def mp4(
    path: Path | str,
    what: Drawable,
    *,
    fps: int = 30,
    size: tuple[int, int] = (720, 720),
    theme: str = "light",
    view: str = "three-quarter",
    start: float | None = None,
    stop: float | None = None,
) -> None:
    """Write an H.264 film in real time; odd sizes are rounded down to even ones. Written atomically.

    Raises UsageError where PyAV is not installed, naming the extra, and for an empty span.
    """
    try:
        import av
        from av.video.stream import VideoStream
    except ImportError as error:
        raise UsageError(
            expected="PyAV, which writes MP4",
            got="an installation without it",
            cure='Install the extra (pip install "kinema[video]"), or write a .gif.',
        ) from error
    panel = panel_of(what)
    first, last = span_of(panel, start, stop)
    size = (size[0] // 2 * 2, size[1] // 2 * 2)
    times = [first + step / fps for step in range(max(1, round((last - first) * fps)))]
    shot = shot_of(panel.layers, view=view, aspect=size[0] / size[1])
    with atomic_path(path) as beside, av.open(str(beside), "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "medium"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for span in pieces(len(times), fps, "draw"):
            for picture in _pictures(panel, times[span], size, theme, shot):
                for packet in stream.encode(av.VideoFrame.from_image(picture)):
                    film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)


def _pictures(
    panel: Panel, times: list[float], size: tuple[int, int], theme: str, shot: Shot, *, grid: float = 1.0
) -> Iterator[Image.Image]:
    for time in times:
        yield frame(panel, time, size=size, theme=theme, shot=shot, sharpness=2, grid=grid)


def _palette(pictures: list[Image.Image], panel: Panel, theme: str) -> Image.Image:
    """One palette for the whole film, so that nothing flickers: the theme's colours, and shades from some frames."""
    colours = theme_of(theme)
    own = [rgb(colour) for colour in (colours.panel, colours.ink, colours.muted, colours.grid)]
    own += [mix(colours.panel, colours.shadow, tint / 100) for tint in (4, 9, 15, 22)]
    roles: dict[Role, None] = dict.fromkeys(layer.role for layer in panel.layers)
    for role in roles:
        of_role = colours.roles[role]
        own += [rgb(of_role.left), rgb(of_role.right), rgb(of_role.spine)]
        if role == "ghost":
            own += [mix(colours.panel, of_role.spine, tint / 100) for tint in (15, 30, 45, 60, 75)]
    chosen = pictures[:: max(1, len(pictures) // _SAMPLED)]
    width, height = chosen[0].size
    sheet = Image.new("RGB", (width, height * len(chosen)))
    for row, picture in enumerate(chosen):
        sheet.paste(picture, (0, row * height))
    shades = sheet.quantize(_SHADES, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).getpalette() or []
    palette = Image.new("P", (1, 1))
    palette.putpalette([part for colour in dict.fromkeys(own) for part in colour] + shades[: 3 * _SHADES])
    return palette
