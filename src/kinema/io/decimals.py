"""Tables of numbers as text, six digits after the point: the bytes of "%.6f", several times as fast.

A number is rounded to whole millionths, and these are looked up three digits at a time: four bytes a look-up, in which
bytes that are not needed are zero and dropped at the end.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

_MILLION = 10**6
_LARGEST = 2.0**30  # whole millionths of larger numbers are not exact in float64, and their digits not told here
_SIGNS = (b"\0", b"-")
_SEPARATORS = (b" ", b"\n")


def _words(before: tuple[bytes, ...], digits: list[bytes], after: tuple[bytes, ...] = (b"",)) -> NDArray[np.uint32]:
    """One four-byte word for each of `before`, `after` and `digits`, the last varying fastest."""
    return np.frombuffer(b"".join(a + number + b for a in before for b in after for number in digits), np.uint32)


_FULL = [b"%03d" % number for number in range(1000)]
_BARE = [(b"%d" % number).rjust(3, b"\0") for number in range(1000)]  # no zeros in front
_LEADING = [b"\0\0\0", *_BARE[1:]]  # and nothing at all for zero, where more digits follow
_UNITS = _words(_SIGNS, _BARE)
_FIRST = _words(_SIGNS, _LEADING)
_INNER = _words((b"\0",), [*_LEADING, *_FULL])  # then, from 1000 on, with zeros: there were digits before
_LAST = _words((b"\0",), [*_BARE, *_FULL])
_POINT = _words((b".",), _FULL)
_END = _words((b"",), _FULL, _SEPARATORS)


def lines(rows: Float[np.ndarray, "row column"]) -> bytes:
    """The rows as lines of numbers with a space between them; every line ends. Minus zero is written as 0."""
    if not rows.size:
        return b"\n" * len(rows)
    if not bool((np.abs(rows) < _LARGEST).all()):  # too large, or not a number
        line = " ".join(["%.6f"] * rows.shape[1]) + "\n"
        return "".join([line % tuple(row) for row in (np.round(rows, 6) + 0.0).tolist()]).encode()
    millionths = np.rint(rows * _MILLION).astype(np.int64)
    negative = (millionths < 0).astype(np.uint32) * np.uint32(1000)
    whole, rest = np.divmod(np.abs(millionths).astype(np.uint64), np.uint64(_MILLION))
    whole, rest = whole.astype(np.uint32), rest.astype(np.uint32)
    high = rest // np.uint32(1000)
    low = rest - high * np.uint32(1000)
    low[:, -1] += np.uint32(1000)
    words = [_POINT[high], _END[low]]
    if bool((whole < 1000).all()):
        words.insert(0, _UNITS[whole + negative])
    else:
        groups = [whole // np.uint32(1000**power) % np.uint32(1000) for power in (3, 2, 1, 0)]
        some = [(whole >= 1000**power).astype(np.uint32) * np.uint32(1000) for power in (3, 2, 1)]
        inner = [_INNER[groups[1] + some[0]], _INNER[groups[2] + some[1]]]
        words = [_FIRST[groups[0] + negative], *inner, _LAST[groups[3] + some[2]], *words]
    return np.stack(words, -1).tobytes().translate(None, b"\0")
