"""`OpenMotion`: the open packs on one body, the canonical seventeen joints, as joint positions.

What `open-stochastic` trains and tests on. Every pack keeps its own splits; a pack without validation clips (HDM05)
gives the clips of one training actor for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from kinema.core.errors import UsageError, unknown_name
from kinema.data.source import Source, Split, check_split, derived
from kinema.data.sources.packs import PACKS, RotationPack
from kinema.motion import skeletons as catalog
from kinema.motion.edit import resample
from kinema.motion.motion import Motion, Points
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton

_T_POSE_FIRST = ("cmu_bvh",)  # measured: all 185 recordings leave it at 8 m/s or more


@dataclass(frozen=True)
class OpenMotion(Source):
    """Packs in the folder `root` (None: the one that KINEMA_DATA names), as clips of positions of `canon17`, metres.

    Forward kinematics on each body's own bones, then the pack's canonical joints. Rotations are resampled to `fps`
    first (None: every pack keeps its rate). The first row of every CMU recording, an artificial T-pose, is dropped. A
    recording is cut where a joint moves faster about the root than `fastest` (metres per second; limbs flip in some
    files; None: nowhere), and its pieces share an identity. `validation` are pairs (pack, start of a recording's name):
    training clips that are "val" instead, as HDM05 has no such split. `exclude` are identities to leave out. Raises
    UsageError for no packs, one named twice or unknown, or a speed that is not positive.
    """

    packs: tuple[str, ...] = ("cmu_bvh", "hdm05")
    root: str | None = None
    exclude: tuple[str, ...] = ()
    validation: tuple[tuple[str, str], ...] = (("hdm05", "dg_"),)
    fps: float | None = None
    fastest: float | None = 20.0

    name = "open_motion"

    def __post_init__(self) -> None:
        if not self.packs or len(set(self.packs)) != len(self.packs):
            raise UsageError(
                expected="at least one pack, each once", got=str(self.packs), cure=f"Choose among {', '.join(PACKS)}."
            )
        if self.fastest is not None and not self.fastest > 0:
            raise UsageError(
                expected="a speed above 0 m/s", got=f"{self.fastest}", cure="Give fastest=20.0, or None for no limit."
            )
        for pack in (*self.packs, *(pack for pack, _ in self.validation)):
            if pack not in PACKS:
                raise unknown_name("rotation pack", pack, PACKS)

    @derived
    def licence(self) -> str:
        """The licences of all packs."""
        return "; ".join(f"{pack}: {PACKS[pack].licence}" for pack in self.packs)

    @derived
    def skeleton(self) -> Skeleton:
        """`canon17`; the recordings have its tree and their own bone lengths."""
        return catalog.skeleton("canon17")

    @derived
    def actions(self) -> tuple[str, ...]:
        """The labels of all packs, in their order."""
        return tuple(dict.fromkeys(action for pack in self._packs for action in pack.actions))

    def clips(self, split: Split) -> Iterator[Points]:
        """The recordings of a split, pack after pack, each with its label as `action`."""
        check_split(split)
        for pack in self._packs:
            for clip in self._recordings(pack, split):
                yield from self._canonical(clip if pack.pack not in _T_POSE_FIRST else clip[min(1, clip.frames - 1) :])

    def subject(self, identity: str) -> str:
        """The name up to its first underscore: CMU's subject, HDM05's actor ("cmu/06", "hdm05/bk").

        Where the trial is not known (a question mark begins the identity), it is the identity itself.
        """
        return identity if identity.startswith("?") else identity.partition("_")[0]

    def _sources(self) -> tuple[RotationPack, ...]:
        return self._packs

    def _recordings(self, pack: RotationPack, split: Split) -> Iterator[Motion]:
        if split != "train":
            yield from pack.clips(split)
        if split == "test":
            return
        starts = tuple(start for named, start in self.validation if named == pack.pack)
        for clip in pack.clips("train"):
            if clip.identity.rsplit("/", 1)[-1].startswith(starts) == (split == "val"):
                yield clip

    def _canonical(self, clip: Motion) -> Iterator[Points]:
        joints = clip.skeleton.indices(CANON17)
        for piece in self._pieces(clip, joints):
            at_rate = piece if self.fps is None else resample(piece, self.fps)
            positions = at_rate.points().positions[:, joints]
            yield Points(self.skeleton, positions, at_rate.fps, clip.action, clip.identity)

    def _pieces(self, clip: Motion, joints: list[int]) -> Iterator[Motion]:
        if self.fastest is None:
            yield clip
            return
        positions = clip.points().positions[:, joints]
        speed = (positions - positions[:, :1]).diff(dim=0).norm(dim=-1).amax(-1) * clip.fps
        cuts = [0, *(1 + int(frame) for frame in (speed > self.fastest).nonzero()), clip.frames]
        for start, stop in pairwise(cuts):
            if stop - start > 1 or len(cuts) == 2:
                yield clip[start:stop]

    @cached_property
    def _packs(self) -> tuple[RotationPack, ...]:
        return tuple(RotationPack(pack, self.root, exclude=self.exclude) for pack in self.packs)
