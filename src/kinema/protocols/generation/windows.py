"""Labelled windows of joint positions: the input of evaluators, real or generated.

The canonical seventeen joints (or every joint of a body that lacks one), at the origin of the floor and facing +z in
the first frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from kinema.core.errors import UsageError
from kinema.data.source import Source, labels_of
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.motion.motion import Clip, Points
from kinema.motion.names import CANON17
from kinema.motion.skeleton import Skeleton, has_joint
from kinema.protocols.interface import Evaluated

SECONDS = 64 / 30  # of a clip


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """Clips of one length: joint positions (metres, or picture units), k-hot labels, and the joints."""

    positions: Float[Tensor, "clip frame joint dim"]
    labels: Float[Tensor, "clip class"]
    classes: tuple[str, ...]
    skeleton: Skeleton
    joints: tuple[int, ...]  # which of the skeleton's
    fps: float
    identities: frozenset[str] = frozenset()  # the recordings that the clips are cut from
    takes: tuple[int, ...] = ()  # for every clip the number of its recording; empty for generated or drawn clips

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, chosen: Int[Tensor, " row"]) -> LabelledWindows:
        """Some of the clips, in the order of `chosen`."""
        return self.with_(self.positions[chosen], self.labels[chosen])

    def with_(
        self, positions: Float[Tensor, "clip frame joint dim"], labels: Float[Tensor, "clip class"]
    ) -> LabelledWindows:
        """Other clips of the same body."""
        return replace(self, positions=positions, labels=labels, takes=())

    def halves(self, seed: int) -> tuple[list[int], list[int]]:
        """The clips in two halves of equal labels, at random; no recording has clips in both."""
        generator = torch.Generator().manual_seed(seed)
        first = {take: row for row, take in reversed(list(enumerate(self.takes)))}
        recordings = [list(first)[place] for place in torch.randperm(len(first), generator=generator)]
        recordings.sort(key=lambda take: self.labels[first[take]].tolist())
        sides = {take: place % 2 for place, take in enumerate(recordings)}
        rows = range(len(self.takes))
        return [row for row in rows if sides[self.takes[row]]], [row for row in rows if not sides[self.takes[row]]]

    def features(self) -> Float[Tensor, "clip frame feat"]:
        """The input of evaluators: joints relative to the pelvis, then the pelvis."""
        pelvis = self.positions[:, :, :1]
        return torch.cat((self.positions[:, :, 1:] - pelvis, pelvis), 2).flatten(2)

    def pathless(self) -> bool:
        """True if no pelvis moves: a representation without a root trajectory."""
        return float(self.positions[:, :, 0].diff(dim=1).abs().max()) < 1e-6


def scored_joints(skeleton: Skeleton) -> tuple[int, ...]:
    """The canonical seventeen, pelvis first; every joint if one of them is missing."""
    if has_joint(skeleton, *CANON17):
        return tuple(skeleton.indices(CANON17))
    return tuple(range(len(skeleton)))


def windows_of_clip(clip: Clip, frames: int) -> Float[Tensor, "window frame joint dim"]:
    """Aligned windows of a clip (batch shape () or (clip,)), consecutive; the remainder is dropped."""
    points = clip.points()
    positions = points.positions[..., list(scored_joints(points.skeleton)), :]
    count = positions.shape[-3] // frames
    cut = positions[..., : count * frames, :, :].unflatten(-3, (count, frames))
    return aligned(cut.reshape(-1, *cut.shape[-3:]), points.skeleton)


def aligned(
    positions: Float[Tensor, "clip frame joint dim"], skeleton: Skeleton
) -> Float[Tensor, "clip frame joint dim"]:
    """Clips rotated and moved so that the first frame is at x = z = 0 and faces +z; heights stay.

    In two dimensions (and for bodies without canonical hips) only the position changes.
    """
    start = positions[:, :1, :1].clone()
    flat = positions.shape[-1] == 3
    if flat:
        start[..., 1] = 0
    moved = positions - start
    if not flat or len(scored_joints(skeleton)) != len(CANON17):
        return moved
    across = positions[:, 0, CANON17.index("l_hip")] - positions[:, 0, CANON17.index("r_hip")]
    angle = torch.atan2(across[:, 2], across[:, 0])  # the left of a body that faces +z is +x
    return moved @ axis_angle_to_rotmat("Y", angle).transpose(-1, -2)[:, None]


def generated(
    pipeline: Evaluated, like: LabelledWindows, labels: Float[Tensor, "clip class"], seed: int
) -> LabelledWindows:
    """Clips that a pipeline generates: of the length of the clips of `like`, with `labels` among its classes."""
    weights = torch.zeros(len(labels), len(pipeline.actions))
    weights[:, [pipeline.actions.index(name) for name in like.classes]] = labels
    frames = like.positions.shape[1]
    return like.with_(windows_of_clip(pipeline.make(weights, frames, seed), frames), labels)


def split_windows(
    pipeline: Evaluated, source: Source, classes: Sequence[str]
) -> tuple[LabelledWindows, LabelledWindows]:
    """Windows of `SECONDS` of the training and of the test split."""
    frames = max(8, round(SECONDS * pipeline.fps))
    train, test = (
        labelled_windows(source.clips(split), pipeline.as_represented, classes, frames) for split in ("train", "test")
    )
    return train, test


def labelled_windows(
    clips: Iterable[Clip], as_represented: Callable[[Clip], Clip], classes: Sequence[str], frames: int
) -> LabelledWindows:
    """The windows of recordings, encoded and decoded by the model's representation (`as_represented`).

    Clips without a label of `classes` are left out. Raises UsageError if no labelled clip is long enough.
    """
    positions: list[Tensor] = []
    labels: list[Tensor] = []
    identities: set[str] = set()
    takes: list[int] = []
    body: Points | None = None
    for take, clip in enumerate(clips):
        own = labels_of(clip.action)
        row = torch.tensor([float(name in own) for name in classes])
        if not bool(row.any()):
            continue
        points = as_represented(clip).points()
        body = body or points
        windows = windows_of_clip(points, frames)
        positions.append(windows)
        identities.add(clip.identity)
        takes += [take] * len(windows)
        labels.append(row.expand(len(windows), -1))
    if body is None or not sum(map(len, positions)):
        raise UsageError(
            expected=f"a clip of at least {frames} frames with one of the labels {', '.join(classes)}",
            got="none",
            cure="Use longer recordings, or a model of these actions.",
        )
    joints = scored_joints(body.skeleton)
    cut, kept = torch.cat(positions), torch.cat(labels)
    return LabelledWindows(
        cut, kept, tuple(classes), body.skeleton, joints, body.fps, frozenset(identities), tuple(takes)
    )
