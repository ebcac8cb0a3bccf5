"""`lafan1`: the transition benchmark of Harvey et al. (2020) on LaFAN1, as its own evaluation code runs it.

Files of subjects 1 to 4 give the statistics, those of subject 5 are tested: windows of 65 frames every 40. The root's
own +Y axis, projected to the floor, points to +X at the tenth frame. The data are CC BY-NC-ND 4.0: users provide their
own copy of the 77 BVH files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import FormatError
from kinema.data.source import data_folder, missing_data
from kinema.io.formats import load
from kinema.motion import skeletons as catalog
from kinema.motion.motion import Motion
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.inbetweening.gaps import GAPS, TEST_HOP, TEST_WINDOW, GapScores, PositionStatistics, windows
from kinema.protocols.inbetweening.protocol import CompletionProtocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.published import LAFAN1_PUBLISHED
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell

RATE = 30.0
TRAIN_SUBJECTS, TEST_SUBJECTS = (1, 2, 3, 4), (5,)
_SUBJECT = re.compile(r"_subject(\d+)$")
_WHAT = "the BVH files of LaFAN1 (aiming1_subject1.bvh ... walk4_subject1.bvh)"
_ORIGIN = "Get LaFAN1 from github.com/ubisoft/ubisoft-laforge-animation-dataset (CC BY-NC-ND 4.0, non-commercial)."
_NOTES = (
    "Ten frames known, a gap, one target frame; windows of 65 frames every 40 of subject 5; a window that would end at "
    "a file's last frame is left out, as in the original loop (2,232 windows in all).",
    "The original takes quaternions with unbroken signs: that is l2q_strict and npss_strict, to be compared with old "
    "rows. l2q and npss take signs nearest to the last known frame (delta-interpolator's way).",
    "Published rows marked [recalled] were written down from memory. About one per cent of slack sits in published "
    "comparisons: some pipelines reproduce the baselines only so far.",
)


@dataclass(frozen=True)
class Lafan1(CompletionProtocol):
    """The protocol."""

    name: str = "lafan1"
    what: str = "The LaFAN1 transition benchmark: L2Q, L2P, NPSS for gaps of 5, 15, 30 and 45 frames"
    gaps: tuple[int, ...] = GAPS

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`."""
        methods = self.methods(pipeline, beside)
        files = lafan_files(data)
        joints = _joints(recording(files[0]))
        statistics = PositionStatistics.of(recordings(files, TRAIN_SUBJECTS), joints, heading)
        sums = {(name, gap): GapScores(gap, joints, statistics) for name in methods for gap in self.gaps}
        tests: list[str] = []
        for clip in recordings(files, TEST_SUBJECTS):
            tests.append(clip.identity)
            for batch in windows(clip, TEST_WINDOW, TEST_HOP, heading):
                for (name, _), scores in sums.items():
                    scores.add(methods[name], batch)
        cells: list[Cell] = []
        for gap in self.gaps:
            found: dict[str, dict[str, float]] = {}
            for name in methods:
                for metric, value in sums[name, gap].means().items():
                    found.setdefault(metric, {})[name] = value
            cells.append(Cell({"gap": str(gap)}, sums[pipeline.name, gap].windows, found))
        deciding = ("l2q", "l2p", "npss") if "rotations" in pipeline.kinds else ("l2p",)
        return self.report(pipeline, methods, cells, tests, deciding=deciding, notes=_NOTES, published=LAFAN1_PUBLISHED)


def heading(clip: Motion) -> Float[Tensor, "*batch frame"]:
    """The angle about y, radians, from +X to the root's own +Y axis on the floor."""
    axis = clip.rotations[..., 0, :, 1]
    return torch.atan2(-axis[..., 2], axis[..., 0])


def lafan_files(data: Data) -> list[Path]:
    """The BVH files in a folder whose names end in a subject, sorted; both splits must have one."""
    folder = data_folder(None if data is None else str(data), what=_WHAT, origin=_ORIGIN)
    files = sorted(path for path in folder.rglob("*.bvh") if _SUBJECT.search(path.stem))
    for split in (TRAIN_SUBJECTS, TEST_SUBJECTS):
        if not any(subject(path) in split for path in files):
            raise missing_data(_WHAT, f"none of subject {' or '.join(map(str, split))} in {folder}", _ORIGIN)
    return files


def subject(path: Path) -> int:
    """The number of the subject in a file's name."""
    found = _SUBJECT.search(path.stem)
    return int(found.group(1)) if found else 0


def recordings(files: Sequence[Path], subjects: Sequence[int]) -> Iterator[Motion]:
    """The recordings of these subjects."""
    return (recording(path) for path in files if subject(path) in subjects)


def recording(path: Path) -> Motion:
    """One file. Raises FormatError for another skeleton or rate."""
    motion = load(path)
    body = catalog.skeleton("lafan22")
    if missing := [joint for joint in body.joints if joint not in motion.skeleton.joints]:
        raise FormatError(
            where=path.name,
            expected="the 22 joints of LaFAN1",
            got=f"no {', '.join(missing[:3])}",
            cure="Use the original BVH files of the data set.",
        )
    if abs(motion.fps - RATE) > 0.1:
        raise FormatError(
            where=path.name,
            expected="30 frames per second",
            got=f"{motion.fps:g}",
            cure="Run kinema convert FILE OUT.bvh --fps 30.",
        )
    return motion


def _joints(motion: Motion) -> list[int]:
    """The 22 joints, in the benchmark's order; end sites are not scored."""
    return motion.skeleton.indices(catalog.skeleton("lafan22").joints)


LAFAN1 = Lafan1()
