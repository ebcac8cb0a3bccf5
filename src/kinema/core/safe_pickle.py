"""Reading pickles of arrays without running anything that they say.

A pickle is a program: it names functions and calls them. Here a name is looked up in our own table (arrays and numbers
of numpy 1 and 2, tensors, ordered dictionaries, sets), and every entry is a stand-in that checks its arguments; a file
that names anything else is refused. No module is imported because a file names it. The reconstruction of numpy and
PyTorch is not called, since it trusts its input. Python's own unpickler is used, not the one in C: it reserves nothing
that a file only claims to need, and it can stop where the bytes of an array begin, as joblib writes them.
"""

from __future__ import annotations

import bz2
import io
import lzma
import math
import pickle
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch

from kinema.core.errors import FormatError, damaged
from kinema.core.safe_zip import open_archive, read_header, refusing_damage, room_for

_DTYPE = re.compile(r"\?|[biufcSUO]\d*")
_MAGIC = 0x1950A86A20F9469CFC6C  # in front of what PyTorch saved before 1.6
DEEPEST = 500  # tuples within tuples, which are hashed and freed by recursion
_STORAGES = {
    "DoubleStorage": torch.float64, "FloatStorage": torch.float32, "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
_COMPRESSED: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x78", zlib.decompressobj), (b"\x1f\x8b", lambda: zlib.decompressobj(31)), (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
)  # fmt: skip


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
            raise damaged(str(path), f"an array called {key}", ", ".join(archive.keys) or "an empty archive")
        file = io.BytesIO(archive.member(f"{key}.npy"))
        _, _, kind = read_header(file)
        if not kind.hasobject:
            raise damaged(where, "an array that holds one object", f"an array of {kind}")
    found = _read(file.read(), where)
    if not isinstance(found, np.ndarray) or found.shape != () or found.dtype != object:
        raise damaged(where, "one object", type(found).__name__)
    return cast("object", found[()])


