"""`kinema view` and `kinema render`: look at a motion file, or draw it."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from kinema.core.errors import UsageError

if TYPE_CHECKING:
    from kinema.motion.motion import Clip
    from kinema.viz.layers import Panel


_SIZES = {".png": 320, ".gif": 360, ".mp4": 720}
_SHARP = 3


def view(
    file: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    live: bool = False,
    webgl: bool = False,
    port: int = 8080,
    open_: Annotated[bool, Parameter(name="--open")] = True,
    fps: float | None = None,
) -> None:
    """Look at a motion: writes one page that opens from disk, and opens it where there is a display.

    Parameters
    ----------
    file
        A motion file: BVH, NPZ (a batch of samples is drawn as ghosts), or exponential-map text.
    output
        Where the page goes; FILE with .html beside it is the default.
    live
        Serve a 3-D viewer on this machine instead, until Ctrl-C.
    webgl
        Write the 3-D viewer's own page instead (about a megabyte; needs WebGL).
    port
        The port of the live viewer.
    open_
        Open the page in the web browser.
    fps
        Frames per second, for a file that does not say.
    """
    from kinema.io.formats import load_clip
    from kinema.viz.page import page

    panel = _panel(file, load_clip(file, fps=fps))
    if live:
        from kinema.viz.scene import serve  # viser takes a second to import

        serve(panel, port=port, ready=lambda address: _say(f"{address}  (Ctrl-C ends it)"))
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


def render(
    file: Path,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    size: int | None = None,
    theme: Literal["light", "dark"] = "light",
    view: Literal["three-quarter", "side", "front"] = "three-quarter",
    frames: int | None = None,
    from_: Annotated[float | None, Parameter(name="--from")] = None,
    to: float | None = None,
    fps: float | None = None,
    action: str | None = None,
    window: int = 0,
    clip: str | None = None,
) -> None:
    """Draw a motion: a film strip (.png), a loop (.gif) or a film (.mp4).

    Parameters
    ----------
    file
        A motion file: BVH, NPZ (a batch of samples is drawn as ghosts), or exponential-map text.
    output
        The picture; its suffix says which kind. FILE with .gif beside it is the default.
    size
        Height in pixels.
    theme
        Light or dark paper.
    view
        Where the camera stands.
    frames
        How many poses (.png) or pictures (.gif).
    from_
        Start, in seconds.
    to
        End, in seconds.
    fps
        Frames per second, for a file that does not say.
    action
        Of a sample file (`kinema forecast --samples-out`): the action; default: the first.
    window
        Of a sample file: which window of the action, from 0.
    clip
        Of a file of answers (`kinema eval --answers`): which clip; default: the first. The truth stands between the
        answer and straight lines.
    """
    from kinema.core.atomic import atomic_path
    from kinema.io.formats import load_clip
    from kinema.protocols.forecasting.sample_file import is_sample_file
    from kinema.protocols.inbetweening.answer_file import is_answer_file
    from kinema.viz import film, raster

    target = output or file.with_suffix(".gif")
    kind = target.suffix.lower()
    if kind not in _SIZES:
        raise UsageError(
            expected="a name that ends in .png, .gif or .mp4", got=f"'{target.name}'", cure="Say -o motion.gif."
        )
    height = _SIZES[kind] if size is None else size
    if not 64 <= height <= 4096:
        raise UsageError(expected="a size of 64 to 4096 pixels", got=f"{height}", cure="Say --size 360.")
    if frames is not None and frames < 1:
        raise UsageError(expected="at least one frame", got=f"{frames}", cure="Say --frames 8.")
    if is_answer_file(file):
        panel = _answer_panel(file, clip, view)
    elif is_sample_file(file):
        panel = _sample_panel(file, action, window)
    else:
        panel = _panel(file, load_clip(file, fps=fps))
    if kind == ".png":
        picture = raster.strip(
            panel, count=frames or 8, height=height, theme=theme, view=view, start=from_, stop=to, sharpness=_SHARP
        )
        with atomic_path(target) as beside:
            picture.save(beside, "PNG", optimize=True)
    elif kind == ".gif":
        film.gif(target, panel, frames=frames, size=(height, height), theme=theme, view=view, start=from_, stop=to)
    else:
        film.mp4(target, panel, size=(height, height), theme=theme, view=view, start=from_, stop=to)
    print(target)


def _panel(file: Path, clip: Clip) -> Panel:
    from kinema.viz.layers import Panel, layers_of_clip

    points = clip.points()
    seconds = points.frames / points.fps
    facts = f"{points.skeleton.name}, {len(points.skeleton)} joints, {points.frames} frames, {points.fps:.4g} fps"
    return Panel("", layers_of_clip(points), caption=f"{facts}, {seconds:.2f} s")


def _sample_panel(file: Path, action: str | None, window: int) -> Panel:
    """A window of a sample file: what was observed, what happened, and what was predicted."""
    from kinema.protocols.forecasting.sample_file import load_samples, sample_of
    from kinema.viz import raster

    sample = sample_of(load_samples(file), action, window)
    now = sample.observed / sample.whole.fps
    panel = raster.forecast_panel(sample.whole, sample.prediction, now=now, title="", role="forecast")
    facts = f"{sample.action}, frame {sample.start + sample.observed}: prediction beside what happened"
    return replace(panel, caption=facts)


def _answer_panel(file: Path, clip: str | None, view: str) -> Panel:
    """A clip of a file of answers: the ground truth between the answer and straight lines."""
    from kinema.protocols.inbetweening.answer_file import load_answer
    from kinema.viz.camera import side_by_side
    from kinema.viz.layers import Layer, Panel

    found = load_answer(file, clip)
    layers = (
        Layer(found.model, found.answer, "forecast"),
        Layer("truth", found.ground_truth, "observed"),
        Layer("straight lines", found.lines, "baseline"),
    )
    return Panel("", side_by_side(layers, view), caption=f"{found.name}: {found.model}, truth, straight lines")


def has_display() -> bool:
    """Whether a web browser could be seen."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
