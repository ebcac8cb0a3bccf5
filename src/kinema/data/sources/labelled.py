"""Labelled motion: rotation packs by content and style, and a folder with a table of segments.

A clip with several labels holds them in one text with `source.LABELS` between ("walk & elderly"); a loader makes k-hot
weights of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from kinema.core.errors import FormatError, UsageError
from kinema.core.safe_json import read_table
from kinema.core.safe_zip import read_npz
from kinema.data.source import LABELS, Source, Split, check_split, file_stamp, missing_data
from kinema.data.sources.folder import Folder, holds_motion, motion_files
from kinema.data.sources.packs import RotationPack
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

Label = Literal["content", "style", "both"]


@dataclass(frozen=True)
class LabelledPack(Source):
    """A rotation pack (see `RotationPack`) whose clips are labelled by what is done, by how, or by both.

    `label` "content" gives the pack's own labels (10 in bandai2, 11 in hdm05, 21 coarse ones in cmu_bvh), "style" its
    styles (7 in bandai2), "both" the contents followed by the styles, each clip with one of either. Raises UsageError
    where a pack has no styles, otherwise as `RotationPack`.
    """

    pack: str
    root: str | None = None
    label: Label = "content"
    clean_only: bool = False
    exclude: tuple[str, ...] = ()

    @property
    def name(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The pack's name."""
        return self.pack

    @property
    def licence(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """What may be done with the data."""
        return self._pack.licence

    @property
    def skeleton(self) -> Skeleton:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The first of the pack's skeletons."""
        return self._pack.skeleton

    @cached_property
    def styles(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The labels that say how something is done."""
        return () if self.label == "content" else tuple(str(style) for style in self._style_arrays["styles"])

    @cached_property
    def actions(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Contents, then styles, as far as `label` asks for them."""
        return (() if self.label == "style" else self._pack.actions) + self.styles

    def clips(self, split: Split) -> Iterator[Motion]:
        """The clips of one split in the file's order."""
        if self.label == "content":
            return self._pack.clips(split)
        return self._styled(split)

    def stamp(self) -> str:
        """The fields, and the state of the file."""
        return f"{self!r} {self._pack.stamp()}"

    def _styled(self, split: Split) -> Iterator[Motion]:
        arrays = self._style_arrays
        prefix = self._pack.identity(0).removesuffix(str(arrays["name"][0]))
        style_of = {
            f"{prefix}{name}": str(arrays["styles"][style])
            for name, style in zip(arrays["name"], arrays["style"], strict=True)
        }
        for clip in self._pack.clips(split):
            style = style_of[clip.identity]
            yield replace(clip, action=style if self.label == "style" else f"{clip.action}{LABELS}{style}")

    @cached_property
    def _pack(self) -> RotationPack:
        return RotationPack(self.pack, self.root, clean_only=self.clean_only, exclude=self.exclude)

    @cached_property
    def _style_arrays(self) -> dict[str, Any]:
        path = self._pack.path
        arrays = read_npz(path, ("name", "style", "styles"))
        if not {"style", "styles"} <= set(arrays):
            raise UsageError(
                expected="a pack with styles (bandai1, bandai2)", got=self.pack, cure='Take label="content".'
            )
        names, style, styles = arrays["name"], arrays["style"], arrays["styles"]
        if style.shape != names.shape or styles.ndim != 1 or not _within(style, len(styles)):
            raise FormatError(
                where=f"{path}: style",
                expected=f"one of {styles.size} styles for each of {names.size} clips",
                got=f"{style.dtype} of shape {style.shape}",
                cure="The pack is damaged: copy or build it again.",
            )
        return arrays


@dataclass(frozen=True)
class LabelledSegment:
    """A line of a labels file: what is done from `start` to `end` (seconds; None: the end of the file)."""

    file: str
    labels: tuple[str, ...]
    start: float = 0.0
    end: float | None = None


@dataclass(frozen=True)
class LabelledFolder(Folder):
    """Files of a folder, cut and labelled by a CSV file with the columns file, action[, style][, start, end].

    `labels` is looked for in the folder itself, then as a path. A file may have several lines, one a segment (seconds);
    files without a line are left out. A file's split follows from its name, as in `Folder`. Raises MissingDataError
    where there is no such CSV, FormatError naming its line where a cell is wrong or a file is not there.
    """

    labels: str = "labels.csv"  # pyright: ignore[reportIncompatibleVariableOverride]

    @cached_property
    def actions(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The actions in alphabetical order, then the styles."""
        done = {segment.labels[0] for segment in self.segments}
        return (*sorted(done), *self.styles)

    @cached_property
    def styles(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The styles in alphabetical order; none where the table has no such column."""
        return tuple(sorted({style for segment in self.segments for style in segment.labels[1:]}))

    @cached_property
    def segments(self) -> tuple[LabelledSegment, ...]:
        """The lines of the table, in the order of files and times."""
        table = self._table
        known = {self._relative(path) for path in self._paths}
        return tuple(sorted(read_segments(table, known), key=lambda one: (one.file, one.start)))

    def clips(self, split: Split) -> Iterator[Motion]:
        """The segments of one split, in the order of files and times."""
        check_split(split)
        return self._cut([segment for segment in self.segments if self.split_of(segment.file) == split])

    def stamp(self) -> str:
        """The fields, and the state of every file and of the table."""
        return " ".join((repr(self), *map(file_stamp, (*self._paths, self._table))))

    def _cut(self, segments: list[LabelledSegment]) -> Iterator[Motion]:
        by_name = {self._relative(path): path for path in self._paths}
        for name in dict.fromkeys(segment.file for segment in segments):
            for clip in self._read([by_name[name]]):
                for segment in (one for one in segments if one.file == name):
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

    @property
    def _labels(self) -> dict[str, str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return {}

    @cached_property
    def _table(self) -> Path:
        inside = self._folder / self.labels
        path = inside if inside.is_file() else Path(self.labels)
        if not path.is_file():
            what = "a CSV file with the columns file, action[, style][, start, end]"
            raise missing_data(what, f"neither {inside} nor {path}", "Write one line per file or segment.")
        return path


def user_folder(folder: str) -> Folder | None:
    """The source of the user's files below `folder`, labelled where a labels.csv lies in it; None where none are."""
    root = Path(folder).expanduser()
    if not any(map(holds_motion, motion_files(root))):
        return None
    return LabelledFolder(folder) if (root / LabelledFolder.labels).is_file() else Folder(folder)


def read_segments(table: Path, known: set[str]) -> Iterator[LabelledSegment]:
    """The lines of a labels file. Raises FormatError for a cell that is wrong or a file that is not in `known`."""
    for line, cells in read_table(table, ("file", "action"), "file, action[, style][, start, end]"):
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


def _within(places: NDArray[Any], count: int) -> bool:
    return places.dtype.kind in "iu" and bool(((places >= 0) & (places < count)).all())


def _wrong(table: Path, line: int, expected: str, got: str) -> FormatError:
    return FormatError(
        where=f"{table}:{line}", expected=expected, got=got, cure=f"Write {expected} in line {line} of {table.name}."
    )
