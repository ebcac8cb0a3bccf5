"""Score sampled futures window by window, in chunks; means over windows in each convention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.metrics.distribution import Moments, frechet_distance
from kinema.metrics.stochastic import (
    CONVENTIONS,
    apd,
    apde,
    best_of,
    best_of_modes,
    joint_steps,
    limb_errors,
    motion_distance,
)
from kinema.protocols.interface import Evaluated
from kinema.protocols.stochastic.windows import FutureWindows

METRICS: dict[str, str] = {
    "APD": "diversity: mean distance between samples",
    "APDE": "error of the diversity",
    "ADE": "best of the samples, mean over frames",
    "FDE": "best of the samples, last frame",
    "MMADE": "ADE to the futures of near poses",
    "MMFDE": "FDE to the futures of near poses",
    "CMD": "cumulative motion distance",
    "FID-DCT": "Frechet distance of DCT features",
    "stretch": "limb stretch, mean, % of the limb",
    "stretch_rmse": "limb stretch, RMSE, %",
    "jitter": "limb jitter, mean, % per frame",
    "jitter_rmse": "limb jitter, RMSE, %",
}
CLASSIFIED = {"FID": "Frechet distance of a classifier's features, from a state of zeros"}
DECIMALS = {"FID-DCT": 2, "stretch": 2, "stretch_rmse": 2, "jitter": 2, "jitter_rmse": 2}
CHUNK_BYTES = 96 * 2**20
"""Bytes of samples that are scored together."""
_CHUNK_WINDOWS = 256


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of every window: `by_window` by name, and the movement of the samples.

    `moments` are, by metric, those of the features of the ground truth, of all samples, and of the samples of windows
    with several modes.
    """

    by_window: dict[str, Float[Tensor, " window"]]
    steps: Float[Tensor, "window step"]
    moments: dict[str, tuple[Moments, Moments, Moments]]


@runtime_checkable
class Features(Protocol):
    """Converts futures to vectors, whose distributions are compared."""

    def of(self, futures: Float[Tensor, "window frame feat"]) -> Float[Tensor, "window dim"]:
        """The features of futures."""
        ...


