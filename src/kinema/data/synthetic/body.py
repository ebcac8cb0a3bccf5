"""The performer's body: from control channels and feet to joint rotations and the path of the root.

Feet roll about heel or toe on the floor; legs follow by two-bone inverse kinematics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from kinema.data.synthetic.channels import Channels
from kinema.data.synthetic.curves import Array, below, ease
from kinema.data.synthetic.steps import FootTrack
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogued

TOE_HEIGHT = 0.02  # of the toe joint above the sole, and of the heel behind the ankle joint, at size 1 (metres)
HEEL_BEHIND = 0.05


@dataclass(frozen=True)
class Body:
    """`kinema24` at one size, and the lengths that its movements need (metres)."""

    skeleton: Skeleton
    size: float
    offsets: Array

    @staticmethod
    def of_size(size: float) -> Body:
        """The catalogue's body scaled uniformly."""
        rest = catalogued("kinema24")
        grown = replace(rest, offsets=rest.offsets * size)
        return Body(grown, size, grown.offsets.double().numpy())

    def offset(self, joint: str) -> Array:
        """The joint in its parent's frame."""
        return self.offsets[self.skeleton.index(joint)]

    @property
    def ankle_height(self) -> float:
        """Height of the ankle above a flat sole (metres)."""
        return TOE_HEIGHT * self.size - float(self.offset("l_toe")[1])

    @property
    def root_height(self) -> float:
        """Height of the pelvis above the floor with straight legs (metres)."""
        down = self.offset("l_hip") + self.offset("l_knee") + self.offset("l_ankle")
        return self.ankle_height - float(down[1])

    def heel(self) -> Array:
        """The point of the heel on the floor, relative to the ankle (metres)."""
        return np.array([0.0, -self.ankle_height, -HEEL_BEHIND * self.size])


@dataclass(frozen=True)
class Placement:
    """The body over the frames: position and heading of its path, and its two feet (left, right)."""

    x: Array
    z: Array
    yaw: Array
    feet: tuple[FootTrack, FootTrack]


def pose(body: Body, channels: Channels, placement: Placement, rate: float) -> tuple[Array, Array]:
    """Global rotations (frame, joint, 3, 3) and root trajectory (frame, 3); the pelvis sinks until the legs reach."""
    pelvis = turn(placement.yaw + channels["pelvis_yaw"], channels["pelvis_pitch"], channels["pelvis_roll"])
    side, ahead = channels["side"] * body.size, channels["ahead"] * body.size
    sine, cosine = np.sin(placement.yaw), np.cos(placement.yaw)
    root = np.stack((
        placement.x + side * cosine + ahead * sine,
        body.root_height + channels["up"] * body.size,
        placement.z - side * sine + ahead * cosine,
    ), -1)  # fmt: skip
    ankles, soles = zip(
        *(_foot(body, side, foot) for side, foot in zip("lr", placement.feet, strict=True)), strict=True
    )
    root[:, 1] += _sink(body, root, pelvis, ankles, rate)
    globals_ = np.empty((len(root), len(body.skeleton), 3, 3))
    index = body.skeleton.index
    globals_[:, index("pelvis")] = pelvis
    _trunk(body, channels, placement.yaw, globals_)
    for side, foot, ankle, sole in zip("lr", placement.feet, ankles, soles, strict=True):
        hip = root + apply(pelvis, body.offset(f"{side}_hip"))
        out = channels["knees_out"] * (1 if side == "l" else -1)
        facing = turn(placement.yaw + channels["pelvis_yaw"] + 0.5 * _wrap(foot.yaw - placement.yaw) + out)
        thigh, shank = two_bones(hip, ankle, facing[:, :, 0], body.offset(f"{side}_knee"), body.offset(f"{side}_ankle"))
        globals_[:, index(f"{side}_hip")], globals_[:, index(f"{side}_knee")] = thigh, shank
        globals_[:, index(f"{side}_ankle")] = globals_[:, index(f"{side}_toe")] = sole
        _arm(body, channels, side, globals_)
    return globals_, root


def to_local(body: Body, globals_: Array) -> torch.Tensor:
    """Local rotations as Motion holds them."""
    above = globals_[:, [max(parent, 0) for parent in body.skeleton.parents]].swapaxes(-1, -2)
    local = above @ globals_
    local[:, 0] = globals_[:, 0]
    return torch.from_numpy(local).float()


def _foot(body: Body, side: str, foot: FootTrack) -> tuple[Array, Array]:
    place = np.stack((foot.x, foot.y + body.ankle_height, foot.z), -1)
    return roll_over_floor(place, foot.yaw, foot.pitch, body.offset(f"{side}_toe"), body.heel())


