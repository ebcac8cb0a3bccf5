"""Feet on the floor and the legs above them: foot roll about heel or toe, and two-bone inverse kinematics."""

from __future__ import annotations

import numpy as np

from kinema.data.synthetic.curves import Array, ease


def turn(yaw: Array, pitch: Array | float = 0.0, roll: Array | float = 0.0) -> Array:
    """Rotations Ry(yaw) Rx(pitch) Rz(roll), (frame, 3, 3)."""
    yaw = np.asarray(yaw, dtype=np.float64)
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    out = np.empty((*np.broadcast(yaw, pitch, roll).shape, 3, 3))
    out[..., 0, 0], out[..., 0, 1], out[..., 0, 2] = cy * cr + sy * sp * sr, sy * sp * cr - cy * sr, sy * cp
    out[..., 1, 0], out[..., 1, 1], out[..., 1, 2] = cp * sr, cp * cr, -sp
    out[..., 2, 0], out[..., 2, 1], out[..., 2, 2] = cy * sp * sr - sy * cr, sy * sr + cy * sp * cr, cy * cp
    return out


def apply(rotations: Array, vectors: Array) -> Array:
    """Every rotation times its vector."""
    return np.einsum("...ij,...j->...i", rotations, vectors)


def roll_over_floor(place: Array, yaw: Array, pitch: Array, toe: Array, heel: Array) -> tuple[Array, Array]:
    """The ankle and the global rotation of a foot that has rolled by `pitch` about its toe (> 0) or its heel (< 0).

    `place` is where the ankle would stand if the sole were flat; `toe` and `heel` are seen from the ankle (metres).
    """
    weight = ease((pitch + 0.05) / 0.1)[:, None]
    pivot = heel + weight * (toe - heel)
    facing, rotation = turn(yaw), turn(yaw, pitch)
    return place + apply(facing, pivot) - apply(rotation, pivot), rotation


def two_bones(hip: Array, ankle: Array, lateral: Array, thigh: Array, shank: Array) -> tuple[Array, Array]:
    """Global rotations of thigh and shank that bring the ankle to its place, the knee bent forward.

    `lateral` points to the body's left: the knee hinges about it, so that it cannot bend backwards whatever way the
    leg points. `thigh` and `shank` are the rest offsets (metres). What is out of reach is pointed at.
    """
    long, short = float(np.linalg.norm(thigh)), float(np.linalg.norm(shank))
    way = ankle - hip
    reach = np.clip(np.linalg.norm(way, axis=-1), abs(long - short) + 0.05 * long, 0.9995 * (long + short))
    along = way / np.linalg.norm(way, axis=-1, keepdims=True)
    hinge = lateral - (lateral * along).sum(-1, keepdims=True) * along
    hinge /= np.linalg.norm(hinge, axis=-1, keepdims=True)
    forward = np.cross(along, hinge)
    cosine = (long**2 + reach**2 - short**2) / (2 * long * reach)
    upper = cosine[:, None] * along + np.sqrt(1 - cosine**2)[:, None] * forward
    lower = reach[:, None] * along - long * upper
    return _carry(thigh, upper, hinge), _carry(shank, lower, hinge)


def _carry(rest: Array, now: Array, hinge: Array) -> Array:
    """The rotation that takes the rest bone to its direction now and the body's left to the hinge."""
    return _frame(now, hinge) @ _frame(rest[None], np.array([[1.0, 0.0, 0.0]])).transpose(0, 2, 1)


def _frame(bone: Array, hinge: Array) -> Array:
    up = -bone / np.linalg.norm(bone, axis=-1, keepdims=True)
    left = hinge - (hinge * up).sum(-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    return np.stack((left, up, np.cross(left, up)), -1)