@torch.inference_mode()
def score(
    pipeline: Evaluated, windows: FutureWindows, *, samples: int, seed: int, classifier: Features | None = None
) -> Scored:
    """Sample and score all windows, as many at a time as fit; a classifier adds an FID.

    The chunks, and so their seeds, depend only on the protocol. Raises UsageError for samples that are not finite.
    """
    count = 1 if pipeline.deterministic else samples
    feats = 3 * (len(windows.skeleton) - 1)
    size = max(1, min(_CHUNK_WINDOWS, CHUNK_BYTES // (4 * samples * windows.predicted * feats)))
    found: dict[str, list[Tensor]] = {}
    features: dict[str, Features] = {"FID-DCT": windows.features}
    true = {"FID-DCT": windows.feature_moments}
    if classifier is not None:
        features["FID"] = classifier
        true["FID"] = Moments.of(classifier.of(windows.future(torch.arange(len(windows)))))
    moments = {name: (each, each.emptied(), each.emptied()) for name, each in true.items()}
    for number, some in enumerate(torch.arange(len(windows)).split(size)):
        sampled = pipeline.sample(windows.past(some), windows.predicted, count, seed + number).positions
        _check(pipeline, sampled, (count, len(some), windows.predicted, len(windows.skeleton), 3))
        positions = sampled - sampled[..., :1, :]
        for name, values in _errors(positions, windows, some).items():
            found.setdefault(name, []).append(values)
        for name, one in features.items():
            parts = [one.of(sample[..., 1:, :].flatten(-2)) for sample in positions]
            happened, every, several = moments[name]
            of_several = torch.cat([each[windows.several[some]] for each in parts])
            moments[name] = (happened, every.add(torch.cat(parts)), several.add(of_several))
    by_window = {name: torch.cat(values) for name, values in found.items()}
    return Scored(by_window, by_window.pop("steps"), moments)


def _errors(
    positions: Float[Tensor, "sample some frame joint 3"], windows: FutureWindows, some: Tensor
) -> dict[str, Tensor]:
    poses = positions[..., 1:, :].flatten(-2)
    mean, last = best_of(poses, windows.future(some))
    modes = [
        torch.stack(best_of_modes(poses[:, place], windows.future(windows.modes[window])))
        for place, window in enumerate(some.tolist())
    ]
    to_modes = torch.stack(modes)
    return {
        "APD": apd(poses),
        "ADE": mean,
        "FDE": last,
        "MMADE": to_modes[:, 0],
        "MMFDE": to_modes[:, 1],
        **limb_errors(positions, windows.limbs, windows.limb_lengths[some]),
        # Without the root, which does not move here.
        "steps": joint_steps(positions[..., 1:, :]).mean(0),
    }


def means(scored: Scored, windows: FutureWindows) -> dict[str, dict[str, float | None]]:
    """The metrics in each of the `CONVENTIONS`."""
    every = torch.ones_like(windows.several)
    both = {
        "all-windows": _means(scored, windows, every) | _frechet(scored, 1),
        "singletons-dropped": _means(scored, windows, windows.several),
    }
    if bool(windows.several.any()):
        both["singletons-dropped"] |= _frechet(scored, 2)
    dropped = both["singletons-dropped"]
    left_out = {**both["all-windows"], "MMADE": dropped["MMADE"], "MMFDE": dropped["MMFDE"]}
    return {convention: both.get(convention, left_out) for convention in CONVENTIONS}


def means_by_group(scored: Scored, windows: FutureWindows) -> dict[str, dict[str, float | None]]:
    """The metrics over all windows of each action; no Frechet distance, for which an action has too few windows."""
    return {group: _means(scored, windows, windows.group == which) for which, group in enumerate(windows.groups)}


def _frechet(scored: Scored, which: int) -> dict[str, float | None]:
    """Of all samples (1), or of those of windows with several modes (2), to the ground truth."""
    found: dict[str, float | None] = {}
    for name, moments in scored.moments.items():
        enough = min(moments[0].count, moments[which].count) > 1
        found[name] = frechet_distance(moments[which], moments[0]) if enough else None
    return found


def _means(scored: Scored, windows: FutureWindows, chosen: Bool[Tensor, " window"]) -> dict[str, float | None]:
    if not bool(chosen.any()):
        return dict.fromkeys(METRICS)
    mean = {name: float(values[chosen].double().mean()) for name, values in scored.by_window.items()}
    return {
        "APD": mean["APD"],
        "APDE": apde(scored.by_window["APD"], windows.mode_diversity, windows.several & chosen),
        "ADE": mean["ADE"],
        "FDE": mean["FDE"],
        "MMADE": mean["MMADE"],
        "MMFDE": mean["MMFDE"],
        "CMD": _motion_distance(scored, windows, chosen),
        "FID-DCT": None,
        "stretch": 100 * mean["stretch"],
        "stretch_rmse": 100 * mean["stretch_squared"] ** 0.5,
        "jitter": 100 * mean["jitter"],
        "jitter_rmse": 100 * mean["jitter_squared"] ** 0.5,
    }


def _motion_distance(scored: Scored, windows: FutureWindows, chosen: Bool[Tensor, " window"]) -> float:
    there = [which for which in range(len(windows.groups)) if bool((chosen & (windows.group == which)).any())]
    members = [chosen & (windows.group == which) for which in there]
    return motion_distance(
        torch.stack([scored.steps[member].mean(0) for member in members]),
        windows.usual_steps[there],
        torch.tensor([float(member.sum()) for member in members]),
    )


def _check(pipeline: Evaluated, sampled: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(sampled.shape) != shape or not bool(sampled.isfinite().all()):
        raise UsageError(
            expected=f"finite positions of shape {shape} from {pipeline.name}",
            got=f"shape {tuple(sampled.shape)}, {int((~sampled.isfinite()).sum())} numbers that are not finite",
            cure="Train the model again with a smaller learning rate; its training diverged.",
        )
