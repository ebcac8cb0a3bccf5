"""BABEL (Punnakkal et al., CVPR 2021): labels of actions in recordings of AMASS, by frame or by sequence.

`{train,val,test}.json`: sequence id -> `feat_p` (the recording's path, whose first folder is dropped), `frame_ann` or
else `seq_ann` with `labels`, each of `act_cat` (a list of categories, or null) and, in `frame_ann`, `start_t` and
`end_t` (seconds). The test file has no public labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from kinema.core.errors import FormatError, UsageError
from kinema.core.text import read_json
from kinema.data.source import LABELS, SPLITS, Source, Split, check_split, data_file, derived, missing_data
from kinema.data.sources.amass import Amass, BodyModel, Header, key, plain
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton

WHAT = "BABEL (train.json, val.json)"
ORIGIN = "Register at babel.is.tue.mpg.de (non-commercial research only, no redistribution)."
LICENCE = "BABEL and AMASS: non-commercial research only, by a licence of each user's own; nothing may be passed on"


@dataclass(frozen=True)
class Cut:
    """A window of a recording, frames `first` to `stop` at the source's rate, and its labels."""

    sequence: str
    header: Header
    first: int
    stop: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class SplitPlan:
    """The windows of a split, and the sequences (or labels) that were left out, each with the reason."""

    cuts: tuple[Cut, ...]
    skipped: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Babel(Source):
    """Labelled windows of the recordings of `amass`, by the json files in the folder `root` (None: KINEMA_DATA's).

    `trimmed` cuts out every labelled stretch, from frame int(start * fps) to int(end * fps) inclusive; a sequence with
    labels of the whole only is one stretch with all of them. Otherwise sequences stay whole, with all their labels.
    Stretches are cut into windows of `frames`, each beginning `overlap` frames before the end of the last; a rest of
    `minimum` frames or more is a window, too. Stretches without any of the first `classes` categories are left out,
    except in the test split, which has no labels. Categories are ranked by `action_label_2_idx.json` of BABEL's
    repository where that lies in `root`, else by the number of labels in train.json and val.json; "transition" is left
    out. `body`, `model` and the folder `amass` are those of `Amass`.

    Raises MissingDataError where json or recordings are not there, FormatError naming the entry that is damaged,
    UsageError where the windows' lengths do not fit together.
    """

    root: str | None = None
    amass: str | None = None
    classes: Literal[60, 120] = 60
    trimmed: bool = True
    fps: float = 30.0
    frames: int = 900  # thirty seconds: what PoseGPT's authors trained on
    overlap: int = 0
    minimum: int = 16
    body: BodyModel | None = None
    model: str | None = None

    name = "babel"
    licence = LICENCE

    def __post_init__(self) -> None:
        if not (0 <= self.overlap < self.frames and 1 <= self.minimum <= self.frames and self.fps > 0):
            raise UsageError(
                expected="0 <= overlap < frames, 1 <= minimum <= frames, fps above 0",
                got=f"frames={self.frames}, overlap={self.overlap}, minimum={self.minimum}, fps={self.fps:g}",
                cure="Leave these fields out, or keep overlap below frames.",
            )
        if self.classes not in (60, 120):
            raise UsageError(
                expected="60 or 120 classes", got=f"{self.classes}", cure="Give classes=60 or classes=120."
            )

    @derived
    def skeleton(self) -> Skeleton:
        """The body of the recordings."""
        return self._amass.skeleton

    @derived
    def actions(self) -> tuple[str, ...]:
        """The kept categories, the most frequent first."""
        return class_list(self.folder, self.classes)

    def clips(self, split: Split) -> Iterator[Motion]:
        """The windows of a split, by sequence and time; of several labels, `action` holds all."""
        last: tuple[Header, Motion] | None = None
        for cut in self.plan(split).cuts:
            if last is None or last[0] is not cut.header:
                last = (cut.header, self._amass.motion(cut.header))
            yield replace(last[1][cut.first : cut.stop], action=LABELS.join(cut.labels) or None)

    def plan(self, split: Split) -> SplitPlan:
        """The windows of a split and what was left out; only labels and headers are read."""
        check_split(split)
        if split not in self._plans:
            self._plans[split] = self._make_plan(split)
        return self._plans[split]

    def _files(self) -> list[Path]:
        return [path for split in SPLITS if (path := self.folder / f"{split}.json").is_file()]

    def _sources(self) -> tuple[Amass]:
        return (self._amass,)

    @cached_property
    def folder(self) -> Path:
        """The folder that holds the json files."""
        places = ("train.json", "babel/train.json", "babel_v1.0_release/train.json")
        return data_file(self.root, *places, what=WHAT, origin=ORIGIN).parent

    def _make_plan(self, split: Split) -> SplitPlan:
        path = self.folder / f"{split}.json"
        if not path.is_file():
            raise missing_data(WHAT, f"no {path.name} in {self.folder}", ORIGIN)
        cuts, skipped = list[Cut](), list[tuple[str, str]]()
        for sequence in read_sequences(path):
            header = self._amass.by_key.get(key(sequence.place))
            if header is None:
                skipped.append((sequence.name, "no recording in AMASS"))
                continue
            total = int((header.frames - 1) / header.fps * self.fps + 1e-6) + 1
            for first, stop, labels in self._stretches(sequence, total, split, skipped):
                windows = list(self._windows(first, stop))
                cuts += [Cut(sequence.name, header, start, end, labels) for start, end in windows]
                if not windows:
                    skipped.append((sequence.name, f"shorter than {self.minimum} frames"))
        return SplitPlan(tuple(cuts), tuple(skipped))

    def _stretches(
        self, sequence: Sequence, total: int, split: Split, skipped: list[tuple[str, str]]
    ) -> Iterator[tuple[int, int, tuple[str, ...]]]:
        if split == "test":
            yield 0, total, self._kept(sequence.labels)
            return
        if not sequence.labels:
            skipped.append((sequence.name, "no labels"))
            return
        skipped += [(sequence.name, "a label without categories") for one in sequence.labels if not one.categories]
        if not self.trimmed or not sequence.by_frame:
            if labels := self._kept(sequence.labels):
                yield 0, total, labels
            else:
                skipped.append((sequence.name, f"none of the {self.classes} categories"))
            return
        for label in (one for one in sequence.labels if one.categories):
            labels = self._kept((label,))
            if label.start is None or label.end is None:
                skipped.append((sequence.name, "a label without times"))
            elif not labels:
                skipped.append((sequence.name, f"none of the {self.classes} categories"))
            else:
                # Unlike the original: exchanged times are sorted, not read as one frame.
                start, end = sorted((label.start, label.end))
                yield int(start * self.fps), min(int(end * self.fps) + 1, total), labels

    def _kept(self, labels: tuple[BabelLabel, ...]) -> tuple[str, ...]:
        named = {category for label in labels for category in label.categories}
        return tuple(action for action in self.actions if action in named)

    def _windows(self, first: int, stop: int) -> Iterator[tuple[int, int]]:
        for start in range(first, stop, self.frames - self.overlap):
            end = min(start + self.frames, stop)
            if end - start >= self.minimum:
                yield start, end
            if end == stop:
                return

    @cached_property
    def _plans(self) -> dict[Split, SplitPlan]:
        return {}

    @cached_property
    def _amass(self) -> Amass:
        root = self.amass if self.amass is not None else self.root
        # All data sets: the split is BABEL's.
        there = {plain(one.name): one.name for one in Amass(root).folder.iterdir() if one.is_dir()}
        everything = tuple(sorted(there.values()))
        return Amass(root, (), self.body, self.fps, self.model, train=everything, val=(), test=(), skip_bad=True)


