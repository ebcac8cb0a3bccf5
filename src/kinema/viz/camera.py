"""A camera, and how to point it at a clip so that all of it is visible.

Right-handed, y up, metres. An azimuth is measured about y from +z; the camera stands on the side of the azimuth and
looks at its target.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from kinema.core.errors import unknown_name
from kinema.motion.motion import Points
from kinema.viz.layers import Layer, duration_of

View = Literal["front", "side", "three-quarter"]
Projection = Literal["perspective", "orthographic"]

# Azimuth relative to the body's heading (negative: its right), and elevation, in degrees.
_VIEWS: dict[str, tuple[float, float]] = {"front": (0, 8), "side": (-90, 7), "three-quarter": (-48, 11)}
VIEWS: tuple[str, ...] = tuple(_VIEWS)
_NEAR = 0.02  # share of the distance to the target; nothing nearer is drawn
_LENS = math.radians(26)
_SOLID = ("truth", "observed", "forecast", "baseline", "ghost", "key")


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera. `height`: visible metres at the target; `lens`: angle of view in radians, 0 for orthographic."""

    target: Float[np.ndarray, "3"]
    azimuth: float
    elevation: float
    height: float
    lens: float = _LENS

    @property
    def distance(self) -> float:
        """Metres from the target; infinite for an orthographic camera."""
        return self.height / 2 / math.tan(self.lens / 2) if self.lens > 0 else math.inf

    @property
    def near(self) -> float:
        """Depth in metres below which nothing can be drawn; -inf for an orthographic camera."""
        return _NEAR * self.distance if self.lens > 0 else -math.inf

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """Rows: right, up, and from the target to the camera."""
        sine, cosine = math.sin(self.azimuth), math.cos(self.azimuth)
        up_sine, up_cosine = math.sin(self.elevation), math.cos(self.elevation)
        back = (sine * up_cosine, up_sine, cosine * up_cosine)
        return np.array([(cosine, 0.0, -sine), (-sine * up_sine, up_cosine, -cosine * up_sine), back])

    def project(self, places: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 4"]:
        """Right and up of the picture's middle (1 is the picture's height), size of a metre, and depth in metres.

        Depth is measured from the camera (orthographic: from the target). Nearer than `near` the other three numbers
        are meaningless.
        """
        observed = (places - self.target) @ self.axes.T
        depth = self.distance - observed[..., 2] if self.lens > 0 else -observed[..., 2]
        grow = self.distance / np.maximum(depth, self.near) if self.lens > 0 else np.ones_like(depth)
        scale = grow / self.height
        return np.stack((observed[..., 0] * scale, observed[..., 1] * scale, scale, depth), -1)


@dataclass(frozen=True, eq=False)
class Shot:
    """A camera that follows a body: one target for each time. `floor` is the height of the ground in metres."""

    camera: Camera
    times: Float[np.ndarray, " time"]
    targets: Float[np.ndarray, "time 3"]
    floor: float
    stature: float

    def at(self, time: float) -> Camera:
        """The camera at a time."""
        target = np.array([np.interp(time, self.times, self.targets[:, axis]) for axis in range(3)])
        return replace(self.camera, target=target)


def shot_of(
    layers: Sequence[Layer],
    *,
    view: str = "three-quarter",
    aspect: float = 1.0,
    projection: Projection = "perspective",
    margin: float = 0.12,
) -> Shot:
    """A camera that keeps all solid bodies in the picture (`aspect` is width over height) with a margin around them.

    It stands still while the body stays within half its height, else follows it smoothly. Raises UsageError for an
    unknown view.
    """
    if view not in _VIEWS:
        raise unknown_name("view", view, VIEWS)
    turn, rise = (math.radians(angle) for angle in _VIEWS[view])
    times = np.linspace(0.0, max(duration_of(layers) - 1e-3, 0.0), max(2, min(400, int(15 * duration_of(layers)))))
    stature = max(layer.figure.stature for layer in layers)
    floor = _floor(layers)
    targets = _follow(_roots(layers, times), float(times[1] - times[0]) or 1.0, stature)
    targets[:, 1] = floor + 0.5 * stature
    flat = all(layer.points.positions.shape[-1] == 2 for layer in layers)
    azimuth = 0.0 if flat else _facing(layers) + turn
    lens = 0.0 if flat or projection == "orthographic" else _LENS
    start = Camera(np.zeros(3), azimuth, 0.0 if flat else rise, 2.0 * stature, lens)
    camera, lift = _fit(start, _clouds(layers, times, targets, floor), aspect, margin)
    return Shot(camera, times, targets + lift, floor, stature)


def side_by_side(layers: Sequence[Layer], view: str = "three-quarter") -> tuple[Layer, ...]:
    """The layers side by side, as the camera sees them, without overlap."""
    right = shot_of(layers, view=view).camera.axes[0]
    wide = max(float(np.ptp(layer.bodies @ right, axis=-1).max()) for layer in layers)
    return tuple(
        replace(layer, points=_moved(layer.points, 1.1 * wide * place * right)) for place, layer in enumerate(layers)
    )


def _moved(points: Points, by: Float[np.ndarray, "3"]) -> Points:
    step = points.positions.new_tensor(by[: points.positions.shape[-1]].tolist())
    return replace(points, positions=points.positions + step)


def _floor(layers: Sequence[Layer]) -> float:
    reference = min(layers, key=lambda layer: _SOLID.index(layer.role))
    lowest = reference.bodies[:, :, reference.figure.joints, 1].min(-1)
    lowest = lowest[np.isfinite(lowest)]
    return float(np.percentile(lowest, 3)) - reference.figure.sole if lowest.size else 0.0


def _roots(layers: Sequence[Layer], times: Float[np.ndarray, " time"]) -> Float[np.ndarray, "time 3"]:
    """The path that the camera follows: the pelvis of the most solid layer at each time."""
    ordered = sorted(layers, key=lambda layer: _SOLID.index(layer.role))
    path = np.full((len(times), 3), np.nan)
    for row, time in enumerate(times):
        for layer in ordered:
            poses = layer.at(float(time))
            if poses is not None and np.isfinite(poses[:, layer.figure.pelvis]).all():
                path[row] = poses[:, layer.figure.pelvis].mean(0)
                break
    known = np.isfinite(path).all(-1)
    if not known.any():
        return np.zeros((len(times), 3))
    return np.stack([np.interp(times, times[known], path[known, axis]) for axis in range(3)], -1)


def _follow(path: Float[np.ndarray, "time 3"], step: float, stature: float) -> Float[np.ndarray, "time 3"]:
    reach = np.linalg.norm(np.ptp(path[:, [0, 2]], axis=0))
    if reach < 0.5 * stature:
        return np.broadcast_to((path.min(0) + path.max(0)) / 2, path.shape).copy()
    half = max(1, round(1.0 / step))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * step / 0.35) ** 2)
    kernel /= kernel.sum()
    # Straight on beyond both ends, so that the camera does not lag behind a walk that is cut.
    edge = min(half, len(path) - 1)
    before = path[0] - (path[1 : edge + 1][::-1] - path[0])
    after = path[-1] - (path[-edge - 1 : -1][::-1] - path[-1])
    padded = np.concatenate((np.repeat(before[:1], half - edge, 0), before, path, after,
                             np.repeat(after[-1:], half - edge, 0)))  # fmt: skip
    return np.stack([np.convolve(padded[:, axis], kernel, "valid") for axis in range(3)], -1)


