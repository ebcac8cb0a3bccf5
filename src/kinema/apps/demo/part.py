"""A part of the demo: a section of its page, and its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from kinema.motion.edit import root_free
from kinema.motion.motion import Clip, Motion
from kinema.motion.names import CANON17
from kinema.pipeline.open import shipped_models
from kinema.viz.page import Note, PageTable, Section

SHOWN = 2.4  # seconds of every panel: one clock plays all of them
Numbers = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class DemoScores:
    """Scores by row (the method) and column (the measure), with `digits` after the decimal point."""

    rows: Numbers
    caption: str
    digits: int = 0

    def table(self) -> PageTable:
        """The scores as the page shows them."""
        columns = list(next(iter(self.rows.values())))
        cells = [
            (who, *("-" if row[name] != row[name] else f"{row[name]:.{self.digits}f}" for name in columns))
            for who, row in self.rows.items()
        ]
        return PageTable(("", *columns), cells, self.caption)


@dataclass(frozen=True)
class DemoPart:
    """A section, and its scores if it has any."""

    section: Section
    scores: DemoScores | None = None


@dataclass(frozen=True)
class Cast:
    """The models of the demo: the shipped ones, or run folders in their place, by the shipped name."""

    runs: Mapping[str, Path] = field(default_factory=dict[str, Path])

    def find(self, name: str) -> Path | str | None:
        """What to open for a name; None if there are no weights."""
        return self.runs.get(name) or (name if name in shipped_models() else None)


def missing(name: str, instead: str) -> Note:
    """The note for a system without weights."""
    return Note(f"{name}: no trained weights come with this version. {instead}", model=False)


def pose(clip: Motion) -> Float[Tensor, "*batch frame joint 3"]:
    """Positions of the canonical joints in the root's frame, metres."""
    return root_free(clip).points().positions[..., canonical(clip), :]


def canonical(clip: Clip) -> list[int]:
    """Indices of the canonical joints that a clip's skeleton has."""
    known = {*clip.skeleton.aliases, *clip.skeleton.joints}
    return clip.skeleton.indices([name for name in CANON17 if name in known])
