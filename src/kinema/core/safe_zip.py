"""Reading arrays (NPY) and zip archives of them (NPZ, and what PyTorch saves) that may come from anywhere.

An archive states the size of its members, and an array its shape: both are accepted only where they fit each other and
the file on disk. Nothing is unpacked to more than a hundred times the file's size (a quarter
of a gigabyte for small ones), no pickle is opened here, and all damage ends in a FormatError.
"""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from kinema.core.errors import KinemaError, damaged

ROOM = 256 << 20  # bytes that any file may unpack to
RATIO = 100  # bytes for each byte on disk; recordings of motion shrink to a half or a fifth
_PIECE = 1 << 20


def room_for(path: Path) -> int:
    """How many bytes the contents of a file may take in memory."""
    return max(ROOM, RATIO * path.stat().st_size)


class Archive:
    """A zip archive that is open for reading."""

    def __init__(self, file: zipfile.ZipFile, where: str, room: int) -> None:
        self._file, self._where, self._room = file, where, room
        self.names = tuple(file.namelist())

    @property
    def keys(self) -> tuple[str, ...]:
        """The names of the arrays, as numpy gives them: without ".npy"."""
        return tuple(name.removesuffix(".npy") for name in self.names)

    def member(self, name: str) -> bytes:
        """A member's bytes. Raises FormatError where there is no such member, or no room for it."""
        with self._open(name) as (file, size):
            self._take(name, size)
            return file.read()

    def shape(self, key: str) -> tuple[int, ...]:
        """The shape of an array, without its numbers."""
        with self._open(self._name(key)) as (file, _):
            return read_header(file)[0]

    def array(self, key: str) -> NDArray[Any]:
        """An array. Raises FormatError where it is damaged, or a pickle."""
        with self._open(self._name(key)) as (file, size):
            self._take(key, size)
            return _read_array(file, size, f"{self._where}, key '{key}'")

    def _name(self, key: str) -> str:
        return f"{key}.npy" if f"{key}.npy" in self.names else key

    def _take(self, name: str, size: int) -> None:
        self._room -= size
        if self._room < 0:
            got = f"'{name}' with {size} bytes"
            raise damaged(self._where, f"contents of at most {RATIO} times the file's size", got)

    @contextlib.contextmanager
    def _open(self, name: str) -> Generator[tuple[IO[bytes], int]]:
        if name not in self.names:
            raise damaged(self._where, f"an array called {name}", ", ".join(self.keys) or "an empty archive")
        entry = self._file.getinfo(name)
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise damaged(f"{self._where}, {name}", "a member that is stored or deflated", "another compression")
        with self._file.open(entry) as file:
            yield file, entry.file_size


@contextlib.contextmanager
def open_archive(path: Path, expected: str = "an NPZ archive") -> Generator[Archive]:
    """A zip archive, open for reading; errors call it `expected`.

    Raises FormatError where it is damaged, at once or while it is read; PermissionError where it may not be read.
    """
    with refusing_damage(path.name, expected, "a damaged archive ({})"), zipfile.ZipFile(path) as file:
        yield Archive(file, path.name, room_for(path))


@contextlib.contextmanager
def refusing_damage(where: str, expected: str, got: str = "{}") -> Generator[None]:
    """Inside, whatever damage shows as becomes a FormatError; {} in `got` stands for the reason."""
    try:
        yield
    except (KinemaError, PermissionError):
        raise
    # Any error there is, from BadZipFile and IndexError to MemoryError and a SyntaxError in an array's header.
    except Exception as error:
        reason = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise damaged(where, expected, got.format(reason)) from error


def read_npz(path: Path, keys: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file, decompressed: all of them, or those of `keys` that are there.

    Raises FormatError where the file is no NPZ, is damaged, or holds pickled objects.
    """
    with open_archive(path, "an NPZ archive of plain arrays") as archive:
        arrays = [name.removesuffix(".npy") for name in archive.names if name.endswith(".npy")]
        return {key: archive.array(key) for key in arrays if keys is None or key in set(keys)}


def read_npy(path: Path) -> NDArray[Any]:
    """The array in an .npy file. Raises FormatError where it is damaged or an array of objects."""
    with path.open("rb") as file, refusing_damage(str(path), "an array of numpy's format"):
        return _read_array(file, path.stat().st_size, str(path))


def read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether by column, and kind of numbers of an array in numpy's format; `file` is then behind its header."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def _read_array(file: IO[bytes], size: int, where: str) -> NDArray[Any]:
    """The array in numpy's format that `file`, of `size` bytes, begins with."""
    shape, by_column, kind = read_header(file)
    size -= file.tell()
    if kind.hasobject:
        got = "a pickled object, which is refused because it could run code"
        raise damaged(where, "plain arrays", got, "Save it without objects.")
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != size:
        raise damaged(where, "as many numbers as the array's shape says", f"{size} bytes for {kind} of shape {shape}")
    buffer = np.empty(size, dtype=np.uint8)
    for start in range(0, size, _PIECE):
        piece = file.read(_PIECE)
        buffer[start : start + len(piece)] = np.frombuffer(piece, np.uint8)
    flat = buffer.view(kind) if kind.itemsize else np.zeros(math.prod(shape), kind)
    if kind.kind == "U" and kind.itemsize:
        _check_text(flat, where)
    return flat.reshape(shape, order="F" if by_column else "C")


def _check_text(flat: NDArray[Any], where: str) -> None:
    codes = flat.astype(flat.dtype.newbyteorder("=")).view(np.uint32)
    if ((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise damaged(where, "text", "characters that there are not")
