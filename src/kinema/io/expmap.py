"""Exponential-map text: the files of the CMU (117 columns) and Human3.6M (99 columns) forecasting benchmarks.

One frame per row, numbers separated by commas: three of root translation, then one rotation vector per joint. The
vectors are for row-vector kinematics, the log of the transposed rotation, so they are negated on the way in and out.
The translation is in ASF units (0.0564444 m) in CMU files and in millimetres in Human3.6M files. No header: skeleton,
rate and unit are always given.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from kinema.core.atomic import write_text
from kinema.core.errors import UsageError, damaged
from kinema.core.text import number, plain
from kinema.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from kinema.io.conventions import UNITS, check_one, no_rate
from kinema.motion.motion import Motion
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons import skeleton as catalogue_skeleton

# Number of columns -> skeleton of the catalogue, metres per unit of the two benchmarks.
_LOOKED_AT = 1 << 16  # bytes: a row is far shorter
_BENCHMARKS = {117: ("cmu38", UNITS["ASF unit"]), 99: ("h36m32", UNITS["mm"])}


def rows_to_motion(
    rows: Float[Tensor, "frame column"], skeleton: Skeleton, fps: float, unit: float, *, identity: str = ""
) -> Motion:
    """A clip from rows of 3 + 3 * joints columns; `unit` is the length of one unit of translation in metres.

    Raises UsageError where the number of columns does not fit the skeleton.
    """
    width = 3 + 3 * len(skeleton)
    if rows.shape[-1] != width:
        raise UsageError(
            expected=f"{width} columns for the {len(skeleton)} joints of {skeleton.name}",
            got=f"{rows.shape[-1]}",
            cure="Choose the skeleton that the file was written for.",
        )
    vectors = rows[..., 3:].unflatten(-1, (-1, 3)).double()
    rotations = rotvec_to_rotmat(-vectors).float()
    return Motion(skeleton, rotations, (rows[..., :3].double() * unit).float(), fps, identity=identity)


def motion_to_rows(motion: Motion, unit: float) -> Float[Tensor, "*batch frame column"]:
    """The rows of a clip, in float64; the inverse of `rows_to_motion` for vectors no longer than pi.

    Raises UsageError for a clip whose bones are animated: the format has no place for that.
    """
    if motion.offsets is not None:
        raise UsageError(
            expected="a clip of constant bones",
            got="animated offsets",
            cure="Convert it to a skeleton first (kinema convert IN OUT --to canon17).",
        )
    vectors = -rotmat_to_rotvec(motion.rotations.double())
    return torch.cat((motion.root.double() / unit, vectors.flatten(-2)), -1)


def load(
    path: Path | str, skeleton: Skeleton | None = None, fps: float | None = None, unit: float | None = None
) -> Motion:
    """The clip in an exponential-map text file; without a skeleton or unit, those of its benchmark.

    Raises FormatError where the rate is not given, and, naming the line, where a row does not fit.
    """
    path = Path(path)
    name, usual = _BENCHMARKS.get(columns(path), _BENCHMARKS[117])
    skeleton = skeleton or catalogue_skeleton(name)
    if fps is None:
        raise no_rate(path.name, "this format", "--source-fps 120 for CMU benchmark files, 50 for Human3.6M (fps=120)")
    rows = _read(path, 3 + 3 * len(skeleton), skeleton.name)
    unit = usual if unit is None else unit
    return rows_to_motion(torch.from_numpy(rows), skeleton, fps, unit, identity=f"file/{path.stem}")


def save(motion: Motion, path: Path | str, unit: float | None = None) -> None:
    """Write a clip as exponential-map text, atomically; without a unit in that of the skeleton's benchmark, or metres.

    Raises UsageError for a batch or for animated bones.
    """
    check_one(motion)
    if unit is None:
        unit = next((unit for name, unit in _BENCHMARKS.values() if name == motion.skeleton.name), 1.0)
    save_rows(motion_to_rows(motion, unit), path)


def save_rows(rows: Float[Tensor, "frame column"], path: Path | str) -> None:
    """Write rows as they are, atomically."""
    line = ",".join(["%.9g"] * rows.shape[1])
    write_text(path, "".join(line % tuple(row) + "\n" for row in rows.tolist()))


def columns(path: Path | str) -> int:
    """How many columns the first row of a file has."""
    with Path(path).open("rb") as file:
        rows = plain(file.read(_LOOKED_AT)).splitlines()
    return next((len(row.replace(b",", b" ").split()) for row in rows if row.strip()), 0)


def _read(path: Path, width: int, skeleton: str) -> NDArray[np.float64]:
    rows = plain(path.read_bytes()).replace(b",", b" ").split(b"\n")
    try:
        values = np.loadtxt(rows, comments=None, ndmin=2) if any(map(bytes.strip, rows)) else np.zeros((0, 0))
    except ValueError:
        values = np.zeros((0, 0))
    if values.shape[1] != width or not np.isfinite(values).all():
        _explain(rows, width, path.name, skeleton)
    return values


def _explain(rows: list[bytes], width: int, name: str, skeleton: str) -> NoReturn:
    for line, row in enumerate(rows, start=1):
        words = row.decode(errors="replace").split()
        if words and len(words) != width:
            cure = "Choose the skeleton that the file was written for, or repair the row."
            raise damaged(
                name, f"{width} columns (3 + 3 for each joint of {skeleton})", str(len(words)), cure, line=line
            )
        for word in words:
            value = number(word)
            if value is None or not math.isfinite(value):
                cure = "Repair the row, or cut the clip before it."
                raise damaged(name, "finite numbers", f"'{word[:40]}'", cure, line=line)
    raise damaged(name, "at least one row of numbers", "an empty file")
