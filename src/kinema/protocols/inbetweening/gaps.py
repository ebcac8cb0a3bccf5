"""The transition benchmark of Harvey et al. (2020): on LaFAN1, as its own evaluation code runs it, and on open data.

Ten frames are known, then a gap, then one target frame; errors are those of the frames in the gap.

`lafan1`: files of subjects 1 to 4 give the statistics, those of subject 5 are tested: windows of 65 frames every 40.
The root's own +Y axis, projected to the floor, points to +X at the tenth frame. The data are CC BY-NC-ND 4.0: users
provide their own copy of the 77 BVH files.

`open-inbetween`: the same windows, gaps and metrics on the test splits of CMU and HDM05 at 30 frames per second; each
gap is also scored with ten known frames after it, as between two clips. L2P is relative to the deviation of the
training split; windows face +z at the last known frame.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import FormatError
from kinema.data.source import Split, data_folder, missing_data
from kinema.data.sources.packs import RotationPack
from kinema.io.formats import load
from kinema.metrics import inbetween
from kinema.metrics.dynamics import mean_jerk
from kinema.motion import skeletons as catalog
from kinema.motion.edit import facing, resample, rotate, shift
from kinema.motion.motion import Motion
from kinema.protocols.base import NO_OPTIONS, Options
from kinema.protocols.inbetweening.protocol import CompletionProtocol, blanked
from kinema.protocols.interface import Data, Evaluated, root_of
from kinema.protocols.published import LAFAN1_PUBLISHED
from kinema.protocols.report import Report
from kinema.protocols.tables import Cell, by_metric

RATE = 30.0
PAST = 10
GAPS = (5, 15, 30, 45)
TEST_WINDOW, TEST_HOP = 65, 40
TRAIN_WINDOW, TRAIN_HOP = 50, 20
AFTER = 10  # frames after the gap in a window; the benchmark uses only the first, its target
TRAIN_SUBJECTS, TEST_SUBJECTS = (1, 2, 3, 4), (5,)
_SUBJECT = re.compile(r"_subject(\d+)$")
_WHAT = "the BVH files of LaFAN1 (aiming1_subject1.bvh ... walk4_subject1.bvh)"
_ORIGIN = "Get LaFAN1 from github.com/ubisoft/ubisoft-laforge-animation-dataset (CC BY-NC-ND 4.0, non-commercial)."

Heading = Callable[[Motion], Float[Tensor, "*batch frame"]]


@dataclass(frozen=True)
class Lafan1(CompletionProtocol):
    """The benchmark on its own recordings."""

    name: str = "lafan1"
    what: str = "The LaFAN1 transition benchmark: L2Q, L2P, NPSS for gaps of 5, 15, 30 and 45 frames"
    gaps: tuple[int, ...] = GAPS

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`."""
        methods = self.methods(pipeline, beside)
        files = lafan_files(data)
        # The benchmark's order; end sites are not scored.
        joints = _lafan_recording(files[0]).skeleton.indices(catalog.skeleton("lafan22").joints)
        statistics = PositionStatistics.of(_of_subjects(files, TRAIN_SUBJECTS), joints, heading)
        tests = list(_of_subjects(files, TEST_SUBJECTS))
        batches = [batch for clip in tests for batch in windows(clip, TEST_WINDOW, TEST_HOP, heading)]
        cells = [_cell(methods, batches, gap, joints, statistics) for gap in self.gaps]
        return self.report(
            pipeline,
            methods,
            cells,
            [clip.identity for clip in tests],
            deciding=("l2q", "l2p", "npss") if "rotations" in pipeline.kinds else ("l2p",),
            notes=(
                "Ten frames known, a gap, one target frame; windows of 65 frames every 40 of subject 5; a window that "
                "would end at a file's last frame is left out, as in the original loop (2,232 windows in all).",
                "The original takes quaternions with unbroken signs: that is l2q_strict and npss_strict, to be "
                "compared with old rows. l2q and npss take signs nearest to the last known frame "
                "(delta-interpolator's way).",
                "Published rows marked [recalled] were written down from memory. About one per cent of slack sits in "
                "published comparisons: some pipelines reproduce the baselines only so far.",
            ),
            published=LAFAN1_PUBLISHED,
        )


