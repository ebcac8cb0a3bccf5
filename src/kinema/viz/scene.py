"""The live viewer, on viser: one scene of capsules and balls in WebGL, served to a browser or exported as one page.

The canvas page (`kinema.viz.page`) needs neither a server nor WebGL. This viewer is for free 3-D views of long clips,
and for adding to its scene (`open_scene` returns the server).
"""

from __future__ import annotations

import contextlib
import io
import time as clock
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import viser
from jaxtyping import Float, Int

from kinema.core.atomic import write_bytes
from kinema.viz.camera import Shot, shot_of
from kinema.viz.figure import Figure
from kinema.viz.layers import Drawable, Layer, Panel, duration_of, panel_of
from kinema.viz.raster import cell_of
from kinema.viz.style import LIGHT, Side, Theme, mix, rgb

_GHOST_OPACITY = 0.25
_EXPORT_FPS = 25.0
_UP = np.array([0.0, 1.0, 0.0])
Place = tuple[float, float, float]


@dataclass(frozen=True)
class Rod:
    """A round rod between two joints; `radius` in metres."""

    start: int
    end: int
    radius: float
    side: Side


@dataclass(eq=False)
class SceneBody:
    """The handles of one body in the scene: its bones (unit cylinders, moved and stretched) and its balls."""

    layer: Layer
    index: int
    bones: Any
    balls: Any
    shown: bool = True

    def pose(self, time: float) -> None:
        """Move the body to its pose at a time; hide it if it has none."""
        poses = self.layer.at(time)
        visible = self.shown and poses is not None and bool(np.isfinite(poses[self.index]).all())
        if self.bones.visible != visible:
            self.bones.visible = self.balls.visible = visible
        if visible and poses is not None:
            self.bones.batched_positions, self.bones.batched_wxyzs, _ = _sticks(poses[self.index], self.layer.figure)
            self.balls.batched_positions = _balls(poses[self.index], self.layer.figure)[0]


@dataclass(eq=False)
class Scene:
    """A viser server with the bodies of one panel in it."""

    server: viser.ViserServer
    panel: Panel
    bodies: list[SceneBody] = field(default_factory=list[SceneBody])

    @property
    def duration(self) -> float:
        """Seconds."""
        return duration_of(self.panel.layers)

    def pose(self, time: float) -> None:
        """Show the moment `time`, all bodies at once."""
        with self.server.atomic():
            for body in self.bodies:
                body.pose(min(time, self.duration - 1e-4))

    def close(self) -> None:
        """Stop the server."""
        with quietly():
            self.server.stop()
            clock.sleep(0.1)  # its own thread closes the connections


def open_scene(what: Drawable, *, port: int = 8080, host: str = "127.0.0.1") -> Scene:
    """Start a server with the scene, by default for this machine only.

    If the port is taken, viser takes the next free one (`scene.server.get_port()`).
    """
    panel = panel_of(what)
    with quietly():
        server = viser.ViserServer(host=host, port=port, label="kinema", verbose=False)
    shot = shot_of(panel.layers)
    server.scene.set_up_direction("+y")
    server.gui.configure_theme(show_logo=False, show_share_button=False)  # sharing uses a server elsewhere
    place, target, lens = stand(shot, duration_of(panel.layers) / 2)
    server.initial_camera.fov = lens
    server.initial_camera.position, server.initial_camera.look_at = place, target
    server.initial_camera.up = (0.0, 1.0, 0.0)
    add_ground(server.scene, shot)
    scene = Scene(server, panel)
    for layer in panel.layers:
        for index in range(len(layer.bodies)):
            scene.bodies.append(add_body(server.scene, layer, index))
    scene.pose(0.0)
    return scene


def stand(shot: Shot, time: float) -> tuple[Place, Place, float]:
    """Position and target of a shot's camera, metres, and its angle of view, radians."""
    camera = shot.at(time)
    lens = camera.lens or 0.5
    away = 1.25 * camera.height / 2 / np.tan(lens / 2)
    x, y, z = (camera.target + away * camera.axes[2]).tolist()
    along, up, across = camera.target.tolist()
    return (x, y, z), (along, up, across), lens


