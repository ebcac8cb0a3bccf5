"""Reading pickles of arrays without running anything that they say.

A pickle is a program: it names functions and calls them. Here a name is looked up in our own table (arrays and numbers
of numpy 1 and 2, tensors, ordered dictionaries, sets), and every entry is a stand-in that checks its arguments; a file
that names anything else is refused. No module is imported because a file names it, and numpy's own reconstruction is
not called, since it trusts its input. The instructions of a pickle are checked before it is run: what would exhaust
the memory or the stack is refused.
"""

from __future__ import annotations

import bz2
import io
import lzma
import math
import pickle
import pickletools
import re
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, cast

import numpy as np
import torch

from kinema.core.errors import FormatError
from kinema.core.safe_zip import Archive, open_archive, read_header, room_for

_DTYPE = re.compile(r"\?|[biufcSUO]\d*")


class StandIn:
    """What a pickle is handed in place of what it names; it never stays in what was read."""

    __slots__ = ()

    def __setstate__(self, state: Any) -> None:
        """Raises ValueError: a pickle sets no state here."""
        raise ValueError(f"a state given to a {self.called}")

    @property
    def called(self) -> str:
        """How errors name it."""
        return type(self).__name__.lower()


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

    def finished(self, entries: list[object] | None) -> np.ndarray[Any, Any]:
        """The array, with these entries where it is one of objects."""
        if entries is not None:
            array = np.empty(len(entries), dtype=object)
            for place, entry in enumerate(entries):
                array[place] = entry
            return array.reshape(self.shape, order=self.order)
        row = np.frombuffer(cast("bytes", self.contents), self.dtype) if self.contents else np.empty(0, self.dtype)
        return row.reshape(self.shape, order=self.order).astype(self.dtype.newbyteorder("="))


class Finished:
    """Puts the real arrays where their stand-ins are; what is shared stays shared, and is visited once."""

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
        elif isinstance(part, PickledArray):
            entries = [self.of(entry) for entry in part.contents] if isinstance(part.contents, list) else None
            result = part.finished(entries)
        elif isinstance(part, set | frozenset):
            for entry in cast("set[object]", part):
                self._plain(entry)
        else:
            self._plain(part)
        self._done[id(part)] = (part, result)
        return result

    def _plain(self, part: object) -> object:
        if isinstance(part, StandIn):
            raise ValueError(f"a bare {part.called}")
        return part


def _reconstruct(kind: object, *_: object) -> PickledArray:
    if not (isinstance(kind, Call) and kind._make is _no_array):  # pyright: ignore[reportPrivateUsage]
        raise ValueError("an array of another class than numpy's own")
    return PickledArray()


def _no_array(*_: object) -> object:
    raise ValueError("an array that is made by its class")


def _from_buffer(contents: object, dtype: object, shape: object, order: object, *_: object) -> PickledArray:
    return PickledArray().fill(shape, dtype, order, contents)


def _scalar(dtype: object, contents: object = b"") -> object:
    return PickledArray().fill((), dtype, "C", contents).finished(None)[()]


def _no_bytes() -> bytes:
    return b""


def _encode(text: str, encoding: str = "latin1") -> bytes:
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"text in {encoding!r}")
    return text.encode("latin1")


ALLOWED: Mapping[tuple[str, str], Callable[..., object]] = {
    ("_codecs", "encode"): _encode,
    ("builtins", "bytes"): _no_bytes,
    ("builtins", "frozenset"): frozenset[Any],
    ("builtins", "set"): set[Any],
    ("collections", "OrderedDict"): OrderedDict[Any, Any],
    ("numpy", "dtype"): Dtype,
    ("numpy", "ndarray"): _no_array,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
}
"""What a pickle may name, under the module names of Python 3 and numpy 1."""


