"""`Folder` and `LabelledFolder`: the user's own motion files, whole, or cut and labelled by a table."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch

from kinema.core.errors import FormatError, KinemaError, KinemaWarning, SkeletonError, UsageError
from kinema.core.text import read_table
from kinema.data.source import LABELS, Source, Split, check_split, data_folder, derived, missing_data
from kinema.io import formats as files
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.retargeting import as_motion
from kinema.motion.skeleton import Skeleton

_COLUMNS = "file, action[, style][, start, end]"
_WHAT = "a folder with motion files (BVH, GLB, FBX, NPZ, TRC, C3D ...)"
_ORIGIN = "Export your recordings as BVH, GLB or FBX, or convert them with kinema convert IN OUT."
_KEPT = 500_000  # frames of files that take long to read which are kept in memory
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledSegment:
    """A line of a labels file: what is done from `start` to `end` (seconds; None: the end of the file)."""

    file: str
    labels: tuple[str, ...]
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class Folder(Source):
    """Every motion file below `root` (None: the folder that KINEMA_DATA names), in the order of their names.

    Files of all formats are taken (see `kinema.io.formats.files_in`), but for points of a picture; a KinemaWarning
    names the others. Positions become rotations by inverse kinematics, on the tree and the rest pose of the first file.
    `labels` is a CSV file with the columns `file` (relative to the folder) and `action`; without it a clip keeps the
    action that its file gives. A file's split follows from a hash of its relative name (80 in 100 train, 10 val, 10
    test), so it stays where it is when others come and go; where no file would be "train", all are. All files must
    share one skeleton tree; bone lengths may differ. A file that cannot be read raises its error, or with `skip_bad` is
    reported in the log and left out.

    Raises MissingDataError where there is no motion file or no labels file, SkeletonError naming the file whose tree
    differs, FormatError naming the line of the labels file where a cell is wrong or a file is not there.
    """

    root: str | None = None
    labels: str | None = None
    skip_bad: bool = False
    licence: str = "the user's own"

    name = "folder"

    @derived
    def skeleton(self) -> Skeleton:
        """The skeleton of the first file, whose tree all others share."""
        for path in self._paths:
            if (clip := self._load(path)) is not None:
                return clip.skeleton
        raise missing_data(_WHAT, f"{self._folder}, in which no file can be read", _ORIGIN)

    @derived
    def actions(self) -> tuple[str, ...]:
        """The actions of the labels file, or, without one, those that the files give; in alphabetical order."""
        if self.labels is not None:
            return tuple(sorted({segment.labels[0] for segment in self.segments}))
        clips = (self._load(path) for path in self._paths)
        return tuple(sorted({clip.action for clip in clips if clip is not None and clip.action is not None}))

    @derived
    def segments(self) -> tuple[LabelledSegment, ...]:
        """The lines of the labels file, in the order of files and times; none without one."""
        if self._table is None:
            return ()
        known = {self._relative(path) for path in self._paths}
        return tuple(sorted(read_segments(self._table, known), key=lambda one: (one.file, one.start)))

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

    def _files(self) -> Iterator[Path]:
        yield from self._paths
        if self._table is not None:
            yield self._table

    def _read(self, paths: list[Path]) -> Iterator[Motion]:
        actions = {segment.file: segment.labels[0] for segment in self.segments}
        for path in paths:
            if (clip := self._whole(path)) is not None:
                yield replace(clip, action=actions.get(self._relative(path), clip.action))

    def _whole(self, path: Path) -> Motion | None:
        """A file's clip with its identity; None where it is left out."""
        if (clip := self._load(path)) is None:
            return None
        relative = self._relative(path)
        if difference := _difference(self.skeleton, clip.skeleton):
            error = SkeletonError(
                expected=f"one skeleton in all files (that of {self._relative(self._paths[0])})",
                got=f"{relative} with {difference}",
                cure=f"Put it on that skeleton (kinema retarget {path} {self._paths[0]} -o OUT), or keep one folder "
                "per skeleton.",
            )
            self._report(error)
            return None
        # Readers know a file by its bare name, which may come twice in a tree of folders.
        own = f"file/{relative.removesuffix(path.suffix)}"
        return replace(clip, identity=own if clip.identity in ("", f"file/{path.stem}") else clip.identity)

    def _load(self, path: Path) -> Motion | None:
        if path in self._kept:
            return self._kept[path]
        try:
            clip = self._told(path)
            motion = _one_motion(clip if isinstance(clip, Motion) else self._fitted(clip, path), self._relative(path))
        except KinemaError as error:
            self._report(error)
            return None
        slow = not isinstance(clip, Motion) or path.suffix.lower() == ".fbx"
        if slow and sum(other.frames for other in self._kept.values()) + motion.frames <= _KEPT:
            self._kept[path] = motion
        return motion

    def _told(self, path: Path) -> Clip:
        """The clip in a file. What its reader says is passed on unless it has been said of another file."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", KinemaWarning)
            clip = files.load_clip(path)
        for warning in caught:
            text = str(warning.message)
            if not issubclass(warning.category, KinemaWarning) or (what := text.removeprefix(path.name)) == text:
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
            elif what not in self._said:
                self._said.add(what)
                warnings.warn(f"{text} (said of the first such file alone)", KinemaWarning, stacklevel=2)
        return clip

    @cached_property
    def _said(self) -> set[str]:
        return set()  # what readers said, without the name of the file

    def _fitted(self, points: Points, path: Path) -> Motion:
        """The rotations of points: on the first file's skeleton, with bones as long as those of this file."""
        flat = points.positions.shape[-1] != 3
        if flat or not bool(points.positions.isfinite().all()):
            raise UsageError(
                expected="every joint in space, in every frame",
                got=f"{'points of a picture' if flat else 'unseen ones'} in {self._relative(path)}",
                cure=f"Type kinema repair {path} -o whole.npz, and put whole.npz in its place.",
            )
        body = None if path == self._paths[0] else self.skeleton
        if body is None or set(body.joints) != set(points.skeleton.joints):
            return as_motion(points)
        positions = points.positions[..., points.skeleton.indices(body.joints), :]
        parents = [max(parent, 0) for parent in body.parents]
        lengths = (positions - positions[..., parents, :]).norm(dim=-1).flatten(0, -2).median(0).values
        offsets = torch.nn.functional.normalize(body.offsets, dim=-1) * lengths[:, None]
        own = replace(body, offsets=offsets)
        return as_motion(replace(points, skeleton=own, positions=positions, confidence=None))

    @cached_property
    def _kept(self) -> dict[Path, Motion]:
        return {}  # those that take long to read: a file is read for the skeleton, the actions and its split

    def _report(self, error: KinemaError) -> None:
        if not self.skip_bad:
            raise error
        if str(error) not in self._reported:
            self._reported.add(str(error))
            _log.warning("left out: %s", error)

    @cached_property
    def _reported(self) -> set[str]:
        return set()  # a file is read again for every split, and reported once

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._folder).as_posix()

    @cached_property
    def _folder(self) -> Path:
        return data_folder(self.root, what=_WHAT, origin=_ORIGIN)

    @cached_property
    def _paths(self) -> tuple[Path, ...]:
        looked = dict(files.files_in(self._folder, pictures=False))
        labels = None if self._table is None else self._table.resolve()
        others = {self._relative(path): why for path, why in looked.items() if why and path.resolve() != labels}
        if not (found := tuple(path for path, why in looked.items() if not why)):
            there = f"; {files.left_out(others)}" if others else ""
            raise missing_data(_WHAT, f"none below {self._folder}{there}", _ORIGIN)
        if others:
            warnings.warn(f"{self._folder.name}: {files.left_out(others)}", KinemaWarning, stacklevel=2)
        return found

    @cached_property
    def _table(self) -> Path | None:
        """The labels file: looked for in the folder itself, then as a path."""
        if self.labels is None:
            return None
        inside = self._folder / self.labels
        path = inside if inside.is_file() else Path(self.labels)
        if not path.is_file():
            raise missing_data(
                f"a CSV file with the columns {_COLUMNS}",
                f"no file {path}" if path == inside else f"no file {inside}, no file {path}",
                "Write one line per file or segment.",
            )
        return path


