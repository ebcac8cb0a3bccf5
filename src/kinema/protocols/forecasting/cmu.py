"""The CMU forecasting benchmark (ConvSeq2Seq, Li et al., CVPR 2018), as published and with true units.

`cmu-legacy` scores what the literature scores: every second row of 120 Hz files, including row 0 (a T-pose that the
conversion added), labelled as 25 Hz (80 ms is 33 ms). A unit of the skeleton counts as 70 mm instead of 56.4 mm, and
the mean is over 38 joints, of which six never move and seven coincide with others.

`cmu-physical` has true times and millimetres, drops row 0, and scores captured joints only: 19 positions (without
static joints, copies and ends of fingers), and rotations without fingers and thumbs. The rest is the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.core.errors import KinemaError
from kinema.data.sources.cmu import ACTIONS, BENCHMARK, UNIT, CmuForecast
from kinema.motion.motion import Motion
from kinema.motion.skeletons.cmu import CMU38_COPIES, CMU38_NOT_CAPTURED, CMU38_STATIC
from kinema.protocols.forecasting.protocol import (
    HORIZON_FRAMES,
    PREDICTED,
    SEED,
    ForecastingProtocol,
    every_second_row,
)
from kinema.protocols.interface import Data, root_of
from kinema.protocols.published import CMU_PUBLISHED

RATE = 60.0  # frames per second of every second row
WINDOWS = {"8": 50, "all": 10}  # observed frames
_TRAIN = [name for name in BENCHMARK if name.startswith("train/")]

# LeftHandIndex1, LThumb, RightHandIndex1, RThumb: not captured, and the thumbs rotate by 180 degrees between rows.
# (FingerBase is the hand, which was captured.)
FINGER_ROTATIONS = (25, 27, 34, 36)
UNSCORED_POSITIONS = (*CMU38_STATIC, *CMU38_COPIES, *CMU38_NOT_CAPTURED)


def eight_starts(frames: int) -> list[int]:
    """First frames of the eight windows of 75 frames; they may repeat.

    Eight draws of `randint(0, frames - 75)` from numpy's legacy generator, seeded again for every action.
    """
    generator = np.random.RandomState(SEED)
    return [int(generator.randint(0, frames - WINDOWS["8"] - PREDICTED)) for _ in range(8)]


def all_starts(frames: int) -> list[int]:
    """First frames of all windows of 35 frames: 0 ... frames - 35."""
    return list(range(frames - WINDOWS["all"] - PREDICTED + 1))


@dataclass(frozen=True)
class CmuProtocol(ForecastingProtocol):
    """One way to score the benchmark's test files; `drop_first` leaves out row 0."""

    drop_first: bool = False

    unit = UNIT
    actions = ACTIONS
    true_ms = tuple(round(1000 * frame / RATE) for frame in HORIZON_FRAMES)
    observed = WINDOWS

    def tests(self, data: Data) -> Iterator[tuple[str, tuple[Motion]]]:
        """See `ForecastingProtocol`; one file for each action."""
        return ((str(clip.action), (every_second_row(clip),)) for clip in self._source(data).clips("test"))

    def starts(self, clips: Sequence[Motion], windows: str) -> list[list[int]]:
        """See `ForecastingProtocol`."""
        needed = WINDOWS[windows] + PREDICTED
        for clip in clips:
            if clip.frames <= needed:
                raise KinemaError(
                    expected=f"a test file of more than {needed} frames at {RATE:g} Hz",
                    got=f"{clip.frames} in {clip.action}",
                    cure="Copy this file again from the data set; it is cut short.",
                )
        return [eight_starts(clip.frames) if windows == "8" else all_starts(clip.frames) for clip in clips]

    def context(
        self, tests: Sequence[str], missing: Sequence[str], data: Data
    ) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """See `ForecastingProtocol`; "mean_trained" is over actions whose training files are complete."""
        there = set(self._source(data).names("train"))
        files = {action: [name for name in _TRAIN if name.startswith(f"train/{action}/")] for action in tests}
        trained = tuple(action for action, names in files.items() if there.issuperset(names))
        means = {"mean": tuple(tests)} | ({"mean_trained": trained} if trained else {})
        notes = [
            f"'{mean}' is the unweighted mean over {len(of)} actions: {', '.join(of)}." for mean, of in means.items()
        ]
        if missing:
            notes.append(f"Test files of {len(missing)} of the 8 actions are missing: {', '.join(missing)}.")
        if lacking := len(set(_TRAIN) - there):
            notes.append(
                f"{lacking} of the {len(_TRAIN)} training files are missing, so models trained on the others have less "
                "data than the published rows; 'mean_trained' is over actions whose training files are complete."
            )
        if unseen := [action for action, names in files.items() if there.isdisjoint(names)]:
            notes.append(
                f"All training files of {', '.join(unseen)} are missing: models trained on the others never saw them."
            )
        return means, tuple(notes)

    def apart(self, data: Data) -> set[str]:
        """Files of one release are different recordings (a test compares their rows)."""
        return {clip.identity for clip in replace(self._source(data), extra=True).clips("train")}

    def _source(self, data: Data) -> CmuForecast:
        return CmuForecast(root=root_of(data), drop_first=self.drop_first)


_COMMON = (
    "'8': eight drawn windows per action, 50 frames observed; 'all': every window, 10 frames observed. 25 predicted.",
    "The Euler error of 'all' masks constant angles over its 35 frames; that of '8' over its 75, as published.",
)
CMU_LEGACY = CmuProtocol(
    name="cmu-legacy",
    what="CMU forecasting as published: labels and millimetres of the literature",
    unit_mm=70.0,
    drop_first=False,
    published=CMU_PUBLISHED,
    notes=(
        *_COMMON,
        "Labels are those of the literature; the frames are 60 Hz, so the true times are those in true_ms.",
        "Millimetres are inflated by 1.24 (a skeleton unit is taken as 70 mm, it is 56.4 mm), and the mean over 38 "
        "joints holds 6 that never move and 7 that coincide with others.",
        "Row 0 of every file, a T-pose that the conversion added, is among the frames.",
        "Published rows: [pdf], [readme], [csv] were read there; [recalled] was written down from memory. Their means "
        "are taken here over the same actions as ours.",
    ),
)
CMU_PHYSICAL = CmuProtocol(
    name="cmu-physical",
    what="CMU forecasting done right: 60 Hz, true millimetres, captured joints only",
    unit_mm=1000 * UNIT,
    drop_first=True,
    unscored_positions=UNSCORED_POSITIONS,
    unscored_rotations=FINGER_ROTATIONS,
    notes=(
        *_COMMON,
        "Frames are taken at 60 Hz, not resampled; true_ms holds the horizons, labels_ms the frames' published names.",
        "True millimetres, mean over the 19 captured joints that move; row 0 (a T-pose) is dropped; fingers and "
        "thumbs, which were never captured, are not scored. No published row is comparable.",
    ),
)
