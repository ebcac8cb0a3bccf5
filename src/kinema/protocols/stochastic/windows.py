"""The windows of a stochastic benchmark, with their futures and those of similar poses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from kinema.core.errors import FormatError, KinemaError
from kinema.metrics.distribution import DctFeatures, Moments
from kinema.metrics.stochastic import apd_of_modes, joint_steps, limb_lengths, modes_of
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton


@dataclass(frozen=True, eq=False)
class FutureWindows:
    """Windows of several recordings, cut from one array of frames. Legend: take is one recording.

    `positions` holds all frames of all recordings, metres relative to the root (which is included, at 0); `roots` the
    root trajectory. `first` is each window's first frame there, `group` its action.
    """

    skeleton: Skeleton
    fps: float
    observed: int
    predicted: int
    threshold: float
    positions: Float[Tensor, "frame joint 3"]
    roots: Float[Tensor, "frame 1 3"]
    groups: tuple[str, ...]
    frame_group: Int[Tensor, " frame"]
    first: Int[Tensor, " window"]
    seams: Int[Tensor, " _"]  # the first frame of every recording but the first
    identities: dict[str, tuple[str, ...]]  # group -> its recordings

    @classmethod
    def cut(
        cls, takes: Iterable[Points], observed: int, predicted: int, stride: int, threshold: float
    ) -> FutureWindows:
        """Windows that begin at frames 0, stride, 2 stride ... of every recording and end before its last frame.

        Short recordings are left out. Raises KinemaError if none is long enough, FormatError for positions that are not
        finite.
        """
        length, begin = observed + predicted, 0
        kept: list[Points] = []
        first: list[Tensor] = []
        for take in takes:
            # Paper: the last start is left out, as range(0, frames - length, stride) does.
            starts = torch.arange(0, max(0, take.frames - length), stride)
            if not len(starts):
                continue
            if not bool(take.positions.isfinite().all()):
                raise FormatError(
                    where=take.identity,
                    expected="finite joint positions",
                    got="NaN or infinity",
                    cure="Download the file again.",
                )
            kept.append(take)
            first.append(starts + begin)
            begin += take.frames
        if not kept:
            raise KinemaError(
                expected=f"a test recording of more than {length} frames",
                got="none",
                cure="Find files that are cut short: kinema data check amass, or h36m-positions, humaneva-positions.",
            )
        groups = tuple(dict.fromkeys(str(take.action) for take in kept))
        positions = torch.cat([take.positions for take in kept])
        identities: dict[str, tuple[str, ...]] = {}
        for take in kept:
            identities[str(take.action)] = (*identities.get(str(take.action), ()), take.identity)
        return cls(
            skeleton=kept[0].skeleton,
            fps=kept[0].fps,
            observed=observed,
            predicted=predicted,
            threshold=threshold,
            positions=positions - positions[:, :1],
            roots=positions[:, :1],
            groups=groups,
            frame_group=torch.cat([torch.full((take.frames,), groups.index(str(take.action))) for take in kept]),
            first=torch.cat(first),
            seams=torch.tensor([take.frames for take in kept]).cumsum(0)[:-1],
            identities=identities,
        )

    def __len__(self) -> int:
        return len(self.first)

    def past(self, windows: Int[Tensor, " _"]) -> Points:
        """The observed frames of some windows, with the root trajectory."""
        frames = self.first[windows][:, None] + torch.arange(self.observed)
        return Points(self.skeleton, self.positions[frames] + self.roots[frames], self.fps)

    def future(self, windows: Int[Tensor, " _"]) -> Float[Tensor, "_ frame feat"]:
        """The ground truth of some windows: poses without the root, as vectors."""
        frames = self.first[windows][:, None] + torch.arange(self.observed, self.observed + self.predicted)
        return self.positions[frames, 1:].flatten(-2)

    @cached_property
    def group(self) -> Int[Tensor, " window"]:
        """The group of every window."""
        return self.frame_group[self.first]

    @cached_property
    def last_observed(self) -> Float[Tensor, "window joint 3"]:
        """The last observed pose of every window."""
        return self.positions[self.first + self.observed - 1]

    @cached_property
    def modes(self) -> tuple[Int[Tensor, " _"], ...]:
        """For every window those with a similar last observed pose: their futures are possible ones."""
        return modes_of(self.last_observed[:, 1:].flatten(1), self.threshold)

    @cached_property
    def several(self) -> Bool[Tensor, " window"]:
        """The windows with another mode than their own."""
        return torch.tensor([len(those) > 1 for those in self.modes])

    @cached_property
    def mode_diversity(self) -> Float[Tensor, " window"]:
        """APD of the modes of every window."""
        return apd_of_modes(self.future(torch.arange(len(self))), self.modes)

    @cached_property
    def usual_steps(self) -> Float[Tensor, " group"]:
        """Mean movement of joints per frame, metres, over the frames of each group's recordings."""
        steps = joint_steps(self.positions[:, 1:])
        # A step between two recordings is no movement.
        within = torch.ones(len(steps), dtype=torch.bool)
        within[self.seams - 1] = False
        group = self.frame_group[1:]
        return torch.stack([steps[within & (group == which)].mean() for which in range(len(self.groups))])

    @cached_property
    def limbs(self) -> tuple[tuple[int, int], ...]:
        """Bones that have a length in every last observed pose."""
        bones = [(parent, joint) for joint, parent in enumerate(self.skeleton.parents) if parent >= 0]
        there = (limb_lengths(self.last_observed, bones) > 1e-3).all(0)
        return tuple(bone for bone, long in zip(bones, there.tolist(), strict=True) if long)

    @cached_property
    def limb_lengths(self) -> Float[Tensor, "window limb"]:
        """The limbs' lengths in the last observed pose of every window."""
        return limb_lengths(self.last_observed, self.limbs)

    @cached_property
    def features(self) -> DctFeatures:
        """The features of futures, fitted on the ground truth."""
        return DctFeatures.fit(self.future(torch.arange(len(self))))

    @cached_property
    def feature_moments(self) -> Moments:
        """Mean and covariance of the features of the ground truth."""
        return Moments.of(self.features.of(self.future(torch.arange(len(self)))))
