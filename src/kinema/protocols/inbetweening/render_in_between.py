"""`rib`: Render-In-Between's own numbers on open recordings: nineteen keypoints, every r-th frame given.

Mean square, mean absolute and largest error by coordinate, every clip moved so that the middle of its hips starts at
the origin, as in the released evaluator (which prints percentages). A clip is the middle of a recording, up to 321
frames at 60 Hz. Views: `narrow`, as the released evaluation drew them (yaw within +-57 degrees, tilt within +-8.6: a
factor of pi is missing), and `full`, any yaw and the training's tilt of +-36 degrees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from kinema.data.sources.composed import Viewed
from kinema.data.sources.packs import RotationPack
from kinema.metrics.inbetween import aligned_errors
from kinema.motion.edit import resample
from kinema.motion.motion import Clip, Motion, Points
from kinema.protocols.inbetweening.protocol import Grid, GridWindows
from kinema.protocols.interface import Data, Kind, root_of
from kinema.representations.picture import PictureKeypoints

FRAMES, FPS = 321, 60.0
RATES = (8, 16)
VIEWS: Mapping[str, tuple[float, float]] = {"narrow": (1.0, 0.15), "full": (torch.pi, 0.2 * torch.pi)}


@dataclass(frozen=True)
class Rib(Grid):
    """The protocol."""

    name: str = "rib"
    what: str = "Render-In-Between's numbers: 2-D keypoints at rates 8 and 16, from narrow views and from all sides"
    rates: tuple[int, ...] = RATES

    kinds = frozenset[Kind]({"picture"})
    columns = ("hold", "linear", "cubic", "pchip")
    deciding = "mae"
    notes = (
        "Clean keys, picture units (about a metre in the plane of the body); each sequence is moved to its own "
        "first-frame middle of the hips. The released evaluator also corrupts four keys of 21 at random and prints "
        "percentages.",
        "narrow: yaw within +-1 radian, tilt within +-0.15, as the released evaluation's stored views; full: any yaw.",
    )

    def questions(self, data: Data) -> Iterator[GridWindows]:
        """See `Grid`: a clip at a time."""
        sources = [RotationPack(pack, root_of(data)) for pack in self.sets]
        for seen_from, (yaw, tilt) in VIEWS.items():
            views = [Viewed(source, views=1, yaw=yaw, tilt=tilt, zoom=(1.0, 1.0)) for source in sources]
            clips = [keypoints(clip) for view in views for clip in view.clips("test")]
            for rate in self.rates:
                for clip in filter(None, (middle(clip, rate) for clip in clips)):
                    yield question(clip, rate, {"views": seen_from, "rate": str(rate)})

    def errors(self, question: GridWindows, answer: Clip) -> dict[str, float]:
        """See `Grid`."""
        own, true = (clip.points().positions.double() for clip in (answer, question.ground_truth))
        return aligned_errors(own, true, 0)


def keypoints(clip: Motion) -> Points:
    """A viewed recording at 60 Hz as points of the nineteen-joint picture skeleton."""
    clip = resample(clip, FPS)
    representation = PictureKeypoints(clip.skeleton, FPS, focal=4.0, distance=4.0, own_scale=False)
    flat = representation.decode(representation.encode(clip))
    return replace(flat, identity=clip.identity)


def middle(clip: Points, rate: int) -> Points | None:
    """The middle 321 frames, or as many as whole steps of `rate` take; None for fewer than two keys."""
    frames = min(FRAMES, (clip.frames - 1) // rate * rate + 1)
    if frames <= rate:
        return None
    start = (clip.frames - frames) // 2
    return clip[start : start + frames]


def question(clip: Points, rate: int, where: Mapping[str, str]) -> GridWindows:
    """One clip, every `rate`-th frame given exactly."""
    whole = clip.expand(1)
    return GridWindows(where, "picture", whole, whole, torch.arange(clip.frames) % rate == 0)


RIB = Rib()