@dataclass(frozen=True)
class OpenInbetween(CompletionProtocol):
    """The benchmark on open recordings; `sets` are rotation packs."""

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
            clips = list(recordings(pack, data, "test"))
            tests += [clip.identity for clip in clips]
            joints = range(len(clips[0].skeleton))
            statistics = PositionStatistics.of(recordings(pack, data, "train"), joints, facing)
            batches = [batch for clip in clips for batch in windows(clip, TEST_WINDOW, TEST_HOP, facing)]
            cells += [
                _cell(methods, batches, gap, joints, statistics, {"set": pack}, after)
                for after, gap in itertools.product((1, AFTER), self.gaps)
            ]
        return self.report(
            pipeline,
            methods,
            cells,
            tests,
            deciding=("l2q", "l2p") if "rotations" in pipeline.kinds else ("l2p",),
            notes=(
                "Ten frames known, a gap, one target frame; 65-frame windows every 40 frames at 30 Hz; errors of the "
                "gap's frames.",
                "after 10: the same gaps with ten frames known behind them, as between two clips. LaFAN1 has no such "
                "cell.",
                "'linear' is slerp for rotations and a straight line for the root. L2Q: signs nearest to the last "
                "known frame.",
                "L2P is over the deviation of the training split's windows (50 frames every 20), of the same set.",
            ),
        )


@dataclass(frozen=True, eq=False)
class PositionStatistics:
    """Mean and deviation of each coordinate of the training windows, in metres."""

    mean: Float[Tensor, "joint 3"]
    std: Float[Tensor, "joint 3"]

    @classmethod
    def of(cls, clips: Iterable[Motion], joints: Sequence[int], heading: Heading) -> PositionStatistics:
        """From the training windows of recordings."""
        batches = (batch for clip in clips for batch in windows(clip, TRAIN_WINDOW, TRAIN_HOP, heading))
        found = inbetween.position_statistics(batch.points().positions[..., list(joints), :] for batch in batches)
        return cls(*found)


def starts(frames: int, window: int, hop: int) -> range:
    """First frames of the windows; as in the benchmark's loop, without one that ends at the last frame."""
    return range(0, max(frames - window, 0), hop)


def windows(clip: Motion, window: int, hop: int, heading: Heading) -> Iterator[Motion]:
    """The windows of a recording as one batch; nothing for a short recording.

    The root's mean position on the floor becomes the origin, and the `heading` of the tenth frame becomes angle 0.
    """
    first = torch.tensor(list(starts(clip.frames, window, hop)))
    if not len(first):
        return
    cut = clip[first[:, None] + torch.arange(window)]
    cut = shift(cut, cut.root.mean(-2) * cut.root.new_tensor([-1.0, 0.0, -1.0]))
    yield rotate(cut, -heading(cut)[..., PAST - 1])


def heading(clip: Motion) -> Float[Tensor, "*batch frame"]:
    """LaFAN1's: the angle about y, radians, from +X to the root's own +Y axis on the floor."""
    axis = clip.rotations[..., 0, :, 1]
    return torch.atan2(-axis[..., 2], axis[..., 0])


def known_frames(gap: int, after: int = 1) -> Bool[Tensor, " frame"]:
    """The known frames of a window: ten before the gap, and those after it (the benchmark has one)."""
    known = torch.ones(PAST + gap + after, dtype=torch.bool)
    known[PAST : PAST + gap] = False
    return known


def _cell(
    methods: Mapping[str, Evaluated],
    batches: Sequence[Motion],
    gap: int,
    joints: Sequence[int],
    statistics: PositionStatistics,
    where: Mapping[str, str] | None = None,
    after: int = 1,
) -> Cell:
    """The scores of all methods for one gap length, with `after` known frames after the gap."""
    scores = {name: gap_scores(one, batches, gap, joints, statistics, after) for name, one in methods.items()}
    where = {**(where or {}), "gap": str(gap)} | ({} if after == 1 else {"after": str(after)})
    return Cell(where, sum(batch.batch_shape[0] for batch in batches), by_metric(scores))


