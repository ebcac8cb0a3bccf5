"""Reading data sets of arrays: NPZ without pickles, of stated kinds and shapes; and HDF5, by the package h5py."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from kinema.core.errors import FormatError, KinemaError, UsageError
from kinema.core.safe_zip import read_npz, room_for

Kind = Literal["numbers", "whole numbers", "texts"]
_LETTERS: dict[Kind, str] = {"numbers": "fiu", "whole numbers": "iu", "texts": "US"}
_CURE = "Copy or download the file again, or name another one."
_BROKEN = (OSError, KeyError, RuntimeError, TypeError, ValueError, MemoryError)  # what h5py raises on damaged files


def read_archive(path: Path, required: Mapping[str, tuple[Kind, int]]) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Every array of an NPZ file, decompressed; `required` are the kind and the number of axes of those it must have.

    Raises FormatError where the file is no NPZ, is cut short, holds pickled objects, or lacks a required array.
    """
    arrays = read_npz(path)
    check_arrays(str(path), arrays, required)
    return arrays


def check_arrays(
    where: str, arrays: Mapping[str, Shaped[np.ndarray, "..."]], required: Mapping[str, tuple[Kind, int]]
) -> None:
    """Raises FormatError where a required array is not there, or of another kind or number of axes."""
    if lacking := [key for key in required if key not in arrays]:
        expected, got = f"the arrays {', '.join(required)}", f"none called {', '.join(lacking)}"
        raise FormatError(where=where, expected=expected, got=got, cure=_CURE)
    for key, (kind, axes) in required.items():
        array = arrays[key]
        if array.dtype.kind not in _LETTERS[kind] or array.ndim != axes:
            expected, got = f"{kind} along {axes} axes", f"{array.dtype} of shape {array.shape}"
            raise FormatError(where=f"{where}: {key}", expected=expected, got=got, cure=_CURE)


def require_h5py(otherwise: str = "") -> Any:
    """The package h5py. Raises UsageError where it is not installed; `otherwise` completes the cure."""
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise UsageError(
            expected="h5py, which reads and writes .h5",
            got="no such package",
            cure=f"pip install 'kinema[data]'{otherwise}.",
        ) from error


@contextlib.contextmanager
def open_h5(path: Path, otherwise: str = "") -> Generator[Any]:
    """An HDF5 file, open for reading.

    Raises FormatError where it is damaged, at once or while it is read; UsageError where h5py is not installed.
    """
    h5py = require_h5py(otherwise)
    try:
        with h5py.File(path, "r") as file:
            yield file
    except KinemaError:
        raise
    except _BROKEN as error:
        got = str(error).split("\n")[0] or type(error).__name__
        raise FormatError(where=str(path), expected="an HDF5 file", got=got, cure=_CURE) from error


def h5_array(group: Any, key: str, where: Path) -> Shaped[np.ndarray, "..."]:
    """An array below a group of an open HDF5 file.

    Raises FormatError where there is none, or where it claims to be far larger than the file.
    """
    found = group.get(key)
    shape, kind = getattr(found, "shape", None), getattr(found, "dtype", None)
    if shape is None or kind is None:
        got = ", ".join(list(group)[:8]) or "nothing"
        raise FormatError(where=f"{where}, {group.name}", expected=f"an array '{key}'", got=got, cure=_CURE)
    if found.size * kind.itemsize > room_for(where):
        got = f"{kind} of shape {shape}"
        raise FormatError(where=f"{where}, {key}", expected="an array no larger than its file", got=got, cure=_CURE)
    return np.asarray(found[()])
