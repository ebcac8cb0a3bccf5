"""A folder of the user's own motion files, as a source."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from kinema.core.errors import FormatError, KinemaError, SkeletonError, UsageError
from kinema.core.safe_json import read_table
from kinema.core.safe_zip import read_npz
from kinema.data.source import Source, Split, check_split, data_folder, file_stamp, missing_data
from kinema.io import formats as files
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

SUFFIXES = (".bvh", ".npz")
_WHAT = "a folder with BVH or NPZ motion files"
_ORIGIN = "Export your recordings as BVH, or convert them with kinema convert IN OUT."
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Folder(Source):
    """Every BVH and NPZ file below `root` (None: the folder that KINEMA_DATA names), in the order of their names.

    `labels` is a CSV file with the columns `file` (relative to the folder) and `action`; without it a clip keeps the
    action that its file tells. A file's split follows from a hash of its relative name (80 in 100 train, 10 val, 10
    test), so it stays where it is when others come and go; where no file would be "train", all are. All files must
    share one skeleton tree; bone lengths may differ. A file that cannot be read raises its error, or with `skip_bad` is
    reported in the log and left out.

    Raises MissingDataError where there is no motion file, SkeletonError naming the file whose tree differs.
    """

    root: str | None = None
    labels: str | None = None
    skip_bad: bool = False
    licence: str = "the user's own"

    name = "folder"

    @cached_property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The skeleton of the first file, whose tree all others share."""
        for path in self._paths:
            if (clip := self._load(path)) is not None:
                return clip.skeleton
        raise missing_data(_WHAT, f"{self._folder}, in which no file can be read", _ORIGIN)

    @cached_property
    def actions(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The actions of the labels file, or, without one, those that the files tell; in alphabetical order."""
        if self.labels is not None:
            return tuple(sorted(set(self._labels.values())))
        clips = (self._load(path) for path in self._paths)
        return tuple(sorted({clip.action for clip in clips if clip is not None and clip.action is not None}))

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split, read one by one."""
        check_split(split)
        return self._read([path for path in self._paths if self.split_of(self._relative(path)) == split])

    def split_of(self, relative: str) -> Split:
        """The split of a file, by its name relative to the folder."""
        return split_of(relative) if self._any_trains else "train"

    @cached_property
    def _any_trains(self) -> bool:
        return any(split_of(self._relative(path)) == "train" for path in self._paths)

    def stamp(self) -> str:
        """The fields, and the state of every file."""
        paths = [*self._paths, *((Path(self.labels),) if self.labels else ())]
        return " ".join((repr(self), *map(file_stamp, paths)))

    def _read(self, paths: list[Path]) -> Iterator[Motion]:
        labels = self._labels
        for path in paths:
            clip = self._load(path)
            if clip is None:
                continue
            relative = self._relative(path)
            if difference := _difference(self.skeleton, clip.skeleton):
                error = SkeletonError(
                    expected=f"one skeleton in all files (that of {self._relative(self._paths[0])})",
                    got=f"{relative} with {difference}",
                    cure="Keep one folder per skeleton, or convert the file (kinema convert IN OUT --to SKELETON).",
                )
                self._report(error)
                continue
            # Readers know a file by its bare name, which may come twice in a tree of folders.
            own = f"file/{relative.removesuffix(path.suffix)}"
            identity = own if clip.identity in ("", f"file/{path.stem}") else clip.identity
            yield replace(clip, action=labels.get(relative, clip.action), identity=identity)

    def _load(self, path: Path) -> Motion | None:
        try:
            return _one_motion(files.load(path), self._relative(path))
        except KinemaError as error:
            self._report(error)
            return None

    def _report(self, error: KinemaError) -> None:
        if not self.skip_bad:
            raise error
        if str(error) not in self._reported:
            self._reported.add(str(error))
            _log.warning("left out: %s", error)

    @cached_property
    def _reported(self) -> set[str]:
        return set()  # a file is read again for every split, and told of once

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    @cached_property
    def _folder(self) -> Path:
        return data_folder(self.root, what=_WHAT, origin=_ORIGIN)

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        if not (found := motion_files(self._folder)):
            raise missing_data(_WHAT, f"none below {self._folder}", _ORIGIN)
        return found

    @cached_property
    def _labels(self) -> dict[str, str]:
        if self.labels is None:
            return {}
        labels = read_labels(Path(self.labels))
        known = {self._relative(path) for path in self._paths}
        if strangers := sorted(set(labels) - known):
            raise UsageError(
                expected=f"labels of files below {self._folder}",
                got=f"'{strangers[0]}', which is not there",
                cure="Write file names relative to the folder, with forward slashes.",
            )
        return labels


def motion_files(folder: Path) -> tuple[Path, ...]:
    """The files below a folder whose suffix is that of a motion, in the order of their names."""
    found = [path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
    return tuple(sorted(found, key=lambda path: path.relative_to(folder).as_posix()))


def holds_motion(path: Path) -> bool:
    """Whether a file with such a suffix is a motion: NPZ files may hold anything."""
    if path.suffix.lower() != ".npz":
        return True
    try:
        return "joint_names" in read_npz(path, ("joint_names",))
    except FormatError:
        return False


def read_labels(path: Path) -> dict[str, str]:
    """File name -> action, from a CSV file with the columns `file` and `action`.

    Raises MissingDataError where there is no such file, FormatError naming the line that is not as it should be.
    """
    if not path.is_file():
        raise missing_data("a CSV file with the columns file, action", f"no file {path}", "Write it, or leave it out.")
    labels: dict[str, str] = {}
    for line, cells in read_table(path, ("file", "action"), "file, action"):
        if not cells["file"] or not cells["action"]:
            raise FormatError(
                where=f"{path}:{line}",
                expected="a file and an action",
                got="an empty cell",
                cure="Fill it, or take the line out.",
            )
        labels[cells["file"]] = cells["action"]
    return labels


def split_of(relative: str) -> Split:
    """The split that a file's name falls into: 80 in 100 train, 10 val, 10 test."""
    share = int.from_bytes(hashlib.sha256(relative.encode()).digest()[:4], "big") % 100
    return "train" if share < 80 else "val" if share < 90 else "test"


def _one_motion(clip: Motion, where: str) -> Motion:
    if clip.batch_shape:
        raise FormatError(
            where=where,
            expected="one motion",
            got=f"a batch of {tuple(clip.batch_shape)}",
            cure="Save one clip per file.",
        )
    return clip


def _difference(expected: Skeleton, found: Skeleton) -> str:
    if expected.same_tree(found):
        return ""
    if lacking := [joint for joint in expected.joints if joint not in found.joints]:
        return f"no joint {', '.join(lacking[:5])}{' ...' if len(lacking) > 5 else ''}"
    if strange := [joint for joint in found.joints if joint not in expected.joints]:
        return f"the further joint {', '.join(strange[:5])}{' ...' if len(strange) > 5 else ''}"
    first = next(
        place
        for place, pair in enumerate(zip(found.joints, expected.joints, strict=True))
        if pair[0] != pair[1] or found.parents[place] != expected.parents[place]
    )
    return f"joint {found.joints[first]} at another place of the tree"
