"""MMPose predictions: frames with `instances`, each with `keypoints` [[x, y] ...] and `keypoint_scores`.

A list of {frame_id, instances}, or the same under `instance_info` beside `meta_info`; MediaPipe's landmarks, which
have no file format of their own, in the form in which its results are usually dumped: a list of frames (or the same
under `frames`), each with `pose_landmarks` (or `poseLandmarks`, `landmarks`) of one person or of several, in shares of
the picture's width and height.

In three dimensions (`load`): MediaPipe's world landmarks, 33 places in metres about the hips, y down, and MMPose's
lifted poses, the 17 joints of Human3.6M. They are read only: what is made of them is written as .npz, .csv or .bvh.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float

from kinema.core.errors import damaged
from kinema.core.text import plain
from kinema.io.conventions import no_rate, one_person
from kinema.io.keypoints.tracks import (
    Recording,
    Sighting,
    field,
    follow,
    in_order,
    listed,
    numbers,
    read_pages,
    track_id,
    whole,
    write_pages,
)
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton
from kinema.motion.skeletons.keypoints import LAYOUTS, layout

LANDMARKS = ("pose_landmarks", "poseLandmarks", "landmarks")
_WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks")
_THREE = re.compile(rb'"keypoints"\s*:\s*\[\s*\[\s*[-\d.eE+]+\s*,\s*[-\d.eE+]+\s*,\s*[-\d.eE+]+\s*\]')
_LOOKED_AT = 1 << 16
_MOST = 1_000_000  # frames
_NUMBERS = ("frame", "frame_id", "index")
_PICTURE = "_one_picture"  # in `Recording.head`: the file is a list of instances
_SIZE_KEY = "_picture"  # in `Recording.head`: width and height that landmarks were multiplied with


def read_mmpose(path: Path, page: Any) -> Recording:
    """The people of an MMPose file, already parsed. Raises FormatError naming frame, person and field."""
    head = cast("dict[str, Any]", page) if isinstance(page, dict) else {}
    pages = listed(field(page, "instance_info", path.name) if head else page, f"{path.name}, field 'instance_info'")
    wheres = [f"{path.name}, frame {index}" for index in range(len(pages))]
    labels = [whole(field(one, "frame_id", where), where) for one, where in zip(pages, wheres, strict=True)]
    places, names = in_order(labels, path.name)
    frames: list[list[Sighting]] = [[] for _ in names]
    records: list[Mapping[str, Any]] = [{} for _ in names]
    count = 0
    for place, label, one in zip(places, labels, pages, strict=True):
        here = f"{path.name}, frame {label}"
        for index, person in enumerate(listed(field(one, "instances", here), f"{here}, field 'instances'")):
            where = f"{path.name}, frame {label}, person {index}"
            spots = numbers(field(person, "keypoints", where), f"{where}, field 'keypoints'", multiple=2)
            key = "keypoint_scores"
            scores = numbers(field(person, key, where), f"{where}, field '{key}'", multiple=1)
            count = count or len(spots)
            if len(spots) != count or count not in LAYOUTS or len(scores) != count:
                expected = f"{count if count in LAYOUTS else ', '.join(map(str, LAYOUTS))} keypoints, a score for each"
                raise damaged(f"{where}, field 'keypoints'", expected, f"{len(spots)} and {len(scores)} scores")
            rest = {k: value for k, value in person.items() if k not in ("keypoints", key)}
            frames[place].append(Sighting(np.hstack((spots, scores)), rest, track_id(rest, "track_id")))
        records[place] = {key: value for key, value in one.items() if key not in ("instances", "frame_id")}
    shape = layout(LAYOUTS[count or 17])
    return Recording("mmpose", shape, follow(frames, path.name), names, records, head)


def read_picture(path: Path, page: Any) -> Recording:
    """The people of one picture: MMPose's file of a single image, a list of instances."""
    return replace(read_mmpose(path, [{"frame_id": 0, "instances": page}]), head={_PICTURE: True})


