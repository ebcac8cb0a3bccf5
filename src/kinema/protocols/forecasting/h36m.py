"""The Human3.6M forecasting benchmark (Jain et al. 2016, Martinez et al. 2017 and all who followed).

Subject 5 is tested, two clips of fifteen actions, every second row of 50 Hz: 25 frames per second, so the labels are
true. Papers score different windows (LTD at 400 ms: 61.3, 58.9, 63.5 mm):

* "8": eight draws per action, four from each clip in turn, as in the first papers;
* "256": the same random stream, 128 from each clip;
* "all": every window of 35 frames, 10 of them observed.

Errors are the benchmark's: Euler angles of all joints but the root, and the mean distance of 32 joints of one fixed
skeleton, of which four never move and six coincide with others.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kinema.core.errors import KinemaError
from kinema.data.source import missing_data
from kinema.data.sources.h36m_rotations import ACTIONS, CLIPS, ORIGIN, TEST_SUBJECT, WHAT, H36MExpmap
from kinema.motion.motion import Motion
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.forecasting.protocol import ForecastingProtocol, ForecastWindows, cut, every_second_row, rows_at
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import Leak, find_leak
from kinema.protocols.published import H36M_PUBLISHED, LABELS_MS
from kinema.protocols.report import Report
from kinema.protocols.tables import Horizons, Published, Row, horizon_report

RATE = 25.0
HORIZON_FRAMES = (2, 4, 8, 10, 14, 25)  # counted from 1: 80, 160, 320, 400, 560, 1000 ms
PREDICTED = 25
OBSERVED = {"8": 50, "256": 50, "all": 10}
DRAWN = {"8": 4, "256": 128}  # windows of each clip
SEED = 1234567890
_FIRST, _RESERVED = 16, 150  # first and last frames without a start of a window

Clips = tuple[Motion, Motion]


def drawn_starts(lengths: tuple[int, int], count: int) -> tuple[list[int], list[int]]:
    """First frames of the drawn windows of 75 frames in the two clips of an action, `count` in each.

    Draws of `randint(16, length - 150)`, one per clip in turn, from numpy's legacy generator, seeded again for every
    action. `lengths` are in frames at 25 per second.
    """
    generator = np.random.RandomState(SEED)
    starts: tuple[list[int], list[int]] = ([], [])
    for _ in range(count):
        for length, own in zip(lengths, starts, strict=True):
            own.append(int(generator.randint(_FIRST, length - _RESERVED)))
    return starts


@dataclass(frozen=True)
class H36MProtocol(ForecastingProtocol):
    """The benchmark as it is published."""

    name: str
    what: str
    published: tuple[Published, ...] = ()
    notes: tuple[str, ...] = ()

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Actions with a missing clip are left out, and named in the report."""
        pipelines = [pipeline, *(other for other in beside if other.name != pipeline.name)]
        errors: dict[str, dict[str, dict[str, dict[str, Row]]]] = {one.name: {} for one in pipelines}
        tests: dict[str, tuple[str, ...]] = {}
        for action, clips in self.tests(data):
            tests[action] = tuple(clip.identity for clip in clips)
            for windows in OBSERVED:
                for one in pipelines:
                    rows = rows_at(HORIZON_FRAMES, one, self.windows_of(clips, windows), unit_mm=1000.0)
                    for metric, row in rows.items():
                        errors[one.name].setdefault(windows, {}).setdefault(metric, {})[action] = row
        missing = tuple(action for action in ACTIONS if action not in tests)
        return horizon_report(
            self.name,
            pipeline.name,
            Horizons(LABELS_MS, LABELS_MS),
            errors,
            {"mean": tuple(tests)},
            missing_actions=missing,
            published=self.published,
            leak=_leak(pipeline, tests),
            notes=(*_data_notes(tuple(tests), missing), *self.notes),
        )

    def tests(self, data: Data) -> Iterator[tuple[str, Clips]]:
        """Action and its two clips at the protocol's rate, if both exist."""
        source = H36MExpmap(root=None if data is None else str(data))
        folder = source.folder / f"S{TEST_SUBJECT}"
        whole = [action for action in ACTIONS if all((folder / f"{action}_{k}.txt").is_file() for k in CLIPS)]
        if not whole:
            raise missing_data(WHAT, f"no action with both of its clips in {folder}", ORIGIN)
        for action in whole:
            first, second = (every_second_row(source.motion(TEST_SUBJECT, action, k)) for k in CLIPS)
            yield action, (first, second)

    def cuts(self, data: Data, windows: str) -> Iterator[tuple[str, ForecastWindows]]:
        """See `ForecastingProtocol`."""
        return ((action, some) for action, clips in self.tests(data) for some in self.windows_of(clips, windows))

    def windows_of(self, clips: Clips, windows: str) -> Iterator[ForecastWindows]:
        """The windows of an action, a chunk at a time. Raises KinemaError if a clip is too short."""
        observed = OBSERVED[windows]
        if windows == "all":
            starts = [list(range(clip.frames - observed - PREDICTED + 1)) for clip in clips]
        else:
            for clip in clips:
                if clip.frames <= _FIRST + _RESERVED:
                    raise KinemaError(
                        expected=f"a test file of more than {2 * (_FIRST + _RESERVED)} rows",
                        got=f"{2 * clip.frames} in {clip.identity}",
                        cure="Copy this file again from the data set; it is cut short.",
                    )
            starts = drawn_starts((clips[0].frames, clips[1].frames), DRAWN[windows])
        for clip, own in zip(clips, starts, strict=True):
            yield from cut(clip, own, observed, PREDICTED)


