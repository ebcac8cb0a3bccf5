"""Converting a file, as `Work`. It needs no model, and imports none."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from kinema.apps.batch.jobs import Do, Made, Piece
from kinema.io import formats as files
from kinema.motion.edit import resample
from kinema.motion.motion import Clip
from kinema.motion.names import Rest
from kinema.motion.retargeting import retarget
from kinema.motion.retargeting.joint_map import named_by, read_joint_map
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogue_skeleton


@dataclass(frozen=True)
class Converting:
    """Bring the clip of a file to another rate, skeleton or format; see `kinema convert` for the fields."""

    fps: float | None = None
    to: str | None = None
    unit: float | None = None
    source_fps: float | None = None
    source_skeleton: str | None = None
    joint_map: Path | None = None
    rest: Rest = "auto"
    blender: str | None = None

    def stamp(self) -> Mapping[str, Any]:
        """All but the file. Raises UsageError for a skeleton that is not in the catalogue."""
        for name in (self.to, self.source_skeleton):
            _skeleton(name)
        return said_of(self, "convert")

    def open(self) -> Do:
        """Nothing needs to be loaded."""

        def do(piece: Piece) -> Made:
            clip = self.done(piece.source)
            self.write(clip, piece.target)
            return Made((piece.target,), {"frames": clip.frames, "joints": len(clip.skeleton), "fps": clip.fps})

        return do

    def write(self, clip: Clip, target: Path) -> None:
        """Save a clip as the wishes say; raises as `kinema.io.formats.save` does."""
        files.save(clip, target, rest=self.rest, blender=self.blender)

    def done(self, source: Path) -> Clip:
        """The clip of a file, converted. Raises UsageError where it cannot be brought to the skeleton."""
        clip = files.load_clip(source, fps=self.source_fps, unit=self.unit, skeleton=_skeleton(self.source_skeleton))
        body = _skeleton(self.to)
        if body is not None and self.joint_map is not None:
            own, body = read_joint_map(self.joint_map).of_both(clip.skeleton, body)
            clip = replace(clip, skeleton=own)
        else:
            clip = named_by(clip, self.joint_map)
        if self.fps is not None:
            clip = resample(clip, self.fps)  # pyright: ignore[reportArgumentType] - each kind stays of its kind
        return clip if body is None else retarget(clip, body)


def said_of(work: Any, verb: str) -> dict[str, Any]:
    """A work's fields as JSON data, with what its files hold rather than what they are called."""
    said: dict[str, Any] = {"verb": verb}
    for one in fields(work):
        value = getattr(work, one.name)
        if is_dataclass(value):  # a part, which is told by itself
            continue
        if isinstance(value, Path):
            value = {"file": str(value), "digest": hashlib.blake2b(value.read_bytes(), digest_size=16).hexdigest()}
        said[one.name] = list(value) if isinstance(value, tuple) else value
    return said


def _skeleton(name: str | None) -> Skeleton | None:
    return None if name is None else catalogue_skeleton(name)