DEEPEST = 500  # tuples within tuples, which are hashed and freed by recursion
_NESTING = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET", "REDUCE", "NEWOBJ", "NEWOBJ_EX", "INST", "OBJ"}
_READS = {"GET", "BINGET", "LONG_BINGET"}
_WRITES = {"PUT", "BINPUT", "LONG_BINPUT"}
_MARK = -1


def check_pickle(data: bytes) -> None:
    """Raises ValueError where a pickle is not whole, numbers what it remembers far beyond its length, or nests deeply.

    The unpickler makes a table as long as the largest number that something is remembered by, and reserves what a
    length says before it looks whether so much is there. Stack and table are followed here by depths alone.
    """
    stack: list[int] = []
    memo: dict[int, int] = {}
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        numbered = name in _WRITES or name in _READS or name == "FRAME"
        if numbered and not (isinstance(argument, int) and 0 <= argument <= len(data)):
            raise ValueError(f"an entry number {argument} in {len(data)} bytes")
        if name in _READS:
            stack.append(memo.get(argument or 0, 0))
        elif name in _WRITES:
            memo[argument or 0] = stack[-1] if stack else 0
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1] if stack else 0
        elif name == "DUP":
            stack.append(stack[-1])
        elif name == "MARK":
            stack.append(_MARK)
        else:
            deepest = max(_taken(opcode, stack), default=0)
            if opcode.stack_after:
                stack.append(deepest + 1 if name in _NESTING else deepest if opcode.stack_before else 0)
                if stack[-1] > DEEPEST:
                    raise ValueError(f"more than {DEEPEST} tuples within each other")


def _taken(opcode: pickletools.OpcodeInfo, stack: list[int]) -> list[int]:
    """The depths of what an instruction takes from the stack."""
    wanted = opcode.stack_before
    if pickletools.markobject in wanted:
        taken: list[int] = []
        while stack and (top := stack.pop()) != _MARK:
            taken.append(top)
        under = wanted.index(pickletools.markobject)
        return taken + [stack.pop() for _ in range(min(under, len(stack)))]
    return [stack.pop() for _ in range(min(len(wanted), len(stack)))]


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


def read_npy(path: Path) -> np.ndarray[Any, Any]:
    """The array in an .npy file. Raises FormatError where it is damaged or an array of objects."""
    data = path.read_bytes()
    file = io.BytesIO(data)
    try:
        shape, by_column, kind = read_header(file)
        numbers = data[file.tell() :]
        if kind.hasobject:
            raise _refused(str(path), "an array of numbers", "one of objects, which only a pickle could hold")
        if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize != len(numbers):
            raise _refused(str(path), f"as many bytes as {kind} of shape {shape} has", f"{len(numbers)}")
        return np.frombuffer(numbers, kind).reshape(shape, order="F" if by_column else "C")
    except FormatError:
        raise
    except Exception as error:  # as in `_read`
        got = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise _refused(str(path), "an array of numpy's format", got) from error


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
        return _stand_in(module, name, self._where)

    def persistent_load(self, pid: Any) -> Any:
        """A tensor's numbers. Raises FormatError outside PyTorch's files."""
        if self._storages is None:
            raise _refused(self._where, "a pickle that is whole in itself", "a reference to data elsewhere")
        return self._storages.load(pid)


def _stand_in(module: str, name: str, where: str) -> Any:
    if (module, name) in _TENSORS:
        return Call(_TENSORS[module, name])
    if (module, name) == ("torch.storage", "_load_from_bytes"):
        return Call(lambda data: _storage_of(data, where))
    make = ALLOWED.get((module.replace("numpy._core", "numpy.core").replace("__builtin__", "builtins"), name))
    if make is None:
        raise FormatError(
            where=where,
            expected="a pickle of numbers, text, numpy arrays and containers",
            got=f"one that asks for {module}.{name}",
            cure="It was refused, and nothing of it was run: get the file from its origin.",
        )
    return Call(make)


