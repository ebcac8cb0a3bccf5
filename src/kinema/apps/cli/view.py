"""`kinema view` and `kinema render`: view a motion, or draw it."""

from __future__ import annotations

import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kinema.apps.cli.console import has_display, say_address
from kinema.apps.cli.options import Inline
from kinema.core.errors import UsageError
from kinema.pipeline.requests import SourceOptions

if TYPE_CHECKING:
    from kinema.motion.motion import Clip
    from kinema.viz.layers import Panel


_Output = Annotated[Path | None, Parameter(name=["--output", "-o"])]
_SIZES = {".png": 320, ".gif": 360, ".mp4": 720}


def view(
    file: Path,
    /,
    *,
    output: _Output = None,
    live: bool = False,
    webgl: bool = False,
    port: int = 8080,
    open_: Annotated[bool, Parameter(name="--open")] = True,
    fps: float | None = None,
    source: Annotated[SourceOptions | None, Inline] = None,
) -> None:
    """View a motion: write a page that opens from disk, and open it if there is a display.

    Parameters
    ----------
    file
        A motion file of any format. Of several samples the first is solid, the others are pale.
    output
        The page to write. Default: FILE with .html.
    live
        Serve a 3-D viewer on this machine instead, until Ctrl-C.
    webgl
        Write the 3-D viewer as a page instead (about a megabyte; needs WebGL).
    port
        The port of the live viewer.
    open_
        Open the page in the web browser.
    fps
        The same as --source-fps.
    """
    from kinema.viz.page import page

    panel = _panel(_load(file, source, fps))
    if live:
        from kinema.viz.scene import serve  # viser takes a second to import

        serve(panel, port=port, ready=say_address)
        return
    target = output or file.with_suffix(".html")
    if webgl:
        from kinema.viz.scene import scene_html

        scene_html(target, panel)
    else:
        page([panel], target, title=file.name, lead=panel.caption)
    print(target)
    if open_ and has_display():
        webbrowser.open(target.resolve().as_uri())


def _load(file: Path, source: SourceOptions | None, fps: float | None) -> Clip:
    options = source or SourceOptions()
    return (options if fps is None else replace(options, source_fps=fps)).load(file)


def render(
    file: Path,
    /,
    *,
    output: _Output = None,
    size: int | None = None,
    theme: Literal["light", "dark"] = "light",
    view: Literal["three-quarter", "side", "front"] = "three-quarter",
    frames: int | None = None,
    from_: Annotated[float | None, Parameter(name="--from")] = None,
    to: float | None = None,
    fps: float | None = None,
    source: Annotated[SourceOptions | None, Inline] = None,
    action: str | None = None,
    window: int = 0,
    clip: str | None = None,
) -> None:
    """Draw a motion: a film strip (.png), a loop (.gif) or a film (.mp4).

    Parameters
    ----------
    file
        A motion file of any format, or a file of `kinema forecast --samples-out` or `kinema eval --answers`.
    output
        The picture to write: .png, .gif or .mp4. Default: FILE with .gif.
    size
        Height in pixels. Default: 320 (.png), 360 (.gif), 720 (.mp4).
    theme
        Light or dark background.
    view
        The side that the camera sees.
    frames
        The number of poses (.png, default 8) or pictures (.gif).
    from_
        Start, in seconds.
    to
        End, in seconds.
    fps
        The same as --source-fps.
    action
        For a file of --samples-out: the action. Default: the first.
    window
        For a file of --samples-out: the window of the action, counted from 0.
    clip
        For a file of --answers: the clip. Default: the first.
    """
    from kinema.core.atomic import atomic_path
    from kinema.protocols.forecasting.sample_file import is_sample_file
    from kinema.protocols.inbetweening.answer_file import is_answer_file
    from kinema.viz import film, raster

    target = output or file.with_suffix(".gif")
    kind = target.suffix.lower()
    if kind not in _SIZES:
        raise UsageError(
            expected="a name that ends in .png, .gif or .mp4", got=f"'{target.name}'", cure="Type -o motion.gif."
        )
    height = _SIZES[kind] if size is None else size
    if not 64 <= height <= 4096:
        raise UsageError(expected="a size of 64 to 4096 pixels", got=f"{height}", cure="Type --size 360.")
    if frames is not None and frames < 1:
        raise UsageError(expected="at least one frame", got=f"{frames}", cure="Type --frames 8.")
    if is_answer_file(file):
        panel = _answer_panel(file, clip, view)
    elif is_sample_file(file):
        panel = _sample_panel(file, action, window)
    else:
        panel = _panel(_load(file, source, fps))
    if kind == ".png":
        picture = raster.strip(
            panel, count=frames or 8, height=height, theme=theme, view=view, start=from_, stop=to, sharpness=3
        )
        with atomic_path(target) as beside:
            picture.save(beside, "PNG", optimize=True)
    elif kind == ".gif":
        film.gif(target, panel, frames=frames, size=(height, height), theme=theme, view=view, start=from_, stop=to)
    else:
        film.mp4(target, panel, size=(height, height), theme=theme, view=view, start=from_, stop=to)
    print(target)


def _panel(clip: Clip) -> Panel:
    from kinema.viz.layers import Panel, layers_of_clip

    points = clip.points()
    seconds = points.frames / points.fps
    facts = f"{points.skeleton.name}, {len(points.skeleton)} joints, {points.frames} frames, {points.fps:.4g} fps"
    return Panel("", layers_of_clip(points), caption=f"{facts}, {seconds:.2f} s")


def _sample_panel(file: Path, action: str | None, window: int) -> Panel:
    """A window of a sample file: observed, ground truth, and forecast."""
    from kinema.protocols.forecasting.sample_file import load_samples, sample_of
    from kinema.viz import raster

    sample = sample_of(load_samples(file), action, window)
    now = sample.observed / sample.whole.fps
    panel = raster.forecast_panel(sample.whole, sample.prediction, now=now, title="", role="forecast")
    facts = f"{sample.action}, frame {sample.start + sample.observed}: forecast and ground truth"
    return replace(panel, caption=facts)


def _answer_panel(file: Path, clip: str | None, view: str) -> Panel:
    """A clip of a file of answers: the ground truth between the answer and straight lines."""
    from kinema.protocols.inbetweening.answer_file import load_answer
    from kinema.viz.camera import side_by_side
    from kinema.viz.layers import Layer, Panel

    found = load_answer(file, clip)
    layers = (
        Layer(found.model, found.answer, "forecast"),
        Layer("ground truth", found.ground_truth, "observed"),
        Layer("straight lines", found.lines, "baseline"),
    )
    return Panel("", side_by_side(layers, view), caption=f"{found.name}: {found.model}, ground truth, straight lines")
