"""What every keypoint format comes down to: frames, in each of them people, for each person keypoints and a record.

A `Sighting` is one person in one frame; a `Recording` is a whole file or folder. People are told apart by the track
ids of the file or, where it has none, by following each person from frame to frame; two people never share a track.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from jaxtyping import Float

from kinema.core.atomic import write_text
from kinema.core.errors import FormatError, damaged
from kinema.core.text import parse_json, plain
from kinema.motion.skeletons.keypoints import Layout

Json = Any
LINES = (".jsonl", ".ndjson")
_SPARSE = 1000  # frame numbers may leave out this many frames for every one that is there
_FAR = 1.0  # a person who moved by more than this share of their size from one sighting to the next is someone else


@dataclass(frozen=True, eq=False)
class Sighting:
    """One person in one frame: x, y, confidence in the order of the file, the person's JSON, and the track id."""

    values: Float[np.ndarray, "point 3"]
    record: Mapping[str, Json]
    track: str | None = None


@dataclass(frozen=True, eq=False)
class Recording:
    """A file or folder of keypoints. `labels[frame]` is how the file calls the frame, `head` what it says besides.

    `records[frame]` is the JSON of the frame around its people (an empty mapping where a format has none).
    """

    format: str
    layout: Layout
    frames: list[list[Sighting]]
    labels: list[str | int]
    records: list[Mapping[str, Json]]
    head: Mapping[str, Json]


def read_pages(path: Path) -> Json:
    """What a JSON file holds; of JSON lines (.jsonl, or one object after the other) the list of all."""
    data = plain(path.read_bytes())
    try:
        return parse_json(data, path.name)
    except FormatError:
        lines = [line for line in data.splitlines() if line.strip()]
        if len(lines) < 2 or not lines[0].rstrip().endswith(b"}"):
            raise
        return [parse_json(line, f"{path.name}, line {number}") for number, line in enumerate(lines, start=1)]


def write_pages(page: Json, path: Path) -> None:
    """Write JSON, or, where the name says so, a line for each entry of a list."""
    lines = path.suffix.lower() in LINES and isinstance(page, list)
    write_text(path, "".join(f"{json.dumps(one)}\n" for one in cast("list[Json]", page)) if lines else json.dumps(page))


_AGAIN = "Write the file with the detector again, in one of the layouts of docs/files.md."


def numbers(value: Json, where: str, *, multiple: int) -> Float[np.ndarray, "point part"]:
    """A JSON list of finite numbers as rows of `multiple`. Raises FormatError naming `where`."""
    if not isinstance(value, list):
        raise damaged(where, "a list of numbers", type(value).__name__)
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise damaged(where, "a list of numbers", str(error)) from error
    if array.ndim == 2 and array.shape[1] == multiple:
        array = array.reshape(-1)
    if array.ndim != 1 or array.size % multiple:
        cure = "Write x, y and a confidence for each keypoint: 1 where the detector gives none."
        got = f"numbers of shape {array.shape}"
        raise damaged(where, f"{multiple} numbers for each keypoint", got, cure if multiple == 3 else _AGAIN)
    if not np.isfinite(array).all():
        raise damaged(where, "finite numbers", "NaN or infinity", "Leave unseen keypoints at confidence 0.")
    return array.reshape(-1, multiple)


def field(record: Json, key: str, where: str) -> Json:
    """What a record holds under a key. Raises FormatError naming `where` and the key where it is missing."""
    if not isinstance(record, dict):
        raise damaged(where, "a JSON object", type(record).__name__)
    record = cast("dict[str, Json]", record)
    if key not in record:
        cure = "Write a list of ones where the detector gives no confidences." if key == "keypoint_scores" else _AGAIN
        there = ", ".join(sorted(record)) or "no fields"
        raise damaged(f"{where}, field '{key}'", f"the field '{key}'", there, cure)
    return record[key]


def listed(value: Json, where: str) -> list[Json]:
    """A value that must be a list. Raises FormatError naming `where`."""
    if not isinstance(value, list):
        raise damaged(where, "a list", type(value).__name__)
    return cast("list[Json]", value)


def track_id(record: Mapping[str, Json], *keys: str) -> str | None:
    """The track id under the first of these keys that a record has, or in a list there; None where it has none."""
    found: Json = next((record[key] for key in keys if key in record), None)
    while isinstance(found, list):
        found = cast("list[Json]", found)[0] if found else None
    return None if found is None else f"{found:g}" if isinstance(found, float) else str(found)


def whole(value: Json, where: str) -> int:
    """A value that must be a whole number, or the text of one. Raises FormatError naming `where`."""
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise damaged(where, "a whole number", repr(value)[:40]) from error


def frame_number(label: str | int) -> int | None:
    """The number of a frame: the last digits of a name (its suffix aside), or the number itself."""
    if isinstance(label, int):
        return label
    found = re.findall(r"\d+", label.rsplit(".", 1)[0] if "." in label else label)
    return int(found[-1]) if found else None


