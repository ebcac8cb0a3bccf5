"""Procedural motion: a parametric body that walks, runs, jumps and so on, with labels, seeds and planted feet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kinema.core.errors import unknown_name
from kinema.data.source import SPLITS, Source, Split, check_split, derived
from kinema.data.synthetic.moves import Style
from kinema.data.synthetic.perform import ACTIONS, perform, sequence
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogued

__all__ = ["ACTIONS", "Style", "Synthetic", "perform", "sequence"]

VERSION = 2  # of the movements: a cache of clips made by another version is stale


@dataclass(frozen=True)
class Synthetic(Source):
    """Clips made on demand: `clips_per_action` of each action and split, each by another performer.

    `seconds` long at `fps` frames per second; `seed` picks the set, and no performer appears in two splits. Bodies
    differ in size: every clip's skeleton is `kinema24` scaled uniformly. Raises UsageError for an unknown action.
    """

    name = "synthetic"
    licence = "Apache-2.0 (procedural, made by kinema)"

    clips_per_action: int = 4
    seconds: float = 4.0
    fps: float = 30.0
    seed: int = 0
    actions: tuple[str, ...] = ACTIONS

    def __post_init__(self) -> None:
        object.__setattr__(self, "actions", tuple(self.actions))
        for action in self.actions:
            if action not in ACTIONS:
                raise unknown_name("action", action, ACTIONS)

    @derived
    def skeleton(self) -> Skeleton:
        """`kinema24` at size 1."""
        return catalogued("kinema24")

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split, action by action, each with `action` and identity "synthetic/<action>_<seed>"."""
        check_split(split)
        for action in self.actions:
            for number in range(self.clips_per_action):
                seed = (self.seed * 100_000 + number) * len(SPLITS) + SPLITS.index(split)
                yield perform(action, seconds=self.seconds, fps=self.fps, seed=seed)

    def stamp(self) -> str:
        """The settings and the version of the movements."""
        return f"{super().stamp()} version {VERSION}"
