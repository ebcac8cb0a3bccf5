"""`upsample-grid`: every 2nd, 4th, 8th or 16th frame is given, clean or with a detector's noise.

Windows of 97 frames at 30 Hz from the test splits of CMU and HDM05, one after the other, in three forms: the 17
canonical joints in a picture of 1,000 x 1,000 pixels (`picture`, in pixels), the same in space (`positions`, in
millimetres), and joint rotations with the root's path (`rotations`, scored in millimetres after kinematics).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.metrics import inbetween
from kinema.metrics.dynamics import mean_jerk
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17
from kinema.protocols.inbetweening.detector import PIXELS_PER_METRE, noisy_motion, noisy_points, project
from kinema.protocols.inbetweening.grid import Grid, GridWindows
from kinema.protocols.inbetweening.open_inbetween import recordings
from kinema.protocols.interface import Data, Kind

KINDS: tuple[Kind, ...] = ("picture", "positions", "rotations")
WINDOW = 97  # six steps of 16, and the frame that ends them
RATES = (2, 4, 8, 16)
NOISES = ("clean", "detector")
PCK_SHARES = (0.05, 0.1, 0.2)
_UNITS: dict[Kind, float] = {"picture": 1.0, "positions": 1000.0, "rotations": 1000.0}


@dataclass(frozen=True)
class UpsampleGrid(Grid):
    """The protocol; `seed` picks noise and cameras."""

    name: str = "upsample-grid"
    what: str = "Upsampling by 2 to 16, clean and noisy keys, 2-D, 3-D and rotations, beside curves and filters"
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
                    truth, observed, confidence = forms(batch, kind, noise, 1000 * self.seed + 2 * place)
                    for rate in self.rates:
                        where = {"kind": kind, "noise": noise, "rate": str(rate)}
                        yield GridWindows(where, kind, truth, observed, torch.arange(WINDOW) % rate == 0, confidence)

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
    truth = Points(body, positions, batch.fps, batch.action, batch.identity)
    truth = project(truth, seed) if kind == "picture" else truth
    if noise == "clean":
        return truth, truth, None
    return truth, *noisy_points(truth, seed, PIXELS_PER_METRE if kind == "picture" else 1.0)


UPSAMPLE_GRID = UpsampleGrid()