def add_ground(scene: viser.SceneApi, shot: Shot, theme: Theme = LIGHT) -> viser.GridHandle:
    """The grid on the floor, with darker lines than in a picture: they fade with the distance."""
    cell, lines = cell_of(shot.stature), [mix(theme.grid, theme.muted, share) for share in (0.25, 0.5)]
    return scene.add_grid(
        "/ground", 40 * cell, 40 * cell, plane="xz", cell_size=cell, section_size=4 * cell, cell_color=lines[0],
        section_color=lines[1], position=(0.0, shot.floor, 0.0),
    )  # fmt: skip


def serve(
    what: Drawable,
    *,
    port: int = 8080,
    host: str = "127.0.0.1",
    ready: Callable[[str], None] | None = None,
    keep_on: Callable[[], bool] = lambda: True,
) -> None:
    """Serve the scene with controls (play, time, speed, layers, samples) until `keep_on` returns False or Ctrl-C.

    `ready` is called once with the address.
    """
    scene = open_scene(what, port=port, host=host)
    try:
        controls = _add_controls(scene)
        if ready is not None:
            ready(f"http://{host}:{scene.server.get_port()}")
        before = clock.monotonic()
        while keep_on():
            clock.sleep(1 / 40)
            now = clock.monotonic()
            if controls["play"].value:
                time = controls["time"].value + (now - before) * float(controls["speed"].value.rstrip("x"))
                controls["time"].value = time % scene.duration
            before = now
    finally:
        scene.close()


def scene_html(path: Path | str, what: Drawable) -> None:
    """Write viser's own self-contained page of the scene (about a megabyte; needs WebGL), atomically."""
    scene = open_scene(what, port=0)
    try:
        serializer = scene.server.get_scene_serializer()
        steps = max(1, round(scene.duration * _EXPORT_FPS))
        for step in range(steps):
            scene.pose(step / _EXPORT_FPS)
            serializer.insert_sleep(1 / _EXPORT_FPS)
        write_bytes(path, serializer.as_html().encode())
    finally:
        scene.close()


