"""OpenPose folders: one JSON per frame, `people[].pose_keypoints_2d` and the hands and the face beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from kinema.core.atomic import write_text
from kinema.core.errors import damaged
from kinema.core.text import read_json
from kinema.io.keypoints.tracks import Recording, Sighting, field, follow, in_order, listed, numbers, track_id
from kinema.motion.skeletons.keypoints import Layout, layout

BODY = "pose_keypoints_2d"
_HANDS = ("hand_left_keypoints_2d", "hand_right_keypoints_2d")
_FACE = "face_keypoints_2d"
_BODIES = {25: "body25", 18: "openpose18"}
_COUNTS = {_FACE: 70, _HANDS[0]: 21, _HANDS[1]: 21}


def read(folder: Path) -> Recording:
    """The folder's frames in the order of the numbers in their names.

    Raises FormatError naming file, person and field where one is missing or damaged.
    """
    files = sorted(folder.glob("*.json"))
    if not files:
        raise damaged(str(folder), "one JSON file per frame", "none", "Name the folder that --write_json wrote.")
    pages = [parse(path) for path in files]
    places, labels = in_order([path.name for path in files], str(folder))
    people = [_people(page, path.name) for path, page in zip(files, pages, strict=True)]
    shape = _layout([parts for several in people for parts, _ in several], folder)
    frames: list[list[Sighting]] = [[] for _ in labels]
    records: list[Mapping[str, Any]] = [{"version": 1.3} for _ in labels]
    for place, page, several, path in zip(places, pages, people, files, strict=True):
        if frames[place]:
            raise damaged(path.name, "one file for each frame number", "two with the same number", "Rename one.")
        frames[place] = [Sighting(_join(parts, shape), record, _track(record)) for parts, record in several]
        records[place] = {key: value for key, value in page.items() if key != "people"}
    frames = [[*people] for people in follow(frames, str(folder))]
    return Recording("openpose", shape, frames, labels, records, {})


def write(recording: Recording, folder: Path) -> None:
    """One JSON per frame into `folder`, each written atomically; other files there stay."""
    keys = _keys(recording.layout)
    for label, people, record in zip(recording.labels, recording.frames, recording.records, strict=True):
        page = {**record, "people": [{**person.record, **_split(person.values, keys)} for person in people]}
        write_text(folder / str(label), json.dumps(page))


def parse(path: Path) -> dict[str, Any]:
    """The JSON object of one frame's file. Raises FormatError where it is none."""
    page = read_json(path)
    if not isinstance(page, dict):
        raise damaged(path.name, "an object with the field 'people'", type(page).__name__)
    return page  # pyright: ignore[reportUnknownVariableType]


def _people(page: Any, name: str) -> list[tuple[dict[str, Float[np.ndarray, "point 3"]], dict[str, Any]]]:
    rows = listed(field(page, "people", name), f"{name}, field 'people'")
    return [_of_person(row, f"{name}, person {index}") for index, row in enumerate(rows)]


def _of_person(person: Any, where: str) -> tuple[dict[str, Float[np.ndarray, "point 3"]], dict[str, Any]]:
    """The keypoint blocks of a person that are not empty, and the rest of the record."""
    body = field(person, BODY, where)
    parts = {BODY: numbers(body, f"{where}, field '{BODY}'", multiple=3)}
    for key in (_FACE, *_HANDS):
        if person.get(key):
            parts[key] = numbers(person[key], f"{where}, field '{key}'", multiple=3)
            if len(parts[key]) != _COUNTS[key]:
                raise damaged(f"{where}, field '{key}'", f"{_COUNTS[key]} keypoints", f"{len(parts[key])}")
    if len(parts[BODY]) not in _BODIES:
        got = f"{len(parts[BODY])} keypoints"
        raise damaged(f"{where}, field '{BODY}'", "25 keypoints (BODY_25), or 18 (COCO)", got)
    return parts, {key: value for key, value in person.items() if key not in parts}


def _layout(people: Sequence[Mapping[str, Any]], folder: Path) -> Layout:
    bodies = {len(parts[BODY]) for parts in people}
    if len(bodies) > 1:
        raise damaged(str(folder), "bodies of one layout", "bodies of 18 and of 25 keypoints", "Separate them.")
    base = _BODIES[bodies.pop()] if bodies else "body25"
    face = "+face" if any(_FACE in parts for parts in people) else ""
    hands = "+hands" if any(hand in parts for parts in people for hand in _HANDS) else ""
    return layout(f"{base}{face}{hands}")


def _keys(shape: Layout) -> dict[str, int]:
    """The blocks of keypoints of a layout in the order of the file, and how many each holds."""
    base, *more = shape.name.split("+")
    keys = {BODY: next(count for count, name in _BODIES.items() if name == base)}
    if "face" in more:
        keys[_FACE] = _COUNTS[_FACE]
    if "hands" in more:
        keys |= dict.fromkeys(_HANDS, 21)
    return keys


def _join(parts: Mapping[str, Float[np.ndarray, "_ 3"]], shape: Layout) -> Float[np.ndarray, "point 3"]:
    # Who has no hands in one frame has unseen hands there.
    return np.concatenate([parts.get(key, np.zeros((count, 3))) for key, count in _keys(shape).items()])


def _split(values: Float[np.ndarray, "point 3"], keys: Mapping[str, int]) -> dict[str, list[float]]:
    ends = np.cumsum(list(keys.values()))[:-1]
    return {key: part.reshape(-1).tolist() for key, part in zip(keys, np.split(values, ends), strict=True)}


def _track(record: Mapping[str, Any]) -> str | None:
    given = track_id(record, "person_id")
    return None if given == "-1" else given
