"""`ClientScene`: the bodies of one page in its scene, overlaid or side by side."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

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

    def _clear(self) -> None:
        for root in (self._world, *self._labels):
            if root is not None:
                root.remove()  # with its children
        self._labels, self._bodies = [], []

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
        if name:
            foot = camera.target * _LEVEL + np.array([0.0, shot.floor, 0.0])
            front = camera.axes[2] * _LEVEL * 0.6 * shot.stature
            self._labels.append(scene.add_label(f"/name/{number}", name, position=place + foot + front))
        answers = [layer for layer in layers if layer.role == "forecast"]
        for layer in layers:
            opacity = None
            if layer.role == "truth" and answers:
                opacity = _PALE
            elif layer in answers[1:]:
                opacity = _MANY
            for index in range(len(layer.bodies)):
                self._bodies.append(add_body(scene, layer, index, theme=theme, opacity=opacity, under=under))
