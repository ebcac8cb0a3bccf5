"""`Layer` and `Panel`: which bodies are shown together, in which role, and when.

Times are seconds on the panel's clock. Every frame lasts 1 / fps seconds; between two frames a layer is interpolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from kinema.core.errors import UsageError
from kinema.motion.motion import Motion, Points
from kinema.viz.figure import Figure, figure_of, space
from kinema.viz.style import Role


@dataclass(frozen=True, eq=False)
class Layer:
    """One clip in one role; with a batch axis, several bodies that are shown and hidden together.

    `start` is when its first frame is shown, in seconds on the panel's clock.
    """

    name: str
    points: Points
    role: Role = "truth"
    start: float = 0.0

    @property
    def end(self) -> float:
        """When the last frame has been shown, seconds."""
        return self.start + self.points.frames / self.points.fps

    @property
    def last(self) -> float:
        """The time of the last frame, seconds."""
        return self.start + (self.points.frames - 1) / self.points.fps

    @cached_property
    def bodies(self) -> Float[np.ndarray, "body frame joint 3"]:
        """Positions in metres, 3-D, with exactly one batch axis."""
        return space(self.points)

    @cached_property
    def figure(self) -> Figure:
        """How its bodies are drawn."""
        return figure_of(self.points)

    def at(self, time: float) -> Float[np.ndarray, "body joint 3"] | None:
        """The poses at a time, or None before the first frame and after the last."""
        if not self.start - 1e-6 <= time < self.end - 1e-6:
            return None
        place = min(max((time - self.start) * self.points.fps, 0.0), self.points.frames - 1.0)
        before = int(place + 1e-6)
        after = min(before + 1, self.points.frames - 1)
        share = min(max(place - before, 0.0), 1.0)
        return self.bodies[:, before] * (1 - share) + self.bodies[:, after] * share


@dataclass(frozen=True, eq=False)
class Panel:
    """One window of a page: layers that share a clock. `boundary` is the end of the known part, in seconds.

    `known` has start and end of several known parts; `words` name the known and the other parts.
    """

    title: str
    layers: Sequence[Layer]
    caption: str = ""
    boundary: float | None = None
    known: Sequence[tuple[float, float]] = ()
    words: tuple[str, str] = ("observed", "forecast")

    def __post_init__(self) -> None:
        if not self.layers:
            raise UsageError(expected="at least one layer", got="none", cure="Pass a clip: kn.show(clip).")


Drawable = Motion | Points | Layer | Panel | Sequence[Layer]


def panel_of(what: Drawable) -> Panel:
    """Anything that can be drawn, as a panel. Of a batch the first clip is solid, the others are ghosts."""
    if isinstance(what, Panel):
        return what
    if isinstance(what, Layer):
        return Panel(what.name, (what,))
    if isinstance(what, Motion | Points):
        return Panel(what.identity or what.action or "motion", layers_of_clip(what))
    return Panel("motion", tuple(what))


def layers_of_clip(clip: Motion | Points) -> tuple[Layer, ...]:
    """One layer for one clip; for a batch of several, the first as a forecast and all others as ghosts."""
    points = clip.points()
    if points.batch_shape.numel() == 1:
        return (Layer("motion", points),)
    flat = Points(points.skeleton, points.positions.flatten(0, -4), points.fps, points.action, points.identity)
    rest = Points(flat.skeleton, flat.positions[1:], flat.fps, flat.action, flat.identity)
    return Layer("sample 1", flat.one(0), "forecast"), Layer(f"{len(rest.positions)} more samples", rest, "ghost")


def duration_of(layers: Sequence[Layer]) -> float:
    """When the last layer ends, seconds."""
    return max(layer.end for layer in layers)


def span_of(panel: Panel, start: float | None, stop: float | None) -> tuple[float, float]:
    """The seconds from `start` to `stop`, kept within the panel. Raises UsageError for an empty span."""
    end = duration_of(panel.layers)
    first, last = max(start or 0.0, 0.0), min(stop if stop is not None else end, end)
    if last <= first:
        raise UsageError(
            expected=f"a span within 0 to {end:.2f} s",
            got=f"{first:.2f} to {last:.2f} s",
            cure=f"Choose --from and --to within 0 to {end:.2f}.",
        )
    return first, last