_COMPRESSED: tuple[tuple[bytes, Callable[[], Any]], ...] = (
    (b"\x78", zlib.decompressobj), (b"\x1f\x8b", lambda: zlib.decompressobj(31)), (b"BZh", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", lzma.LZMADecompressor),
)  # fmt: skip


def read_any(path: Path) -> object:
    """What a file of PyTorch or a pickle holds, also one that joblib wrote or that is compressed (zlib, gzip, bz2, xz).

    Raises FormatError where it asks for anything but tensors, arrays and containers, or is damaged; nothing is run.
    """
    data = path.read_bytes()
    if data[:2] == b"PK" or _MAGIC.to_bytes(10, "little") in data[:16]:
        return read_torch(path)
    for mark, opener in _COMPRESSED:
        if data.startswith(mark):
            try:
                data = opener().decompress(data, room_for(path) + 1)
            except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
                raise _refused(str(path), "a compressed pickle", str(error)) from error
            if len(data) > room_for(path):
                raise _refused(str(path), "contents of a usual size", f"more than {room_for(path)} bytes")
            break
    if b"joblib.numpy_pickle" not in data:
        return _read(data, str(path))
    try:
        return Finished().of(_Joblib(io.BytesIO(data), str(path)).load())
    except FormatError:
        raise
    except Exception as error:  # as in `_read`
        got = str(error).split("\n")[0].rstrip(".") or type(error).__name__
        raise _refused(str(path), "a whole file of joblib", got) from error


class _JoblibArray(StandIn):
    """What stands in a file of joblib before the bytes of an array."""

    __slots__ = ("state",)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def read(self, file: IO[bytes]) -> PickledArray:
        """The array, whose bytes come next in the file. Raises ValueError for one of objects."""
        kind, shape = self.state["dtype"], self.state["shape"]
        if not isinstance(kind, Dtype) or kind.numpy.hasobject:
            raise ValueError("an array of objects")
        if self.state.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        contents = file.read(math.prod(int(size) for size in shape) * kind.numpy.itemsize)
        return PickledArray().fill(shape, kind, self.state["order"], contents)


# The unpickler in Python can stop where an array's bytes begin; that in C cannot.
_Unpickler: Any = vars(pickle)["_Unpickler"]


def _nesting(code: int) -> Callable[[Any], None]:
    return lambda unpickler: unpickler.nest(code)


class _Joblib(_Unpickler):
    """Reads a pickle with the bytes of arrays in it; as `_Restricted` for names, as `check_pickle` for its limits."""

    def __init__(self, file: IO[bytes], where: str) -> None:
        super().__init__(file, encoding="latin1")
        self._source, self._where, self._depths, self._kept = file, where, dict[int, int](), list[object]()

    def find_class(self, module: str, name: str) -> Any:
        """As that of `_Restricted`, and joblib's mark of an array."""
        if module == "joblib.numpy_pickle" and name == "NumpyArrayWrapper":
            return _JoblibArray
        return _stand_in(module, name, self._where)

    def _build(self) -> None:
        _Unpickler.load_build(self)
        if isinstance(self.stack[-1], _JoblibArray):
            self.stack[-1] = self.stack[-1].read(self._source)

    def nest(self, code: int) -> None:
        """Follow an instruction that makes a tuple or a frozen set. Raises ValueError where they nest too deeply."""
        _Unpickler.dispatch[code](self)
        made = self.stack[-1]
        depth = 1 + max((self._depths.get(id(part), 0) for part in made), default=0)
        if depth > DEEPEST:
            raise ValueError(f"more than {DEEPEST} tuples within each other")
        self._depths[id(made)] = depth
        self._kept.append(made)  # so that its id is not used again

    def _refuse(self) -> None:
        raise ValueError("bytes that can change")

    dispatch: ClassVar = {
        **_Unpickler.dispatch,
        pickle.BUILD[0]: _build,
        pickle.BYTEARRAY8[0]: _refuse,  # it would reserve whatever length it says
        **{
            code[0]: _nesting(code[0])
            for code in (pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3, pickle.FROZENSET)
        },
    }


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
