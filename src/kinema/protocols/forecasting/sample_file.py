"""The sample file: ground truth and forecast, per action and window of a protocol.

| key | shape | |
|---|---|---|
| `observed`, `truth`, `prediction` | window, frame, joint, 3 | positions in metres, the root removed |
| `truth_expmap`, `prediction_expmap` | window, frame, joint, 3 | for models of rotations: vectors as in the files |
| `action`, `start` | window | the action, and the first frame of the window in its file |
| `fps`, `protocol`, `model`, `windows`, `format_version` | | |
| `joint_names`, `parents`, `rest_offsets`, `skeleton` | joint ... | |

NPZ without pickle; or HDF5 with the same names (extra `data`: h5py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from kinema.core.atomic import atomic_path
from kinema.core.errors import FormatError, UsageError, unknown_name
from kinema.core.safe_zip import open_archive
from kinema.data.sources.arrays import Kind, check_arrays, h5_array, open_h5, read_archive, require_h5py
from kinema.io.expmap import motion_to_rows
from kinema.motion.motion import Motion, Points
from kinema.motion.skeleton import Skeleton
from kinema.protocols.forecasting.protocol import ForecastingProtocol, ForecastWindows, answered
from kinema.protocols.interface import Data, Evaluated

Arrays = dict[str, NDArray[Any]]
SUFFIXES = (".npz", ".h5")
_OTHERWISE = ", or choose a name that ends in .npz"
_ARRAYS: dict[str, tuple[Kind, int]] = {
    "observed": ("numbers", 4), "truth": ("numbers", 4), "prediction": ("numbers", 4), "action": ("texts", 1),
    "start": ("whole numbers", 1), "fps": ("numbers", 0), "joint_names": ("texts", 1), "parents": ("whole numbers", 1),
    "rest_offsets": ("numbers", 2), "skeleton": ("texts", 0),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Sample:
    """One window: `whole` is the ground truth, `prediction` starts after `observed` frames."""

    action: str
    start: int
    whole: Points
    prediction: Points
    observed: int


def collect(protocol: ForecastingProtocol, pipeline: Evaluated, data: Data) -> Arrays:
    """The arrays of a sample file, of eight windows per action. Raises the errors of the protocol's `evaluate`."""
    windows = "8"
    parts: dict[str, list[Any]] = {}
    last: ForecastWindows | None = None
    cuts = ((action, some) for action, clips in protocol.tests(data) for some in protocol.windows_of(clips, windows))
    for action, some in cuts:
        rotated, points = answered(pipeline, some)
        assert points is not None, f"{pipeline.name} forecasts neither rotations nor positions"
        found = {
            "observed": some.positions[:, : some.observed].numpy(),
            "truth": some.positions[:, some.observed :].numpy(),
            "prediction": points.positions.numpy(),
            "action": np.array([action] * len(some.starts)),
            "start": np.array(some.starts),
        }
        if rotated is not None:
            found["truth_expmap"] = _vectors(some.clips[some.observed :])
            found["prediction_expmap"] = _vectors(rotated)
        for key, value in found.items():
            parts.setdefault(key, []).append(value)
        last = some
    assert last is not None, "a protocol without windows"
    body = last.clips.skeleton
    facts: Arrays = {
        "fps": np.array(last.clips.fps),
        "protocol": np.array(protocol.name),
        "model": np.array(pipeline.name),
        "windows": np.array(windows),
        "format_version": np.array(1),
        "joint_names": np.array(body.joints),
        "parents": np.array(body.parents),
        "rest_offsets": body.offsets.numpy(),
        "skeleton": np.array(body.name),
    }
    return {key: np.concatenate(values) for key, values in parts.items()} | facts


def save_samples(arrays: Arrays, path: Path) -> None:
    """Write a sample file, atomically. Raises UsageError for another suffix, or for .h5 without h5py."""
    check_suffix(path)
    with atomic_path(path) as beside:
        if path.suffix == ".npz":
            with beside.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            return
        h5py = require_h5py(_OTHERWISE)
        with h5py.File(beside, "w") as file:
            for key, value in arrays.items():
                if value.dtype.kind == "U":
                    file.create_dataset(key, data=value.astype(object), dtype=h5py.string_dtype())
                else:
                    file.create_dataset(key, data=value)


