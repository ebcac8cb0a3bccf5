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
from kinema.data.sources.cmu import BENCHMARK, UNIT, CmuForecast
from kinema.motion.motion import Motion
from kinema.motion.skeletons.cmu import CMU38_COPIES, CMU38_NOT_CAPTURED, CMU38_STATIC
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.forecasting.protocol import ForecastingProtocol, ForecastWindows, cut, every_second_row, rows_at
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import Leak, find_leak
from kinema.protocols.published import CMU_PUBLISHED, LABELS_MS
from kinema.protocols.report import Report
from kinema.protocols.tables import Horizons, Published, Row, horizon_report

RATE = 60.0  # frames per second of every second row
HORIZON_FRAMES = (2, 4, 8, 10, 14, 25)  # counted from 1: the frames that are called 80, 160, 320, 400, 560, 1000 ms
TRUE_MS = tuple(round(1000 * frame / RATE) for frame in HORIZON_FRAMES)
PREDICTED = 25
WINDOWS = {"8": 50, "all": 10}  # observed frames
SEED = 1234567890

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
    """One way to score the benchmark's test files.

    `unit_mm` is the length of a unit of the skeleton file, `unscored_positions` and `unscored_rotations` are joints
    that the two metrics leave out, `drop_first` leaves out row 0.
    """

    name: str
    what: str
    unit_mm: float
    drop_first: bool
    unscored_positions: tuple[int, ...] = ()
    unscored_rotations: tuple[int, ...] = ()
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`."""
        source = CmuForecast(root=None if data is None else str(data), drop_first=self.drop_first)
        tests, errors = self._errors([pipeline, *(other for other in beside if other.name != pipeline.name)], source)
        means = {"mean": tuple(tests), "mean_trained": _trained(source, tests)}
        means = {name: actions for name, actions in means.items() if actions}
        missing = tuple(action for action in source.actions if action not in tests)
        return horizon_report(
            self.name,
            pipeline.name,
            Horizons(LABELS_MS, TRUE_MS),
            errors,
            means,
            missing_actions=missing,
            published=self.published,
            leak=_leak(pipeline, tests, source),
            notes=(
                *_data_notes(source, means, missing),
                *self.notes,
                *_published_notes(self.published),
                *_metric_notes(pipeline),
            ),
        )

    def _errors(
        self, pipelines: Sequence[Evaluated], source: CmuForecast
    ) -> tuple[dict[str, str], dict[str, dict[str, dict[str, dict[str, Row]]]]]:
        """Identities of the test files by action; by pipeline, windows, metric and action the errors."""
        tests: dict[str, str] = {}
        found: dict[str, dict[str, dict[str, dict[str, Row]]]] = {one.name: {} for one in pipelines}
        for clip in source.clips("test"):
            action = str(clip.action)
            tests[action] = clip.identity
            half = every_second_row(clip)
            for windows in WINDOWS:
                for one in pipelines:
                    for metric, row in self._rows(one, half, windows).items():
                        found[one.name].setdefault(windows, {}).setdefault(metric, {})[action] = row
        return tests, found

    def _rows(self, pipeline: Evaluated, clip: Motion, windows: str) -> dict[str, Row]:
        return rows_at(
            HORIZON_FRAMES,
            pipeline,
            self.windows_of(clip, windows),
            unit_mm=self.unit_mm / UNIT,
            unscored_rotations=self.unscored_rotations,
            unscored_positions=self.unscored_positions,
        )

    def tests(self, data: Data) -> Iterator[Motion]:
        """The test files in `data`, at the protocol's rate."""
        source = CmuForecast(root=None if data is None else str(data), drop_first=self.drop_first)
        return (every_second_row(clip) for clip in source.clips("test"))

    def cuts(self, data: Data, windows: str) -> Iterator[tuple[str, ForecastWindows]]:
        """See `ForecastingProtocol`."""
        return ((str(clip.action), some) for clip in self.tests(data) for some in self.windows_of(clip, windows))

    def windows_of(self, clip: Motion, windows: str) -> Iterator[ForecastWindows]:
        """The windows of one of the `tests`, a chunk at a time. Raises KinemaError if it is too short."""
        observed = WINDOWS[windows]
        if clip.frames <= observed + PREDICTED:
            raise KinemaError(
                expected=f"a test file of more than {observed + PREDICTED} frames at {RATE:g} Hz",
                got=f"{clip.frames} in {clip.action}",
                cure="Copy this file again from the data set; it is cut short.",
            )
        starts = eight_starts(clip.frames) if windows == "8" else all_starts(clip.frames)
        return cut(clip, starts, observed, PREDICTED)


def _trained(source: CmuForecast, tests: Sequence[str] | dict[str, str]) -> tuple[str, ...]:
    """The tested actions with complete training files."""
    there = source.names("train")
    wanted = {action: [n for n in BENCHMARK if n.startswith(f"train/{action}/")] for action in tests}
    return tuple(action for action, names in wanted.items() if all(name in there for name in names))


def _leak(pipeline: Evaluated, tests: dict[str, str], source: CmuForecast) -> Leak:
    if not pipeline.trained_on:
        return Leak()
    # Files of one release are different recordings (a test compares their rows).
    apart = {clip.identity for clip in replace(source, extra=True).clips("train")}
    return find_leak(pipeline.trained_on, tests, apart)


def _data_notes(source: CmuForecast, means: dict[str, tuple[str, ...]], missing: Sequence[str]) -> tuple[str, ...]:
    train = [name for name in BENCHMARK if name.startswith("train/")]
    there = source.names("train")
    over = [f"'{name}' is the unweighted mean over {len(of)} actions: {', '.join(of)}." for name, of in means.items()]
    notes = [*over]
    if missing:
        notes.append(f"Test files of {len(missing)} of the 8 actions are missing: {', '.join(missing)}.")
    if lacking := len(train) - sum(name in there for name in train):
        notes.append(
            f"{lacking} of the {len(train)} training files are missing, so models trained on the others have less data "
            "than the published rows; 'mean_trained' is over actions whose training files are complete."
        )
    unseen = [a for a in means["mean"] if not any(name.startswith(f"train/{a}/") for name in there)]
    if unseen:
        notes.append(
            f"All training files of {', '.join(unseen)} are missing: models trained on the others never saw them."
        )
    return tuple(notes)


def _published_notes(published: Sequence[Published]) -> tuple[str, ...]:
    """The notes on published rows, each once, with its rows."""
    about: dict[str, list[str]] = {}
    for row in published:
        if row.note:
            about.setdefault(row.note, []).append(f"{row.label} ({row.windows})")
    return tuple(f"{', '.join(dict.fromkeys(labels))}: {note}." for note, labels in about.items())


def _metric_notes(pipeline: Evaluated) -> tuple[str, ...]:
    if "rotations" in pipeline.spaces:
        return ()
    return (f"{pipeline.name} predicts positions, so there is no Euler error.",)


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
