"""Bare positions as clips: arrays of joints (.npy), HumanML3D's features, markers by name (TRC, C3D, wide CSV).

An array says neither its joints nor its rate, so `skeleton` and `fps` do; markers have names, from which a tree is
made. NaN is unseen. Lengths are metres, or the unit with which the body is between 1.1 and 2.3 m tall.
"""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from kinema.core.errors import damaged, require, warn_of_file
from kinema.core.safe_zip import read_npy, read_npz
from kinema.core.text import decode, number
from kinema.geometry.rotations import axis_angle_to_rotmat
from kinema.io.conventions import UNITS, metres_or, no_rate
from kinema.motion import skeletons as catalogue
from kinema.motion.motion import Points
from kinema.motion.names import CANON17, CANON17_PARENTS, canon_by_name
from kinema.motion.orientation import body_height
from kinema.motion.skeleton import Skeleton
from kinema.motion.skeletons.keypoints import layout

_BODIES = {17: "h36m17 (or coco17)", 22: "smpl22", 24: "smpl24", 25: "body25", 52: "smplh52", 55: "smplx55"}
_HUMANML = {263: ("smpl22", 20.0), 251: ("", 12.5)}
_BODY_LANDMARKS = 33  # of MediaPipe; FreeMoCap's arrays have them first
_FREEMOCAP = (553, 543, 75)  # body, hands and face; or body and hands
_MOST = 2_000  # markers
_C3D_SECONDS = 60
_C3D_SCRIPT = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, ValueError, OSError):
    pass
import ezc3d, numpy
file = ezc3d.c3d(sys.argv[1])
about = file["parameters"]["POINT"]
units = about["UNITS"]["value"][0] if about.get("UNITS", {}).get("value") else ""
numpy.savez(sys.argv[2], labels=numpy.array(about["LABELS"]["value"], str), points=file["data"]["points"],
            rate=float(about["RATE"]["value"][0]), units=units)