def write_mmpose(recording: Recording, path: Path) -> None:
    """The frames in the form in which they were read."""
    pages: list[dict[str, Any]] = []
    for label, people, record in zip(recording.labels, recording.frames, recording.records, strict=True):
        instances = [
            {"keypoints": one.values[:, :2].tolist(), "keypoint_scores": one.values[:, 2].tolist(), **one.record}
            for one in people
        ]
        pages.append({"frame_id": label, **record, "instances": instances})
    if recording.head.get(_PICTURE):
        write_pages(pages[0]["instances"] if len(pages) == 1 else pages, path)
    else:
        write_pages({**recording.head, "instance_info": pages} if recording.head else pages, path)


def read_mediapipe(path: Path, page: Any, size: tuple[float, float] | None) -> Recording:
    """The people of a dump of MediaPipe landmarks, in pixels of a picture of `size` (width, height).

    `size` may stand in the file, as `width` and `height`. Raises FormatError where it stands nowhere, and where a
    frame is damaged.
    """
    head = cast("dict[str, Any]", page) if isinstance(page, dict) else {}
    pages = listed(field(page, "frames", path.name) if head else page, f"{path.name}, field 'frames'")
    if size is None and "width" in head and "height" in head:
        wide, high = numbers([head["width"], head["height"]], f"{path.name}, width and height", multiple=1)[:, 0]
        size = (float(wide), float(high))
    if size is None:
        raise damaged(
            path.name,
            "the size of the picture, of which landmarks are shares",
            "none",
            "Say it: --picture 1920x1080 (size=(1920, 1080)), or put width and height beside frames in the JSON.",
        )
    labels = [_number(one, index, path.name) for index, one in enumerate(pages)]
    places, names = in_order(labels, path.name)
    frames: list[list[Sighting]] = [[] for _ in names]
    records: list[Mapping[str, Any]] = [{} for _ in names]
    for place, label, one in zip(places, labels, pages, strict=True):
        key = _landmark_key(one, f"{path.name}, frame {label}")
        for index, person in enumerate(_several(one[key], f"{path.name}, frame {label}, field '{key}'")):
            where = f"{path.name}, frame {label}, person {index}, field '{key}'"
            frames[place].append(Sighting(_values(person, where, size), {"landmarks": person}))
        records[place] = dict(one)
    head = {**head, _SIZE_KEY: list(size)}
    return Recording("mediapipe", layout("mediapipe33"), follow(frames, path.name), names, records, head)


def write_mediapipe(recording: Recording, path: Path) -> None:
    """The frames in the form in which they were read; depth and whatever else a landmark holds as it was carried."""
    width, height = recording.head[_SIZE_KEY]
    pages: list[dict[str, Any]] = []
    for label, people, record in zip(recording.labels, recording.frames, recording.records, strict=True):
        key = next((key for key in LANDMARKS if key in record), LANDMARKS[0])
        written = [
            [{**landmark, "x": x / width, "y": y / height, "visibility": sure}
             for landmark, (x, y, sure) in zip(one.record["landmarks"], one.values.tolist(), strict=True)]
            for one in people
        ]  # fmt: skip
        alone = bool(record.get(key)) and isinstance(record[key][0], dict)
        page: dict[str, Any] = {**record, key: (written[0] if written else []) if alone else written}
        named = next((name for name in _NUMBERS if name in record), None)
        pages.append({**page, named: label} if named else page)
    head = {k: v for k, v in recording.head.items() if k != _SIZE_KEY}
    write_pages({**head, "frames": pages} if head else pages, path)


def _number(one: Any, index: int, name: str) -> int:
    found = next((one[key] for key in _NUMBERS if isinstance(one, dict) and key in one), index)
    return whole(found, f"{name}, number of frame {index}")


def _landmark_key(one: Any, where: str) -> str:
    key = next((key for key in LANDMARKS if isinstance(one, dict) and key in one), None)
    if key is None:
        raise damaged(f"{where}, field '{LANDMARKS[0]}'", f"a field among {', '.join(LANDMARKS)}", "none of them")
    return key


def _several(value: Any, where: str) -> list[Any]:
    """The people of a frame: none, one (a list of landmarks), or a list of people."""
    if not value:
        return []
    people = listed(value, where)
    return [people] if isinstance(people[0], dict) else people