def _sink(body: Body, root: Array, pelvis: Array, ankles: tuple[Array, ...], rate: float) -> Array:
    """How far the pelvis is lowered (<= 0) so that both legs reach their feet, smooth in time."""
    room = np.full(len(root), np.inf)
    for side, ankle in zip("lr", ankles, strict=True):
        hip = root + apply(pelvis, body.offset(f"{side}_hip"))
        length = float(np.linalg.norm(body.offset(f"{side}_knee")) + np.linalg.norm(body.offset(f"{side}_ankle")))
        flat = np.hypot(hip[:, 0] - ankle[:, 0], hip[:, 2] - ankle[:, 2])
        highest = ankle[:, 1] + np.sqrt(np.maximum((0.996 * length) ** 2 - flat**2, 0.0))
        room = np.minimum(room, highest - hip[:, 1])
    return below(np.minimum(room, 0.0), 0.14, rate)


def _trunk(body: Body, channels: Channels, yaw: Array, globals_: Array) -> None:
    index = body.skeleton.index
    half = turn(channels["twist"] / 2, channels["bend"] / 2, channels["lean"] / 2)
    globals_[:, index("spine")] = globals_[:, index("pelvis")] @ half
    globals_[:, index("chest")] = chest = globals_[:, index("spine")] @ half
    # The head keeps level by `steady` of what the trunk does under it.
    steady = channels["steady"]
    pitch = channels["head_pitch"] - steady * (channels["pelvis_pitch"] + channels["bend"])
    roll = channels["head_roll"] - steady * (channels["pelvis_roll"] + channels["lean"])
    head_yaw = channels["head_yaw"] - steady * (channels["pelvis_yaw"] + channels["twist"])
    globals_[:, index("neck")] = neck = chest @ turn(0.4 * head_yaw, 0.45 * pitch, 0.4 * roll)
    globals_[:, index("head")] = globals_[:, index("head_end")] = neck @ turn(0.6 * head_yaw, 0.55 * pitch, 0.6 * roll)


def _arm(body: Body, channels: Channels, side: str, globals_: Array) -> None:
    sign, index = (1.0 if side == "l" else -1.0), body.skeleton.index
    flex, abduct, twist = (channels[f"{side}_{name}"] for name in ("flex", "abduct", "twist"))
    zero = np.zeros_like(flex)
    swing = (
        turn(zero, -flex)
        @ turn(zero, 0.0, sign * abduct)
        @ turn(sign * twist)
        @ turn(zero, 0.0, zero - sign * math.pi / 2)
    )
    along = sign * swing[:, :, 0]
    chest = globals_[:, index("chest")]
    # The shoulder girdle follows the arm: up as it rises above 30 degrees or so, forward as it reaches forward.
    shrug = channels[f"{side}_shrug"] + 0.45 * ease((along[:, 1] + 0.9) / 1.9)
    protract = 0.22 * along[:, 2]
    clavicle = turn(-sign * protract, 0.0, sign * shrug)
    bend = turn(-sign * channels[f"{side}_elbow"])
    curl = turn(-sign * channels[f"{side}_wrist"])
    globals_[:, index(f"{side}_clavicle")] = chest @ clavicle
    globals_[:, index(f"{side}_shoulder")] = upper = chest @ swing
    globals_[:, index(f"{side}_elbow")] = lower = upper @ bend
    globals_[:, index(f"{side}_wrist")] = globals_[:, index(f"{side}_hand_end")] = lower @ curl


def _wrap(angle: Array) -> Array:
    return (angle + math.pi) % (2 * math.pi) - math.pi


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

    `place` is where the ankle would stand if the sole were flat; `toe` and `heel` are relative to the ankle (metres).
    """
    weight = ease((pitch + 0.05) / 0.1)[:, None]
    pivot = heel + weight * (toe - heel)
    facing, rotation = turn(yaw), turn(yaw, pitch)
    return place + apply(facing, pivot) - apply(rotation, pivot), rotation


def two_bones(hip: Array, ankle: Array, lateral: Array, thigh: Array, shank: Array) -> tuple[Array, Array]:
    """Global rotations of thigh and shank that bring the ankle to its position, with the knee bent forward.

    `lateral` points to the body's left: the knee hinges about it, so that it cannot bend backwards whatever way the
    leg points. `thigh` and `shank` are the rest offsets (metres). The leg points at an ankle that is out of reach.
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
    """The rotation of the rest bone to its present direction and of the body's left to the hinge."""
    return _frame(now, hinge) @ _frame(rest[None], np.array([[1.0, 0.0, 0.0]])).transpose(0, 2, 1)


def _frame(bone: Array, hinge: Array) -> Array:
    up = -bone / np.linalg.norm(bone, axis=-1, keepdims=True)
    left = hinge - (hinge * up).sum(-1, keepdims=True) * up
    left /= np.linalg.norm(left, axis=-1, keepdims=True)
    return np.stack((left, up, np.cross(left, up)), -1)
