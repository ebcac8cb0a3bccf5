"""Two-dimensional keypoints of video: OpenPose folders and the JSON of AlphaPose, Halpe, COCO, MMPose and MediaPipe.

`read` gives every person as `Points` in pixels (y down, as the file has them), with confidences: 0, and NaN for the
place, where a person or a keypoint was not seen. `write` gives people back in the layout that they came in, with every
field that is not a keypoint carried along: between two frames numbers are interpolated, so nothing is lost and nothing
is zeroed. The files do not say how many frames there are in a second: `fps` does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.errors import KinemaWarning, UsageError, damaged, unknown_name
from kinema.core.text import plain
from kinema.io.conventions import no_rate
from kinema.io.keypoints import coco as keypoints_results
from kinema.io.keypoints import mmpose as keypoints_instances
from kinema.io.keypoints import openpose as keypoints_openpose
from kinema.io.keypoints.mmpose import is_three_d
from kinema.io.keypoints.tracks import (
    LINES,
    Recording,
    Sighting,
    between,
    box_area,
    frame_number,
    read_pages,
    relabel,
)
from kinema.motion.motion import Points

_LOOKED_AT = 4096
_WRITERS: dict[str, Callable[[Recording, Path], None]] = {
    "openpose": keypoints_openpose.write,
    "alphapose": keypoints_results.write,
    "coco": keypoints_results.write,
    "poseflow": keypoints_results.write_poseflow,
    "mmpose": keypoints_instances.write_mmpose,
    "mediapipe": keypoints_instances.write_mediapipe,
}


@dataclass(frozen=True, eq=False)
class Keypoints:
    """The people of a recording by track id, and the recording itself, which `write` needs."""

    people: Mapping[str, Points]
    recording: Recording
    scale: float  # what the file calls full confidence: 1, or 2 in COCO's annotations
    largest: str  # the person with the largest boxes

    @property
    def format(self) -> str:
        """openpose, alphapose, poseflow, coco, mmpose or mediapipe."""
        return self.recording.format

    def person(self, track: str | None = None) -> Points:
        """One person: of that track id, or the one whose boxes are largest over all frames together.

        Warns where the choice was not the caller's. Raises UsageError for an id that is not there.
        """
        if track is None:
            if len(self.people) > 1:
                written = f"{len(self.people)} people ({', '.join(self.people)}); the largest, {self.largest}, is taken"
                warnings.warn(written, KinemaWarning, stacklevel=2)
            return self.people[self.largest]
        if track not in self.people:
            raise unknown_name("track id", track, self.people)
        return self.people[track]


def is_keypoints(path: Path | str) -> bool:
    """Whether there are keypoints of a picture at a path: a folder with frames in JSON, or a JSON file."""
    path = Path(path)
    if path.is_dir():  # frames of OpenPose: by their names, or by what the first ones hold
        for one in sorted(path.glob("*.json"))[:3]:
            with one.open("rb") as file:
                if one.name.endswith("_keypoints.json") or b'"people"' in plain(file.read(_LOOKED_AT)):
                    return True
        return False
    return path.suffix.lower() in (".json", *LINES) and path.is_file() and not is_three_d(path)


def read(path: Path | str, *, fps: float | None, size: tuple[float, float] | None = None) -> Keypoints:
    """Everybody in an OpenPose folder or a JSON file, told apart by track id.

    `fps` is asked for because no such file says it; `size` (width, height in pixels) only by MediaPipe's landmarks.
    Frames may stand in any order; a frame without a person, or left out, is a frame of which nothing is known.
    Raises FormatError naming file, frame and field where something is missing or damaged, and where nobody is seen.
    """
    path = Path(path)
    if fps is None:
        raise no_rate(path.name, "a keypoint file")
    recording = _recording(path, size)
    tracks: dict[str, list[Sighting | None]] = {}
    for index, people in enumerate(recording.frames):
        for person in people:
            tracks.setdefault(str(person.track), [None] * len(recording.frames))[index] = person
    if not tracks:
        cure = "Run the detector with a lower threshold, so that it finds somebody."
        raise damaged(path.name, "at least one person in one frame", "none", cure)
    observed = [person.values[:, 2] for people in recording.frames for person in people]
    top = max(float(sure.max()) for sure in observed)
    scale = 2.0 if 1 < top <= 2 and all((sure % 1 == 0).all() for sure in observed) else max(1.0, top)
    identity = f"file/{path.stem}"
    people = {track: _points(row, recording, fps, scale, f"{identity}#{track}") for track, row in tracks.items()}
    area = {track: sum(box_area(one.values) for one in row if one) for track, row in tracks.items()}
    return Keypoints(people, recording, scale, max(area, key=area.__getitem__))


def write(
    people: Mapping[str, Points] | Points,
    path: Path | str,
    like: Keypoints,
    at: Float[Tensor, " frame"] | None = None,
) -> None:
    """Write people in the layout of `like`, to a folder (OpenPose) or a JSON file.

    A single `Points` is the largest person. `at[frame]` is where each frame stands among those of `like` (2.5: half
    way between its third and fourth); by default that follows from the two rates. A frame in which a person's
    confidences are all 0 goes without that person. Raises UsageError where joints or frames do not fit.
    """
    given = {like.largest: people} if isinstance(people, Points) else dict(people)
    source = like.recording
    for track, points in given.items():
        _check(track, points, like)
    first = next(iter(given.values()))
    if at is None:
        step = like.people[like.largest].fps / first.fps
        at = torch.arange(first.frames, dtype=torch.float64) * step
    if len(at) != first.frames or any(points.frames != first.frames for points in given.values()):
        got = f"{', '.join(str(points.frames) for points in given.values())} frames, {len(at)} places"
        raise UsageError(expected="as many frames for everybody as places", got=got, cure="Write them one by one.")
    places = [float(place) for place in at]
    frames: list[list[Sighting]] = [[] for _ in places]
    for track, points in given.items():
        for index, sighting in enumerate(_sightings(points, track, like, places)):
            if sighting is not None:
                frames[index].append(sighting)
    for place, several in zip(places, frames, strict=True):  # people stand in each frame as they do in the file
        listed = [one.track for one in source.frames[min(int(place + 1e-9), len(source.frames) - 1)]]
        several.sort(key=lambda one, listed=listed: listed.index(one.track) if one.track in listed else len(listed))
    last = len(source.records) - 1
    records = [source.records[min(max(round(place), 0), last)] for place in places]
    _WRITERS[source.format](replace(source, frames=frames, labels=_labels(source, places), records=records), Path(path))


def _recording(path: Path, size: tuple[float, float] | None) -> Recording:
    if path.is_dir():
        return keypoints_openpose.read(path)
    try:
        page = read_pages(path)
    except FileNotFoundError as error:
        raise UsageError(
            expected="a keypoint file",
            got=f"no file at {path}",
            cure=f"`ls {path.parent}` lists the files that are there.",
        ) from error
    sample = cast("Any", page[0] if isinstance(page, list) and page else page)
    keys: set[str] = set(sample) if isinstance(sample, dict) else set()
    if "annotations" in keys or "image_id" in keys:
        return keypoints_results.read(path, page)
    if {"instances", "instance_info"} & keys:
        return keypoints_instances.read_mmpose(path, page)
    if {"frames", *keypoints_instances.LANDMARKS} & keys:
        return keypoints_instances.read_mediapipe(path, page, size)
    if isinstance(page, list) and {"keypoints", "keypoint_scores"} <= keys:
        return keypoints_instances.read_picture(path, page)
    if isinstance(page, dict) and keypoints_results.is_poseflow(page):
        return keypoints_results.read_poseflow(path, page)
    if "people" in keys:
        raise damaged(path.name, "a folder of OpenPose's frames", "one frame of it", f"Name the folder {path.parent}.")
    raise damaged(
        path.name,
        "JSON of AlphaPose, PoseFlow, COCO, MMPose or MediaPipe",
        f"the fields {', '.join(sorted(keys))}" if keys else f"{type(page).__name__} without a record",
        "Convert the detector's results to one of these, or to an OpenPose folder.",
    )


def _points(row: list[Sighting | None], recording: Recording, fps: float, scale: float, identity: str) -> Points:
    shape = recording.layout
    values = np.zeros((len(row), len(shape), 3))
    for index, sighting in enumerate(row):
        if sighting is not None:
            values[index] = sighting.values[list(shape.order)]
    confidence = torch.from_numpy(values[..., 2]).clamp(min=0) / scale
    positions = torch.from_numpy(values[..., :2])
    positions = torch.where(confidence[..., None] > 0, positions, torch.nan)
    return Points(shape.skeleton, positions.float(), fps, identity=identity, confidence=confidence.float())


def _check(track: str, points: Points, like: Keypoints) -> None:
    if track not in like.people:
        raise unknown_name("track id", track, like.people)
    shape = like.recording.layout
    if (
        points.skeleton.joints != shape.skeleton.joints
        or points.positions.dim() != 3
        or points.positions.shape[-1] != 2
    ):
        raise UsageError(
            expected=f"two-dimensional points on {shape.name}",
            got=f"{points.skeleton.name}, positions of shape {tuple(points.positions.shape)}",
            cure="Give back the skeleton that was read.",
        )


def _sightings(points: Points, track: str, like: Keypoints, places: list[float]) -> list[Sighting | None]:
    """One person's sightings at `places`; None where nothing is known of the person."""
    there = [i for i, people in enumerate(like.recording.frames) if any(one.track == track for one in people)]
    own = {i: next(one for one in like.recording.frames[i] if one.track == track) for i in there}
    confidence = torch.ones(points.positions.shape[:-1]) if points.confidence is None else points.confidence
    confidence = torch.where(points.positions.isfinite().all(-1), confidence, 0.0)
    out: list[Sighting | None] = []
    for index, place in enumerate(places):
        sure = confidence[index].double()
        before = max((i for i in there if i <= place + 1e-9), default=there[0])
        after = min((i for i in there if i >= place - 1e-9), default=there[-1])
        if not bool((sure > 0).any()) and round(place) not in own:
            out.append(None)
            continue
        weight = min(max((place - before) / (after - before), 0.0), 1.0) if after != before else 0.0
        record = between(own[before].record, own[after].record, weight)
        values = np.zeros((len(sure), 3))
        spots = points.positions[index].double().nan_to_num(0.0)
        order = list(like.recording.layout.order)
        exact = torch.cat((spots, sure[:, None] * like.scale), -1).numpy()
        values[order] = exact.astype(np.float32).astype(str).astype(np.float64)  # 0.9 and not 0.8999999761581421
        _keep(values, own.get(round(place)) if abs(place - round(place)) < 1e-9 else None, like.scale)
        out.append(Sighting(values, record, track))
    return out


def _keep(values: Float[np.ndarray, "point 3"], original: Sighting | None, scale: float) -> None:
    """The file's own numbers where they say the same as `values` up to float32 (or were never seen)."""
    if original is None:
        return
    written = original.values
    same = np.isclose(values, written.astype(np.float32), rtol=1e-6, atol=1e-6 * scale).all(-1)
    unseen = (values[:, 2] == 0) & (written[:, 2] <= 0)
    values[same | unseen] = written[same | unseen]


def _labels(source: Recording, places: list[float]) -> list[str | int]:
    """The frames' own names where all of them are frames of the file, else names that count on from its first."""
    if all(place == round(place) and 0 <= place < len(source.labels) for place in places):
        return [source.labels[round(place)] for place in places]
    first = source.labels[0]
    number = frame_number(first) or 0
    return [relabel(first, number + index) for index in range(len(places))]