@dataclass(frozen=True)
class LabelledFolder(Folder):
    """A `Folder` whose files are cut and labelled by a CSV file with the columns file, action[, style][, start, end].

    A file may have several lines, one a segment (seconds); files without a line are left out.
    """

    labels: str | None = "labels.csv"

    @derived
    def actions(self) -> tuple[str, ...]:
        """The actions in alphabetical order, then the styles."""
        return (*sorted({segment.labels[0] for segment in self.segments}), *self.styles)

    @derived
    def styles(self) -> tuple[str, ...]:
        """The styles in alphabetical order; none where the table has no such column."""
        return tuple(sorted({style for segment in self.segments for style in segment.labels[1:]}))

    def _read(self, paths: list[Path]) -> Iterator[Motion]:
        named = {segment.file for segment in self.segments}
        for path in paths:
            name = self._relative(path)
            clip = self._whole(path) if name in named else None
            if clip is None:
                continue
            for segment in (one for one in self.segments if one.file == name):
                first = round(segment.start * clip.fps)
                last = clip.frames if segment.end is None else round(segment.end * clip.fps) + 1
                if first >= clip.frames:
                    raise FormatError(
                        where=f"{self._table}: {name}",
                        expected=f"a start within the file's {clip.duration:.2f} s",
                        got=f"{segment.start:g} s",
                        cure="Give times in seconds from the first frame.",
                    )
                yield replace(clip[first:last], action=LABELS.join(segment.labels))


