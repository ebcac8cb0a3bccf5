"""Reading pickles of arrays without running anything that they say.

A pickle is a program: it names functions and calls them. Here a name is looked up in a table of our own (arrays and
numbers of numpy under the module names of its versions 1 and 2, tensors, ordered dictionaries, sets), and every entry
is a stand-in that checks what it is given; any other name refuses the file. No module is imported on a file's word.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch

from kinema.core.errors import FormatError
from kinema.core.safe_pickle_arrays import ALLOWED, Call, Finished, StandIn
from kinema.core.safe_pickle_scan import check_pickle
from kinema.core.safe_zip import Archive, open_archive, read_header

_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


def read_pickle(path: Path) -> object:
    """What a pickle file holds: numbers, text, containers, numpy arrays and tensors.

    Raises FormatError where it asks for anything else, naming it, or is damaged; nothing of it is run.
    """
    return _read(path.read_bytes(), str(path))


def read_object_npz(path: Path, key: str) -> object:
    """The object in an NPZ file's array `key` of shape () and type object: what `numpy.savez(path, key=dict)` writes.

    Raises FormatError where there is no such array or its pickle asks for anything but arrays and containers.
    """
    where = f"{path}, {key}"
    with open_archive(path) as archive:
        if key not in archive.keys:
            raise _refused(str(path), f"an array called {key}", ", ".join(archive.keys) or "an empty archive")
        found = _read(_after_header(archive.member(f"{key}.npy"), where), where)
    if not isinstance(found, np.ndarray) or found.shape != () or found.dtype != object:
        raise _refused(where, "one object", type(found).__name__)
    return cast("object", found[()])


def read_torch(path: Path) -> object:
    """What PyTorch saved, as a zip file (since version 1.6) or as pickles in a row (before), with tensors on the CPU.

    Raises FormatError where it asks for anything but tensors, arrays and containers, or is damaged; nothing of it is
    run.
    """
    if path.is_file():
        with path.open("rb") as start:
            if start.read(2) == b"\x80\x02":
                return _read_legacy(path.read_bytes(), str(path))
    with open_archive(path, "a zip file as PyTorch has saved them since 1.6") as archive:
        inside = [name for name in archive.names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(inside) != 1:
            raise _refused(str(path), "one data.pkl in the archive", f"{len(inside)}")
        folder = inside[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.names and archive.member(f"{folder}byteorder").strip() != b"little":
            raise _refused(str(path), "numbers of little-endian order", "another order")
        return _read(archive.member(inside[0]), str(path), _Storages(archive, folder, str(path)))


def _after_header(data: bytes, where: str) -> bytes:
    """What stands behind the header of an array of objects. Raises FormatError where it is an array of another kind."""
    file = io.BytesIO(data)
    try:
        _, _, dtype = read_header(file)
    except (ValueError, EOFError) as error:
        raise _refused(where, "an array of numpy's format", str(error).split("\n")[0]) from error
    if not dtype.hasobject:
        raise _refused(where, "an array that holds one object", f"an array of {dtype}")
    return data[file.tell() :]


_MAGIC = 0x1950A86A20F9469CFC6C


def _read(data: bytes, where: str, storages: _Storages | None = None) -> object:
    try:
        check_pickle(data)
        return Finished().of(_Restricted(io.BytesIO(data), where, storages).load())
    except FormatError:
        raise
    # Damage shows as any error there is, from IndexError to MemoryError.
    except Exception as error:
        got = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise _refused(where, "a whole pickle of arrays and containers", got) from error


class _Restricted(pickle.Unpickler):
    """Finds in our own table only, whatever a pickle asks for."""

    def __init__(self, file: IO[bytes], where: str, storages: _Storages | _Rows | _Lone | None) -> None:
        # Latin-1 is what arrays of Python 2 need.
        super().__init__(file, encoding="latin1")
        self._where, self._storages = where, storages

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a global. Raises FormatError, with the global's name, for any that is not in the table."""
        if self._storages is not None and module == "torch" and name in _STORAGES:
            return _StorageKind(_STORAGES[name])
        if (module, name) in _TENSORS:
            return Call(_TENSORS[module, name])
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return Call(lambda data: _storage_of(data, self._where))
        make = ALLOWED.get((module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins"), name))
        if make is None:
            raise FormatError(
                where=self._where,
                expected="a pickle of numbers, text, numpy arrays and containers",
                got=f"one that asks for {module}.{name}",
                cure="It was refused, and nothing of it was run: get the file from its origin.",
            )
        return Call(make)

    def persistent_load(self, pid: Any) -> Any:
        """A tensor's numbers. Raises FormatError outside PyTorch's files."""
        if self._storages is None:
            raise _refused(self._where, "a pickle that is whole in itself", "a reference to data elsewhere")
        return self._storages.load(pid)


class _StorageKind(StandIn):
    """The name of a class of numbers, which cannot be called."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Storages:
    """The numbers of tensors, by key, each read once."""

    def __init__(self, archive: Archive, folder: str, where: str) -> None:
        self._archive, self._folder, self._where = archive, folder, where
        self._read: dict[str, torch.Tensor] = {}

    def load(self, pid: Any) -> torch.Tensor:
        """The numbers that ("storage", kind, key, place, count) names, as one row."""
        tag, kind, key, _, count = pid
        if tag != "storage" or not isinstance(kind, _StorageKind) or not isinstance(key, str):
            raise _refused(self._where, "a reference to a tensor's numbers", repr(pid)[:80])
        if key not in self._read:
            numbers = bytearray(self._archive.member(f"{self._folder}data/{key}"))
            row = torch.frombuffer(numbers, dtype=kind.dtype) if numbers else torch.empty(0, dtype=kind.dtype)
            if len(row) != count:
                raise _refused(self._where, f"{count} numbers in data/{key}", f"{len(row)}")
            self._read[key] = row
        return self._read[key]


class _Rows:
    """The numbers of tensors in a file of PyTorch before 1.6, by key. They stand behind the pickle that names them, so
    that it is read twice: first for kinds and counts alone."""

    def __init__(self, where: str, room: int) -> None:
        self._where, self._room = where, room
        self.named: dict[str, tuple[torch.dtype, int]] = {}
        self.rows: dict[str, torch.Tensor] = {}

    def load(self, pid: Any) -> torch.Tensor:
        """The numbers that ("storage", kind, key, place, count, view) names; at first, as many that mean nothing."""
        tag, kind, key, _, count = pid[:5]
        known = isinstance(kind, _StorageKind) and isinstance(key, str) and isinstance(count, int)
        if tag != "storage" or not known or any(part is not None for part in pid[5:]):
            raise _refused(self._where, "a reference to a tensor's numbers", repr(pid)[:80])
        dtype = cast("_StorageKind", kind).dtype
        if self.named.setdefault(key, (dtype, count)) != (dtype, count) or count < 0:
            raise _refused(self._where, "one kind and count for a tensor's numbers", repr(pid)[:80])
        if sum(count * kind.itemsize for kind, count in self.named.values()) > self._room:
            raise _refused(self._where, f"numbers of at most {self._room} bytes", f"{count} in storage {key}")
        if key not in self.rows:
            self.rows[key] = torch.empty(count, dtype=dtype)
        return self.rows[key]


def _read_legacy(data: bytes, where: str) -> object:
    """Five pickles (a mark, a version, the machine, the object, the keys), and for each key a count and the numbers."""
    file, found, rows, again = io.BytesIO(data), list[Any](), _Rows(where, len(data)), 0
    try:
        for place in range(5):
            check_pickle(data[file.tell() :])
            if place == 3:
                again = file.tell()
            found.append(_Restricted(file, where, rows).load())
        if found[0] != _MAGIC or found[1] != 1001 or sorted(found[4]) != sorted(rows.named):
            raise _refused(where, "a file as PyTorch saved them before 1.6", "another")
        for key in found[4]:
            kind, count = rows.named[key]
            numbers = bytearray(count * kind.itemsize)
            if int.from_bytes(file.read(8), "little") != count or file.readinto(numbers) != len(numbers):
                raise _refused(where, f"{count} numbers of {kind} in storage {key}", "others, or fewer")
            rows.rows[key] = torch.frombuffer(numbers, dtype=kind) if numbers else torch.empty(0, dtype=kind)
        file.seek(again)
        return Finished().of(_Restricted(file, where, rows).load())
    except FormatError:
        raise
    except Exception as error:  # as in `_read`
        got = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise _refused(where, "a whole file of PyTorch", got) from error


class _Lone:
    """The one storage that a pickled tensor carries with it; its numbers come behind the pickles."""

    def __init__(self) -> None:
        self.kind: torch.dtype | None = None

    def load(self, pid: Any) -> torch.Tensor:
        """An empty row in its place."""
        self.kind = pid[1].dtype if isinstance(pid[1], _StorageKind) else None
        return torch.empty(0)


def _storage_of(data: object, where: str) -> torch.Tensor:
    """The numbers in what PyTorch wrote before 1.6, and still puts into pickles: five pickles, a count, the numbers."""
    if not isinstance(data, bytes):
        raise _refused(where, "the bytes of a tensor", type(data).__name__)
    file, lone, found = io.BytesIO(data), _Lone(), list[Any]()
    for _ in range(5):
        check_pickle(data[file.tell() :])
        found.append(_Restricted(file, where, lone).load())
    count, kind = int.from_bytes(file.read(8), "little"), lone.kind
    rest = bytearray(file.read())
    if found[0] != _MAGIC or found[1] != 1001 or kind is None or len(found[4]) != 1:
        raise _refused(where, "a tensor as PyTorch pickles it", "another")
    if len(rest) != count * torch.empty(0, dtype=kind).element_size():
        raise _refused(where, f"{count} numbers of {kind}", f"{len(rest)} bytes")
    return torch.frombuffer(rest, dtype=kind) if rest else torch.empty(0, dtype=kind)


def _tensor(storage: object, offset: int, size: Any, stride: Any, *_: object) -> torch.Tensor:
    sizes, strides = [int(n) for n in size], [int(n) for n in stride]
    if not isinstance(storage, torch.Tensor) or len(sizes) != len(strides) or min([offset, *sizes, *strides]) < 0:
        raise ValueError("a tensor without numbers, or of a negative size")
    last = offset + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    count = math.prod(sizes)
    if count > len(storage) or (count and last >= len(storage)):
        raise ValueError(f"a tensor of shape {tuple(sizes)} beyond its {len(storage)} numbers")
    return torch.as_strided(storage, sizes, strides, offset).clone() if count else storage.new_empty(sizes)


def _parameter(data: object, *_: object) -> object:
    return data


_TENSORS: Mapping[tuple[str, str], Callable[..., object]] = {
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}


def _refused(where: str, expected: str, got: str) -> FormatError:
    return FormatError(
        where=where, expected=expected, got=got, cure="The file is damaged or of another kind: get it again."
    )
