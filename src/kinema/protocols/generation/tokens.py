"""`tokens`: the reconstruction error of codes of motion, the number of used codes, and forecast errors.

Windows of the test split without overlap. Errors are joint distances in millimetres, with the root trajectory: both
motions begin at the same position with the same heading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.source import Source
from kinema.protocols.base import NO_OPTIONS, Options, Protocol
from kinema.protocols.generation.windows import SECONDS
from kinema.protocols.interface import Data, Evaluated
from kinema.protocols.leaks import find_leak
from kinema.protocols.report import Report
from kinema.protocols.tables import score_report

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


@dataclass(frozen=True)
class Tokens(Protocol):
    """The protocol; at most `most` windows are continued (the first ones), all are reconstructed."""

    name: str = "tokens"
    what: str = "codes of motion: reconstruction error, used codes, and forecasts at 0.5 s beside zero velocity"
    most: int = 256
    seed: int = 0

    verb = "generate"

    def evaluate(
        self, pipeline: Evaluated, data: Data = None, *, beside: Sequence[Evaluated] = (), options: Options = NO_OPTIONS
    ) -> Report:
        """See `Protocol`. Raises UsageError also for a model without codes."""
        books, codes = pipeline.code_count
        if not books:
            raise UsageError(
                expected="a model with codes of motion (the recipes posegpt, posegpt-bandai2 ...)",
                got=pipeline.name,
                cure="Use the protocol action-generation.",
            )
        source = pipeline.source(data)
        frames = max(8, round(SECONDS * pipeline.fps))
        windows, identities = _windows(source, pipeline, frames)
        scores = {**_rebuilt(pipeline, windows), **_ahead(pipeline, windows[: self.most], self.seed)}
        return score_report(
            self.name,
            pipeline.name,
            METRICS,
            {pipeline.name: {"mean of windows": scores}},
            setting={
                "source": source.name,
                "frames": frames,
                "fps": pipeline.fps,
                "windows": len(windows),
                "continued": min(len(windows), self.most),
                "books": books,
                "codes": codes,
                "seed": self.seed,
            },
            decimals={"mpjpe": 1, "mpjpe_still": 1, "forecast": 1, "forecast_mean": 1, "zero_velocity": 1},
            leak=find_leak(pipeline.trained_on, {one: one for one in sorted(identities)}),
            notes=(
                "The root trajectory is part of all errors but 'about the root'.",
                f"'codes used': the share of {books} x {codes} codes that the test split needs at least once.",
                f"'mean of samples': the mean position of each joint over {_SAMPLES} futures, which has the "
                "smallest expected error; a single sample is one of many.",
            ),
        )


def _ahead(pipeline: Evaluated, windows: Float[Tensor, "window frame feat"], seed: int) -> dict[str, float]:
    past, ahead = round(_PAST * pipeline.fps), max(1, round(AHEAD * pipeline.fps))
    ground_truth = pipeline.joint_positions(windows[:, : past + ahead])
    single: list[Tensor] = []
    mean: list[Tensor] = []
    for chunk, some in enumerate(windows.split(_CHUNK)):
        found = pipeline.joint_positions(pipeline.continued(some[:, :past], ahead, _SAMPLES, seed + chunk))
        single.append(found[0, :, -1])
        mean.append(found[:, :, -1].mean(0))
    return {
        "forecast": _distance(torch.cat(single), ground_truth[:, -1]),
        "forecast_mean": _distance(torch.cat(mean), ground_truth[:, -1]),
        "zero_velocity": _distance(ground_truth[:, past - 1], ground_truth[:, -1]),
    }


def _windows(source: Source, pipeline: Evaluated, frames: int) -> tuple[Float[Tensor, "window frame feat"], set[str]]:
    found: list[Tensor] = []
    identities: set[str] = set()
    for clip in source.clips("test"):
        if len(windows := pipeline.cut(clip, frames)):
            found.append(windows)
            identities.add(clip.identity)
    if not found:
        raise UsageError(expected=f"a test clip of at least {frames} frames", got="none", cure="Use longer recordings.")
    return torch.cat(found), identities


def _rebuilt(pipeline: Evaluated, windows: Float[Tensor, "window frame feat"]) -> dict[str, float]:
    errors: list[tuple[float, float]] = []
    codes: list[Tensor] = []
    for some in windows.split(_CHUNK):
        indices, answer = pipeline.coded(some)
        codes.append(indices.flatten(0, 1))
        ground_truth, found = pipeline.joint_positions(some), pipeline.joint_positions(answer)
        about = [positions - positions[..., :1, :] for positions in (found, ground_truth)]
        errors.append((_distance(found, ground_truth) * len(some), _distance(about[0], about[1]) * len(some)))
    whole, still = (sum(column) / len(windows) for column in zip(*errors, strict=True))
    return {"mpjpe": whole, "mpjpe_still": still, **code_use(torch.cat(codes), pipeline.code_count[1])}


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


def _distance(found: Tensor, ground_truth: Tensor) -> float:
    return 1000 * float((found - ground_truth).double().norm(dim=-1).mean())


TOKENS = Tokens()