def load_samples(path: Path) -> Arrays:
    """The arrays of a sample file. Raises FormatError if it is damaged or of another kind."""
    check_suffix(path)
    if path.suffix == ".npz":
        arrays = read_archive(path, _ARRAYS)
        _check_shapes(arrays, path)
        return arrays
    with open_h5(path, _OTHERWISE) as file:
        found = {key: h5_array(file, key, path) for key in file}
        arrays = {key: _text(value) if value.dtype.kind in "OS" else value for key, value in found.items()}
    check_arrays(str(path), arrays, _ARRAYS)
    _check_shapes(arrays, path)
    return arrays


def _check_shapes(arrays: Arrays, path: Path) -> None:
    windows, joints = len(arrays["action"]), len(arrays["joint_names"])
    expected = {key: (windows, arrays[key].shape[1], joints, 3) for key in ("observed", "truth", "prediction")}
    expected |= {"start": (windows,), "parents": (joints,), "rest_offsets": (joints, 3)}
    for key, shape in expected.items():
        if arrays[key].shape != shape or not windows:
            got, cure = (
                f"shape {arrays[key].shape}",
                "Write it again by `kinema forecast MODEL --protocol cmu-legacy --samples-out`.",
            )
            raise FormatError(where=f"{path}: {key}", expected=f"shape {shape}", got=got, cure=cure)


def is_sample_file(path: Path) -> bool:
    """True for a sample file, by suffix and keys."""
    if path.suffix == ".h5":
        return path.is_file()
    try:
        with open_archive(path) as archive:
            return set(_ARRAYS) <= set(archive.keys)
    except FormatError:
        return False


def sample_of(arrays: Arrays, action: str | None = None, window: int = 0) -> Sample:
    """One window; default: the first one of the first action. Raises UsageError for an unknown action or window."""
    actions = [str(name) for name in arrays["action"]]
    action = actions[0] if action is None else action
    if action not in actions:
        raise unknown_name("action", action, sorted(set(actions)))
    rows = [row for row, name in enumerate(actions) if name == action]
    if not 0 <= window < len(rows):
        raise UsageError(
            expected=f"a window from 0 to {len(rows) - 1} of {action}",
            got=f"{window}",
            cure=f"Use --window {len(rows) - 1} or less.",
        )
    row = rows[window]
    joints, parents = tuple(map(str, arrays["joint_names"])), tuple(map(int, arrays["parents"]))
    body = Skeleton(str(arrays["skeleton"]), joints, parents, torch.from_numpy(arrays["rest_offsets"]))

    def points(positions: Float[np.ndarray, "frame joint 3"]) -> Points:
        return Points(body, torch.from_numpy(positions), float(arrays["fps"]), action)

    observed = arrays["observed"][row]
    whole = points(np.concatenate((observed, arrays["truth"][row])))
    return Sample(action, int(arrays["start"][row]), whole, points(arrays["prediction"][row]), len(observed))


def check_suffix(path: Path) -> None:
    """Raise UsageError for another suffix, or if h5py is not installed."""
    if path.suffix not in SUFFIXES:
        raise UsageError(
            expected="a sample file that ends in .npz or .h5",
            got=str(path),
            cure=f"Use {path.with_suffix('.npz').name}.",
        )
    if path.suffix == ".h5":
        require_h5py(_OTHERWISE)


def _vectors(clip: Motion) -> Float[np.ndarray, "window frame joint 3"]:
    """Rotation vectors for row vectors, as the files of the benchmarks have them."""
    return motion_to_rows(clip, 1.0)[..., 3:].unflatten(-1, (-1, 3)).float().numpy()


def _text(value: NDArray[Any]) -> NDArray[Any]:
    plain = [part.decode() if isinstance(part, bytes) else str(part) for part in value.reshape(-1)]
    return np.array(plain).reshape(value.shape)
