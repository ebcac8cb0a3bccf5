"""`ClientScene`: the bodies of one page in its scene, overlaid or side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import viser

from kinema.viz.camera import Shot, shot_of
from kinema.viz.layers import Layer, Panel, duration_of
from kinema.viz.raster import cell_of
from kinema.viz.scene import SceneBody, add_body, add_ground, stand
from kinema.viz.style import THEMES, Theme, ThemeName

Arrangement = Literal["overlaid", "side by side"]
_LANE = 0.75  # distance of two bodies side by side, in body heights
_PALE = 0.5  # opacity of the ground truth behind an answer
_LEVEL = np.array([1.0, 0.0, 1.0])
_MANY = 0.45  # opacity of overlaid samples after the first
_HANDLE = 0.18  # size of a handle, in body heights
_RED = (209, 72, 63)


@dataclass(eq=False)
class ClientScene:
    """What one client sees. Not thread-safe: its session holds the lock."""

    client: viser.ClientHandle
    theme: ThemeName = "light"
    arrangement: Arrangement = "overlaid"
    truth: bool = True
    panel: Panel | None = None
    _bodies: list[SceneBody] = field(default_factory=list[SceneBody])
    _labels: list[viser.LabelHandle] = field(default_factory=list[viser.LabelHandle])
    _world: viser.FrameHandle | None = None
    _ground: viser.GridHandle | None = None
    _shot: Shot | None = None
    _marks: viser.FrameHandle | None = None
    _lane: tuple[str, np.ndarray] = ("/world/0", np.zeros(3))  # of the answer: its node and its place

    @property
    def duration(self) -> float:
        """Seconds; 0 without a panel."""
        return duration_of(self.panel.layers) if self.panel else 0.0

    def show(self, panel: Panel, *, look: bool = True) -> None:
        """Show a panel's bodies; with `look`, point the camera at them."""
        self.panel, self._shot = panel, shot_of(panel.layers)
        theme, shot = THEMES[self.theme], self._shot
        with self.client.atomic():
            self._clear()
            self._ground = add_ground(self.client.scene, shot, theme)
            self._world = self.client.scene.add_frame("/world", show_axes=False)
            lanes = self._lanes(panel)
            for number, lane in enumerate(lanes):
                self._add_lane(number, lane, shot, theme, wide=len(lanes))
            if look:
                place, target, lens = stand(shot, 0.0)
                spread = np.array(target) + (np.array(place) - target) * (1 + 0.28 * (len(lanes) - 1))
                self.client.camera.up_direction = (0.0, 1.0, 0.0)
                self.client.camera.fov = lens
                self.client.camera.position, self.client.camera.look_at = spread, target

    def pose(self, time: float) -> None:
        """Show the moment `time`, all bodies at once.

        The camera belongs to the user, so the world moves instead: a walking body stays in the picture.
        """
        if self._shot is None or self._world is None or self._ground is None:
            return
        way = (self._shot.at(time).target - self._shot.at(0.0).target) * _LEVEL
        tile = 4 * cell_of(self._shot.stature)
        with self.client.atomic():
            self._world.position = -way
            self._ground.position = np.array([0.0, self._shot.floor, 0.0]) - way % tile
            for body in self._bodies:
                body.pose(min(time, self.duration - 1e-4))

    def mark(self, points: Sequence[tuple[Sequence[float], str]], moved: Callable[[int, Any], None]) -> None:
        """Show a handle for each point, with its name: x, y, z in metres, or x, z on the floor.

        `moved` is called with the number of a point and its new x, y, z, as the page sends them, when it was dragged.
        """
        with self.client.atomic():
            if self._marks is not None:
                self._marks.remove()  # with its children
                self._marks = None
            if self._shot is None or not points:
                return
            scene, under = self.client.scene, f"{self._lane[0]}/marks"
            size = _HANDLE * self._shot.stature
            self._marks = scene.add_frame(under, show_axes=False)
            places = [self._raised(place) for place, _ in points]
            for number, (place, name) in enumerate(points):
                flat = len(place) == 2
                handle = scene.add_transform_controls(
                    f"{under}/{number}", scale=size, active_axes=(True, not flat, True), disable_rotations=True,
                    depth_test=False, position=places[number],
                )  # fmt: skip
                handle.on_update(lambda event, number=number: _dragged(event, number, moved))
                scene.add_icosphere(f"{under}/{number}/ball", radius=0.12 * size, color=_RED)
                if name:
                    scene.add_label(f"{under}/{number}/name", name)
            floor = np.array([at for at, (place, _) in zip(places, points, strict=True) if len(place) == 2])
            if len(floor) > 1:
                lines = np.stack((floor[:-1], floor[1:]), 1)
                scene.add_line_segments(f"{under}/path", lines.astype(np.float32), _RED, thickness=0.1 * size)

    def floor_at(self, origin: Sequence[float], direction: Sequence[float]) -> tuple[float, float] | None:
        """Where a ray of the page meets the floor: x and z in the answer, metres; None if it does not."""
        if self._shot is None or self._world is None or len(origin) != 3 or len(direction) != 3:
            return None
        start, way = np.array(origin, dtype=float), np.array(direction, dtype=float)
        reach = (self._shot.floor - start[1]) / way[1] if abs(way[1]) > 1e-6 else -1.0
        if reach <= 0:
            return None
        x, _, z = (start + reach * way - self._world.position - self._lane[1]).tolist()
        return x, z

    def _raised(self, place: Sequence[float]) -> tuple[float, float, float]:
        floor = self._shot.floor if self._shot else 0.0
        return (place[0], floor, place[1]) if len(place) == 2 else (place[0], place[1], place[2])

    def _clear(self) -> None:
        for root in (self._world, *self._labels):
            if root is not None:
                root.remove()  # with its children
        self._labels, self._bodies, self._marks = [], [], None

    def _lanes(self, panel: Panel) -> list[tuple[str, tuple[Layer, ...]]]:
        """The lanes: all layers in one, or one for each answer with the known layers in it."""
        layers = [layer for layer in panel.layers if self.truth or layer.role != "truth"]
        ways = [layer for layer in layers if layer.role != "observed"]
        if self.arrangement == "overlaid" or len(ways) < 2:
            return [("", tuple(layers))]
        known = tuple(layer for layer in layers if layer.role == "observed")
        return [(way.name, (*known, way)) for way in ways]

    def _add_lane(
        self, number: int, lane: tuple[str, tuple[Layer, ...]], shot: Shot, theme: Theme, *, wide: int
    ) -> None:
        name, layers = lane
        camera, scene = shot.at(0.0), self.client.scene
        place = camera.axes[0] * _LEVEL * (number - (wide - 1) / 2) * _LANE * shot.stature
        under = f"/world/{number}"
        scene.add_frame(under, show_axes=False, position=place)
        self._lane = (under, place)  # the answer is in the last one
        if name:
            foot = camera.target * _LEVEL + np.array([0.0, shot.floor, 0.0])
            front = camera.axes[2] * _LEVEL * 0.6 * shot.stature
            self._labels.append(scene.add_label(f"/name/{number}", name, position=place + foot + front))
        answers = [layer for layer in layers if layer.role in ("forecast", "baseline")]
        for layer in layers:
            opacity = None
            if layer.role == "truth" and answers:
                opacity = _PALE
            elif layer in answers[1:]:
                opacity = _MANY
            for index in range(len(layer.bodies)):
                self._bodies.append(add_body(scene, layer, index, theme=theme, opacity=opacity, under=under))


def _dragged(event: viser.TransformControlsEvent, number: int, moved: Callable[[int, Any], None]) -> None:
    if event.phase == "end":
        moved(number, np.asarray(event.target.position).tolist())
