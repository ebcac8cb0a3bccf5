"""What a page has set on the answer: keys, pins, a path, loop and floor, as the JSON that `--constraints` takes."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from kinema.apps.studio.desk import AnswerFrames, Upload, plain_name
from kinema.core.errors import UsageError
from kinema.core.text import parse_json
from kinema.io.constraints import constraints_of
from kinema.motion.constraints.kinds import Constraint, Pin, RootPath
from kinema.motion.motion import Clip

Entry = dict[str, Any]
MOST = 200  # constraints, and points of a path, that a page draws
FARTHEST = 1000.0  # metres from the origin
LONGEST = 10_000_000  # frames


class Handle(NamedTuple):
    """A point that can be dragged: row `row` of the positions of constraint `place`; `flat`: only on the floor."""

    place: int
    row: int
    position: tuple[float, ...]
    flat: bool


@dataclass(frozen=True)
class Marks:
    """The constraints of a page; `drawn`: the frames of its path follow the length of the answer. Frozen: undo keeps
    the old ones."""

    entries: tuple[Entry, ...] = ()
    drawn: bool = False

    @property
    def handles(self) -> list[Handle]:
        """The points that can be dragged: pins, and the points of a path."""
        return [
            Handle(place, row, tuple(position), entry["kind"] == "root_path")
            for place, entry in enumerate(self.entries)
            if entry["kind"] in ("pin", "root_path")
            for row, position in enumerate(entry["positions"])
        ]

    @property
    def path(self) -> Entry | None:
        """The path, if there is one."""
        return next((entry for entry in self.entries if entry["kind"] == "root_path"), None)

    def has(self, kind: str) -> bool:
        """Whether there is a constraint of a kind."""
        return any(entry["kind"] == kind for entry in self.entries)

    def keys(self) -> tuple[int, ...]:
        """The frames of the answer at which key poses stand, in order."""
        return tuple(sorted(entry["frame"] for entry in self.entries if entry["kind"] == "pose"))

    def own_keys(self) -> tuple[int, ...]:
        """The frames whose pose is the one that the open file has there: the known frames of an in-between."""
        return tuple(sorted(entry["frame"] for entry in self.entries if _is_own(entry)))

    def without_own_keys(self) -> Marks:
        """The constraints that are no known frames."""
        return self.with_entries([entry for entry in self.entries if not _is_own(entry)])

    def with_pin(self, joint: str, frame: int, position: Sequence[float]) -> Marks:
        """A pin more; one of the same joint at the same frame is replaced."""
        entry = {"kind": "pin", "joint": joint, "frames": [frame], "positions": [_rounded(position)]}
        others = [e for e in self.entries if not (e["kind"] == "pin" and (e["joint"], e["frames"]) == (joint, [frame]))]
        return self.with_entries([*others, entry])

    def with_key(self, frame: int, file: str, source: int) -> Marks:
        """The pose that frame `source` of the open file has, at a frame of the answer."""
        others = [e for e in self.entries if e["kind"] != "pose" or e["frame"] != frame]
        return self.with_entries([*others, _key(frame, file, source)])

    def with_keys(self, frames: Sequence[int], file: str, *, own: bool) -> Marks:
        """The key poses at other frames, in the same order; `own`: each is the pose that the file has there."""
        poses = sorted((e for e in self.entries if e["kind"] == "pose"), key=lambda e: e["frame"])
        others = [e for e in self.entries if e["kind"] != "pose"]
        if own:
            return self.with_entries([*others, *(_key(frame, file, frame) for frame in sorted(set(frames)))])
        moved = [{**pose, "frame": frame} for pose, frame in zip(poses, sorted(frames), strict=False)]
        return self.with_entries([*others, *moved])

    def with_point(self, x: float, z: float, frames: int) -> Marks:
        """A point more at the end of the path, which then takes `frames` frames of the answer."""
        path = self.path
        points = [*(path["positions"] if path else []), _rounded((x, z))]
        others = [e for e in self.entries if e["kind"] != "root_path"]
        entry = {"kind": "root_path", "frames": list(range(len(points))), "positions": points}
        return replace(self.with_entries([*others, entry]), drawn=True).fitted(frames)

    def moved(self, handle: Handle, position: Any) -> Marks:
        """A point elsewhere. Raises UsageError for a place that is not finite or far away."""
        values = checked_point(position)
        values = [values[0], values[2]] if handle.flat and len(values) == 3 else values
        entry = self.entries[handle.place]
        points = [*entry["positions"]]
        points[handle.row] = _rounded(values)
        changed = {**entry, "positions": points}
        return replace(self, entries=(*self.entries[: handle.place], changed, *self.entries[handle.place + 1 :]))

    def switched(self, entry: Entry, *, on: bool) -> Marks:
        """With the loop or the floor on or off."""
        others = [e for e in self.entries if e["kind"] != entry["kind"]]
        return self.with_entries([*others, entry] if on else others)

    def without(self, place: int) -> Marks:
        """Without one constraint."""
        return replace(self, entries=(*self.entries[:place], *self.entries[place + 1 :]))

    def fitted(self, frames: int) -> Marks:
        """The frames of a drawn path from the first to the last of the answer, at an even speed."""
        path = self.path
        if path is None or not self.drawn:
            return self
        points = path["positions"]
        steps = [max(math.dist(a, b), 1e-6) for a, b in itertools.pairwise(points)]
        reached = [0.0, *itertools.accumulate(steps)]
        at = [round(distance / (reached[-1] or 1.0) * (frames - 1)) for distance in reached]
        for place in range(1, len(at)):  # one point per frame
            at[place] = max(at[place], at[place - 1] + 1)
        return self.with_entries([{**entry, "frames": at} if entry is path else entry for entry in self.entries])

    def labels(self, grid: AnswerFrames) -> tuple[str, ...]:
        """A line for each constraint, all different."""
        lines = [_label(entry, grid) for entry in self.entries]
        return tuple(f"{place + 1}. {line}" for place, line in enumerate(lines))

    def constraints(self, upload: Upload | None) -> tuple[Constraint, ...]:
        """The constraints themselves. Raises KinemaError for one that cannot be, or needs a file that is not open."""
        return constraints_of([*self.entries], "Constraints", lambda name: _open(name, upload))

    def to_json(self) -> bytes:
        """The file that `--constraints` takes."""
        return (json.dumps([*self.entries], indent=1) + "\n").encode()

    def with_entries(self, entries: Sequence[Entry]) -> Marks:
        """Other constraints. Raises UsageError for more than a page can show."""
        if len(entries) > MOST or any(len(entry.get("positions", ())) > MOST for entry in entries):
            raise UsageError(
                expected=f"at most {MOST} constraints, and points of a path", got="more", cure="Press Remove first."
            )
        return replace(self, entries=tuple(entries))


@dataclass(eq=False)
class History:
    """The marks of a page, and those before and after them."""

    now: Marks = field(default_factory=Marks)
    _before: list[Marks] = field(default_factory=list[Marks])
    _after: list[Marks] = field(default_factory=list[Marks])

    def set(self, marks: Marks, *, step: bool = True) -> None:
        """Other marks; without `step` undo goes back over this change and the one before it at once."""
        if marks == self.now:
            return
        if step:
            self._before = [*self._before[-99:], self.now]
        self._after = []
        self.now = marks

    def undo(self) -> bool:
        """The marks before; False if there are none."""
        return self._move(self._before, self._after)

    def redo(self) -> bool:
        """The marks after; False if there are none."""
        return self._move(self._after, self._before)

    def _move(self, source: list[Marks], target: list[Marks]) -> bool:
        if not source:
            return False
        target.append(self.now)
        self.now = source.pop()
        return True


def are_constraints(name: str, content: bytes) -> bool:
    """Whether a file holds constraints, and no motion."""
    listed = name.lower().endswith(".json") and content.lstrip().startswith(b"[")
    return listed and (b'"kind"' in content[:1000] or content.strip() == b"[]")


def read_marks(name: str, content: bytes, upload: Upload | None) -> Marks:
    """The marks in a JSON file of constraints. Raises KinemaError where it cannot be read."""
    name = plain_name(name)
    data = parse_json(content, name)
    for each in constraints_of(data, name, lambda file: _open(file, upload)):
        if isinstance(each, Pin | RootPath):
            for position in each.positions:
                checked_point(position)
            if not each.frames or len(each.frames) != len(each.positions):
                raise UsageError(
                    expected=f"{name} with a position for every frame of the {each.kind}",
                    got=f"{len(each.frames)} frames and {len(each.positions)} positions",
                    cure="Mend the file, or open another one.",
                )
    if any(not 0 <= frame < LONGEST for entry in data for frame in _frames(entry)):
        raise UsageError(expected=f"{name} with frames from 0 to {LONGEST}", got="others", cure="Open another file.")
    return Marks().with_entries(data)


def checked_point(given: Any) -> list[float]:
    """The numbers of a place. Raises UsageError unless they are two or three, finite and within a kilometre."""
    values: list[Any] = [*given] if isinstance(given, list | tuple) else []
    good = all(isinstance(v, int | float) and not isinstance(v, bool) and abs(v) <= FARTHEST for v in values)
    if not good or len(values) not in (2, 3):
        raise UsageError(
            expected=f"coordinates within {FARTHEST:g} m", got=str(given)[:60], cure="Move the point nearer."
        )
    return [float(value) for value in values]


def _open(name: str, upload: Upload | None) -> Clip:
    if upload is None or name != upload.name:
        got = "none" if upload is None else upload.name
        raise UsageError(expected=f"the open file {name[:80]}, of a key pose", got=got, cure=f"Open {name[:80]} first.")
    return upload.clip


def _frames(entry: Entry) -> list[int]:
    return [*entry.get("frames", ()), *(entry[key] for key in ("frame", "start", "end") if key in entry)]


def _is_own(entry: Entry) -> bool:
    whole = entry["kind"] == "pose" and entry.get("joints") is None
    return whole and entry["frame"] == entry.get("source_frame", 0)


def _key(frame: int, file: str, source: int) -> Entry:
    return {"kind": "pose", "frame": frame, "file": file, "source_frame": source, "root": True}


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 4) for value in values]


def _label(entry: Entry, grid: AnswerFrames) -> str:
    kind = entry["kind"]
    if kind == "pin":
        return f"pin {entry['joint']}, {grid.time(entry['frames'][0]):.2f} s"
    if kind == "pose":
        return f"key, {grid.time(entry['frame']):.2f} s"
    if kind == "root_path":
        return f"path of {len(entry['positions'])} points"
    if kind == "plant":
        return f"{entry['foot']} foot stands, {grid.time(entry['start']):.2f} to {grid.time(entry['end']):.2f} s"
    return {"loop": "loop", "ground": "floor"}[kind]
