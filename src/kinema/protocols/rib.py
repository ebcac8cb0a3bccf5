"""`rib`: Render-In-Between's own numbers on open recordings: nineteen keypoints, every r-th frame given.

Mean square, mean absolute and largest error by coordinate, every clip moved to its own first middle of the hips, as the
released evaluator has them (which prints a hundred times as much). A clip is the middle of a recording, up to 321
frames at 60 Hz. Views: `narrow`, what the released evaluation drew (yaw within +-57 degrees, tilt within +-8.6: it left
out a factor of pi), and `full`, any yaw and the training's tilt of +-36 degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.data.packs import RotationPack
from kinema.data.viewed import Viewed
from kinema.errors import UsageError
from kinema.metrics.cells import Cell, CellReport, merged
from kinema.metrics.inbetween import aligned_errors
from kinema.motion.edit import resample
from kinema.motion.motion import Motion, Points
from kinema.motion.represent_picture import PictureKeypoints
from kinema.protocols.completer import CLASSICAL, CURVE_COLUMNS, Completer
from kinema.protocols.leaks import find_leak

FRAMES, FPS = 321, 60.0
RATES = (8, 16)
VIEWS: Mapping[str, tuple[float, float]] = {"narrow": (1.0, 0.15), "full": (torch.pi, 0.2 * torch.pi)}
_NOTES = (
    "Clean keys, picture units (about a metre in the plane of the body); each sequence is moved to its own first-frame "
    "middle of the hips. The released evaluator also corrupts four keys of 21 at random and prints percentages.",
    "narrow: yaw within +-1 radian, tilt within +-0.15, as the released evaluation's stored views; full: any yaw.",
)


@dataclass(frozen=True)
class Rib:
    """The protocol; `sets` are rotation packs."""

    name: str = "rib"
    what: str = "Render-In-Between's numbers: 2-D keypoints at rates 8 and 16, from narrow views and from all sides"
    sets: tuple[str, ...] = ("cmu_bvh", "hdm05")
    rates: tuple[int, ...] = RATES

    def evaluate(
        self, completer: Completer, data: Path | str | None = None, beside: Sequence[Completer] = ()
    ) -> CellReport:
        """Score a method beside the classical ones (and `beside`) on the packs that are below `data`.

        Raises MissingDataError where a pack is not there, UsageError where the method completes no pictures.
        """
        if "picture" not in completer.kinds:
            raise UsageError(
                expected="a method that completes keypoints in a picture",
                got=f"{completer.name}, which completes {', '.join(sorted(completer.kinds))}",
                cure="Use the protocol upsample-grid or open-inbetween.",
            )
        asked = {name: CLASSICAL[name] for name in CURVE_COLUMNS if name != "squad"}
        asked |= {one.name: one for one in (*beside, completer)}
        sources = [RotationPack(pack, None if data is None else str(data)) for pack in self.sets]
        tests = {clip.identity: clip.identity for source in sources for clip in source.clips("test")}
        return CellReport(
            protocol=self.name,
            model=completer.name,
            columns=tuple(asked),
            classical=tuple(name for name in asked if name in CLASSICAL),
            deciding=("mae",),
            cells=tuple(self._cells(sources, asked)),
            notes=_NOTES,
            leak=find_leak(completer.trained_on, tests, frozenset()),
        )

    def _cells(self, sources: Sequence[RotationPack], asked: Mapping[str, Completer]) -> Iterator[Cell]:
        for seen_from, (yaw, tilt) in VIEWS.items():
            views = [Viewed(source, views=1, yaw=yaw, tilt=tilt, zoom=(1.0, 1.0)) for source in sources]
            clips = [keypoints(clip) for view in views for clip in view.clips("test")]
            for rate in self.rates:
                cut = [part for clip in clips if (part := middle(clip, rate)) is not None]
                parts = [(1, scores(asked, clip, rate)) for clip in cut]
                count, found = merged(parts)
                yield Cell({"views": seen_from, "rate": str(rate)}, count, found)


def keypoints(clip: Motion) -> Points:
    """A viewed recording at 60 Hz as points of the nineteen-joint picture skeleton."""
    clip = resample(clip, FPS)
    representation = PictureKeypoints(clip.skeleton, FPS, focal=4.0, distance=4.0, own_scale=False)
    flat = representation.decode(representation.encode(clip))
    return replace(flat, identity=clip.identity)


def middle(clip: Points, rate: int) -> Points | None:
    """The middle 321 frames, or as many as whole steps of `rate` take; None for less than two keys."""
    frames = min(FRAMES, (clip.frames - 1) // rate * rate + 1)
    if frames <= rate:
        return None
    start = (clip.frames - frames) // 2
    return clip[start : start + frames]


def scores(asked: Mapping[str, Completer], clip: Points, rate: int) -> dict[str, dict[str, float]]:
    """Metric -> method -> value of one clip, every `rate`-th frame given exactly."""
    known = torch.arange(clip.frames) % rate == 0
    found: dict[str, dict[str, float]] = {"mse": {}, "mae": {}, "max": {}}
    truth = clip.positions[None].double()
    for name, one in asked.items():
        errors = aligned_errors(_answer(one, clip, known)[None].double(), truth, 0)
        for metric, value in (("mse", errors.mse), ("mae", errors.mae), ("max", errors.largest)):
            found[metric][name] = value
    return found


def _answer(one: Completer, clip: Points, known: Bool[Tensor, " frame"]) -> Float[Tensor, "frame joint 2"]:
    given = replace(clip, positions=torch.where(known[:, None, None], clip.positions, torch.nan)[None])
    return one.complete(given, known).positions[0]


RIB = Rib()
