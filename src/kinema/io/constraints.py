"""Constraints as text: what a user types after `--pin`, `--path`, `--pose`, and the JSON file of `--constraints`.

The JSON is a list of objects with the fields of the classes in `kinema.motion.constraints.kinds` and their "kind":

    [{"kind": "pin", "joint": "r_wrist", "frames": [40], "positions": [[0.3, 1.2, 0.5]]},
     {"kind": "pose", "frame": 60, "file": "other.bvh", "source_frame": 0, "joints": ["l_wrist"]},
     {"kind": "loop"}]

A file of a pose is looked for beside the JSON file. Lengths are metres, or `unit` metres where that is given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, cast

from kinema.core.errors import UsageError, damaged, unknown_name
from kinema.core.text import decode, read_json
from kinema.io.formats import load
from kinema.motion.constraints.kinds import KINDS, Constraint, Pin, Plant, Pose, RootPath
from kinema.motion.motion import Clip

_LENGTHS = ("positions", "position", "height", "points")


def parse_pin(text: str, unit: float = 1.0) -> Pin:
    """The pin "r_wrist@40=0.3,1.2,0.5"; "@40-60" holds it there. Raises UsageError where it is written otherwise."""
    found = re.fullmatch(r"\s*(.+?)@(\d+)(?:-(\d+))?=([^=]+)", text)
    numbers = _numbers(found[4]) if found else []
    if found is None or len(numbers) != 3:
        raise UsageError(
            expected="JOINT@FRAME=X,Y,Z in metres", got=f"'{text}'", cure="Write --pin r_wrist@40=0.3,1.2,0.5."
        )
    x, y, z = (unit * number for number in numbers)
    first, last = int(found[2]), int(found[3] or found[2])
    frames = (first, last) if last > first else (first,)
    return Pin(found[1], frames, ((x, y, z),) * len(frames), hold=len(frames) > 1)


def parse_plant(text: str) -> Plant:
    """The plant "left@10-30". Raises UsageError where it is written otherwise."""
    found = re.fullmatch(r"\s*(\w+)@(\d+)-(\d+)\s*", text)
    if found is None:
        raise UsageError(expected="FOOT@FIRST-LAST", got=f"'{text}'", cure="Write --plant left@10-30.")
    return Plant(found[1], int(found[2]), int(found[3]))


def parse_path(text: str, unit: float = 1.0) -> RootPath:
    """The path "0:0,0 60:1.5,0.2" (frame:x,z), or that of a CSV file: frame, x, z and perhaps a heading in degrees.

    Raises UsageError where it is neither.
    """
    if Path(text).suffix.lower() == ".csv":
        if not Path(text).is_file():
            cure = 'Name the file that is there, or write the points: --path "0:0,0 60:1.5,0.2".'
            raise UsageError(expected="a CSV file of frame,x,z", got=f"no file at {text}", cure=cure)
        lines = decode(Path(text).read_bytes())[0].splitlines()
        rows = [_numbers(line) for line in lines if line.strip() and line[0] not in "#f"]
    else:
        rows = [_numbers(part.replace(":", ",", 1)) for part in text.split()]
    whole = all(math.isfinite(number) for row in rows for number in row)
    if len(rows) < 2 or {len(row) for row in rows} - {3, 4} or len({len(row) for row in rows}) != 1 or not whole:
        raise UsageError(
            expected="a path FRAME:X,Z FRAME:X,Z ... of at least two points, or a CSV file of frame,x,z",
            got=f"'{text}'",
            cure='Write --path "0:0,0 60:1.5,0.2".',
        )
    headings = tuple(math.radians(row[3]) for row in rows) if len(rows[0]) == 4 else None
    return RootPath(tuple(int(row[0]) for row in rows), tuple((unit * row[1], unit * row[2]) for row in rows), headings)


def parse_pose(text: str) -> Pose:
    """The pose "60=other.bvh:0": at frame 60 as the file's frame 0; "60=other.bvh:0:left_arm,head": of some joints.

    Raises UsageError where it is written otherwise.
    """
    found = re.fullmatch(r"\s*(\d+)=(.+?)(?::(\d+)(?::([^:/\\]+))?)?\s*", text)
    if found is None:
        cure = "Write --pose 60=other.bvh:0, or --pose 60=other.bvh:0:left_arm,right_arm."
        raise UsageError(expected="FRAME=FILE:FRAME[:JOINTS]", got=f"'{text}'", cure=cure)
    joints = tuple(name.strip() for name in found[4].split(",") if name.strip()) if found[4] else None
    return _pose(load(Path(found[2])), found[2], int(found[3] or 0), int(found[1]), joints)


def read_constraints(file: Path, unit: float = 1.0) -> tuple[Constraint, ...]:
    """The constraints of a JSON file. Raises FormatError, naming the entry, where one cannot be read."""
    return constraints_of(read_json(file), str(file), lambda name: load(file.parent / name), unit)


def constraints_of(
    data: Any, where: str, open_clip: Callable[[str], Clip], unit: float = 1.0
) -> tuple[Constraint, ...]:
    """The constraints in JSON that was read; `open_clip` gives the clip of a pose by the name of its file.

    Raises FormatError, naming the entry of `where`, for one that cannot be read, and what `open_clip` raises.
    """
    if not isinstance(data, list):
        cure = 'Write [{"kind": "pin", "joint": "r_wrist", "frames": [40], "positions": [[0.3, 1.2, 0.5]]}].'
        raise damaged(where, "a list of constraints", type(data).__name__, cure)
    return tuple(
        _from_json(entry, f"{where}, constraint {place}", open_clip, unit)
        for place, entry in enumerate(cast("list[Any]", data))
    )


def _from_json(entry: Any, where: str, open_clip: Callable[[str], Clip], unit: float) -> Constraint:
    kind = entry.get("kind") if isinstance(entry, Mapping) else None
    if not isinstance(entry, Mapping) or not isinstance(kind, str) or kind not in KINDS:
        cure = 'Write, for example, {"kind": "plant", "foot": "left", "start": 10, "end": 30}.'
        expected = f'an object with a "kind" among {", ".join(KINDS)}'
        raise damaged(where, expected, repr(cast("Any", entry))[:80], cure)
    given: dict[str, Any] = {
        str(key): value for key, value in cast("Mapping[Any, Any]", entry).items() if key != "kind"
    }
    made = KINDS[str(entry["kind"])]
    known = {field.name: field for field in fields(made)}
    if made is Pose:
        given = {"file": None, "source_frame": 0, **given}
        known = {**known, "file": known["pose"], "source_frame": known["frame"]}
    for key in given:
        if key not in known or key == "pose":
            raise unknown_name(f"key of {where}", key, [name for name in known if name != "pose"])
    lacking = [
        name for name, field in known.items() if name not in given and field.default is MISSING and name != "pose"
    ]
    if lacking:
        raise damaged(where, f"the key {lacking[0]}", "none", f'Add "{lacking[0]}": ... .')
    for key, value in given.items():
        if value is None and known[key].default is None:
            continue
        width = _WIDTHS.get((str(entry["kind"]), key))
        rows: Any = [value] if key == "position" else value
        if not _fits(value, _VALUES[key]) or (width and any(len(row) != width for row in rows)):
            many = ("", "a list of ", "a list of lists of ")[_VALUES[key].count("*")]
            wanted = f"{many}{f'{width} ' if width else ''}{_WORDS[_VALUES[key].lstrip('*')]}"
            raise damaged(where, f'{wanted} for "{key}"', str(value)[:80], "See docs/constraints.md.")
    if made is Pose:
        joints = None if given.get("joints") is None else tuple(given["joints"])
        name, source = str(given["file"]), int(given["source_frame"])
        return _pose(open_clip(name), name, source, int(given["frame"]), joints, root=bool(given.get("root", False)))
    return made(**{key: _scaled(value, unit if key in _LENGTHS else 1.0) for key, value in given.items()})


_VALUES = {
    "joint": "text", "foot": "text", "file": "text", "joints": "*text", "frame": "whole", "source_frame": "whole",
    "start": "whole", "end": "whole", "frames": "*whole", "height": "number", "headings": "*number",
    "position": "*number", "positions": "**number", "rotations": "**number", "points": "**number", "hold": "switch",
    "root": "switch", "in_place": "switch",
}  # fmt: skip
"""What the value of each key is; a star is a list of it."""
_WIDTHS = {
    ("pin", "positions"): 3, ("pin", "rotations"): 4, ("root_path", "positions"): 2, ("ground", "points"): 3,
    ("plant", "position"): 3,
}  # fmt: skip
_WORDS = {"text": "text", "whole": "whole numbers", "number": "numbers", "switch": "true or false"}


def _fits(value: Any, kind: str) -> bool:
    if kind.startswith("*"):
        return isinstance(value, list) and all(_fits(each, kind[1:]) for each in cast("list[Any]", value))
    if kind == "switch" or isinstance(value, bool):
        return kind == "switch" and isinstance(value, bool)
    return isinstance(value, {"text": str, "whole": int, "number": int | float}[kind])


def _pose(
    clip: Clip, file: str, source_frame: int, frame: int, joints: tuple[str, ...] | None = None, *, root: bool = False
) -> Pose:
    if not 0 <= source_frame < clip.frames or not hasattr(clip, "rotations"):
        raise UsageError(
            expected=f"frame {source_frame} of a clip of rotations in {file}",
            got=f"{clip.frames} frames of {'rotations' if hasattr(clip, 'rotations') else 'positions'}",
            cure=f"Choose a frame up to {clip.frames - 1} of a BVH, GLB or NPZ file.",
        )
    return Pose(frame, cast("Any", clip)[source_frame : source_frame + 1], joints, root)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _scaled(value: Any, unit: float) -> Any:
    if isinstance(value, list):
        return tuple(_scaled(item, unit) for item in cast("Sequence[Any]", value))
    return value * unit if isinstance(value, float | int) and not isinstance(value, bool) and unit != 1 else value
