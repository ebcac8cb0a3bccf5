"""`generate`: motion from action labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.motion.motion import Clip
from kinema.pipeline.adapter import Adapter
from kinema.pipeline.requests import Schedule

CHUNK = 64  # clips at a time


def generate(
    adapter: Adapter, labels: Mapping[str, float] | Schedule, seconds: float, *, samples: int = 1, seed: int = 0
) -> Clip:
    """`samples` clips of `seconds`, batch shape (sample,), of a mixture of actions or a schedule of mixtures.

    Raises UsageError for a model without actions, an unknown action, or a length below one frame.
    """
    frames = frames_of(adapter, seconds)
    if isinstance(labels, Mapping):
        row, rows = label_weights(adapter, labels), None
    else:
        rows = scheduled(adapter, labels, frames)
        row = rows.mean(0)
    every = None if rows is None else rows[None]
    parts = [
        adapter.made(row[None], every, frames, min(CHUNK, samples - begin), seed * 100_003 + begin // CHUNK)[:, 0]
        for begin in range(0, samples, CHUNK)
    ]
    return adapter.trained_representation().decode(torch.cat(parts))


def frames_of(adapter: Adapter, seconds: float) -> int:
    """The number of frames in `seconds`. Raises UsageError for less than one."""
    fps = adapter.trained_representation().fps
    frames = round(seconds * fps) if 0 <= seconds < float("inf") else 0
    if frames < 1:
        raise UsageError(
            expected=f"a length of at least one frame ({1 / fps:.3f} s)",
            got=f"{seconds:g} s",
            cure="Use --seconds 1, or seconds=1 in Python.",
        )
    return frames


def label_weights(adapter: Adapter, labels: Mapping[str, float]) -> Float[Tensor, " class"]:
    """Label weights as a row; actions and styles each sum to 1.

    Raises UsageError for a model without actions, an unknown name, a weight below 0, or no action at all.
    """
    actions, styles = adapter.card.actions, adapter.card.styles
    if not actions:
        raise UsageError(
            expected="a model that was trained with actions",
            got=f"{adapter.name}, which was not",
            cure="Use --model posegpt, or a model with actions in `kinema models show NAME`.",
        )
    row = torch.zeros(len(actions))
    for name, weight in labels.items():
        if name not in actions:
            raise unknown_name(f"action of {adapter.name}", name, actions)
        if not 0 <= weight < float("inf"):
            raise UsageError(expected="weights of 0 or more", got=f"{name}:{weight:g}", cure=f"Write {name}:0.5.")
        row[actions.index(name)] = weight
    style = torch.tensor([name in styles for name in actions])
    if not float(row[~style].sum()) > 0 and bool((~style).any()):
        known = ", ".join(name for name in actions if name not in styles)
        raise UsageError(
            expected=f"an action among {known}",
            got=str(dict(labels)),
            cure=f"Add an action, as {known.split(', ')[0]}.",
        )
    for kind in (style, ~style):
        if float(total := row[kind].sum()) > 0:
            row[kind] = row[kind] / total
    return row


def scheduled(adapter: Adapter, schedule: Schedule, frames: int) -> Float[Tensor, "frame class"]:
    """Label weights of every frame. Raises UsageError unless times rise from 0 and are within the clip."""
    fps = adapter.trained_representation().fps
    starts = [start for _, start in schedule]
    if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
        raise UsageError(
            expected="a schedule whose times rise, the first 0: walk@0,run@2s",
            got=", ".join(f"{'+'.join(labels)}@{start:g}" for labels, start in schedule) or "none",
            cure="Sort the parts by time and start the first at 0, as walk@0,run@2s.",
        )
    if starts[-1] * fps >= frames:
        raise UsageError(
            expected=f"parts that begin within {frames / fps:.2f} s",
            got=f"one at {starts[-1]:g} s",
            cure=f"Use --seconds {starts[-1] + 1:g}, or seconds={starts[-1] + 1:g} in Python.",
        )
    rows = torch.zeros(frames, len(adapter.card.actions))
    for labels, start in schedule:
        rows[round(start * fps) :] = label_weights(adapter, labels)
    return rows