def in_order(labels: Sequence[str | int], where: str) -> tuple[list[int], list[str | int]]:
    """For every label its frame, counted from 0 at the lowest number, and the labels of all frames.

    Numbers that are left out are frames without a person, and get labels of their own. Raises FormatError where names
    hold no numbers, or numbers so far apart that they do not count frames.
    """
    counted = [frame_number(label) for label in labels]
    if any(number is None for number in counted):
        odd = labels[counted.index(None)]
        raise damaged(where, "frames with a number in their name", f"'{odd}'", "Name them 000000, 000001 ...")
    found = [number for number in counted if number is not None]
    if not found:
        raise damaged(where, "at least one frame", "none", "Check that the detector wrote its results here.")
    first, last = min(found), max(found)
    if last - first > _SPARSE * len(set(found)):
        got = f"{len(set(found))} frames numbered from {first} to {last}"
        raise damaged(where, "frame numbers", got, "Number the frames of one video, one after the other.")
    named = dict(zip(found, labels, strict=True))
    sample = next(iter(labels))
    everything = [named.get(number, relabel(sample, number)) for number in range(first, last + 1)]
    return [number - first for number in found], everything


def relabel(label: str | int, number: int) -> str | int:
    """The label with another number: "img_0007.jpg" with 12 becomes "img_0012.jpg"."""
    if isinstance(label, int):
        return number
    stem, dot, suffix = label.rpartition(".")
    if not dot or not re.search(r"\d", stem):
        stem, dot, suffix = label, "", ""
    last = list(re.finditer(r"\d+", stem))[-1]
    return f"{stem[: last.start()]}{number:0{len(last.group())}d}{stem[last.end() :]}{dot}{suffix}"


def follow(frames: Sequence[Sequence[Sighting]], where: str) -> list[list[Sighting]]:
    """The sightings with a track id each: the file's own, or "1", "2" ... found by following people.

    Where nobody has an id and no frame holds two people, all are one person. Otherwise the nearest pairs go together
    first, and who is further from every track than the size of the person begins a new one. Raises FormatError where
    one frame holds the same id twice, or where some people have ids and some have none.
    """
    ids = [person.track for people in frames for person in people]
    if all(track is not None for track in ids):
        for index, people in enumerate(frames):
            tracks = [person.track for person in people]
            if len(set(tracks)) < len(tracks):
                raise damaged(
                    f"{where}, frame {index}", "every track id once in a frame", f"ids {', '.join(map(str, tracks))}",
                    "Number the people anew.",
                )  # fmt: skip
        return [list(people) for people in frames]
    if any(track is not None for track in ids):
        raise damaged(where, "a track id for everybody or for nobody", "ids for some people only")
    if max((len(people) for people in frames), default=0) < 2:
        return [[replace(person, track="1") for person in people] for people in frames]
    return _followed(frames)


def _followed(frames: Sequence[Sequence[Sighting]]) -> list[list[Sighting]]:
    last: dict[str, Sighting] = {}
    out: list[list[Sighting]] = []
    for people in frames:
        pairs = sorted(
            (distance, track, index)
            for track, before in last.items()
            for index, person in enumerate(people)
            if (distance := _distance(before, person)) <= _FAR
        )
        given: dict[int, str] = {}
        for _, track, index in pairs:
            if index not in given and track not in given.values():
                given[index] = track
        named: list[Sighting] = []
        for index, person in enumerate(people):
            track = given.get(index) or str(len(last) + 1)
            named.append(replace(person, track=track))
            last[track] = named[-1]
        out.append(named)
    return out


def _distance(a: Sighting, b: Sighting) -> float:
    """How far apart two sightings are: mean distance of the keypoints that both show, over the size of the first."""
    both = (a.values[:, 2] > 0) & (b.values[:, 2] > 0)
    size = max(box_area(a.values) ** 0.5, box_area(b.values) ** 0.5)
    if not both.any() or size == 0:
        return float("inf")
    return float(np.linalg.norm(a.values[both, :2] - b.values[both, :2], axis=1).mean() / size)


def box_area(values: Float[np.ndarray, "point 3"]) -> float:
    """Area of the box around the keypoints of confidence above 0, in squared units of the file; 0 for fewer than 2."""
    observed = values[values[:, 2] > 0, :2]
    return float(np.prod(np.ptp(observed, axis=0))) if len(observed) > 1 else 0.0


def between(start: Json, end: Json, weight: float) -> Json:
    """JSON between two records: numbers linearly, everything else (and what only one side has) from the nearer one."""
    near = start if weight < 0.5 else end
    if weight in (0.0, 1.0):
        return near
    if isinstance(start, dict) and isinstance(end, dict):
        left, right = cast("dict[str, Json]", start), cast("dict[str, Json]", end)
        return {key: between(left.get(key, v), right.get(key, v), weight) for key, v in (left | right).items()}
    if isinstance(start, list) and isinstance(end, list):
        firsts, seconds = cast("list[Json]", start), cast("list[Json]", end)
        if len(firsts) == len(seconds):
            return [between(a, b, weight) for a, b in zip(firsts, seconds, strict=True)]
    if isinstance(start, (int, float)) and isinstance(end, (int, float)) and bool not in (type(start), type(end)):
        return start if start == end else start + (end - start) * weight
    return near
