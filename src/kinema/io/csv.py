"""Kinema CSV: one row for each joint of each frame, for spreadsheets, statistics programs and data frames.

Lines that begin with # describe the file; the first other line names the columns; then, frame by frame:

| column | |
|---|---|
| `frame` | whole number from 0 |
| `time` | seconds, frame / fps |
| `joint`, `parent` | names; the root's parent is empty |
| `x`, `y`, `z` | position of the joint in the world, metres, y up; no `z` where positions are two-dimensional |
| `qx`, `qy`, `qz`, `qw` | its rotation relative to the parent, a quaternion; absent from a file of positions |
| `confidence` | 0 to 1; only where the clip has it |

An empty number is an unknown one. Read back, positions are the same to a micrometre; the rest pose follows from
positions and rotations.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from kinema.core.atomic import write_text
from kinema.core.errors import FormatError, damaged
from kinema.core.text import decode, number
from kinema.geometry.kinematics import global_rotations
from kinema.geometry.rotations import quat_xyzw_to_rotmat, rotmat_to_quat_xyzw
from kinema.io.conventions import check_one
from kinema.motion.motion import Clip, Motion, Points
from kinema.motion.skeleton import Skeleton

_KEYS = ("frame", "time", "joint", "parent")
_POSITION, _ROTATION = ("x", "y", "z"), ("qx", "qy", "qz", "qw")
_STILL = 1e-4  # metres: an offset that moves less than this over a clip is that of a stiff bone
_LARGEST = 1e9  # no position, time or rotation is larger
_CURE = "Write that row as the others are, or export the file again."


def save(clip: Clip, path: Path | str) -> None:
    """Write a clip as kinema CSV, atomically. Raises UsageError for a clip with batch axes."""
    check_one(clip)
    places = clip.points().positions
    columns = [*_POSITION[: places.shape[-1]]]
    numbers = [places.double().numpy()]
    if isinstance(clip, Motion):
        columns += _ROTATION
        numbers.append(rotmat_to_quat_xyzw(clip.rotations.double()).numpy())
    elif clip.confidence is not None:
        columns.append("confidence")
        numbers.append(clip.confidence.double().numpy()[..., None])
    lines = [*_preamble(clip), ",".join((*_KEYS, *columns)), *_rows(clip, np.concatenate(numbers, -1))]
    write_text(path, "\n".join(lines) + "\n")


def _preamble(clip: Clip) -> list[str]:
    what = {"skeleton": clip.skeleton.name, "fps": f"{clip.fps:.9g}", "action": clip.action, "identity": clip.identity}
    comments = [f"# {key}: {' '.join(str(value).split())}" for key, value in what.items() if value]
    return [
        "# kinema csv 1: one row for each joint of each frame",
        "# x, y, z: position of the joint in the world, metres, y up, right-handed",
        "# qx, qy, qz, qw: its rotation against its parent, a quaternion (scalar last)",
        *comments,
    ]


def _rows(clip: Clip, numbers: Float[np.ndarray, "frame joint column"]) -> list[str]:
    names = [_quoted(name) for name in clip.skeleton.joints]
    above = [names[parent] if parent >= 0 else "" for parent in clip.skeleton.parents]
    who = [f"{name},{parent}" for name, parent in zip(names, above, strict=True)]
    text = np.char.mod("%.7f", numbers + 0.0)
    text[~np.isfinite(numbers)] = ""
    return [
        f"{frame},{frame / clip.fps:.6f},{who[joint]},{','.join(row)}"
        for frame, rows in enumerate(text)
        for joint, row in enumerate(rows.tolist())
    ]


def _quoted(name: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([name])
    return line.getvalue()


def is_table(head: bytes) -> bool:
    """Whether the beginning of a file is that of a kinema CSV, with or without its comments."""
    lines = (line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").splitlines())
    first = next((line for line in lines if line and not line.startswith(b"#")), b"")
    return head.startswith(b"# kinema csv") or first.lower().startswith(b"frame,time,joint")


def load(path: Path | str, *, fps: float | None = None) -> Clip:
    """The clip in a kinema CSV: a Motion where it holds rotations, else Points. `fps` overrules the file's.

    Raises FormatError, naming the line, where the file is not a whole table.
    """
    path = Path(path)
    table = _read(path)
    joints, parents, count = _tree(table)
    body = len(joints)
    numbers = {name: table.numbers(name).reshape(count, body) for name in table.columns if name not in _KEYS}
    dims = [name for name in _POSITION if name in numbers]
    positions = torch.from_numpy(np.stack([numbers[name] for name in dims], -1))
    rate = fps if fps is not None else table.rate(body)
    name, action = table.comments.get("skeleton", path.stem), table.comments.get("action")
    identity = table.comments.get("identity", f"file/{path.stem}")
    if "qx" not in numbers:
        known = torch.from_numpy(numbers["confidence"]).float() if "confidence" in numbers else None
        rest = torch.nn.functional.pad(_offsets(positions, None, parents)[0], (0, 3 - len(dims)))
        skeleton = Skeleton(name, joints, parents, rest.nan_to_num())
        return Points(skeleton, positions.float(), rate, action, identity, known)
    quats = torch.from_numpy(np.stack([numbers[name] for name in _ROTATION], -1))
    table.check_rotations(positions, quats)
    rotations = quat_xyzw_to_rotmat(torch.nn.functional.normalize(quats, dim=-1))
    offsets = _offsets(positions, rotations, parents)
    rest = offsets.mean(0)
    moves = bool((offsets - rest).abs().max() > _STILL)
    root = positions[:, 0].float()
    return Motion(
        Skeleton(name, joints, parents, rest),
        rotations.float(),
        root,
        rate,
        action,
        identity,
        offsets.float() if moves else None,
    )


@dataclass
class _Table:
    """The rows of a file as text, their line numbers, and the comments."""

    name: str
    comments: dict[str, str]
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def error(self, row: int, expected: str, got: str, cure: str = _CURE) -> FormatError:
        """The error about one row."""
        return damaged(self.name, expected, got, cure, line=self.lines[row])

    def text(self, column: str) -> list[str]:
        """One column."""
        place = self.columns.index(column)
        return [row[place] for row in self.rows]

    def numbers(self, column: str) -> Float[np.ndarray, " row"]:
        """One column as numbers; empty is NaN."""
        words = self.text(column)
        try:
            values = np.array([float(word) if word else math.nan for word in words])
        except ValueError:
            values = np.array([math.inf if word and number(word) is None else 0.0 for word in words])
        if (wrong := np.flatnonzero(np.abs(values) > _LARGEST)).size:
            raise self.error(int(wrong[0]), f"a number in column {column}", f"'{words[wrong[0]][:40]}'")
        return values

    def rate(self, joints: int) -> float:
        """Frames per second: what a comment says, else what the times say."""
        cure = "Say the frame rate: --source-fps 30 (fps=30)."
        if (rate := self.comments.get("fps")) is not None:
            if 0 < (number(rate) or 0.0) < math.inf:
                return float(rate)
            raise damaged(self.name, "a frame rate above 0", f"'{rate}'", cure)
        times = self.numbers("time")[::joints]
        if len(times) < 2 or not times[-1] > times[0]:
            raise damaged(self.name, "times that rise", "times that give no rate", cure)
        rate = float((len(times) - 1) / (times[-1] - times[0]))
        return float(round(rate)) if abs(rate - round(rate)) < 1e-3 * rate else rate

    def check_rotations(
        self, positions: Float[Tensor, "frame joint dim"], quats: Float[Tensor, "frame joint 4"]
    ) -> None:
        """Raises FormatError at the first row of a file of rotations without a position or a unit quaternion."""
        lengths = quats.norm(dim=-1)
        wrong = ~(positions.isfinite().all(-1) & ((lengths - 1).abs() < 0.01))
        if positions.shape[-1] != 3:
            raise self.error(0, "columns x, y and z beside the rotations", ", ".join(self.columns))
        if bool(wrong.any()):
            row = int(wrong.flatten().nonzero()[0])
            raise self.error(row, "a position, and a quaternion of length 1", f"{','.join(self.rows[row])[:80]}")


def _read(path: Path) -> _Table:
    text = decode(path.read_bytes())[0].splitlines()
    comments = dict(line[1:].split(":", 1) for line in text if line.startswith("#") and ":" in line)
    kept = [(at, line) for at, line in enumerate(text, start=1) if line.strip() and not line.startswith("#")]
    try:
        rows = list(csv.reader((line for _, line in kept), strict=True))
    except csv.Error as error:
        raise damaged(path.name, "comma-separated values", str(error), _CURE) from error
    lines = [at for at, _ in kept]
    head = [word.strip().lower() for word in rows[0]] if rows else []
    table = _Table(
        path.name, {key.strip(): value.strip() for key, value in comments.items()}, head, rows[1:], lines[1:]
    )
    needed = [*_KEYS, *_POSITION[:2], *(_ROTATION if "qx" in head else ())]
    if missing := [name for name in needed if name not in head]:
        got, cure = f"none called {', '.join(missing)}", "Name the columns so, or NAME_x, NAME_y, NAME_z."
        raise damaged(path.name, f"columns {', '.join(needed)}", got, cure, line=lines[0] if lines else 1)
    if not table.rows:
        raise damaged(path.name, "at least one frame", "none", _CURE)
    for row, words in enumerate(table.rows):
        if len(words) != len(head):
            raise table.error(row, f"{len(head)} values", str(len(words)))
    return table


def _tree(table: _Table) -> tuple[tuple[str, ...], tuple[int, ...], int]:
    """Joints, parents and the number of frames. Raises FormatError where frames are not of the same joints."""
    frames, names, above = table.text("frame"), table.text("joint"), table.text("parent")
    body = next((row for row, frame in enumerate(frames) if frame != frames[0]), len(frames))
    joints = names[:body]
    place = {name: joint for joint, name in enumerate(joints)}
    parents = [place.get(name, -1) for name in above[:body]]
    for row, (name, parent) in enumerate(zip(names, above, strict=True)):
        if name != joints[row % body] or parent != above[row % body] or frames[row] != frames[row - row % body]:
            raise table.error(
                row, f"joint {joints[row % body]} of a frame of {body} joints", f"{name}, frame {frames[row]}"
            )
        if row and row % body == 0 and frames[row] == frames[row - 1]:
            raise table.error(row, "the next frame", f"frame {frames[row]} again")
    if len(names) % body:
        raise table.error(
            len(names) - 1,
            f"{body} joints in every frame",
            f"{len(names) % body} in the last",
            "The file is cut short.",
        )
    for joint, (parent, name) in enumerate(zip(parents, above, strict=False)):
        if parent >= joint or (parent < 0) != (joint == 0) or place[joints[joint]] != joint:
            raise table.error(joint, "joints of different names, each after its parent", f"{joints[joint]} on '{name}'")
    return tuple(joints), tuple(parents), len(names) // body


def _offsets(
    positions: Float[Tensor, "frame joint dim"],
    rotations: Float[Tensor, "frame joint 3 3"] | None,
    parents: Sequence[int],
) -> Float[Tensor, "frame joint dim"]:
    """Where each joint is in its parent's frame (in the world's axes without rotations); zero for the root."""
    away = positions - positions[:, [max(parent, 0) for parent in parents]]
    if rotations is None:
        return away
    above = global_rotations(rotations, parents)[:, [max(parent, 0) for parent in parents]]
    away = (above.mT @ away[..., None])[..., 0]
    away[:, 0] = 0
    return away