def user_folder(folder: str) -> Folder | None:
    """The source of the user's files below `folder`, labelled where a labels.csv lies in it; None where none are."""
    root = Path(folder).expanduser()
    if all(why for _, why in files.files_in(root, pictures=False)):
        return None
    return LabelledFolder(folder) if (root / "labels.csv").is_file() else Folder(folder)


def split_of(relative: str) -> Split:
    """The split that a file's name falls into: 80 in 100 train, 10 val, 10 test."""
    share = int.from_bytes(hashlib.sha256(relative.encode()).digest()[:4], "big") % 100
    return "train" if share < 80 else "val" if share < 90 else "test"


def read_segments(table: Path, known: set[str]) -> Iterator[LabelledSegment]:
    """The lines of a labels file. Raises FormatError for a cell that is wrong or a file that is not in `known`."""
    for line, cells in read_table(table, ("file", "action"), _COLUMNS):
        if not cells["file"] or not cells["action"]:
            raise _wrong(table, line, "a file and an action", "an empty cell")
        if cells["file"] not in known:
            expected = "the name of a file below the folder, with forward slashes"
            raise _wrong(table, line, expected, f"'{cells['file']}', which is not there")
        labels = tuple(filter(None, (cells["action"], cells.get("style", ""))))
        start = _seconds(table, line, cells.get("start", ""), 0.0)
        end = _seconds(table, line, cells.get("end", ""), None)
        if end is not None and end <= (start or 0.0):
            raise _wrong(table, line, "an end after the start", f"{start} to {end}")
        yield LabelledSegment(cells["file"], labels, start or 0.0, end)


def _seconds(table: Path, line: int, cell: str, default: float | None) -> float | None:
    if not cell:
        return default
    try:
        value = float(cell)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise _wrong(table, line, "a time in seconds, 0 or more", f"'{cell}'")
    return value


def _wrong(table: Path, line: int, expected: str, got: str) -> FormatError:
    return FormatError(
        where=f"{table}:{line}", expected=expected, got=got, cure=f"Write {expected} in line {line} of {table.name}."
    )


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
