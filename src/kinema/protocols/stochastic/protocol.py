"""Stochastic forecasting: 50 futures, the best of them and their variety.

DLow's benchmark on Human3.6M and HumanEva (Yuan and Kitani, ECCV 2020), BeLFusion's on AMASS (ICCV 2023), and
`open-stochastic` on open recordings. The possible futures of a pose come from the test windows; the multimodal files of
other repositories are not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from kinema.data.source import Split
from kinema.metrics.features import ClassifierFeatures
from kinema.metrics.stochastic import CONVENTIONS
from kinema.motion.motion import Points
from kinema.protocols.base import NO_OPTIONS, OptionName, Options, Protocol
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import Leak, find_leak
from kinema.protocols.report import Report
from kinema.protocols.stochastic.nearest_neighbour import NAME as NEAREST
from kinema.protocols.stochastic.nearest_neighbour import NearestFutures
from kinema.protocols.stochastic.scores import CLASSIFIED, METRICS, PLACES, means, means_by_group, score
from kinema.protocols.stochastic.windows import FutureWindows
from kinema.protocols.tables import PublishedScores, score_report

Takes = Callable[[str | None, Split], Iterator[Points]]
SAMPLES = 50
SEED = 0


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
    samples: int = SAMPLES
    seed: int = SEED
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
        windows = self.windows(data)
        metrics = METRICS if classifier is None else METRICS | CLASSIFIED
        scores: dict[str, dict[str, dict[str, float | None]]] = {}
        by_action: dict[str, dict[str, float | None]] = {}
        for one in (pipeline, *(other for other in beside if other.name != pipeline.name)):
            scored = score(one, windows, samples=self.samples, seed=self.seed, classifier=classifier)
            scores[one.name] = means(scored, windows)
            by_action = by_action or means_by_group(scored, windows)
        return score_report(
            self.name,
            pipeline.name,
            metrics,
            scores,
            by_action=by_action,
            published=self.published,
            setting=self._setting(windows),
            shown=[metric for metric in metrics if not metric.endswith("_rmse")],
            places=PLACES,
            leak=self._leak(pipeline, windows, data),
            notes=(*_common_notes(windows), *self._anchor_notes(), *self.notes),
        )

    def windows(self, data: Data) -> FutureWindows:
        """The test windows."""
        return FutureWindows.cut(
            self.takes(None if data is None else str(data), "test"),
            observed=self.observed,
            predicted=self.predicted,
            stride=self.stride,
            threshold=self.threshold,
        )

    def baseline(self, name: str, data: Data) -> Evaluated | None:
        """ "nearest-neighbour": what followed similar moments of the training recordings."""
        if name != NEAREST:
            return None
        takes = self.takes(None if data is None else str(data), "train")
        return NearestFutures.of(takes, observed=self.observed, stride=self.stride)

    def _setting(self, windows: FutureWindows) -> dict[str, object]:
        return {
            "windows": len(windows),
            "windows_of_several_modes": int(windows.several.sum()),
            "mean_modes": round(sum(map(len, windows.modes)) / len(windows), 2),
            "samples": self.samples,
            "seed": self.seed,
            "fps": self.fps,
            "observed": self.observed,
            "predicted": self.predicted,
            "stride": self.stride,
            "threshold_m": self.threshold,
            "joints": len(windows.skeleton) - 1,
            "mode_diversity": float(windows.mode_diversity[windows.several].mean()) if windows.several.any() else None,
            "conventions": dict(CONVENTIONS),
        }

    def _leak(self, pipeline: Evaluated, windows: FutureWindows, data: Data) -> Leak:
        """Compare every test recording with every training recording."""
        if not pipeline.trained_on:
            return Leak()
        # Recordings of one release differ.
        apart = {take.identity for take in self.takes(None if data is None else str(data), "train")}
        found = Leak()
        for group, identities in windows.identities.items():
            for identity in identities:
                one = find_leak(pipeline.trained_on, {group: identity}, apart)
                found = replace(found, sure=(*found.sure, *one.sure), possible=(*found.possible, *one.possible))
        return found

    def _anchor_notes(self) -> tuple[str, ...]:
        if not self.anchors:
            return ()
        values = ", ".join(f"{name} {value:g}" for name, value in self.anchors)
        return (f"Check of data and metrics: zero velocity is published as {values}; other values mean other data.",)


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