CLASS_FILE = "action_label_2_idx.json"
_NO_ACTION = ("transition",)


@dataclass(frozen=True)
class BabelLabel:
    """Categories (none where the file has null), and their start and end in seconds where the file has them."""

    categories: tuple[str, ...]
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Sequence:
    """An entry: its id, the recording's path below AMASS, its labels, and whether they are by frame."""

    name: str
    place: str
    labels: tuple[BabelLabel, ...]
    by_frame: bool


def read_sequences(path: Path) -> Iterator[Sequence]:
    """The entries of a file, by id. Raises FormatError naming the entry and the field that is malformed."""
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise _wrong(path, "", "a dict of sequences", type(entries).__name__)
    for name, entry in sorted(cast("dict[str, Any]", entries).items()):
        place = entry.get("feat_p") if isinstance(entry, dict) else None
        if not isinstance(place, str) or "/" not in place:
            raise _wrong(path, name, "feat_p, a path of folders", repr(place))
        annotation: Any = cast("dict[str, Any]", entry)
        by_frame = annotation.get("frame_ann") is not None
        chosen = annotation["frame_ann"] if by_frame else annotation.get("seq_ann")
        labels = chosen.get("labels") if isinstance(chosen, dict) else chosen
        if labels is not None and not isinstance(labels, list):
            raise _wrong(path, name, "labels, a list", repr(chosen)[:60])
        read = tuple(_label(path, name, label) for label in cast("list[Any]", labels or []))
        yield Sequence(name, place.split("/", 1)[1], read, by_frame)


def class_list(folder: Path, count: int) -> tuple[str, ...]:
    """The first `count` categories by frequency; see `Babel`. Ties stand in alphabetical order."""
    path = folder / CLASS_FILE
    if path.is_file():
        ranks = read_json(path)
        if not isinstance(ranks, dict) or not all(isinstance(rank, int) for rank in ranks.values()):
            raise _wrong(path, "", "a dict of category: rank", "another")
        ranked = sorted(cast("dict[str, int]", ranks), key=cast("dict[str, int]", ranks).__getitem__)
        return tuple(name.replace(LABELS, " and ") for name in ranked[:count])
    found = Counter[str]()
    for split in ("train", "val"):
        if (path := folder / f"{split}.json").is_file():
            found.update(one for entry in read_sequences(path) for label in entry.labels for one in label.categories)
    ranked = sorted((name for name in found if name not in _NO_ACTION), key=lambda name: (-found[name], name))
    return tuple(ranked[:count])


def _label(path: Path, name: str, label: Any) -> BabelLabel:
    if not isinstance(label, dict):
        raise _wrong(path, name, "labels that are dicts", type(label).__name__)
    fields = cast("dict[str, Any]", label)
    categories: Any = fields.get("act_cat") or []
    if not isinstance(categories, list) or not all(isinstance(one, str) for one in cast("list[Any]", categories)):
        raise _wrong(path, name, "act_cat, a list of names or null", repr(categories)[:60])
    names = tuple(one.replace(LABELS, " and ") for one in cast("list[str]", categories))
    return BabelLabel(names, _seconds(path, name, fields.get("start_t")), _seconds(path, name, fields.get("end_t")))


def _seconds(path: Path, name: str, value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise _wrong(path, name, "times in seconds, 0 or more", repr(value))
    return float(value)


def _wrong(path: Path, name: str, expected: str, got: str) -> FormatError:
    where = f"{path.name}, sequence {name}" if name else path.name
    return FormatError(where=where, expected=expected, got=got, cure="Copy the file again.")
