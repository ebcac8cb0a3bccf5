"""`upsample-grid`: every 2nd, 4th, 8th, 16th, 32nd or 48th frame is given, clean or with a detector's noise.

Windows of 97 frames at 30 Hz from the test splits of CMU and HDM05, one after the other, in three forms: the 17
canonical joints in a picture of 1,000 x 1,000 pixels (`picture`, in pixels), the same in space (`positions`, in
millimetres), and joint rotations with the root's path (`rotations`, scored in millimetres after kinematics).

The picture has y down; a pinhole camera four metres away, one for each window, looks at the mean root position. A
detector's noise is jitter that grows towards hands and feet, gross misses over spans, and confidences; seeds make it
the same for every method. Its deviations are in metres for positions, in radians for joint rotations.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.geometry import camera
from kinema.geometry.rotations import rotvec_to_rotmat
from kinema.metrics import inbetween
from kinema.metrics.dynamics import mean_jerk
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton
from kinema.protocols.inbetweening.gaps import recordings
from kinema.protocols.inbetweening.protocol import Grid, GridWindows
from kinema.protocols.interface import Data, Kind

KINDS: tuple[Kind, ...] = ("picture", "positions", "rotations")
WINDOW = 97  # two steps of 48, and the frame that ends them
RATES = (2, 4, 8, 16, 32, 48)
NOISES = ("clean", "detector")
PCK_SHARES = (0.05, 0.1, 0.2)
_UNITS: dict[Kind, float] = {"picture": 1.0, "positions": 1000.0, "rotations": 1000.0}
SIZE, DISTANCE, FOCAL = 1000.0, 4.0, 1000.0  # pixels, metres, pixels
PIXELS_PER_METRE = FOCAL / DISTANCE  # in the middle of the body
TILT = math.radians(15)


@dataclass(frozen=True)
class UpsampleGrid(Grid):
    """The protocol; `seed` picks noise and cameras."""

    name: str = "upsample-grid"
    what: str = "Upsampling by 2 to 48, clean and noisy keys, 2-D, 3-D and rotations, beside curves and filters"
    rates: tuple[int, ...] = RATES
    seed: int = 0

    kinds = frozenset(KINDS)
    columns = ("hold", "linear", "cubic", "pchip", "savgol", "one-euro", "local-lines")
    deciding = "missing"
    notes = (
        "97-frame windows at 30 Hz, one after the other; every r-th frame is given. picture: pixels of 1,000 (a metre "
        "is about 250), others: millimetres. Acceleration error: per frame squared; jitter: jerk per second cubed.",
        "detector: jitter of 1.5 cm at the trunk to 3.5 cm at hands and feet (1 to 3 degrees for rotations), "
        "correlated over time, and gross misses of 15 cm (17 degrees) over spans of 4 to 15 frames; seeds are fixed.",
        "Savitzky-Golay (31 frames, order 2) and One-Euro (0.04, 0.7) run over the straight line. 'linear' is slerp "
        "for rotations.",
        "local-lines: straight lines fitted to the given frames around each frame, weighted by a Gaussian as wide as "
        "they stand apart.",
    )

    def questions(self, data: Data) -> Iterator[GridWindows]:
        """See `Grid`: the windows of a recording at a time. Raises UsageError if no recording is long enough."""
        batches = [batch for pack in self.sets for clip in recordings(pack, data, "test") for batch in windows_of(clip)]
        if not batches:
            raise UsageError(
                expected=f"recordings of {WINDOW} frames at 30 Hz",
                got="shorter ones",
                cure=f"Add recordings of at least {WINDOW / 30:.1f} s.",
            )
        for kind in KINDS:
            for noise in NOISES:
                for place, batch in enumerate(batches):
                    ground_truth, observed, confidence = forms(batch, kind, noise, 1000 * self.seed + 2 * place)
                    for rate in self.rates:
                        where = {"kind": kind, "noise": noise, "rate": str(rate)}
                        yield GridWindows(
                            where, kind, ground_truth, observed, torch.arange(WINDOW) % rate == 0, confidence
                        )

    def errors(self, question: GridWindows, answer: Clip) -> dict[str, float]:
        """See `Grid`."""
        scale, known = _UNITS[question.kind], question.known
        own, true = (clip.points().positions.double() * scale for clip in (answer, question.ground_truth))
        errors = (own - true).norm(dim=-1)
        found = {
            "missing": float(errors[:, ~known].mean()),
            "keys": float(errors[:, known].mean()),
            "acceleration": float(inbetween.acceleration_error(own, true).mean()),
            "jitter": float(mean_jerk(own, answer.fps).mean()),
        }
        if question.kind == "picture":
            for share in PCK_SHARES:
                found[f"pck_{share:g}"] = float(inbetween.pck(own, true, share)[:, ~known].mean())
        return found


def windows_of(clip: Motion) -> Iterator[Motion]:
    """Consecutive windows of a recording as one batch; nothing for a short recording."""
    first = torch.arange(0, clip.frames - WINDOW + 1, WINDOW) if clip.frames >= WINDOW else torch.zeros(0).long()
    if len(first):
        yield clip[first[:, None] + torch.arange(WINDOW)]


def forms(
    batch: Motion, kind: Kind, noise: str, seed: int
) -> tuple[Clip, Clip, Float[Tensor, "window frame joint"] | None]:
    """The windows in one form: ground truth, observed clip, and confidences (None: clean)."""
    if kind == "rotations":
        return (batch, batch, None) if noise == "clean" else (batch, *noisy_motion(batch, seed))
    body = catalog.skeleton("canon17")
    positions = batch.points().positions[..., batch.skeleton.indices(CANON17), :]
    ground_truth = Points(body, positions, batch.fps, batch.action, batch.identity)
    ground_truth = project(ground_truth, seed) if kind == "picture" else ground_truth
    if noise == "clean":
        return ground_truth, ground_truth, None
    return ground_truth, *noisy_points(ground_truth, seed, PIXELS_PER_METRE if kind == "picture" else 1.0)


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


UPSAMPLE_GRID = UpsampleGrid()
