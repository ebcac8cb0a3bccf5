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
from dataclasses import dataclass

import numpy as np

from kinema.core.errors import KinemaError
from kinema.data.source import missing_data
from kinema.data.sources.h36m_rotations import ACTIONS, CLIPS, ORIGIN, TEST_SUBJECT, WHAT, H36MExpmap
from kinema.motion.motion import Motion
from kinema.protocols.forecasting.protocol import PREDICTED, SEED, ForecastingProtocol, every_second_row
from kinema.protocols.interface import Data, root_of
from kinema.protocols.published import H36M_PUBLISHED

OBSERVED = {"8": 50, "256": 50, "all": 10}  # frames
DRAWN = {"8": 4, "256": 128}  # windows of each clip
_FIRST, _RESERVED = 16, 150  # first and last frames without a start of a window


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
    """The benchmark as it is published, at 25 frames per second."""

    actions = ACTIONS
    observed = OBSERVED

    def tests(self, data: Data) -> Iterator[tuple[str, tuple[Motion, Motion]]]:
        """See `ForecastingProtocol`; actions of which both clips exist."""
        source = H36MExpmap(root=root_of(data))
        folder = source.folder / f"S{TEST_SUBJECT}"
        whole = [action for action in ACTIONS if all((folder / f"{action}_{k}.txt").is_file() for k in CLIPS)]
        if not whole:
            raise missing_data(WHAT, f"no action with both of its clips in {folder}", ORIGIN)
        for action in whole:
            first, second = (every_second_row(source.motion(TEST_SUBJECT, action, k)) for k in CLIPS)
            yield action, (first, second)

    def starts(self, clips: Sequence[Motion], windows: str) -> Sequence[Sequence[int]]:
        """See `ForecastingProtocol`."""
        if windows == "all":
            return [range(clip.frames - self.observed[windows] - PREDICTED + 1) for clip in clips]
        for clip in clips:
            if clip.frames <= _FIRST + _RESERVED:
                raise KinemaError(
                    expected=f"a test file of more than {2 * (_FIRST + _RESERVED)} rows",
                    got=f"{2 * clip.frames} in {clip.identity}",
                    cure="Copy this file again from the data set; it is cut short.",
                )
        return drawn_starts((clips[0].frames, clips[1].frames), DRAWN[windows])

    def context(
        self, tests: Sequence[str], missing: Sequence[str], data: Data
    ) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...]]:
        """See `ForecastingProtocol`."""
        notes = [f"'mean' is the unweighted mean over {len(tests)} actions: {', '.join(tests)}."]
        if missing:
            notes.append(
                f"Files of {len(missing)} of the {len(ACTIONS)} actions are missing ({', '.join(missing)}): this mean "
                "is not the published one."
            )
        return {"mean": tuple(tests)}, tuple(notes)


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
