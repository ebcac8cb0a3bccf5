"""Triangle meshes of the two shapes that a body in the live viewer is made of."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

UP = np.array([0.0, 1.0, 0.0])


def cylinder(corners: int = 14) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A cylinder of radius 1 from y = -1/2 to 1/2, open at both ends (balls close it)."""
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    ring = np.stack((np.cos(turn), np.zeros(corners), np.sin(turn)), -1)
    here = np.arange(corners)
    there = (here + 1) % corners
    faces = np.concatenate(
        (np.stack((here, here + corners, there), -1), np.stack((there, here + corners, there + corners), -1))
    )
    return np.concatenate((ring - UP / 2, ring + UP / 2)), faces


def ball(rings: int = 10, corners: int = 14) -> tuple[Float[np.ndarray, "vertex 3"], Int[np.ndarray, "face 3"]]:
    """A ball of radius 1."""
    rise = np.linspace(-np.pi / 2, np.pi / 2, rings)
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    wide = np.cos(rise)[:, None]
    x, z = wide * np.cos(turn), wide * np.sin(turn)
    y = np.broadcast_to(np.sin(rise)[:, None], x.shape)
    row, column = np.meshgrid(np.arange(rings - 1), np.arange(corners), indexing="ij")
    a = (row * corners + column).ravel()
    b = (row * corners + (column + 1) % corners).ravel()
    faces = np.concatenate((np.stack((a, a + corners, b), -1), np.stack((b, a + corners, b + corners), -1)))
    return np.stack((x, y, z), -1).reshape(-1, 3), faces
