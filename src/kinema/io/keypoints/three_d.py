"""Keypoints in three dimensions: MediaPipe's world landmarks and MMPose's lifted poses, as JSON or a JSON line a frame.

World landmarks are 33 places in metres about the hips, y down; MMPose's are the 17 of Human3.6M. They are read only:
what is made of them is written as .npz, .csv or .bvh.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float

from kinema.core.errors import damaged
from kinema.core.text import plain
from kinema.io.conventions import no_rate, one_person
from kinema.io.keypoints.tracks import field, listed, numbers, read_pages, whole
from kinema.motion.motion import Points
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton
from kinema.motion.skeletons.keypoints import layout

WORLD = ("pose_world_landmarks", "poseWorldLandmarks", "world_landmarks")
_THREE = re.compile(rb'"keypoints"\s*:\s*\[\s*\[\s*[-\d.eE+]+\s*,\s*[-\d.eE+]+\s*,\s*[-\d.eE+]+\s*\]')
_FLAT = re.compile(rb'"(pose_landmarks|poseLandmarks|landmarks)"')
_LOOKED_AT = 1 << 16
_MOST = 1_000_000  # frames


def is_three_d(path: Path) -> bool:
    """Whether a JSON file holds keypoints in space and none in a picture."""
    with path.open("rb") as file:
        head = plain(file.read(_LOOKED_AT))
    world = any(f'"{key}"'.encode() in head for key in WORLD)
    return (world and not _FLAT.search(head)) or _THREE.search(head) is not None


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
        named = next((frame[key] for key in ("frame", "frame_id", "index") if key in frame), index)
        for who, values in _people(frame, where).items():
            seen.setdefault(who, {})[whole(named, where)] = values
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
    key = next((key for key in WORLD if isinstance(frame, dict) and key in frame), None)
    if key is not None:
        people = listed(frame[key] or [], where)
        people = [people] if people and isinstance(people[0], dict) else people
        return {str(place): _landmarks(one, where) for place, one in enumerate(people)}
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
