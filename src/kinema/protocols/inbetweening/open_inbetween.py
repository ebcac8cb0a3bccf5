"""`open-inbetween`: the LaFAN1 transition benchmark on open recordings, CMU and HDM05.

Windows, gaps and metrics are LaFAN1's (`gaps`); each gap is also scored with ten known frames after it, as between two
clips. Recordings are the test splits of the rotation packs at 30 frames per second; L2P is relative to the deviation of
the training split; windows face +z at the last known frame.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from kinema.data.source import Split
from kinema.data.sources.packs import RotationPack
from kinema.motion.edit import facing, resample
from kinema.motion.motion import Motion
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.inbetweening.gaps import (
    AFTER,
    GAPS,
    TEST_HOP,
    TEST_WINDOW,
    GapScores,
    PositionStatistics,
    windows,
)
from kinema.protocols.inbetweening.protocol import CompletionProtocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell

RATE = 30.0
_NOTES = (
    "Ten frames known, a gap, one target frame; 65-frame windows every 40 frames at 30 Hz; errors of the gap's frames.",
    "after 10: the same gaps with ten frames known behind them, as between two clips. LaFAN1 has no such cell.",
    "'linear' is slerp for rotations and a straight line for the root. L2Q: signs nearest to the last known frame.",
    "L2P is over the deviation of the training split's windows (50 frames every 20), of the same set.",
)


@dataclass(frozen=True)
class OpenInbetween(CompletionProtocol):
    """The protocol; `sets` are rotation packs."""

    name: str = "open-inbetween"
    what: str = "In-betweening on CMU and HDM05 at 30 Hz: L2Q, L2P, NPSS for gaps of 5, 15, 30 and 45 frames"
    sets: tuple[str, ...] = ("cmu_bvh", "hdm05")
    gaps: tuple[int, ...] = GAPS

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`."""
        methods = self.methods(pipeline, beside)
        cells: list[Cell] = []
        tests: list[str] = []
        for pack in self.sets:
            test = list(recordings(pack, data, "test"))
            tests += [clip.identity for clip in test]
            cells += self._cells(pack, test, recordings(pack, data, "train"), methods)
        deciding = ("l2q", "l2p") if "rotations" in pipeline.kinds else ("l2p",)
        return self.report(pipeline, methods, cells, tests, deciding=deciding, notes=_NOTES)

    def _cells(
        self, pack: str, test: Sequence[Motion], train: Iterator[Motion], methods: Mapping[str, Evaluated]
    ) -> Iterator[Cell]:
        joints = range(len(test[0].skeleton))
        statistics = PositionStatistics.of(train, joints, facing)
        batches = [batch for clip in test for batch in windows(clip, TEST_WINDOW, TEST_HOP, facing)]
        for after, gap in itertools.product((1, AFTER), self.gaps):
            scores: dict[str, dict[str, float]] = {}
            count = 0
            for name, one in methods.items():
                sums = GapScores(gap, joints, statistics, after)
                for batch in batches:
                    sums.add(one, batch)
                count = sums.windows
                for metric, value in sums.means().items():
                    scores.setdefault(metric, {})[name] = value
            where = {"set": pack, "gap": str(gap)}
            yield Cell(where if after == 1 else {**where, "after": str(after)}, count, scores)


def recordings(pack: str, data: Data, split: Split) -> Iterator[Motion]:
    """The recordings of a pack's split at 30 frames per second."""
    source = RotationPack(pack=pack, root=None if data is None else str(data))
    return (resample(clip, RATE) for clip in source.clips(split))


OPEN_INBETWEEN = OpenInbetween()
