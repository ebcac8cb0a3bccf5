"""Stand-ins for what pickles of numpy arrays name: each checks what it is given before an array is made of it.

None of numpy's own reconstruction is called, since it trusts its input.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, cast

import numpy as np

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
