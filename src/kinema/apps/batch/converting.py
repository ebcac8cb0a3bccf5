"""Work that needs no model, and imports none: convert a file, fit the user's body model to an AMASS recording."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinema.apps.batch.jobs import Do, Made, Piece
from kinema.core.atomic import atomic_path
from kinema.io.formats import save
from kinema.motion.edit import resample
from kinema.motion.motion import Clip
from kinema.motion.names import Rest
from kinema.motion.retargeting import Pairing, pair_joints, retarget
from kinema.motion.retargeting.joint_map import named_by, read_joint_map
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogue_skeleton
from kinema.pipeline.requests import FileOptions

if TYPE_CHECKING:
    from kinema.data.sources.amass_joints import Building
    from kinema.io.smpl import SmplBody


@dataclass(frozen=True)
class Converting:
    """Convert a file to another rate, skeleton or format; the fields are the options of `kinema convert`."""

    fps: float | None = None
    to: str | None = None
    files: FileOptions = field(default_factory=FileOptions)
    rest: Rest = "auto"
    blender: str | None = None
    allow_unmatched: bool = False
    format: str | None = None

    def stamp(self) -> Mapping[str, Any]:
        """The options as JSON data. Raises UsageError for a skeleton that is not in the catalogue."""
        for name in (self.to, self.files.source_skeleton):
            _skeleton(name)
        return {**facts_of(self.files, "convert"), **facts_of(self, "convert")}

    def open(self) -> Do:
        """There is nothing to load."""

        def do(piece: Piece) -> Made:
            clip, pairing = self.done(piece.source)
            self.write(clip, piece.target)
            facts = {"frames": clip.frames, "joints": len(clip.skeleton), "fps": clip.fps}
            unmatched = {} if pairing is None else {"unmatched": [*pairing.resting, *pairing.lost]}
            return Made((piece.target,), facts | unmatched)

        return do

    def write(self, clip: Clip, target: Path) -> None:
        """Save a clip with the options; raises what `kinema.io.formats.save` raises."""
        save(clip, target, rest=self.rest, blender=self.blender, format=self.format)

    def done(self, source: Path) -> tuple[Clip, Pairing | None]:
        """The converted clip of a file, and which joints matched where it was retargeted.

        Raises UsageError where it cannot be retargeted to the skeleton, CheckFailedError where a limb has no
        counterpart.
        """
        clip, body, joint_map = self.files.load(source), _skeleton(self.to), self.files.joint_map
        if body is not None and joint_map is not None:
            own, body = read_joint_map(joint_map).of_both(clip.skeleton, body)
            clip = replace(clip, skeleton=own)
        else:
            clip = named_by(clip, joint_map)
        if self.fps is not None:
            clip = resample(clip, self.fps)
        if body is None:
            return clip, None
        pairing = pair_joints(clip.skeleton, body)
        if not self.allow_unmatched:
            pairing.require_limbs()
        return retarget(clip, body), pairing


@dataclass(frozen=True)
class AmassFitting:
    """Joint positions of an AMASS recording by the user's body model: see `kinema.data.sources.amass_joints`."""

    model: Path
    how: Building

    def stamp(self) -> Mapping[str, Any]:
        """The model and the options, as JSON data."""
        return {"verb": "amass-joints", "model": str(self.model.resolve()), **asdict(self.how)}

    def open(self) -> Do:
        """Load each body model when a recording needs it."""
        import numpy as np

        from kinema.data.sources.amass_joints import read_joints

        bodies: dict[str, SmplBody] = {}

        def do(piece: Piece) -> Made:
            joints = read_joints(piece.source, self.model, bodies, self.how)
            with atomic_path(piece.target) as beside, beside.open("wb") as file:
                np.save(file, joints)
            return Made((piece.target,), {"frames": len(joints)})

        return do


def amass_pieces(amass: Path, parts: Path) -> dict[str, Piece]:
    """The recordings by their names in the HDF5, each with its part in `parts`. Raises what `recordings_of` raises."""
    from kinema.data.sources.amass_joints import recordings_of

    parts = parts.resolve()
    return {name: Piece(path, parts / f"{name}.npy") for name, path in recordings_of(amass).items()}


def facts_of(work: Any, verb: str) -> dict[str, Any]:
    """A work's fields as JSON data; for a file also a digest of its content."""
    found: dict[str, Any] = {"verb": verb}
    for one in fields(work):
        value = getattr(work, one.name)
        if is_dataclass(value):  # a part that has an entry of its own
            continue
        if isinstance(value, Path):
            value = {"file": str(value), "digest": hashlib.blake2b(value.read_bytes(), digest_size=16).hexdigest()}
        found[one.name] = list(value) if isinstance(value, tuple) else value
    return found


def _skeleton(name: str | None) -> Skeleton | None:
    return None if name is None else catalogue_skeleton(name)
