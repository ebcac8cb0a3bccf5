"""Simulated keypoint detection: one pinhole camera per window, and noise of a detector.

The picture has 1,000 x 1,000 pixels, y down; the camera looks at the mean root position from a distance of four metres.
Noise is jitter that grows towards hands and feet, gross misses over spans, and confidences; seeds make it the same for
every method. Deviations are in metres for positions, in radians for joint rotations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.geometry import camera
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import Skeleton

SIZE, DISTANCE, FOCAL = 1000.0, 4.0, 1000.0  # pixels, metres, pixels
PIXELS_PER_METRE = FOCAL / DISTANCE  # in the middle of the body
TILT = math.radians(15)


def project(points: Points, seed: int) -> Points:
    """The points (batch shape (window,)) in pixels, each window from its own side: any yaw, tilt up to 15 degrees.

    The camera does not move during a window and looks at the mean position of the root.
    """
    generator = torch.Generator().manual_seed(seed)
    count = len(points.positions)
    yaw = torch.rand(count, generator=generator) * 2 * math.pi
    tilt = (torch.rand(count, generator=generator) * 2 - 1) * TILT
    centre = points.positions[:, :, :1].mean(1, keepdim=True)
    in_view = (points.positions - centre) @ camera.view(yaw, tilt)[:, None].transpose(-1, -2)
    flat = camera.project(in_view, focal=FOCAL, distance=DISTANCE, border=FOCAL * 10)
    return replace(points, positions=SIZE / 2 + flat * flat.new_tensor([1.0, -1.0]))


_CORRELATION = 0.7  # of the jitter, from a frame to the next at 30 Hz
_MISSES = 0.004  # chance that a miss begins, by frame and joint
_MISS_FRAMES = (4, 16)
_CALIBRATION = 0.1  # deviation of the confidence


@dataclass(frozen=True)
class Amounts:
    """Deviations of the jitter of the trunk, and of hands and feet; and of a miss."""

    trunk: float
    ends: float
    miss: float


SPACE = Amounts(0.015, 0.035, 0.15)
ROTATIONS = Amounts(0.02, 0.05, 0.3)


def noisy_points(points: Points, seed: int, unit: float = 1.0) -> tuple[Points, Float[Tensor, "window frame joint"]]:
    """Points (batch shape (window,)) with a detector's noise, and confidences; `unit` is the length of a metre."""
    windows, frames, joints, dims = points.positions.shape
    added, confidence = jittered(points.skeleton, (windows, frames, joints), dims, SPACE, seed)
    return replace(points, positions=points.positions + (added * unit).to(points.positions)), confidence.float()


def noisy_motion(motion: Motion, seed: int) -> tuple[Motion, Float[Tensor, "window frame joint"]]:
    """A motion (batch shape (window,)) with a detector's noise in rotations and root, and confidences."""
    windows, frames, joints = motion.rotations.shape[:3]
    added, confidence = jittered(motion.skeleton, (windows, frames, joints), 3, ROTATIONS, seed)
    rotations = motion.rotations @ rotvec_to_rotmat(added).to(motion.rotations)
    moved, _ = jittered(motion.skeleton, (windows, frames, joints), 3, SPACE, seed + 1)
    return replace(motion, rotations=rotations, root=motion.root + moved[:, :, 0].to(motion.root)), confidence.float()


def jittered(
    skeleton: Skeleton, shape: tuple[int, int, int], dims: int, amounts: Amounts, seed: int
) -> tuple[Float[Tensor, "window frame joint dim"], Float[Tensor, "window frame joint"]]:
    """The noise of a batch of (window, frame, joint), and the confidence of each joint, in (0, 1)."""
    generator = torch.Generator().manual_seed(seed)
    windows, frames, joints = shape

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator, dtype=torch.float64)

    depth = _depths(skeleton)
    deviation = amounts.trunk + (amounts.ends - amounts.trunk) * depth
    steps = normal(windows, frames, joints, dims)
    rows = [steps[:, 0]]
    for frame in range(1, frames):
        rows.append(_CORRELATION * rows[-1] + (1 - _CORRELATION**2) ** 0.5 * steps[:, frame])
    added = torch.stack(rows, 1) * deviation[:, None]
    missed = torch.zeros(shape, dtype=torch.bool)
    begins = torch.rand(shape, generator=generator, dtype=torch.float64) < _MISSES
    lengths = torch.randint(*_MISS_FRAMES, shape, generator=generator)
    offsets = normal(windows, frames, joints, dims) * amounts.miss
    for window, frame, joint in begins.nonzero().tolist():
        end = frame + int(lengths[window, frame, joint])
        missed[window, frame:end, joint] = True
        added[window, frame:end, joint] += offsets[window, frame, joint]
    length = added.norm(dim=-1) / (deviation * dims**0.5)
    confidence = torch.exp(-length / 3) * 0.9 + 0.05 + _CALIBRATION * normal(*shape)
    return added, torch.where(missed, confidence * 0.7, confidence).clamp(0.05, 0.95)


def _depths(skeleton: Skeleton) -> Float[Tensor, " joint"]:
    """Depth in the skeleton: 0 at the root, 1 at the deepest joint."""
    depth = torch.zeros(len(skeleton), dtype=torch.float64)
    for joint, parent in enumerate(skeleton.parents[1:], start=1):
        depth[joint] = depth[parent] + 1
    return depth / depth.max().clamp_min(1)
