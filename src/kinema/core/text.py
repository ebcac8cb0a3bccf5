"""Text in the encodings that motion files have: guessed once from the bytes, and written back in the same."""

from __future__ import annotations

import codecs

_BOMS = {"utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
_LOOKED_AT = 1 << 20  # bytes: names stand at the beginning


def guess_encoding(data: bytes) -> str:
    """utf-8, utf-8-sig, utf-16-le, utf-16-be, cp932 (Shift-JIS), gb18030 (GBK) or latin-1, as Python names them.

    Without a byte order mark, UTF-16 shows by its zero bytes and UTF-8 by being valid; of the others the one wins in
    which most characters are common ones.
    """
    for name, mark in _BOMS.items():
        if data.startswith(mark):
            return name
    head = data[:_LOOKED_AT]
    for name, zeros in (("utf-16-le", head[1:200:2]), ("utf-16-be", head[:200:2])):
        if len(zeros) > 8 and zeros.count(0) > 0.9 * len(zeros):
            return name
    try:
        head.decode()
        return "utf-8"
    except UnicodeDecodeError as error:
        if error.start > len(head) - 4 and len(head) < len(data):  # a character that was cut in two
            return "utf-8"
    return max(("cp932", "gb18030", "latin-1"), key=lambda name: _common(head, name))


def decode(data: bytes) -> tuple[str, str]:
    """The text, without a byte order mark, and its encoding. Nothing is refused: damage becomes U+FFFD."""
    name = guess_encoding(data)
    return data.removeprefix(_BOMS.get(name, b"")).decode(name.removesuffix("-sig"), errors="replace"), name


def plain(data: bytes) -> bytes:
    """The text as UTF-8 without a byte order mark; bytes that are that already are not copied."""
    name = guess_encoding(data)
    if name in ("utf-8", "utf-8-sig"):
        return data.removeprefix(_BOMS.get(name, b""))
    return decode(data)[0].encode()


def encode(text: str, encoding: str, *, first: bool = True) -> bytes:
    """The text in an encoding of `guess_encoding`; with its byte order mark where it is the `first` of a file.

    Characters that the encoding lacks are written as "?".
    """
    mark = _BOMS.get(encoding, b"") if first else b""
    return mark + text.encode(encoding.removesuffix("-sig"), errors="replace")


def _common(head: bytes, encoding: str) -> float:
    """The share of the characters outside ASCII that are everyday ones of the encoding; -1 where bytes do not fit."""
    try:
        found = [letter for letter in head.decode(encoding, errors="strict") if letter > "\x7f"]
    except UnicodeDecodeError:
        return -1.0
    return sum(_is_common(letter, encoding) for letter in found) / max(len(found), 1)


def _is_common(letter: str, encoding: str) -> bool:
    written = letter.encode(encoding)
    if encoding == "latin-1":
        return letter.isalpha()
    if len(written) != 2:
        return False
    # First-level characters: JIS X 0208 rows 1-47, GB 2312 rows 1-55.
    if encoding == "cp932":
        return 0x81 <= written[0] <= 0x98
    return 0xA1 <= written[0] <= 0xD7 and written[1] >= 0xA1
