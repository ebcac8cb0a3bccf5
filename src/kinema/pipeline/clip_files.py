"""Input and output files of the verbs; the output has the layout of the input."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from kinema.core.constants import Keys
from kinema.core.errors import KinemaWarning, UsageError
from kinema.io import keypoints
from kinema.io.formats import can_write, save
from kinema.motion.edit import facing, keep_root, resample, rotate, shift
from kinema.motion.motion import Clip, Motion, Points, concatenate
from kinema.motion.retargeting import as_motion, pair_joints, retarget
from kinema.motion.retargeting.joint_map import named_by
from kinema.motion.skeleton import has_joint
from kinema.pipeline.completion.complete import Completed
from kinema.pipeline.requests import FileOptions

_LARGEST = 1_000_000  # frames between two poses


@dataclass(frozen=True, eq=False)
class ClipFile:
    """The clips of a file: one clip (named ""), or the people of a video by track id."""

    file: Path
    clips: Mapping[str, Clip]
    people: keypoints.Keypoints | None = None

    @property
    def only(self) -> Motion:
        """The one motion; positions become rotations. Raises UsageError for points of a picture or unseen ones."""
        clip = next(iter(self.clips.values()))
        if isinstance(clip, Motion):
            return clip
        if clip.positions.shape[-1] != 3:
            raise UsageError(
                expected="a motion with joint rotations or positions in space (BVH, NPZ ...)",
                got=f"points of a picture in {self.file.name}",
                cure=f"Type kinema repair {self.file.name} or kinema upsample {self.file.name}: they take such points.",
            )
        if not bool(clip.positions.isfinite().all()):
            raise UsageError(
                expected="every joint in every frame",
                got=f"unseen ones in {self.file.name}",
                cure=f"Type kinema repair {self.file.name} -o whole.npz first, then use whole.npz.",
            )
        _tell(f"{self.file.name}: positions only; joint rotations are found by inverse kinematics")
        return as_motion(clip)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return next(iter(self.clips.values())).fps

    @property
    def keys(self) -> Keys:
        """The default key mode: "soft" for the keypoints of a detector, else "exact"."""
        return "exact" if self.people is None else "soft"

    def beside(self, word: str) -> Path:
        """The default output file: FILE.word.suffix in the working folder."""
        suffix = self.file.suffix if self.people is not None or can_write(self.file) else ".npz"
        return Path(f"{self.file.stem}.{word}{suffix}")

    def write(self, done: Mapping[str, Completed], path: Path) -> None:
        """Write `done` in the layout of the input file."""
        if self.people is None:
            save(next(iter(done.values())).motion, path)
            return
        points = {who: each.motion for who, each in done.items() if isinstance(each.motion, Points)}
        at = next(iter(done.values())).times * self.fps
        keypoints.write(points, path, self.people, at)


def open_source(path: Path, options: FileOptions) -> ClipFile:
    """Read a motion file, or the people of a video. A joint map names the joints of a motion."""
    person = options.person
    if keypoints.is_keypoints(path):
        read = keypoints.read(path, fps=options.source_fps, size=options.picture)
        return ClipFile(path, dict(read.people) if person is None else {person: read.person(person)}, read)
    return ClipFile(path, {"": named_by(options.load(path), options.joint_map)})


def pair(before: Motion, after: Motion, *, align: bool) -> tuple[Motion, Motion]:
    """The two clips to join, on the skeleton and at the rate of the first.

    `align` moves and rotates the second clip to the end of the first. Retargeting and resampling give a KinemaWarning.
    Raises UsageError if too few joints match.
    """
    if abs(before.fps - after.fps) > 1e-4 * before.fps:
        _tell(f"the second clip has {after.fps:g} frames per second; it is read at {before.fps:g}")
        after = resample(after, before.fps)
    if not before.skeleton.same_tree(after.skeleton):
        pairing = pair_joints(after.skeleton, before.skeleton)
        after = retarget(after, before)
        notes = ["the second clip has another skeleton and was retargeted to that of the first"]
        _tell("; ".join([*notes, *pairing.lines()]))
    after = replace(after, skeleton=before.skeleton, fps=before.fps, layout=before.layout)
    if align:
        angle = facing(before[-1:])[0] - facing(after[:1])[0]
        after = rotate(after, angle)
        by = (_body(before[-1:])[0] - _body(after[:1])[0]) * torch.tensor([1.0, 0.0, 1.0])
        after = keep_root(shift(after, by), before)
    return before, after


def _body(clip: Motion) -> Float[Tensor, "frame 3"]:
    """Where the pelvis is: the root of some files never moves."""
    return clip.positions_of([clip.skeleton.index("pelvis") if has_joint(clip.skeleton, "pelvis") else 0])[:, 0]


def transition(before: Motion, after: Motion, frames: int | None) -> tuple[Motion, int]:
    """The second of two aligned clips moved on by the travel of the transition, and the number of frames of that.

    Where `frames` is None, the transition is as long as the farthest joint takes at 1.5 metres per second, 0.15 to 1 s.
    The body travels at the mean of its speeds before and after.
    """
    if frames is None:
        far = (before[-1:].points().positions - after[:1].points().positions).norm(dim=-1).amax()
        frames = max(1, round(min(max(float(far) / 1.5, 0.15), 1.0) * before.fps))
    ends = before[-min(before.frames, 4) :], after[: min(after.frames, 4)]
    speeds = [_body(clip).diff(dim=0).mean(0) for clip in ends]
    speeds = [torch.nan_to_num(speed) for speed in speeds]
    travel = sum(speeds, torch.zeros(3)) / 2 * (frames + 1) * torch.tensor([1.0, 0.0, 1.0])
    return keep_root(shift(after, travel), before), frames


def _tell(note: str) -> None:
    warnings.warn(note, KinemaWarning, stacklevel=3)


def joined(before: Motion, after: Motion, frames: int, known: int) -> tuple[Motion, Bool[Tensor, " frame"]]:
    """The end of one clip, `frames` unknown frames and the start of the other; and the mask of known frames."""
    if known < 1 or frames > _LARGEST:
        raise UsageError(
            expected=f"a context of 0 or more, and at most {_LARGEST} frames",
            got=f"{known - 1} and {frames}",
            cure="Use --context 0 and --frames 30.",
        )
    start, end = before[-min(known, before.frames) :], after[: min(known, after.frames)]
    if (start.offsets is None) != (end.offsets is None):
        start, end = _with_offsets(start), _with_offsets(end)
    gap = start[torch.full((frames,), start.frames - 1)]
    mask = torch.ones(start.frames + frames + end.frames, dtype=torch.bool)
    mask[start.frames : start.frames + frames] = False
    return concatenate(start, gap, end), mask


def _with_offsets(clip: Motion) -> Motion:
    if clip.offsets is not None:
        return clip
    return replace(clip, offsets=clip.skeleton.offsets.expand(clip.frames, -1, -1).clone())
