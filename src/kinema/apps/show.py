"""`kn.show`: a motion, or the answer of a verb, as a page that plays, also in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass, field, replace
from pathlib import Path

from kinema.core.atomic import write_text
from kinema.core.errors import UsageError
from kinema.motion.motion import Motion, Points
from kinema.pipeline.completion.complete import Completed
from kinema.pipeline.forecasting import Answer
from kinema.viz.layers import Drawable, Layer, Panel, layers_of_clip, panel_of
from kinema.viz.page import page_text

_HEIGHT = 620  # pixels of the frame in a notebook


@dataclass(frozen=True)
class Shown:
    """A self-contained HTML page of motion. Notebooks display it; `save` writes it."""

    html: str = field(repr=False)
    title: str

    def save(self, path: Path | str) -> None:
        """Write the page, atomically. Raises KinemaError if it cannot be written."""
        write_text(path, self.html)

    def _repr_html_(self) -> str:
        """The page in a frame, for notebooks."""
        return (
            f'<iframe srcdoc="{html.escape(self.html)}" title="{html.escape(self.title)}" '
            f'style="width:100%;height:{_HEIGHT}px;border:0"></iframe>'
        )


def show(*what: Drawable | Answer | Completed, title: str = "motion", path: Path | str | None = None) -> Shown:
    """A page with one panel each for clips, forecasts, filled clips, layers or panels; all share one clock.

    Of a clip with a batch axis the first body is solid and the others are pale. `path`: also write the page there.
    Raises UsageError for no argument, and for one that cannot be shown.
    """
    if not what:
        raise UsageError(expected="something to show", got="nothing", cure="Give show a motion: kn.show(clip).")
    shown = Shown(page_text([_panel(one) for one in what], title=title), title)
    if path is not None:
        shown.save(path)
    return shown


def _panel(what: Drawable | Answer | Completed) -> Panel:
    if isinstance(what, Completed):
        notes = what.report.lines()[1:]
        return replace(panel_of(what.motion), caption="; ".join(notes))
    if isinstance(what, Answer):
        return _answered(what)
    if not isinstance(what, (Motion, Points, Layer, Panel, list, tuple)):
        raise UsageError(
            expected="a motion, points, the answer of a verb, a layer or a panel",
            got=f"a {type(what).__name__}",
            cure='Read a file first: kn.show(kn.load("walk.bvh")).',
        )
    return panel_of(what)


def _answered(answer: Answer) -> Panel:
    now = answer.observed.frames / answer.observed.fps
    known = Layer("observed", answer.observed.points(), "observed")
    if answer.samples.batch_shape.numel() == 1:
        ahead = (Layer("forecast", answer.samples.one(0).points(), "forecast", now),)
    else:
        ahead = tuple(replace(layer, start=now) for layer in layers_of_clip(answer.samples))
    return Panel(answer.observed.identity or "forecast", (known, *ahead), "; ".join(answer.notes), boundary=now)
