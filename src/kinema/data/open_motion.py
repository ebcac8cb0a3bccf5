"""`OpenMotion`: the open packs on one body, the canonical seventeen joints, as joint positions.

What `open-stochastic` trains and tests on. Every pack keeps its own splits; a pack without validation clips (HDM05)
gives the clips of one training actor for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from kinema.data.packs import PACKS, RotationPack
from kinema.data.source import Source, Split, check_split
from kinema.errors import UsageError, unknown_name
from kinema.motion import catalog
from kinema.motion.edit import resample
from kinema.motion.motion import Motion, Points
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton


@dataclass(frozen=True)
class OpenMotion(Source):
    """Packs in the folder `root` (None: the one that KINEMA_DATA names), as clips of positions of `canon17`, metres.

    Forward kinematics on each body's own bones, then the pack's canonical joints. Where `fps` is given, the rotations
    are brought to that rate first, which is exact for limbs that swing; None leaves every pack its own rate. Clips in
    which a joint's rotation flips (`jumps` of a pack) are kept: an angle that wraps, or a twist about a bone, does not
    move the joints. `validation` names pairs (pack, start of a recording's name): training clips that are "val"
    instead; that is HDM05's actor dg, whose pack has no such split. `exclude` names identities to leave out.
    Raises UsageError for no packs, or one named twice or unknown.
    """

    packs: tuple[str, ...] = ("cmu_bvh", "hdm05")
    root: str | None = None
    exclude: tuple[str, ...] = ()
    validation: tuple[tuple[str, str], ...] = (("hdm05", "dg_"),)
    fps: float | None = None

    name = "open_motion"

    def __post_init__(self) -> None:
        if not self.packs or len(set(self.packs)) != len(self.packs):
            raise UsageError(
                expected="at least one pack, each once", got=str(self.packs), cure=f"Choose among {', '.join(PACKS)}."
            )
        for pack in (*self.packs, *(pack for pack, _ in self.validation)):
            if pack not in PACKS:
                raise unknown_name("rotation pack", pack, PACKS)

    @property
    def licence(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What may be done with the data: every pack's own words."""
        return "; ".join(f"{pack}: {PACKS[pack].licence}" for pack in self.packs)

    @cached_property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """`canon17`; the recordings have its tree and their own bone lengths."""
        return catalog.skeleton("canon17")

    @property
    def actions(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The labels of all packs, in their order."""
        return tuple(dict.fromkeys(action for pack in self._packs for action in pack.actions))

    def clips(self, split: Split) -> Iterator[Points]:
        """The recordings of a split, pack after pack, each with its label as `action`."""
        check_split(split)
        for pack in self._packs:
            if split == "test":
                yield from map(self._canonical, pack.clips("test"))
                continue
            if split == "val":
                yield from map(self._canonical, pack.clips("val"))
            for clip in pack.clips("train"):
                if self._held_out(pack.pack, clip.identity) == (split == "val"):
                    yield self._canonical(clip)

    def stamp(self) -> str:
        """The fields, and the state of every pack."""
        return " ".join((repr(self), *(pack.stamp() for pack in self._packs)))

    def _held_out(self, pack: str, identity: str) -> bool:
        recording = identity.rsplit("/", 1)[-1]
        return any(pack == named and recording.startswith(start) for named, start in self.validation)

    def _canonical(self, clip: Motion) -> Points:
        at_rate = clip if self.fps is None else resample(clip, self.fps)
        positions = at_rate.points().positions[:, clip.skeleton.indices(CANON17)]
        return Points(self.skeleton, positions, at_rate.fps, clip.action, clip.identity)

    @cached_property
    def _packs(self) -> tuple[RotationPack, ...]:
        return tuple(RotationPack(pack, self.root, exclude=self.exclude) for pack in self.packs)