"""


def load_array(
    path: Path | str, *, fps: float | None = None, unit: float | None = None, skeleton: Skeleton | None = None
) -> Points:
    """The positions in an .npy file: (..., frame, joint, 2 or 3), (frame, 3 joints), or HumanML3D's (frame, 263).

    FreeMoCap's arrays are known by their number of points. Raises FormatError where the skeleton or the rate is needed
    and not given, or the shape fits none.
    """
    path = Path(path)
    array = read_npy(path)
    if array.ndim == 2 and array.shape[1] in _HUMANML:
        return _humanml(path, array, fps, skeleton)
    if array.ndim >= 3 and array.shape[-1] == 3 and array.shape[-2] in _FREEMOCAP:
        array = array[..., :_BODY_LANDMARKS, :]
    if array.ndim == 2 and skeleton is not None and array.shape[1] == 3 * len(skeleton):
        array = array.reshape(len(array), -1, 3)
    if array.ndim < 3 or array.shape[-1] not in (2, 3) or array.dtype.kind not in "fiu" or not array.size:
        got = f"{array.dtype} of shape {array.shape}"
        expected = "positions of shape (frame, joint, 3), a batch of them, or HumanML3D features (frame, 263)"
        raise damaged(path.name, expected, got, "Save the positions of the joints so: numpy.save(path, positions).")
    joints = array.shape[-2]
    if skeleton is None and joints == _BODY_LANDMARKS:
        skeleton = layout("mediapipe33").skeleton
    if skeleton is None:
        hint = _BODIES.get(joints, "canon17").split(" ")[0]
        named = f" ({_BODIES[joints]} has {joints})" if joints in _BODIES else ""
        cure = f"Say which body it is: --source-skeleton {hint} (skeleton=skeleton('{hint}')){named}."
        raise damaged(path.name, f"a skeleton for {joints} joints, which an array does not say", "none", cure)
    if len(skeleton) > joints and max(skeleton.parents[:joints]) < joints:
        skeleton = _first_joints(skeleton, joints)
    if len(skeleton) != joints:
        cure = f"Say --source-skeleton {_BODIES.get(joints, 'canon17').split(' ')[0]}."
        raise damaged(path.name, f"{len(skeleton)} joints ({skeleton.name})", f"{joints}", cure)
    return _points(path, skeleton, array, _rate(path, fps), unit)


def load_trc(path: Path | str, *, fps: float | None = None, unit: float | None = None) -> Points:
    """The markers of a TRC file (OpenSim, Motion Analysis, Pose2Sim), under their names.

    Raises FormatError naming the line where it is not whole.
    """
    path = Path(path)
    lines = decode(path.read_bytes())[0].splitlines()
    head = dict(zip(*(line.split("\t") for line in lines[1:3]), strict=False)) if len(lines) > 5 else {}
    if not lines or not lines[0].startswith("PathFileType") or "NumMarkers" not in head:
        raise damaged(
            path.name, "a TRC file: PathFileType, DataRate ... NumMarkers, names, coordinates", "another text"
        )
    names = [name.strip() for name in lines[3].split("\t")[2:] if name.strip()]
    width = 2 + 3 * len(names)
    rows: list[list[float]] = []
    for row, line in enumerate(lines[5:], start=6):
        words = [word.strip() for word in line.rstrip("\r\n").split("\t")]
        if not any(words):
            continue
        words = (words + [""] * width)[:width]
        try:
            rows.append([float(word) if word else np.nan for word in words])
        except ValueError as error:
            raise damaged(path.name, "numbers", str(error)[:60], line=row) from error
    rate = fps or number(head.get("DataRate", ""))
    scale = unit or UNITS.get(head.get("Units", "").strip().lower(), 0.0) or None
    return _named(path, names, np.array(rows).reshape(len(rows), width)[:, 2:], _rate(path, rate), scale)


def is_wide(head: bytes) -> bool:
    """Whether a CSV begins with a line of columns NAME_x, NAME_y, NAME_z, as FreeMoCap and others write it."""
    first = head.split(b"\n", 1)[0].lower()
    return all(mark in first for mark in (b"_x,", b"_y,", b"_z"))


def load_wide(path: Path | str, *, fps: float | None = None, unit: float | None = None) -> Points:
    """The points of a CSV with columns NAME_x, NAME_y, NAME_z; a row for each frame (FreeMoCap).

    Raises FormatError naming the line where a cell is no number, or the columns are not there.
    """
    path = Path(path)
    table = list(csv.reader(decode(path.read_bytes())[0].splitlines()))
    head = [word.strip() for word in table[0]] if table else []
    place = {name.lower(): column for column, name in enumerate(head)}
    names = [name[:-2] for name in head if name.lower().endswith("_x")]
    names = [name for name in names if {f"{name}_y".lower(), f"{name}_z".lower()} <= set(place)]
    columns = [place[f"{name}_{axis}".lower()] for name in names for axis in "xyz"]
    rows: list[list[float]] = []
    for row, cells in enumerate(table[1:], start=2):
        try:
            rows.append([float(cells[column]) if cells[column].strip() else np.nan for column in columns])
        except (ValueError, IndexError) as error:
            raise damaged(path.name, "a number in every column of a point", str(error)[:60], line=row) from error
    if not names or not rows:
        raise damaged(
            path.name, "columns NAME_x, NAME_y and NAME_z, and rows of numbers", ", ".join(head)[:60] or "nothing"
        )
    clock = next((place[name] for name in ("timestamp", "time", "time_s") if name in place), None)
    if fps is None and clock is not None and len(table) > 2:
        span = (number(table[-1][clock]) or 0.0) - (number(table[1][clock]) or 0.0)
        fps = round((len(rows) - 1) / span, 3) if 0.1 < span < 1e6 else None
    short = [name.removeprefix("body_") for name in names]
    return _named(path, short, np.array(rows), _rate(path, fps), unit)


def load_c3d(path: Path | str, *, fps: float | None = None, unit: float | None = None) -> Points:
    """The markers of a C3D file, under their labels.

    A process of its own reads the file: a damaged one can crash the library. Raises UsageError where ezc3d is not
    installed, FormatError where the file is not whole.
    """
    path = Path(path)
    about = _c3d_arrays(path)
    names, data = [str(name) for name in about["labels"]], about["points"].astype(np.float64)
    rate, written = float(about["rate"]), str(about["units"]).lower()
    count = min(len(names), data.shape[1])
    rows = data[:3, :count].transpose(2, 1, 0).reshape(data.shape[2], 3 * count)
    return _named(path, names[:count], rows, _rate(path, fps or rate), unit or UNITS.get(written))


def _c3d_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """labels, points (4, marker, frame), rate and units, as ezc3d reads them in a process with limits."""
    if importlib.util.find_spec("ezc3d") is None:
        require("ezc3d", "c3d", "which reads C3D files")
    with tempfile.TemporaryDirectory(prefix="kinema-") as folder:
        out = Path(folder) / "arrays.npz"
        # -P: no module of the working folder is imported.
        command = [sys.executable, "-P", "-c", _C3D_SCRIPT, str(path.resolve()), str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_C3D_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise damaged(path.name, "a C3D file that can be read", f"no result in {_C3D_SECONDS} s") from error
        if done.returncode or not out.is_file():
            lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            raise damaged(path.name, "a whole C3D file", lines[-1][:60] if lines else "a damaged one")
        return read_npz(out)


def tree_of(
    name: str, labels: Sequence[str], positions: Float[np.ndarray, "frame point 3"]
) -> tuple[Skeleton, list[int]]:
    """A skeleton of named points, and for each of its joints the point that it is.

    The points that are known by name hang together as canon17 does, from the pelvis or what is nearest to it; every
    other one hangs on the point that keeps nearest to it. The rest pose is the first whole frame.
    """
    canon = canon_by_name(labels)
    at = {part: labels.index(own) for part, own in canon.items() if part in CANON17}
    order, parents = [at.get("pelvis", min(at.values(), default=0))], {}
    for part, above in zip(CANON17, CANON17_PARENTS, strict=True):
        if part in at and at[part] not in order:
            while above >= 0 and CANON17[above] not in at:
                above = CANON17_PARENTS[above]
            parents[at[part]] = at[CANON17[above]] if above >= 0 and at[CANON17[above]] in order else order[0]
            order.append(at[part])
    middle = np.nan_to_num(np.nanmedian(positions, 0)) if len(positions) else np.zeros((len(labels), 3))
    for point in range(len(labels)):
        if point not in order:
            parents[point] = min(order, key=lambda other: float(np.linalg.norm(middle[other] - middle[point])))
            order.append(point)
    whole = np.flatnonzero(np.isfinite(positions).all((1, 2)))
    rest = positions[whole[0]] if len(whole) else middle
    index = {point: joint for joint, point in enumerate(order)}
    above = [-1, *(index[parents[point]] for point in order[1:])]
    offsets = np.zeros((len(order), 3))
    offsets[1:] = rest[order[1:]] - rest[[order[joint] for joint in above[1:]]]
    return Skeleton(name, tuple(labels[point] for point in order), tuple(above), torch.from_numpy(offsets)), order


def _named(path: Path, labels: Sequence[str], rows: NDArray[Any], fps: float, unit: float | None) -> Points:
    if not labels or not len(rows) or len(labels) > _MOST:
        raise damaged(path.name, f"at least one frame of 1 to {_MOST} points", f"{len(rows)} frames of {len(labels)}")
    names, seen = list[str](), dict[str, int]()
    for label in labels:  # twice the same name gets a number
        seen[label] = seen.get(label, 0) + 1
        names.append(label if seen[label] == 1 else f"{label}{seen[label]}")
    positions = rows.reshape(len(rows), -1, 3)
    positions[np.abs(positions) > 1e9] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a point that is never seen
        skeleton, order = tree_of(path.stem, names, positions)
    return _points(path, skeleton, positions[:, order], fps, unit)


def _points(path: Path, skeleton: Skeleton, array: NDArray[Any], fps: float, unit: float | None) -> Points:
    positions = torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
    known = positions.isfinite().all(-1)
    if not bool(known.any()):
        raise damaged(path.name, "at least one finite position", "none")
    if positions.shape[-1] == 3:
        clip = Points(skeleton, positions, fps)
        if unit is None:
            unit = metres_or(path, body_height(clip))
        positions = positions * unit
        skeleton = replace(skeleton, offsets=skeleton.offsets * unit) if skeleton.name == path.stem else skeleton
    confidence = None if bool(known.all()) else known.float()
    return Points(skeleton, positions, fps, identity=f"file/{path.stem}", confidence=confidence)


def _humanml(path: Path, rows: NDArray[Any], fps: float | None, skeleton: Skeleton | None) -> Points:
    """HumanML3D's features (Guo et al., CVPR 2022): root turn, root velocity, root height, positions about the root."""
    name, usual = _HUMANML[rows.shape[1]]
    if skeleton is None and not name:
        cure = "KIT's 21 joints are in no catalogue: save the recovered positions (frame, 21, 3) as NPZ."
        raise damaged(path.name, "HumanML3D features of 263 columns", f"{rows.shape[1]}", cure)
    if fps is None:
        warn_of_file(path, f"HumanML3D's {usual:g} frames per second are taken, --source-fps overrides it")
    body = skeleton or catalogue.skeleton(name)
    values = torch.from_numpy(rows.astype(np.float64))
    joints = (rows.shape[1] - 11) // 12 + 1
    if len(body) != joints and not (len(body) > joints and max(body.parents[:joints]) < joints):
        raise damaged(path.name, f"a skeleton of {joints} joints", f"{body.name}", "Say --source-skeleton smpl22.")
    body = body if len(body) == joints else _first_joints(body, joints)
    if not bool(values.isfinite().all()) or abs(float(values[:, 3].mean())) < 0.2:
        cure = "Multiply by the data set's Std.npy and add its Mean.npy first."
        raise damaged(path.name, "features in metres", "features that look standardised", cure)
    # The file's quaternion (cos a, 0, sin a, 0) turns by 2a, and its inverse leads back to the room.
    zero = torch.zeros(1, dtype=torch.float64)
    back = axis_angle_to_rotmat("Y", -2 * torch.cat((zero, values[:-1, 0])).cumsum(0))
    step = torch.stack((values[:, 1], torch.zeros(len(values)), values[:, 2]), -1)
    step = torch.cat((torch.zeros(1, 3, dtype=torch.float64), step[:-1]))
    path_of_root = (back @ step[..., None])[..., 0].cumsum(0)
    local = values[:, 4 : 4 + 3 * (joints - 1)].unflatten(1, (-1, 3))
    others = (back[:, None] @ local[..., None])[..., 0] + path_of_root[:, None]
    root = path_of_root + values[:, 3:4] * torch.tensor([0.0, 1.0, 0.0])
    positions = torch.cat((root[:, None], others), 1).float()
    return Points(body, positions, fps or usual, identity=f"file/{path.stem}")


def _first_joints(skeleton: Skeleton, count: int) -> Skeleton:
    """The body of a skeleton's first joints, where parents stand among them."""
    joints = skeleton.joints[:count]
    aliases = {part: own for part, own in skeleton.aliases.items() if own in joints}
    return Skeleton(f"{skeleton.name}", joints, skeleton.parents[:count], skeleton.offsets[:count], aliases=aliases)


def _rate(path: Path, fps: float | None) -> float:
    if fps is None or not fps > 0:
        raise no_rate(path.name, "the file")
    return fps
