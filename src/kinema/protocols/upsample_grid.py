"""`upsample-grid`: every 2nd, 4th, 8th or 16th frame is given, clean or as a detector would; say the frames between.

Windows of 97 frames at 30 Hz from the test splits of CMU and HDM05, one after the other, in three forms: the 17
canonical joints in a picture of 1,000 x 1,000 pixels (`picture`, in pixels), the same in space (`positions`, in
millimetres), and joint rotations with the root's path (`rotations`, scored in millimetres after kinematics).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.data.detector_noise import noisy_motion, noisy_points
from kinema.data.picture import PIXELS_PER_METRE, project
from kinema.errors import UsageError
from kinema.metrics import inbetween
from kinema.metrics.cells import Cell, CellReport, Scores, merged
from kinema.motion import catalog
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.names import CANON17
from kinema.protocols.completer import CLASSICAL, Completer, Kind
from kinema.protocols.gaps import blanked
from kinema.protocols.leaks import find_leak
from kinema.protocols.open_inbetween import recordings

KINDS: tuple[Kind, ...] = ("picture", "positions", "rotations")
COLUMNS = ("hold", "linear", "cubic", "pchip", "savgol", "one-euro", "local-lines")
WINDOW = 97  # six steps of 16, and the frame that ends them
RATES = (2, 4, 8, 16)
NOISES = ("clean", "detector")
PCK_SHARES = (0.05, 0.1, 0.2)
_UNITS: dict[Kind, float] = {"picture": 1.0, "positions": 1000.0, "rotations": 1000.0}
_NOTES = (
    "97-frame windows at 30 Hz, one after the other; every r-th frame is given. picture: pixels of 1,000 (a metre is "
    "about 250), others: millimetres. Acceleration error: per frame squared; jitter: jerk per second cubed.",
    "detector: trembling of 1.5 cm at the trunk to 3.5 cm at hands and feet (1 to 3 degrees for rotations), correlated "
    "over time, and gross misses of 15 cm (17 degrees) over spans of 4 to 15 frames; seeds are fixed.",
    "Savitzky-Golay (31 frames, order 2) and One-Euro (0.04, 0.7) run over the straight line. 'linear' is slerp for "
    "rotations.",
    "local-lines: straight lines fitted to the given frames around each frame, weighted by a Gaussian as wide as they "
    "stand apart.",
)


@dataclass(frozen=True)
class UpsampleGrid:
    """The protocol; `sets` are rotation packs, `seed` picks noise and cameras."""

    name: str = "upsample-grid"
    what: str = "Upsampling by 2 to 16, clean and noisy keys, 2-D, 3-D and rotations, beside curves and filters"
    sets: tuple[str, ...] = ("cmu_bvh", "hdm05")
    rates: tuple[int, ...] = RATES
    seed: int = 0

    def evaluate(
        self, completer: Completer, data: Path | str | None = None, beside: Sequence[Completer] = ()
    ) -> CellReport:
        """Score a method beside the classical ones (and `beside`) on the packs that are below `data`.

        Cells of a kind that the method does not complete have no column of it. Raises MissingDataError where a pack
        is not there.
        """
        asked = {name: CLASSICAL[name] for name in COLUMNS}
        asked |= {one.name: one for one in (*beside, completer)}
        batches: list[Motion] = []
        tests: dict[str, str] = {}
        for pack in self.sets:
            for clip in recordings(pack, data, "test"):
                batches += windows_of(clip)
                tests[clip.identity] = clip.identity
        if not batches:
            raise UsageError(
                expected=f"recordings of {WINDOW} frames at 30 Hz", got="shorter ones", cure="Give longer recordings."
            )
        return CellReport(
            protocol=self.name,
            model=completer.name,
            columns=tuple(asked),
            classical=tuple(name for name in asked if name in CLASSICAL),
            deciding=("missing",),
            cells=tuple(self._cells(batches, asked)),
            notes=_NOTES,
            leak=find_leak(completer.trained_on, tests, frozenset()),
        )

    def _cells(self, batches: Sequence[Motion], asked: Mapping[str, Completer]) -> Iterator[Cell]:
        for kind in KINDS:
            for noise in NOISES:
                questions = [question(batch, kind, noise, 1000 * self.seed + 2 * i) for i, batch in enumerate(batches)]
                for rate in self.rates:
                    parts = [(len(_places(q.truth)), q.scores(asked, rate)) for q in questions]
                    windows, scores = merged(parts)
                    yield Cell({"kind": kind, "noise": noise, "rate": str(rate)}, windows, scores)


def windows_of(clip: Motion) -> Iterator[Motion]:
    """The windows of a recording, one after the other, as one batch: nothing where it is too short."""
    first = torch.arange(0, clip.frames - WINDOW + 1, WINDOW) if clip.frames >= WINDOW else torch.zeros(0).long()
    if len(first):
        index = first[:, None] + torch.arange(WINDOW)
        yield replace(clip, rotations=clip.rotations[index], root=clip.root[index])


@dataclass(frozen=True, eq=False)
class Question:
    """Some windows in one form: what is true, what is seen of it, and (noisy) how far that is to be believed."""

    kind: Kind
    truth: Clip
    seen: Clip
    trust: Float[Tensor, "window frame joint"] | None

    def scores(self, asked: Mapping[str, Completer], rate: int) -> Scores:
        """Metric -> method -> mean over these windows, every `rate`-th frame given."""
        known = torch.arange(self.truth.frames) % rate == 0
        given = _hidden(self.seen, known)
        trust = None if self.trust is None else torch.where(known[:, None], self.trust, 0.0)
        found: dict[str, dict[str, float]] = {}
        for name, one in asked.items():
            if self.kind not in one.kinds:
                continue
            answer = _asked(one, given, known, trust)
            for metric, value in self._errors(answer, known).items():
                found.setdefault(metric, {})[name] = value
        return found

    def _errors(self, answer: Clip, known: Bool[Tensor, " frame"]) -> dict[str, float]:
        own, true = (_places(clip).double() * _UNITS[self.kind] for clip in (answer, self.truth))
        errors = (own - true).norm(dim=-1)
        found = {
            "missing": float(errors[:, ~known].mean()),
            "keys": float(errors[:, known].mean()),
            "acceleration": float(inbetween.acceleration_error(own, true).mean()),
            "jitter": float(inbetween.jerk(own, answer.fps).mean()),
        }
        if self.kind == "picture":
            for share in PCK_SHARES:
                found[f"pck_{share:g}"] = float(inbetween.pck(own, true, share)[:, ~known].mean())
        return found


def question(batch: Motion, kind: Kind, noise: str, seed: int) -> Question:
    """The windows in one form, seen clean or as a detector sees them."""
    if kind == "rotations":
        if noise == "clean":
            return Question(kind, batch, batch, None)
        seen, trust = noisy_motion(batch, seed)
        return Question(kind, batch, seen, trust)
    body = catalog.skeleton("canon17")
    places = batch.points().positions[..., batch.skeleton.indices(CANON17), :]
    truth = Points(body, places, batch.fps, batch.action, batch.identity)
    truth = project(truth, seed) if kind == "picture" else truth
    if noise == "clean":
        return Question(kind, truth, truth, None)
    points, trust = noisy_points(truth, seed, PIXELS_PER_METRE if kind == "picture" else 1.0)
    return Question(kind, truth, points, trust)


def _asked(one: Completer, given: Clip, known: Bool[Tensor, " frame"], trust: Tensor | None) -> Clip:
    if isinstance(given, Motion):
        return one.complete(given, known, trust)
    return one.complete(given, known, trust)


def _hidden(clip: Clip, known: Bool[Tensor, " frame"]) -> Clip:
    if isinstance(clip, Motion):
        return blanked(clip, known)
    return replace(clip, positions=torch.where(known[:, None, None], clip.positions, torch.nan))


def _places(clip: Clip) -> Float[Tensor, "window frame joint dim"]:
    return clip.points().positions


UPSAMPLE_GRID = UpsampleGrid()