@contextlib.contextmanager
def quietly() -> Generator[None]:
    """Keep viser's banner off standard output, which is for data."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def add_body(
    scene: viser.SceneApi,
    layer: Layer,
    index: int,
    *,
    theme: Theme = LIGHT,
    opacity: float | None = None,
    under: str = "",
) -> SceneBody:
    """One body of a layer in a scene, below the node `under`; the default `opacity` of ghosts is 0.25."""
    poses = layer.bodies[index]
    known = np.isfinite(poses).all((-1, -2))
    first = poses[int(known.argmax())] if known.any() else np.zeros_like(poses[0])
    palette = theme.roles[layer.role]
    if opacity is None and layer.role == "ghost":
        opacity = _GHOST_OPACITY
    middles, turns, lengths = _sticks(first, layer.figure)
    rods = _rods(layer.figure)
    radii = np.array([rod.radius for rod in rods])
    vertices, faces = cylinder()
    name = f"{under}/{layer.name}/{index + 1}"
    colours = np.array([rgb(palette.side(rod.side)) for rod in rods], dtype=np.uint8).reshape(-1, 3)
    bones = scene.add_batched_meshes_simple(
        f"{name}/bones", vertices, faces, turns, middles, batched_scales=np.stack((radii, lengths, radii), -1),
        batched_colors=colours, opacity=opacity, lod="off",
    )  # fmt: skip
    places, sizes, tints = _balls(first, layer.figure)
    vertices, faces = ball()
    balls = scene.add_batched_meshes_simple(
        f"{name}/joints", vertices, faces, np.tile([1.0, 0, 0, 0], (len(places), 1)), places,
        batched_scales=np.repeat(sizes[:, None], 3, 1),
        batched_colors=np.array([rgb(palette.side(side)) for side in tints], dtype=np.uint8),
        opacity=opacity, lod="off",
    )  # fmt: skip
    return SceneBody(layer, index, bones, balls)


def _add_controls(scene: Scene) -> dict[str, Any]:
    gui = scene.server.gui
    controls: dict[str, Any] = {
        "play": gui.add_checkbox("Play", initial_value=True),
        "time": gui.add_slider("Time, s", min=0.0, max=round(scene.duration, 2), step=0.01, initial_value=0.0),
        "speed": gui.add_dropdown("Speed", ("0.25x", "0.5x", "1x", "2x"), initial_value="1x"),
    }
    controls["time"].on_update(lambda _: scene.pose(controls["time"].value))
    for layer in scene.panel.layers:
        _add_layer_controls(scene, layer, lambda: scene.pose(controls["time"].value))
    return controls


def _add_layer_controls(scene: Scene, layer: Layer, redraw: Callable[[], None]) -> None:
    gui, mine = scene.server.gui, [body for body in scene.bodies if body.layer is layer]
    shown = gui.add_checkbox(f"Show {layer.name}", initial_value=True)
    names = ("all", *(str(number + 1) for number in range(len(mine))))
    sample = gui.add_dropdown(f"Sample of {layer.name}", names, initial_value="all") if len(mine) > 1 else None

    def update(_: Any) -> None:
        for body in mine:
            body.shown = shown.value and (sample is None or sample.value in ("all", str(body.index + 1)))
        redraw()

    shown.on_update(update)
    if sample is not None:
        sample.on_update(update)


def _sticks(
    pose: Float[np.ndarray, "joint 3"], figure: Figure
) -> tuple[Float[np.ndarray, "bone 3"], Float[np.ndarray, "bone 4"], Float[np.ndarray, " bone"]]:
    """Centres, rotations (wxyz) from +y to the bone, and lengths."""
    rods = _rods(figure)
    start, end = pose[[rod.start for rod in rods]], pose[[rod.end for rod in rods]]
    along = end - start
    lengths = np.maximum(np.linalg.norm(along, axis=-1), 1e-6)
    along = along / lengths[:, None]
    # Half-way quaternion: (1 + y.a, y x a); opposite to +y any perpendicular axis works.
    turns = np.concatenate((1 + along[:, 1:2], np.cross(_UP, along)), -1)
    turns = np.where(turns[:, :1] < 1e-6, np.array([0.0, 1.0, 0.0, 0.0]), turns)
    return (start + end) / 2, turns / np.linalg.norm(turns, axis=-1, keepdims=True), lengths


def _balls(
    pose: Float[np.ndarray, "joint 3"], figure: Figure
) -> tuple[Float[np.ndarray, "ball 3"], Float[np.ndarray, " ball"], Sequence[Side]]:
    """A ball at both ends of every rod, and the head: positions, radii, sides."""
    places: list[np.ndarray] = []
    radii: list[float] = []
    sides: list[Side] = []
    for rod in _rods(figure):
        places += [pose[rod.start], pose[rod.end]]
        radii += [rod.radius, rod.radius]
        sides.extend((rod.side, rod.side))
    if figure.head is not None:
        places.append(figure.head.centre(pose))
        radii.append(figure.head.radius)
        sides.append("spine")
    return np.array(places).reshape(-1, 3), np.array(radii), sides


def _rods(figure: Figure) -> list[Rod]:
    """The bones, and for the filled trunk a rod across the shoulders and one across the hips."""
    rods = [
        Rod(bone.parent, bone.joint, (bone.radius_parent + bone.radius_joint) / 2, chain.side)
        for chain in figure.chains
        for bone in chain.bones
    ]
    if figure.trunk is not None:
        left_shoulder, right_shoulder, right_hip, left_hip = figure.trunk.joints[:4]
        width = 0.75 * figure.trunk.radius
        rods += [Rod(left_shoulder, right_shoulder, width, "spine"), Rod(left_hip, right_hip, width, "spine")]
    return rods


def cylinder(corners: int = 14) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A cylinder of radius 1 from y = -1/2 to 1/2, open at both ends (balls close it)."""
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.stack((np.cos(angle), np.zeros(corners), np.sin(angle)), -1)
    here = np.arange(corners)
    there = (here + 1) % corners
    faces = np.concatenate(
        (np.stack((here, here + corners, there), -1), np.stack((there, here + corners, there + corners), -1))
    )
    return np.concatenate((ring - _UP / 2, ring + _UP / 2)), faces


def ball(rings: int = 10, corners: int = 14) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A ball of radius 1."""
    rise = np.linspace(-np.pi / 2, np.pi / 2, rings)
    angle = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    wide = np.cos(rise)[:, None]
    x, z = wide * np.cos(angle), wide * np.sin(angle)
    y = np.broadcast_to(np.sin(rise)[:, None], x.shape)
    row, column = np.meshgrid(np.arange(rings - 1), np.arange(corners), indexing="ij")
    a = (row * corners + column).ravel()
    b = (row * corners + (column + 1) % corners).ravel()
    faces = np.concatenate((np.stack((a, a + corners, b), -1), np.stack((b, a + corners, b + corners), -1)))
    return np.stack((x, y, z), -1).reshape(-1, 3), faces