def _facing(layers: Sequence[Layer]) -> float:
    """The body's mean heading, an angle about y from +z; 0 if its hips are unknown."""
    for layer in sorted(layers, key=lambda layer: _SOLID.index(layer.role)):
        skeleton = layer.points.skeleton
        if not {"l_hip", "r_hip"} <= set(skeleton.aliases):
            continue
        across = layer.bodies[:, :, skeleton.index("l_hip")] - layer.bodies[:, :, skeleton.index("r_hip")]
        forward = np.stack((-across[..., 2], across[..., 0]), -1).reshape(-1, 2)  # left x up, seen from above
        forward = forward[np.isfinite(forward).all(-1)]
        if len(forward):
            mean = forward.mean(0)
            steady = np.linalg.norm(mean) > 0.3 * np.linalg.norm(forward, axis=-1).mean()
            x, z = mean if steady else forward[0]
            return math.atan2(float(x), float(z))
    return 0.0


def _clouds(
    layers: Sequence[Layer], times: Float[np.ndarray, " time"], targets: Float[np.ndarray, "time 3"], floor: float
) -> Float[np.ndarray, "place 3"]:
    """Every position that must be visible, relative to the target at its time."""
    solid = [layer for layer in layers if layer.role not in ("ghost", "key")] or list(layers)
    rows = range(0, len(times), max(1, len(times) // 80))
    clouds: list[np.ndarray] = []
    for layer in solid:
        head = layer.figure.head
        for row in rows:
            poses = layer.at(float(times[row]))
            if poses is None:
                continue
            drawn = poses[:, layer.figure.joints]
            if head is not None:
                crown = head.centre(poses) + np.array([0, head.radius, 0])
                drawn = np.concatenate((drawn, crown[:, None]), 1)
            clouds.append((drawn - targets[row]).reshape(-1, 3))
    cloud = np.concatenate(clouds)
    ground = np.array([[0.0, floor - targets[0, 1], 0.0]])
    return np.concatenate((cloud[np.isfinite(cloud).all(-1)], ground))


def _fit(
    start: Camera, cloud: Float[np.ndarray, "place 3"], aspect: float, margin: float
) -> tuple[Camera, Float[np.ndarray, "3"]]:
    """The camera height and the target shift that centre the cloud in the picture."""
    camera = start
    for _ in range(4):
        observed = camera.project(cloud)[:, :2]
        low, high = observed.min(0), observed.max(0)
        middle = (low + high) / 2 * camera.height
        shift = middle[0] * camera.axes[0] + middle[1] * np.array([0.0, 1.0, 0.0])
        grow = max((high[0] - low[0]) / aspect, high[1] - low[1]) / (1 - 2 * margin)
        camera = replace(camera, target=camera.target + shift, height=max(camera.height * grow, 1e-6))
    return camera, camera.target
