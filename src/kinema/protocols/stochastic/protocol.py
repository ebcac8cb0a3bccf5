"""Stochastic forecasting: 50 futures, the best of them and their variety.

DLow's benchmark on Human3.6M and HumanEva (Yuan and Kitani, ECCV 2020), BeLFusion's on AMASS (ICCV 2023), and
`open-stochastic` on open recordings. The possible futures of a pose come from the test windows; the multimodal files of
other repositories are not needed. Recordings are joint positions, metres; their `action` is the group of the rows and
of the motion distance: the action, or the data set (AMASS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from kinema.data.source import Split, missing_data
from kinema.data.sources.amass import ORIGIN, Amass, model_folder
from kinema.data.sources.open_motion import OpenMotion
from kinema.data.sources.position_archives import H36MPositions, HumanEvaPositions
from kinema.metrics.distribution import ClassifierFeatures
from kinema.metrics.stochastic import CONVENTIONS
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.protocols.base import NO_OPTIONS, OptionName, Options, Protocol
from kinema.protocols.interface import Data, Evaluated, root_of
from kinema.protocols.leaks import Leak, find_leak
from kinema.protocols.published import AMASS_FUTURES, H36M_FUTURES, HUMANEVA_FUTURES
from kinema.protocols.report import Report
from kinema.protocols.stochastic.nearest_neighbour import NAME as NEAREST
from kinema.protocols.stochastic.nearest_neighbour import NearestFutures
from kinema.protocols.stochastic.scores import CLASSIFIED, DECIMALS, METRICS, means, means_by_group, score
from kinema.protocols.stochastic.windows import FutureWindows
from kinema.protocols.tables import PublishedScores, score_report

Takes = Callable[[str | None, Split], Iterator[Points]]
_AMASS_FPS = 60.0
_AMASS_JOINTS = 22  # of SMPL-H: the body without fingers
_AMASS_LEFT_OUT = 150  # frames at the start of every test recording


@dataclass(frozen=True)
class StochasticProtocol(Protocol):
    """One benchmark: `takes` yields its recordings as joint positions (metres, at `fps`, with an action) by split.

    Windows of `observed` + `predicted` frames begin every `stride` frames; poses closer than `threshold` (L2 norm over
    all joints, metres) share their futures. `anchors` are published scores of zero velocity, to check data and metrics.
    """

    name: str
    what: str
    takes: Takes
    fps: float
    observed: int
    predicted: int
    stride: int
    threshold: float = 0.5
    samples: int = 50
    seed: int = 0
    published: tuple[PublishedScores, ...] = ()
    anchors: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    beside: tuple[str, ...] = ("zero-velocity", "constant-velocity")
    options: tuple[OptionName, ...] = ()

    verb = "forecast"

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. A classifier adds a Frechet distance of its features."""
        classifier = None if options.classifier is None else ClassifierFeatures.read(options.classifier)
        return _report(self, [pipeline, *(one for one in beside if one.name != pipeline.name)], data, classifier)

    def windows(self, data: Data) -> FutureWindows:
        """The test windows."""
        takes = self.takes(root_of(data), "test")
        return FutureWindows.cut(takes, self.observed, self.predicted, self.stride, self.threshold)

    def baseline(self, name: str, data: Data) -> Evaluated | None:
        """ "nearest-neighbour": what followed similar moments of the training recordings."""
        if name != NEAREST:
            return None
        return NearestFutures.of(self.takes(root_of(data), "train"), observed=self.observed, stride=self.stride)


def _report(
    protocol: StochasticProtocol, pipelines: Sequence[Evaluated], data: Data, classifier: ClassifierFeatures | None
) -> Report:
    own, windows = pipelines[0], protocol.windows(data)
    metrics = METRICS if classifier is None else METRICS | CLASSIFIED
    scored = {
        one.name: score(one, windows, samples=protocol.samples, seed=protocol.seed, classifier=classifier)
        for one in pipelines
    }
    notes = (*_common_notes(windows), *protocol.notes)
    if protocol.anchors:
        values = ", ".join(f"{name} {value:g}" for name, value in protocol.anchors)
        anchor = f"Check of data and metrics: zero velocity is published as {values}; other values mean other data."
        notes = (*_common_notes(windows), anchor, *protocol.notes)
    return score_report(
        protocol.name,
        own.name,
        metrics,
        {name: means(one, windows) for name, one in scored.items()},
        by_action=means_by_group(scored[own.name], windows),
        published=protocol.published,
        setting=_setting(protocol, windows),
        shown=[metric for metric in metrics if not metric.endswith("_rmse")],
        decimals=DECIMALS,
        leak=_leak(protocol, own, windows, data) if own.trained_on else Leak(),
        notes=notes,
    )


def _setting(protocol: StochasticProtocol, windows: FutureWindows) -> dict[str, object]:
    return {
        "windows": len(windows),
        "windows_of_several_modes": int(windows.several.sum()),
        "mean_modes": round(sum(map(len, windows.modes)) / len(windows), 2),
        "samples": protocol.samples,
        "seed": protocol.seed,
        "fps": protocol.fps,
        "observed": protocol.observed,
        "predicted": protocol.predicted,
        "stride": protocol.stride,
        "threshold_m": protocol.threshold,
        "joints": len(windows.skeleton) - 1,
        "mode_diversity": float(windows.mode_diversity[windows.several].mean()) if windows.several.any() else None,
        "conventions": dict(CONVENTIONS),
    }


