"""The json files of BABEL, read with an eye on what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kinema.core.errors import FormatError
from kinema.core.safe_json import read_json
from kinema.data.source import LABELS

CLASS_FILE = "action_label_2_idx.json"
_NO_ACTION = ("transition",)


@dataclass(frozen=True)
class BabelLabel:
    """Categories, none where the file has null, and the seconds that they hold for, if it says any."""

    categories: tuple[str, ...]
    start: float | None
    end: float | None


@dataclass(frozen=True)
class Sequence:
    """An entry: its id, the recording's place below AMASS, its labels, and whether they are frame by frame."""

    name: str
    place: str
    labels: tuple[BabelLabel, ...]
    by_frame: bool


def read_sequences(path: Path) -> Iterator[Sequence]:
    """The entries of a file, by id. Raises FormatError naming the entry and the field that is not as it should be."""
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
        places = read_json(path)
        if not isinstance(places, dict) or not all(isinstance(place, int) for place in places.values()):
            raise _wrong(path, "", "a dict of category: place", "another")
        ranked = sorted(cast("dict[str, int]", places), key=cast("dict[str, int]", places).__getitem__)
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
    return FormatError(where=where, expected=expected, got=got, cure="The file is damaged: copy it again.")
