"""Reading NPZ archives of arrays, never of pickled objects; and the package that reads HDF5."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from kinema.errors import FormatError, UsageError


def read_archive(path: Path, required: Sequence[str]) -> dict[str, Shaped[np.ndarray, "..."]]:
    """Every array of an NPZ file, decompressed.

    Raises FormatError where the file is no NPZ, is cut short, holds pickled objects, or lacks a required array.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, OSError, EOFError, AttributeError, TypeError) as error:
        raise FormatError(
            where=str(path),
            expected="an NPZ archive of plain arrays, without pickled objects",
            got=str(error).split("\n")[0].rstrip(".") or type(error).__name__,
            cure="The file is damaged or of another kind: copy it again.",
        ) from error
    if lacking := [key for key in required if key not in arrays]:
        raise FormatError(
            where=str(path),
            expected=f"the arrays {', '.join(required)}",
            got=f"none called {', '.join(lacking)}",
            cure="Check that the file is the data pack that its name says.",
        )
    return arrays


def require_h5py(otherwise: str = "") -> Any:
    """The package h5py. Raises UsageError where it is not installed; `otherwise` says what would do without it."""
    try:
        return importlib.import_module("h5py")
    except ImportError as error:
        raise UsageError(
            expected="h5py, which reads and writes .h5",
            got="no such package",
            cure=f"pip install 'kinema[data]'{otherwise}.",
        ) from error