def read_torch(path: Path) -> object:
    """What PyTorch saved, as a zip file (since version 1.6) or as pickles in a row (before), with tensors on the CPU.

    Raises FormatError where it asks for anything but tensors, arrays and containers, or is damaged; nothing of it is
    run.
    """
    where = str(path)
    if path.is_file():
        with path.open("rb") as start:
            if start.read(2) == b"\x80\x02":
                start.seek(0)
                with refusing_damage(where, "a whole file of PyTorch"):
                    return _Finished().of(_pickles_in_a_row(start.read(), where))
    with open_archive(path, "a zip file as PyTorch has saved them since 1.6") as archive:
        inside = [name for name in archive.names if name == "data.pkl" or name.endswith("/data.pkl")]
        if len(inside) != 1:
            raise damaged(where, "one data.pkl in the archive", f"{len(inside)}")
        folder = inside[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.names and archive.member(f"{folder}byteorder").strip() != b"little":
            raise damaged(where, "numbers of little-endian order", "another order")
        with refusing_damage(where, "a whole pickle of tensors, arrays and containers"):
            storages: dict[str, _Storage] = {}
            found = _Reader(io.BytesIO(archive.member(inside[0])), where, storages).load()
            for key, storage in storages.items():
                storage.fill(archive.member(f"{folder}data/{key}"))
            return _Finished().of(found)


def read_any(path: Path) -> object:
    """What a file of PyTorch or a pickle holds, also one that joblib wrote or that is compressed (zlib, gzip, bz2, xz).

    Raises FormatError where it asks for anything but tensors, arrays and containers, or is damaged; nothing is run.
    """
    data, where = path.read_bytes(), str(path)
    if data[:2] == b"PK" or _MAGIC.to_bytes(10, "little") in data[:16]:
        return read_torch(path)
    opener = next((opener for mark, opener in _COMPRESSED if data.startswith(mark)), None)
    if opener is not None:
        with refusing_damage(where, "a compressed pickle"):
            data = opener().decompress(data, room_for(path) + 1)
        if len(data) > room_for(path):
            raise damaged(where, "contents of a usual size", f"more than {room_for(path)} bytes")
    return _read(data, where)


def _read(data: bytes, where: str) -> object:
    with refusing_damage(where, "a whole pickle of arrays and containers"):
        return _Finished().of(_Reader(io.BytesIO(data), where).load())


def _pickles_in_a_row(data: bytes, where: str) -> object:
    """What PyTorch wrote before 1.6, and still puts into pickles of tensors; not finished yet.

    Five pickles (a mark, a version, the machine, the object, the keys), and for each key a count and the numbers.
    """
    file, storages = io.BytesIO(data), dict[str, _Storage]()
    mark, version, _, found, keys = (_Reader(file, where, storages).load() for _ in range(5))
    if mark != _MAGIC or version != 1001 or sorted(keys) != sorted(storages):
        raise damaged(where, "a file as PyTorch saved them before 1.6", "another")
    for key in keys:
        storage = storages[key]
        if int.from_bytes(file.read(8), "little") != storage.count:
            raise damaged(where, f"{storage.count} numbers in storage {key}", "another count")
        storage.fill(file.read(storage.count * storage.dtype.itemsize))
    return found


class StandIn:
    """What a pickle is handed in place of what it names; it never stays in what was read."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Raises ValueError: a pickle sets no state here."""
        raise ValueError(f"a state given to a {type(self).__name__.lower()}")


class Call(StandIn):
    """A function of ours under another's name. It has no state that a pickle could set, and makes no classes."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., object]) -> None:
        self._make = make

    def __call__(self, *args: object) -> object:
        """What the function of ours makes of a pickle's arguments."""
        return self._make(*args)


class Dtype(StandIn):
    """The kind of an array's numbers."""

    __slots__ = ("numpy",)

    def __init__(self, code: object, *_: object) -> None:
        if not isinstance(code, str) or not _DTYPE.fullmatch(code):
            raise ValueError(f"an array of {code!r}")
        self.numpy: np.dtype[Any] = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order, names = state[1], state[3]
        if names is not None or order not in ("<", ">", "|", "="):
            raise ValueError("an array of records")
        self.numpy = self.numpy.newbyteorder(order)


class PickledArray(StandIn):
    """An array that is filled in the second step of its reconstruction."""

    __slots__ = ("contents", "dtype", "order", "shape")

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = (0,)
        self.dtype: np.dtype[Any] = np.dtype("u1")
        self.order: Any = "C"
        self.contents: bytes | bytearray | list[Any] = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # Arrays of the first versions have no version in front.
        shape, dtype, by_column, contents = state[-4:]
        self.fill(shape, dtype, "F" if by_column else "C", contents)

    def fill(self, shape: Any, dtype: Any, order: Any, contents: Any) -> PickledArray:
        """Raises ValueError where contents, shape and kind do not fit together."""
        raw = contents.encode("latin1") if isinstance(contents, str) else contents
        sizes = tuple(int(size) for size in shape)
        if not isinstance(dtype, Dtype) or min(sizes, default=0) < 0 or order not in ("C", "F"):
            raise ValueError("an array of an unknown kind, shape or order")
        objects = dtype.numpy.hasobject
        if not isinstance(raw, list if objects else (bytes, bytearray)):
            raise ValueError(f"an array of {dtype.numpy} in a {type(raw).__name__}")
        if len(cast("bytes", raw)) != math.prod(sizes) * (1 if objects else dtype.numpy.itemsize):
            raise ValueError(f"an array of shape {sizes} with {len(cast('bytes', raw))} entries or bytes")
        self.shape, self.dtype, self.order, self.contents = sizes, dtype.numpy, order, raw
        return self

    def finished(self, finish: Callable[[object], object]) -> np.ndarray[Any, Any]:
        """The array, its entries finished where it is one of objects."""
        if isinstance(self.contents, list):
            array = np.empty(len(self.contents), dtype=object)
            for place, entry in enumerate(self.contents):
                array[place] = finish(entry)
            return array.reshape(self.shape, order=self.order)
        row = np.frombuffer(self.contents, self.dtype) if self.contents else np.empty(0, self.dtype)
        return row.reshape(self.shape, order=self.order).astype(self.dtype.newbyteorder("="))


class JoblibArray(StandIn):
    """What stands in a file of joblib before the bytes of an array."""

    __slots__ = ("state",)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def read(self, file: io.BytesIO) -> PickledArray:
        """The array, whose bytes come next in the file. Raises ValueError for one of objects."""
        kind, shape = self.state["dtype"], self.state["shape"]
        if not isinstance(kind, Dtype) or kind.numpy.hasobject:
            raise ValueError("an array of objects")
        if self.state.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        contents = file.read(math.prod(int(size) for size in shape) * kind.numpy.itemsize)
        return PickledArray().fill(shape, kind, self.state["order"], contents)


class StorageKind(StandIn):
    """The name of a class of numbers, which cannot be called."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Storage(StandIn):
    """The numbers of tensors as one row, which is filled after the pickle that names it."""

    __slots__ = ("count", "dtype", "row")

    def __init__(self, dtype: torch.dtype, count: int) -> None:
        self.dtype, self.count, self.row = dtype, count, torch.empty(0, dtype=dtype)

    def fill(self, numbers: bytes) -> None:
        """Raises ValueError where these are not as many bytes as the numbers have."""
        if len(numbers) != self.count * self.dtype.itemsize:
            raise ValueError(f"{len(numbers)} bytes for {self.count} numbers of {self.dtype}")
        if numbers:
            self.row = torch.frombuffer(bytearray(numbers), dtype=self.dtype)

    def finished(self, finish: Callable[[object], object]) -> torch.Tensor:
        """The row."""
        del finish
        return self.row


class PickledTensor(StandIn):
    """A tensor on a storage whose numbers may come later."""

    __slots__ = ("offset", "sizes", "storage", "strides")

    def __init__(self, storage: object, offset: int, size: Any, stride: Any, *_: object) -> None:
        self.sizes, self.strides, self.offset = [int(n) for n in size], [int(n) for n in stride], int(offset)
        numbers = (self.offset, *self.sizes, *self.strides)
        if not isinstance(storage, _Storage) or len(self.sizes) != len(self.strides) or min(numbers) < 0:
            raise ValueError("a tensor without numbers, or of a negative size")
        self.storage = storage

    def finished(self, finish: Callable[[object], object]) -> torch.Tensor:
        """The tensor. Raises ValueError where it goes beyond its numbers."""
        del finish
        row, count = self.storage.row, math.prod(self.sizes)
        last = self.offset + sum((n - 1) * step for n, step in zip(self.sizes, self.strides, strict=True))
        if count > len(row) or (count and last >= len(row)):
            raise ValueError(f"a tensor of shape {tuple(self.sizes)} beyond its {len(row)} numbers")
        if not count:
            return row.new_empty(self.sizes)
        return torch.as_strided(row, self.sizes, self.strides, self.offset).clone()


class _Finished:
    """Puts real arrays and tensors where their stand-ins are; what is shared stays shared, and is visited once."""

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, object]] = {}  # the first of a pair keeps its id from being used again

    def of(self, part: object) -> object:
        """The part, finished. Raises ValueError where a stand-in is where none can be."""
        if id(part) in self._done:
            return self._done[id(part)][1]
        result = part
        if isinstance(part, list | dict):
            self._done[id(part)] = (part, part)
            own = cast("dict[Any, object]", part)
            for key in list(own) if isinstance(part, dict) else range(len(own)):
                own[self._plain(key)] = self.of(own[key])
        elif isinstance(part, tuple):
            result = tuple(self.of(entry) for entry in cast("tuple[object, ...]", part))
        elif isinstance(part, PickledArray | PickledTensor | _Storage):
            result = part.finished(self.of)
        elif isinstance(part, set | frozenset):
            for entry in cast("set[object]", part):
                self._plain(entry)
        else:
            self._plain(part)
        self._done[id(part)] = (part, result)
        return result

    def _plain(self, part: object) -> object:
        if isinstance(part, StandIn):
            raise ValueError(f"a bare {type(part).__name__.lower()}")
        return part


def _no_array(*_: object) -> object:
    raise ValueError("an array that is made by its class")


def _reconstruct(kind: object, *_: object) -> PickledArray:
    if not (isinstance(kind, Call) and kind._make is _no_array):  # pyright: ignore[reportPrivateUsage]
        raise ValueError("an array of another class than numpy's own")
    return PickledArray()


def _from_buffer(contents: object, dtype: object, shape: object, order: object, *_: object) -> PickledArray:
    return PickledArray().fill(shape, dtype, order, contents)


def _scalar(dtype: object, contents: object = b"") -> object:
    return PickledArray().fill((), dtype, "C", contents).finished(_Finished().of)[()]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in {encoding!r}")
    return text.encode("latin1")


def _parameter(data: object, *_: object) -> object:
    return data


_ALLOWED: Mapping[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): lambda: b"",
    ("builtins", "frozenset"): frozenset[Any],
    ("builtins", "set"): set[Any],
    ("collections", "OrderedDict"): OrderedDict[Any, Any],
    ("numpy", "dtype"): Dtype,
    ("numpy", "ndarray"): _no_array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_tensor_v2"): PickledTensor,
}
"""What a pickle may name, under the module names of Python 3 and numpy 1."""
_Unpickler: Any = vars(pickle)["_Unpickler"]


class _Reader(_Unpickler):
    """Python's unpickler, which finds in our own table only. `storages` collects what PyTorch's files refer to."""

    def __init__(self, file: io.BytesIO, where: str, storages: dict[str, _Storage] | None = None) -> None:
        # Latin-1 is what arrays of Python 2 need.
        super().__init__(file, encoding="latin1")
        self._source, self._where, self._storages = file, where, storages
        self._depths, self._kept = dict[int, int](), list[object]()

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a global. Raises FormatError, with the global's name, for any that is not in the table."""
        if self._storages is not None and module == "torch" and name in _STORAGES:
            return StorageKind(_STORAGES[name])
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return JoblibArray
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return Call(lambda data: _pickles_in_a_row(data, self._where))
        module_then = module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins")
        if (make := _ALLOWED.get((module_then, name))) is None:
            raise FormatError(
                where=self._where,
                expected="a pickle of numbers, text, numpy arrays and containers",
                got=f"one that asks for {module}.{name}",
                cure="It was refused, and nothing of it was run: get the file from its origin.",
            )
        return Call(make)

    def persistent_load(self, pid: Any) -> _Storage:
        """The storage that ("storage", kind, key, place, count) names, before 1.6 with a view of None.

        Raises FormatError outside PyTorch's files.
        """
        if self._storages is None:
            raise damaged(self._where, "a pickle that is whole in itself", "a reference to data elsewhere")
        tag, kind, key, _, count = pid[:5]
        known = isinstance(kind, StorageKind) and isinstance(key, str) and isinstance(count, int) and count >= 0
        if tag != "storage" or not known or any(part is not None for part in pid[5:]):
            raise damaged(self._where, "a reference to a tensor's numbers", repr(pid)[:80])
        storage = self._storages.setdefault(key, _Storage(kind.dtype, count))
        if (storage.dtype, storage.count) != (kind.dtype, count):
            raise damaged(self._where, "one kind and count for a tensor's numbers", repr(pid)[:80])
        return storage

    def _build(self) -> None:
        _Unpickler.load_build(self)
        if isinstance(self.stack[-1], JoblibArray):
            self.stack[-1] = self.stack[-1].read(self._source)

    def _bytearray(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        if len(data := self.read(size)) != size:
            raise ValueError(f"{len(data)} bytes of {size}")
        self.append(bytearray(data))

    def nest(self, code: int) -> None:
        """Follow an instruction that makes a tuple or a frozen set. Raises ValueError where they nest too deeply."""
        _Unpickler.dispatch[code](self)
        made = self.stack[-1]
        depth = 1 + max((self._depths.get(id(part), 0) for part in made), default=0)
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} tuples within each other")
        self._depths[id(made)] = depth
        self._kept.append(made)  # so that its id is not used again

    dispatch: ClassVar = {
        **_Unpickler.dispatch,
        pickle.BUILD[0]: _build,
        pickle.BYTEARRAY8[0]: _bytearray,  # the original reserves whatever length a file says
        **{
            code[0]: lambda reader, code=code[0]: reader.nest(code)
            for code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.FROZENSET)
        },
    }
