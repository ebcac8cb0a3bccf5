"""AlphaPose / Halpe and COCO results: one JSON list with a record for each person and frame.

`image_id` names the frame ("12.jpg", or a number), `keypoints` holds x, y and score of 17, 26, 133 or 136 points. A
track id stands under `idx` (AlphaPose) or `track_id`. A COCO data set file (`images`, `annotations`) is read too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from kinema.core.errors import damaged
from kinema.io.keypoints.tracks import (
    Recording,
    Sighting,
    field,
    follow,
    in_order,
    listed,
    numbers,
    track_id,
    write_pages,
)
from kinema.motion.skeletons.keypoints import LAYOUTS, layout


def read(path: Path, page: Any) -> Recording:
    """The people of a results file, already parsed as JSON. Raises FormatError naming record and field."""
    head: dict[str, Any] = {}
    if isinstance(page, dict):
        head = cast("dict[str, Any]", page)
        listed(field(head, "images", path.name), f"{path.name}, field 'images'")
        page = listed(field(head, "annotations", path.name), f"{path.name}, field 'annotations'")
    rows = cast("list[Any]", page)
    wheres = [f"{path.name}, record {index}" for index in range(len(rows))]
    labels = [_label(field(row, "image_id", where), where) for row, where in zip(rows, wheres, strict=True)]
    places, names = in_order(labels, path.name) if not head else _by_images(head, labels, path.name)
    frames: list[list[Sighting]] = [[] for _ in names]
    count = 0
    for place, row, where in zip(places, rows, wheres, strict=True):
        where = f"{where} (frame {names[place]}), field 'keypoints'"
        values = numbers(field(row, "keypoints", where.split(", field")[0]), where, multiple=3)
        count = count or len(values)
        if len(values) != count or count not in LAYOUTS:
            raise damaged(
                where, f"{count if count in LAYOUTS else ', '.join(map(str, LAYOUTS))} keypoints", f"{len(values)}"
            )
        rest = {key: value for key, value in row.items() if key not in ("keypoints", "image_id")}
        frames[place].append(Sighting(values, rest, track_id(rest, "idx", "track_id")))
    form = "coco" if head or isinstance(names[0], int) else "alphapose"
    frames = follow(frames, path.name)
    return Recording(form, layout(LAYOUTS[count]), frames, names, [{} for _ in names], head)


def is_poseflow(page: Any) -> bool:
    """Whether an object has a list of people with keypoints for every picture."""
    lists: list[Any] = list(page.values())
    if not all(isinstance(people, list) for people in lists):
        return False
    return any(isinstance(one, dict) and "keypoints" in one for people in lists for one in people[:1])


def read_poseflow(path: Path, page: Any) -> Recording:
    """The people of a PoseFlow file: an object with a list of people for every picture."""
    rows = [
        {"image_id": picture, **cast("dict[str, Any]", person)}
        for picture, people in cast("dict[str, list[Any]]", page).items()
        for person in people
        if isinstance(person, dict)
    ]
    return replace(read(path, rows), format="poseflow")


def write_poseflow(recording: Recording, path: Path) -> None:
    """The object, with the pictures of the recording."""
    page = {
        str(label): [{"keypoints": person.values.reshape(-1).tolist(), **person.record} for person in people]
        for label, people in zip(recording.labels, recording.frames, strict=True)
    }
    write_pages(page, path)


def write(recording: Recording, path: Path) -> None:
    """The list of records, frame by frame; within the images and annotations of a data set where it came from one."""
    rows: list[dict[str, Any]] = []
    for label, people in zip(recording.labels, recording.frames, strict=True):
        for person in people:
            rows.append({"image_id": label, "keypoints": person.values.reshape(-1).tolist(), **person.record})
    if not recording.head:
        write_pages(rows, path)
        return
    images = cast("list[dict[str, Any]]", recording.head["images"])
    known = {image["id"]: image for image in images}
    for number, row in enumerate(rows, start=1):
        row["id"] = number
    new = [known.get(label, {**images[0], "id": label, "file_name": f"{label}"}) for label in recording.labels]
    write_pages({**recording.head, "images": new, "annotations": rows}, path)


def _by_images(head: Mapping[str, Any], labels: Sequence[str | int], name: str) -> tuple[list[int], list[str | int]]:
    """Frames of a data set are its images in the order of their numbers, one after the other."""
    ids = sorted({_label(field(image, "id", f"{name}, images"), name) for image in head["images"]}, key=str)
    if all(isinstance(one, int) for one in ids):
        ids = sorted(ids, key=lambda one: int(one))
    place = {one: index for index, one in enumerate(ids)}
    if lost := [label for label in labels if label not in place]:
        raise damaged(name, "an image for every annotation", f"none with id {lost[0]}")
    if not ids or not labels:
        raise damaged(name, "at least one image with a person", "none")
    return [place[label] for label in labels], list(ids)


def _label(value: Any, where: str) -> str | int:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise damaged(f"{where}, field 'image_id'", "a name or a number", repr(value))
    return value
