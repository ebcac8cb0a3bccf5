"""The data that a page's script reads: positions, figures, cameras and colours.

Positions travel as 16-bit steps in base64 (the step, well below a millimetre for a body in a room, is in the page),
at no more than 30 frames per second (ghosts 15); the page interpolates between them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from kinema.viz.camera import shot_of
from kinema.viz.figure import Figure
from kinema.viz.layers import Layer, Panel, duration_of
from kinema.viz.raster import cell_of
from kinema.viz.style import KEY, PALE, Theme

MOST_FPS = 30.0
MOST_GHOST_FPS = 15.0
_STEPS = 32767
_UNKNOWN = -32768  # the step for an unknown value (NaN)
_PATH_STEP = 0.1  # seconds between two places of the camera's path


def panel_data(panel: Panel) -> dict[str, Any]:
    """A panel as the page's script reads it."""
    shot = shot_of(panel.layers, aspect=1.0)
    duration = duration_of(panel.layers)
    times = np.arange(0.0, duration + _PATH_STEP, _PATH_STEP)
    camera = shot.camera
    return {
        "title": panel.title,
        "caption": panel.caption,
        "boundary": panel.boundary,
        "known": [[round(start, 4), round(end, 4)] for start, end in _known(panel)],
        "words": list(panel.words),
        "duration": round(duration, 6),
        "floor": round(shot.floor, 5),
        "cell": cell_of(shot.stature),
        "camera": {
            "azimuth": round(camera.azimuth, 5),
            "elevation": round(camera.elevation, 5),
            "height": round(camera.height, 5),
            "lens": round(camera.lens, 5),
        },
        "path": {"step": _PATH_STEP, "places": [np.round(shot.at(time).target, 4).tolist() for time in times]},
        "layers": [_layer(layer) for layer in panel.layers],
    }


def _known(panel: Panel) -> Sequence[tuple[float, float]]:
    return panel.known or ([(0.0, panel.boundary)] if panel.boundary is not None else ())


def _layer(layer: Layer) -> dict[str, Any]:
    positions, fps = _thinned(layer)
    used = layer.figure.joints
    positions = positions[:, :, used]
    known = np.isfinite(positions)
    low = np.array([_edge(positions[..., axis], np.nanmin) for axis in range(3)])
    high = np.array([_edge(positions[..., axis], np.nanmax) for axis in range(3)])
    origin, scale = (low + high) / 2, max(float((high - low).max()) / 2 / _STEPS, 1e-9)
    steps = np.round((positions - origin) / scale)
    packed = np.where(known, np.nan_to_num(steps), _UNKNOWN).astype("<i2")
    bodies, frames, joints, _ = packed.shape
    return {
        "name": layer.name,
        "role": layer.role,
        "start": round(layer.start, 6),
        "fps": fps,
        "bodies": bodies,
        "frames": frames,
        "joints": joints,
        "origin": np.round(origin, 7).tolist(),
        "scale": scale,
        "figure": _figure(layer.figure, {joint: place for place, joint in enumerate(used)}),
        "data": base64.b64encode(packed.tobytes()).decode(),
    }


def _edge(values: np.ndarray, function: Any) -> float:
    return float(function(values)) if np.isfinite(values).any() else 0.0


def _thinned(layer: Layer) -> tuple[np.ndarray, float]:
    """Positions at no more than the rate of their role, taken on the time axis so that the duration stays."""
    positions, fps = layer.bodies, layer.points.fps
    most = MOST_GHOST_FPS if layer.role == "ghost" else MOST_FPS
    if fps <= most:
        return positions, fps
    frames = max(1, round(layer.points.frames * most / fps))
    place = np.minimum(np.arange(frames) * layer.points.frames / frames, layer.points.frames - 1)
    before = place.astype(int)
    after, share = np.minimum(before + 1, layer.points.frames - 1), (place - before)[:, None, None]
    return positions[:, before] * (1 - share) + positions[:, after] * share, frames / layer.points.frames * fps


def _figure(figure: Figure, place: dict[int, int]) -> dict[str, Any]:
    head, trunk = figure.head, figure.trunk
    return {
        "stature": round(figure.stature, 4),
        "chains": [
            {
                "side": chain.side,
                "bones": [
                    [place[bone.parent], place[bone.joint], round(bone.radius_parent, 4), round(bone.radius_joint, 4)]
                    for bone in chain.bones
                ],
            }
            for chain in figure.chains
        ],
        "trunk": trunk and {"joints": [place[joint] for joint in trunk.joints], "radius": round(trunk.radius, 4)},
        "head": head
        and {
            "first": place[head.first],
            "second": place[head.second],
            "weight": round(head.weight, 4),
            "radius": round(head.radius, 4),
        },
    }


def theme_data(theme: Theme) -> dict[str, Any]:
    """The colours that the canvas is painted in."""
    roles = {name: {"left": p.left, "right": p.right, "spine": p.spine} for name, p in theme.roles.items()}
    return {"panel": theme.panel, "grid": theme.grid, "shadow": theme.shadow, "pale": PALE, "key": KEY, "roles": roles}