def _leak(protocol: StochasticProtocol, pipeline: Evaluated, windows: FutureWindows, data: Data) -> Leak:
    tests = [(group, identity) for group, identities in windows.identities.items() for identity in identities]
    # Recordings of one release differ.
    apart = {take.identity for take in protocol.takes(root_of(data), "train")}
    return find_leak(pipeline.trained_on, tests, apart)


def _common_notes(windows: FutureWindows) -> tuple[str, ...]:
    ways = "; ".join(f"'{name}': {what}" for name, what in CONVENTIONS.items())
    return (
        f"Distances are L2 norms over all {len(windows.skeleton) - 1} joints but the root, metres, not per joint; CMD "
        "is per joint.",
        f"Three ways of counting windows whose pose is like no other's, not comparable: {ways}.",
        f"The possible futures of a pose are those of test windows whose last observed pose is within "
        f"{windows.threshold:g}, including its own; no multimodal file is read.",
        "FID-DCT is the Frechet distance of the first ten DCT coefficients of every coordinate, reduced to 30 "
        "components fitted on the true futures: deterministic, and never comparable with a published FID.",
        "Limb stretch and jitter are in percent of the limb's length in the last observed pose.",
    )


def amass_takes(root: str | None, split: Split) -> Iterator[Points]:
    """Twenty-two joints of SMPL-H, every subject with its own bones; the action is the data set.

    Every round(rate / 60)-th frame counts as 60 Hz at any rate, as in the published numbers. AMASS is in `root` or its
    folder `amass`, the SMPL-H models in `body_models` beside (`model_folder`). Raises MissingDataError if either is
    missing: other bones give numbers that are not comparable.
    """
    model = model_folder(root)
    if model is None:
        raise missing_data("the SMPL-H models beside AMASS (body_models/smplh/GENDER/model.npz)", "none", ORIGIN)
    for clip in Amass(root, body="smplh", model=str(model)).clips(split):
        step = max(1, round(clip.fps / _AMASS_FPS))
        thinned = replace(clip[torch.arange(0, clip.frames, step)], fps=_AMASS_FPS)
        first = _AMASS_LEFT_OUT if split == "test" else 0
        if thinned.frames > first:
            body = clip.skeleton
            few = Skeleton(
                "smplh22", body.joints[:_AMASS_JOINTS], body.parents[:_AMASS_JOINTS], body.offsets[:_AMASS_JOINTS]
            )
            positions = thinned[first:].points().positions[:, :_AMASS_JOINTS].clone()
            yield Points(few, positions, _AMASS_FPS, clip.action, clip.identity)


# The canonical 17 joints, by the packs' own labels.
OPEN_STOCHASTIC = StochasticProtocol(
    name="open-stochastic",
    what="50 futures of 2 s from 0.5 s, on the test splits of CMU and HDM05: anyone can run it",
    takes=lambda root, split: OpenMotion(root=root, fps=50.0).clips(split),
    fps=50.0,
    observed=25,
    predicted=100,
    stride=25,
    notes=("No published row is comparable: other recordings, other joints.",),
)
# 17 joints, by action; S9 and S11 are tested, every other subject is trained on.
H36M_STOCHASTIC = StochasticProtocol(
    name="h36m-stochastic",
    what="50 futures of 2 s from 0.5 s on Human3.6M, as published; needs your own licensed copy",
    takes=lambda root, split: H36MPositions(root=root, validation=()).clips(split),
    fps=50.0,
    observed=25,
    predicted=100,
    stride=25,
    published=H36M_FUTURES,
    anchors=(("ADE", 0.597), ("FDE", 0.884), ("MMADE", 0.683), ("MMFDE", 0.909), ("APDE", 8.085), ("CMD", 22.812)),
    options=("classifier",),
    notes=("The literature counts 5187 or 5168 windows here; the reason for the difference is unknown.",),
)
# 15 joints, by action; the validation takes are tested.
HUMANEVA_STOCHASTIC = StochasticProtocol(
    name="humaneva-stochastic",
    what="50 futures of 1 s from 0.25 s on HumanEva-I, as published; needs your own copy",
    takes=lambda root, split: HumanEvaPositions(root=root).clips(split),
    fps=60.0,
    observed=15,
    predicted=60,
    stride=15,
    published=HUMANEVA_FUTURES,
    notes=("HumanMAC's published row draws half of its samples without the observation; see the row below it.",),
)
# 22 joints; seven of its sets are tested. BeLFusion's list predicts from frame 180 on, every 120 frames, so windows
# begin at frame 150: `amass_takes` leaves out the frames before it.
AMASS_STOCHASTIC = StochasticProtocol(
    name="amass-stochastic",
    what="50 futures of 2 s from 0.5 s on AMASS, as published; needs your own licensed copy",
    takes=amass_takes,
    fps=60.0,
    observed=30,
    predicted=120,
    stride=120,
    threshold=0.4,
    published=AMASS_FUTURES,
    anchors=(("ADE", 0.755), ("FDE", 0.992), ("MMADE", 0.814), ("MMFDE", 1.015), ("CMD", 39.262)),
    notes=("The published list has 12727 windows.",),
)
