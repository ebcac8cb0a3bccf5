"""`tokens`: what is lost when motion becomes codes, how many codes are used, and how well a past is continued.

Windows of the test split, none overlapping. Errors are distances of joints in millimetres by forward kinematics, the
way of the root included: both motions begin at the same place with the same heading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.motion.motion import Clip
from kinema.protocols.generation.actions import SECONDS
from kinema.protocols.generation.scores import EvaluatorTrainer
from kinema.protocols.generation.table import MotionGenerator
from kinema.protocols.leaks import find_leak
from kinema.protocols.report_scores import ScoreReport

METRICS: dict[str, str] = {
    "mpjpe": "rebuilt, mm",
    "mpjpe_still": "rebuilt about the root, mm",
    "used": "codes used",
    "perplexity": "perplexity / codes",
    "forecast": "0.5 s ahead, mm",
    "forecast_mean": "0.5 s, mean of samples, mm",
    "zero_velocity": "0.5 s, zero velocity, mm",
}
AHEAD = 0.5  # seconds
_PAST = 16 / 30  # seconds that are observed
_SAMPLES = 8
_CHUNK = 64  # windows at once


@runtime_checkable
class Coder(Protocol):
    """A generator that makes codes of motion. Features are standardised."""

    @property
    def code_count(self) -> tuple[int, int]:
        """Books, and codes in each."""
        ...

    def cut(self, clip: Clip, frames: int) -> Float[Tensor, "window frame feat"]:
        """The windows of a recording, at the model's rate and on its skeleton."""
        ...

    def joints(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame joint 3"]:
        """Places of joints, metres, beginning above the origin with the heading 0."""
        ...

    def coded(
        self, features: Float[Tensor, "window frame feat"]
    ) -> tuple[Int[Tensor, "window token book"], Float[Tensor, "window frame feat"]]:
        """Codes, and the features that are made of them."""
        ...

    def continued(
        self, past: Float[Tensor, "window past feat"], frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample window frame feat"]:
        """The past with the `frames` after it, without a label."""
        ...


@dataclass(frozen=True)
class Tokens:
    """The protocol; `most` windows at most are continued (the first ones), all are rebuilt."""

    name: str = "tokens"
    what: str = "codes of motion: what is lost, how many are used, and forecasts at 0.5 s beside zero velocity"
    most: int = 256
    seed: int = 0

    def evaluate(
        self, generator: MotionGenerator, teacher: EvaluatorTrainer, data: Path | str | None = None
    ) -> ScoreReport:
        """Score a tokeniser with its prior; the teacher is not needed. Raises UsageError for a model without codes."""
        del teacher
        if not isinstance(generator, Coder):
            raise UsageError(
                expected="a model that makes codes of motion (the recipes posegpt, posegpt-bandai2 ...)",
                got=generator.name,
                cure="Use the protocol action-generation.",
            )
        source = generator.source(data)
        frames = max(8, round(SECONDS * generator.fps))
        windows, identities = _windows(source, generator, frames)
        scores = {**_rebuilt(generator, windows), **self._ahead(generator, windows[: self.most], generator.fps)}
        books, codes = generator.code_count
        return ScoreReport(
            protocol=self.name,
            model=generator.name,
            metrics=METRICS,
            scores={"mean of windows": scores},
            setting={
                "source": source.name,
                "frames": frames,
                "fps": generator.fps,
                "windows": len(windows),
                "continued": min(len(windows), self.most),
                "books": books,
                "codes": codes,
                "seed": self.seed,
            },
            places={"mpjpe": 1, "mpjpe_still": 1, "forecast": 1, "forecast_mean": 1, "zero_velocity": 1},
            leak=find_leak(generator.trained_on, {one: one for one in sorted(identities)}),
            notes=(
                "The way of the root is included in all errors but 'about the root'.",
                f"'codes used': the share of {books} x {codes} codes that the test split needs at least once.",
                f"'mean of samples': the mean place of each joint over {_SAMPLES} futures, which is what one number "
                "asks for; a single sample is a guess among many.",
            ),
        )

    def _ahead(self, coder: Coder, windows: Float[Tensor, "window frame feat"], fps: float) -> dict[str, float]:
        past, ahead = round(_PAST * fps), max(1, round(AHEAD * fps))
        truth = coder.joints(windows[:, : past + ahead])
        single: list[Tensor] = []
        mean: list[Tensor] = []
        for place, some in enumerate(windows.split(_CHUNK)):
            found = coder.joints(coder.continued(some[:, :past], ahead, _SAMPLES, self.seed + place))
            single.append(found[0, :, -1])
            mean.append(found[:, :, -1].mean(0))
        return {
            "forecast": _distance(torch.cat(single), truth[:, -1]),
            "forecast_mean": _distance(torch.cat(mean), truth[:, -1]),
            "zero_velocity": _distance(truth[:, past - 1], truth[:, -1]),
        }


def _windows(source: Source, coder: Coder, frames: int) -> tuple[Float[Tensor, "window frame feat"], set[str]]:
    found: list[Tensor] = []
    identities: set[str] = set()
    for clip in source.clips("test"):
        if len(windows := coder.cut(clip, frames)):
            found.append(windows)
            identities.add(clip.identity)
    if not found:
        raise UsageError(
            expected=f"a test clip of at least {frames} frames", got="none", cure="Give longer recordings."
        )
    return torch.cat(found), identities


def _rebuilt(coder: Coder, windows: Float[Tensor, "window frame feat"]) -> dict[str, float]:
    errors: list[tuple[float, float]] = []
    codes: list[Tensor] = []
    for some in windows.split(_CHUNK):
        indices, answer = coder.coded(some)
        codes.append(indices.flatten(0, 1))
        truth, found = coder.joints(some), coder.joints(answer)
        about = [places - places[..., :1, :] for places in (found, truth)]
        errors.append((_distance(found, truth) * len(some), _distance(about[0], about[1]) * len(some)))
    whole, still = (sum(column) / len(windows) for column in zip(*errors, strict=True))
    return {"mpjpe": whole, "mpjpe_still": still, **code_use(torch.cat(codes), coder.code_count[1])}


def code_use(indices: Int[Tensor, "token book"], codes: int) -> Mapping[str, float]:
    """The share of codes that occur, and perplexity as a share of their number; means over books."""
    used: list[float] = []
    perplexity: list[float] = []
    for book in indices.T:
        share = torch.bincount(book[book >= 0], minlength=codes).double()
        share = share / share.sum()
        used.append(float((share > 0).double().mean()))
        perplexity.append(float(torch.exp(-(share * share.clamp_min(1e-12).log()).sum())) / codes)
    return {"used": sum(used) / len(used), "perplexity": sum(perplexity) / len(perplexity)}


def _distance(found: Tensor, truth: Tensor) -> float:
    return 1000 * float((found - truth).double().norm(dim=-1).mean())


TOKENS = Tokens()