def _leak(pipeline: Evaluated, tests: dict[str, tuple[str, ...]]) -> Leak:
    leaks = [
        find_leak(pipeline.trained_on, {action: clips[place] for action, clips in tests.items()})
        for place in range(len(CLIPS))
    ]
    return replace(
        leaks[0],
        sure=tuple(meeting for leak in leaks for meeting in leak.sure),
        possible=tuple(meeting for leak in leaks for meeting in leak.possible),
    )


def _data_notes(tests: tuple[str, ...], missing: tuple[str, ...]) -> tuple[str, ...]:
    over = f"'mean' is the unweighted mean over {len(tests)} actions: {', '.join(tests)}."
    if not missing:
        return (over,)
    return (
        over,
        f"Files of {len(missing)} of the {len(ACTIONS)} actions are missing ({', '.join(missing)}): this mean is not "
        "the published one.",
    )


H36M_LEGACY = H36MProtocol(
    name="h36m-legacy",
    what="Human3.6M forecasting as published: 8, 256 and all windows; needs your own licensed copy",
    published=H36M_PUBLISHED,
    notes=(
        "'8' and '256': drawn windows per action, 50 frames observed; 'all': every window, 10 frames observed.",
        "Euler angles that are constant over a whole window (observed and predicted) are masked, as published.",
        "Positions are those of a fixed skeleton, the root's trajectory and rotation removed; the mean over 32 joints "
        "holds 4 that never move and 6 that coincide with others.",
        "Published means over all 15 actions, MPJPE at 80 160 320 400 560 1000 ms, 256 windows: zero velocity 23.8 "
        "44.4 76.1 88.2 107.4 136.6 [reruns]; ConvSeq2Seq 16.6 33.3 61.4 72.7 90.7 124.2 [recalled]; LTD 11.2 23.4 "
        "47.9 58.9 79.5 112.7 [pdf]; siMLPe 9.6 21.7 46.3 57.3 75.7 109.4 [quoted in its issue 12].",
        "Published means over all 15 actions, Euler error at 80 160 320 400 ms, 8 windows: zero velocity .40 .78 1.07 "
        "1.21; ConvSeq2Seq .38 .68 1.01 1.13 [both recalled]; LTD .27 .51 .83 .95 [readme].",
    ),
)
