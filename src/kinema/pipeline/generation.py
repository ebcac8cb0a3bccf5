"""Motion from nothing but labels and a length: what `generate` does with a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError, unknown_name
from kinema.core.query import Query
from kinema.data.source import Source
from kinema.data.tasks import known_frames
from kinema.models.base import Model
from kinema.models.posegpt.model import Tokeniser
from kinema.motion.edit import resample
from kinema.motion.motion import Clip, Motion
from kinema.motion.retargeting import retarget
from kinema.pipeline.checkpoint import Loaded, load_model
from kinema.pipeline.hub import PREFIX, fetched
from kinema.pipeline.open import WEIGHTS, shipped_models
from kinema.representations.base import Representation

_CHUNK = 64  # clips that are asked for at once
Schedule = Sequence[tuple[Mapping[str, float], float]]  # label weights, and the second from which on they hold


@dataclass(frozen=True, eq=False)
class ActionRun:
    """A model that can be asked for an action by name.

    `actions` are its labels in the order of `Query.action`, `styles` those of them that say how. `trained` is the
    number of frames that it was trained to make.
    """

    name: str
    model: Model
    representation: Representation
    actions: tuple[str, ...]
    styles: tuple[str, ...] = ()
    trained: int = 0
    trained_on: frozenset[str] = frozenset()
    licence: str = ""
    origin: Source | None = None

    @property
    def fps(self) -> float:
        """The rate of what it makes."""
        return self.representation.fps

    def weights(self, labels: Mapping[str, float]) -> Float[Tensor, " class"]:
        """Label weights as a row; actions and styles each sum to 1. Raises UsageError for an unknown name, a weight
        below 0, or no action at all."""
        row = torch.zeros(len(self.actions))
        for name, weight in labels.items():
            if name not in self.actions:
                raise unknown_name(f"action of {self.name}", name, self.actions)
            if not 0 <= weight < float("inf"):
                raise UsageError(expected="weights of 0 or more", got=f"{name}:{weight:g}", cure="Correct the weight.")
            row[self.actions.index(name)] = weight
        style = torch.tensor([name in self.styles for name in self.actions])
        if not float(row[~style].sum()) > 0 and bool((~style).any()):
            known = ", ".join(name for name in self.actions if name not in self.styles)
            raise UsageError(
                expected=f"an action among {known}", got=str(dict(labels)), cure="Name what is to be done."
            )
        for kind in (style, ~style):
            if float(total := row[kind].sum()) > 0:
                row[kind] = row[kind] / total
        return row

    def scheduled(self, schedule: Schedule, frames: int) -> Float[Tensor, "frame class"]:
        """Label weights of every frame. Raises UsageError where times do not rise from 0, or lie beyond the end."""
        starts = [start for _, start in schedule]
        if not starts or starts[0] != 0 or any(a >= b for a, b in pairwise(starts)):
            raise UsageError(
                expected="a schedule whose times rise, the first 0: walk@0,run@2s",
                got=", ".join(f"{'+'.join(labels)}@{start:g}" for labels, start in schedule) or "none",
                cure="Put the parts in order.",
            )
        if starts[-1] * self.fps >= frames:
            raise UsageError(
                expected=f"parts that begin within {frames / self.fps:.2f} s",
                got=f"one at {starts[-1]:g} s",
                cure="Ask for more seconds, or an earlier part.",
            )
        rows = torch.zeros(frames, len(self.actions))
        for labels, start in schedule:
            rows[round(start * self.fps) :] = self.weights(labels)
        return rows

    def make(self, labels: Float[Tensor, "clip class"], frames: int, seed: int) -> Clip:
        """One clip for every row of label weights, batch shape (clip,), in the model's own representation."""
        parts = [
            self._features(some, None, frames, 1, seed * 100_003 + place)[0]
            for place, some in enumerate(labels.split(_CHUNK))
        ]
        return self.representation.decode(torch.cat(parts))

    def generate(
        self, labels: Mapping[str, float] | Schedule, seconds: float, *, samples: int = 1, seed: int = 0
    ) -> Clip:
        """`samples` clips of `seconds`, batch shape (sample,), of an action, a mixture, or a schedule of them.

        Raises UsageError for an unknown action, no samples, or a length under one frame.
        """
        frames = self.frames(seconds)
        if samples < 1:
            raise UsageError(expected="at least one sample", got=str(samples), cure="Ask for more.")
        if isinstance(labels, Mapping):
            row, rows = self.weights(labels), None
        else:
            rows = self.scheduled(labels, frames)
            row = rows.mean(0)
        parts = [
            self._features(row[None], None if rows is None else rows[None], frames, count, seed * 100_003 + place)[:, 0]
            for place, count in enumerate(_shares(samples))
        ]
        return self.representation.decode(torch.cat(parts))

    def frames(self, seconds: float) -> int:
        """How many frames that is. Raises UsageError where it is not at least one."""
        frames = round(seconds * self.fps) if 0 <= seconds < float("inf") else 0
        if frames < 1:
            raise UsageError(
                expected=f"a length of at least one frame ({1 / self.fps:.3f} s)",
                got=f"{seconds:g} s",
                cure="Ask for more seconds.",
            )
        return frames

    def as_seen(self, clip: Clip) -> Clip:
        """A recording as the model would say it: on its skeleton, at its rate, with what its features keep."""
        return self.representation.decode(self._encoded(clip))

    def _encoded(self, clip: Clip) -> Float[Tensor, "frame feat"]:
        there = cast("Clip", resample(cast("Motion", clip), self.fps))  # either kind comes back as it was
        if isinstance(there, Motion) and not there.skeleton.same_tree(self.representation.skeleton):
            there = retarget(there, self.representation.skeleton, by="directions")
        return self.representation.encode(there)

    @property
    def code_count(self) -> tuple[int, int]:
        """Books, and codes in each. Raises UsageError where the model has no tokeniser."""
        return self._tokeniser.books, self._tokeniser.codes

    @property
    def _tokeniser(self) -> Tokeniser:
        found = getattr(self.model, "tokeniser", self.model)
        if not isinstance(found, Tokeniser):
            raise UsageError(
                expected="a model that makes codes of motion (the recipes posegpt, posegpt-bandai2 ...)",
                got=self.name,
                cure="Use the protocol action-generation.",
            )
        return found

    def cut(self, clip: Clip, frames: int) -> Float[Tensor, "window frame feat"]:
        """Standardised features of the windows of a recording, one after the other; what is left over is dropped."""
        features = self.representation.standardise(self._encoded(clip))
        count = len(features) // frames
        return features[: count * frames].unflatten(0, (count, frames))

    def joints(self, features: Float[Tensor, "*batch frame feat"]) -> Float[Tensor, "*batch frame joint 3"]:
        """Places of joints, metres, of standardised features."""
        return self.representation.decode(self.representation.restore(features)).points().positions

    @torch.inference_mode()
    def coded(
        self, features: Float[Tensor, "window frame feat"]
    ) -> tuple[Int[Tensor, "window token book"], Float[Tensor, "window frame feat"]]:
        """Codes of standardised features, and the features that are made of them."""
        self.model.eval()
        codes = self._tokeniser.encode(features, torch.ones(features.shape[:2], dtype=torch.bool))
        return codes, self._tokeniser.decode(codes)[:, : features.shape[1]]

    @torch.inference_mode()
    def continued(
        self, past: Float[Tensor, "window past feat"], frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample window frame feat"]:
        """The past, standardised, with the `frames` after it, without a label."""
        window = torch.cat((past, past.new_zeros(len(past), frames, past.shape[2])), 1)
        known = (torch.arange(window.shape[1]) < past.shape[1]).expand(window.shape[:2])
        return _answer(self.model, known_frames(window, known, self.representation), samples, seed)

    def source(self, data: Path | str | None) -> Source:
        """The recordings that it was trained on, below the folder `data`. Raises UsageError where it has none."""
        if self.origin is None:
            raise UsageError(
                expected="a model that knows what it was trained on", got=self.name, cure="Open it from its run folder."
            )
        return self.origin if data is None else self.origin.rooted(str(data))

    @torch.inference_mode()
    def _features(
        self, row: Tensor, rows: Tensor | None, frames: int, samples: int, seed: int
    ) -> Float[Tensor, "sample batch frame feat"]:
        """Features in their own units."""
        empty = torch.zeros(len(row), frames, self.representation.width)
        query = known_frames(empty, torch.zeros(len(row), frames, dtype=torch.bool), self.representation)
        query = replace(query, action=row, action_frames=rows)
        return self.representation.restore(_answer(self.model, query, samples, seed))


def open_action_run(name: str | Path) -> ActionRun:
    """The model of that name or run folder. Raises UsageError where it knows no actions or is not there."""
    folder = fetched(str(name)) if str(name).startswith(PREFIX) else Path(name)
    if not (folder / "config.json").is_file():
        if str(name) not in shipped_models():
            raise unknown_name("model that makes motion from actions", str(name), shipped_models())
        folder = WEIGHTS / str(name)
    loaded = load_model(folder)
    actions = loaded.actions
    if not actions:
        raise UsageError(
            expected="a model that was trained with actions",
            got=f"{name}, which was not",
            cure="Choose one that lists actions in `kinema models show NAME`.",
        )
    return _of(loaded, folder.name)


def stored_actions(name: str) -> tuple[str, ...]:
    """The actions that a shipped model knows, in its order; none where it knows none."""
    return load_model(WEIGHTS / name).actions if name in shipped_models() else ()


def _of(loaded: Loaded, name: str) -> ActionRun:
    return ActionRun(
        name=name,
        model=loaded.model,
        representation=loaded.representation,
        actions=loaded.actions,
        styles=loaded.styles,
        trained=loaded.stage.task.frames,
        trained_on=loaded.trained_on,
        licence=loaded.licence,
        origin=loaded.recipe.source,
    )


def _answer(model: Model, query: Query, samples: int, seed: int) -> Tensor:
    model.eval()
    return model.predict(query, samples, torch.Generator().manual_seed(seed))


def _shares(samples: int) -> list[int]:
    return [min(_CHUNK, samples - begin) for begin in range(0, samples, _CHUNK)]