def gap_scores(
    method: Evaluated,
    batches: Iterable[Motion],
    gap: int,
    joints: Sequence[int],
    statistics: PositionStatistics,
    after: int = 1,
) -> dict[str, float]:
    """The mean of every metric of a method over windows (batch shape (window,))."""
    known = known_frames(gap, after)
    parts: dict[str, list[Tensor]] = {}
    for batch in batches:
        for name, values in _errors(method, batch[: len(known)], known, list(joints), statistics).items():
            parts.setdefault(name, []).append(values)
    whole = {name: torch.cat(values) for name, values in parts.items()}
    found: dict[str, float] = {}
    for mark in ("", "_strict"):
        if f"own{mark}" in whole:
            own, true = whole.pop(f"own{mark}"), whole.pop(f"true{mark}")
            found[f"l2q{mark}"] = float(inbetween.l2q(own, true).mean())
            found[f"npss{mark}"] = inbetween.npss(own.flatten(2), true.flatten(2))
    return found | {metric: float(values.double().mean()) for metric, values in whole.items()}


def _errors(
    method: Evaluated,
    ground_truth: Motion,
    known: Bool[Tensor, " frame"],
    joints: list[int],
    statistics: PositionStatistics,
) -> dict[str, Tensor]:
    """Errors of windows by metric; for methods of rotations also global quaternions in the gap ("own", "true")."""
    gap = slice(PAST, PAST + int((~known).sum()))
    found: dict[str, Tensor] = {}
    if "rotations" in method.kinds:
        motion = method.complete(blanked(ground_truth, known), known)
        found, answer = _quats(motion, ground_truth, gap, joints), motion.points()
    else:
        answer = method.complete(blanked(ground_truth.points(), known), known)
    own, true = (points.positions[..., joints, :].double() for points in (answer, ground_truth.points()))
    floor = inbetween.foot_height(ground_truth.points())
    return found | {
        "l2p": inbetween.l2p(own[:, gap], true[:, gap], statistics.mean, statistics.std),
        "mpjpe_mm": 1000 * (own - true)[:, gap].norm(dim=-1).mean(-1),
        "skate": inbetween.skate_share(replace(answer, positions=answer.positions[:, gap]), floor),
        "jerk": mean_jerk(own[:, gap.start - 3 : gap.stop + 1], answer.fps),
    }


def _quats(answer: Motion, ground_truth: Motion, gap: slice, joints: list[int]) -> dict[str, Tensor]:
    parents, before = ground_truth.skeleton.parents, gap.start - 1
    true_local = inbetween.local_quats(ground_truth)
    own_local = inbetween.unbroken(inbetween.local_quats(answer)[:, gap.start :], true_local[:, before])
    true = inbetween.global_quats(true_local, parents)[..., joints, :]
    own = inbetween.global_quats(own_local[:, : gap.stop - gap.start], parents)[..., joints, :]
    return {
        "own_strict": own,
        "true_strict": true[:, gap],
        "own": inbetween.toward(own, true[:, before]),
        "true": inbetween.toward(true[:, gap], true[:, before]),
    }


def recordings(pack: str, data: Data, split: Split) -> Iterator[Motion]:
    """The recordings of a pack's split at 30 frames per second."""
    return (resample(clip, RATE) for clip in RotationPack(pack=pack, root=root_of(data)).clips(split))


def lafan_files(data: Data) -> list[Path]:
    """The BVH files in a folder whose names end in a subject, sorted; both splits must have one."""
    folder = data_folder(root_of(data), what=_WHAT, origin=_ORIGIN)
    files = sorted(path for path in folder.rglob("*.bvh") if _SUBJECT.search(path.stem))
    for split in (TRAIN_SUBJECTS, TEST_SUBJECTS):
        if not any(_subject(path) in split for path in files):
            raise missing_data(_WHAT, f"none of subject {' or '.join(map(str, split))} in {folder}", _ORIGIN)
    return files


def _subject(path: Path) -> int:
    return int(path.stem.rpartition("_subject")[2])


def _of_subjects(files: Sequence[Path], subjects: Sequence[int]) -> Iterator[Motion]:
    return (_lafan_recording(path) for path in files if _subject(path) in subjects)


def _lafan_recording(path: Path) -> Motion:
    """One file. Raises FormatError for another skeleton or rate."""
    motion = load(path)
    if missing := [joint for joint in catalog.skeleton("lafan22").joints if joint not in motion.skeleton.joints]:
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


LAFAN1 = Lafan1()
OPEN_INBETWEEN = OpenInbetween()