def _values(person: Any, where: str, size: tuple[float, float]) -> Float[np.ndarray, "33 3"]:
    if len(listed(person, where)) != 33:
        raise damaged(where, "33 landmarks", f"{len(person)}")
    rows = [[field(mark, "x", where), field(mark, "y", where), mark.get("visibility", 1.0)] for mark in person]
    return numbers(rows, where, multiple=3) * np.array([*size, 1.0])


def is_three_d(path: Path) -> bool:
    """Whether a JSON file holds keypoints in space and none in a picture."""
    with path.open("rb") as file:
        head = plain(file.read(_LOOKED_AT))
    world, flat = (any(f'"{key}"'.encode() in head for key in keys) for keys in (_WORLD, LANDMARKS))
    return (world and not flat) or _THREE.search(head) is not None


def load(path: Path | str, *, fps: float | None = None, person: str | None = None) -> Points:
    """One person's points in metres; frames without that person are unseen. Raises FormatError naming the frame."""
    path = Path(path)
    if fps is None:
        raise no_rate(path.name, "a keypoint file")
    page = read_pages(path)
    frames = cast("dict[str, Any]", page).get("instance_info", page) if isinstance(page, dict) else page
    frames = cast("dict[str, Any]", frames).get("frames", frames) if isinstance(frames, dict) else frames
    seen: dict[str, dict[int, Float[np.ndarray, "joint 4"]]] = {}
    for index, frame in enumerate(listed(frames, path.name)):
        where = f"{path.name}, frame {index}"
        if not isinstance(frame, dict):
            raise damaged(where, "a JSON object", type(frame).__name__)
        number = _number(frame, index, path.name)
        for who, values in _people(frame, where).items():
            seen.setdefault(who, {})[number] = values
    if not seen:
        raise damaged(path.name, "at least one person in one frame", "none", "Lower the detector's threshold.")
    rows = seen[one_person(path, tuple(seen), person, lambda who: len(seen[who]))]
    first = min(min(one) for one in seen.values())
    count = max(max(one) for one in seen.values()) - first + 1
    body = _body(path, len(next(iter(rows.values()))))
    if count > _MOST or any(len(values) != len(body) for values in rows.values()):
        raise damaged(path.name, f"{len(body)} points in every frame, and frames that follow each other", "others")
    values = np.full((count, len(body), 4), np.nan)
    for number, own in rows.items():
        values[number - first] = own
    confidence = torch.from_numpy(values[..., 3]).nan_to_num(0.0).clamp(0, 1).float()
    positions = torch.from_numpy(values[..., :3]).float()
    positions = torch.where(confidence[..., None] > 0, positions, torch.nan)
    return Points(body, positions, fps, identity=f"file/{path.stem}", confidence=confidence)


def _people(frame: Any, where: str) -> dict[str, Float[np.ndarray, "joint 4"]]:
    """Position and confidence of everybody in a frame, by track id or place."""
    key = next((key for key in _WORLD if isinstance(frame, dict) and key in frame), None)
    if key is not None:
        return {str(place): _landmarks(one, where) for place, one in enumerate(_several(frame[key], where))}
    found: dict[str, Float[np.ndarray, "joint 4"]] = {}
    for place, one in enumerate(listed(field(frame, "instances", where), where)):
        values = numbers(field(one, "keypoints", where), where, multiple=3)
        scores = numbers(one["keypoint_scores"], where, multiple=1) if "keypoint_scores" in one else None
        if scores is not None and len(scores) != len(values):
            raise damaged(where, f"{len(values)} scores", f"{len(scores)}")
        sure = np.ones((len(values), 1)) if scores is None else scores
        found[str(one.get("track_id", place))] = np.hstack((values, sure))
    return found


def _landmarks(person: Any, where: str) -> Float[np.ndarray, "joint 4"]:
    rows = [
        [*(field(mark, axis, where) for axis in "xyz"), mark.get("visibility", 1.0)] for mark in listed(person, where)
    ]
    return numbers(rows, where, multiple=4)


def _body(path: Path, joints: int) -> Skeleton:
    if joints == 33:
        return layout("mediapipe33").skeleton
    if joints == 17:
        return skeleton("h36m17")
    raise damaged(path.name, "33 landmarks (MediaPipe) or 17 joints (Human3.6M)", f"{joints}")
