"""`Source`: a set of recordings. One per data set, each in its own file.

A source lists its clips by split without reading them all into memory twice; it never invents a unit, a rate or a
joint order: what the files do not say, its constructor asks for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Literal

from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

Split = Literal["train", "val", "test"]


class Source(ABC):
    """Recordings of one skeleton tree.

    Every clip carries `identity`, the name of the recording that it is a copy of ("cmu/06_07"), or, where that is not
    known, the name within the set with a question mark before it ("?cmu/forecast/train/running_4": some trial of the
    CMU archive). Checkpoints keep the identities they were trained on; `protocols.leaks` compares them.
    """

    name: str
    licence: str
    skeleton: Skeleton
    actions: tuple[str, ...]

    @abstractmethod
    def clips(self, split: Split) -> Iterator[Motion]:
        """The recordings of one split, always in the same order, each with `action` and `identity`."""
