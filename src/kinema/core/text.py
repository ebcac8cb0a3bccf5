"""Text, JSON and CSV from files of any origin: encodings are guessed, and every fault ends in a FormatError."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from kinema.core.errors import damaged

_BOMS = {"utf-8-sig": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
DEEPEST = 100  # objects within objects; no format of ours has ten
LONGEST = 300  # digits: a number of more is beyond floating point
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


def read_json(path: Path) -> Any:
    """What a JSON file holds. Any encoding of `kinema.core.text`.

    Raises FormatError where it is no JSON, nested without end, or of unprintable text.
    """
    return parse_json(path.read_bytes(), path.name)


def parse_json(data: bytes, where: str) -> Any:
    """What JSON text holds; `where` is what errors call it. Raises FormatError as `read_json` does."""
    try:
        text = decode(data)[0]
        page = json.loads(text, parse_int=_whole)
        if "\\ud" in text or "\\uD" in text:  # half of a pair, which can be neither shown nor written
            json.dumps(page, ensure_ascii=False).encode()
    except RecursionError as error:
        raise damaged(where, "JSON", "brackets within brackets without end") from error
    except ValueError as error:
        raise damaged(where, "JSON", str(error)) from error
    _check_depth(page, where)
    return page


def read_table(path: Path, required: Sequence[str], columns: str) -> Iterator[tuple[int, dict[str, str]]]:
    """The lines of a CSV file with a line of names on top: number of the line, and its cells by name, stripped.

    `columns` is how errors describe the table. Raises FormatError naming the line where a required column is missing or
    the file is no table.
    """
    try:
        with io.StringIO(decode(path.read_bytes())[0], newline="") as text:
            reader = csv.DictReader(text)
            names = list(reader.fieldnames or ())
            if not set(required) <= set(names):
                got = ", ".join(names) or "an empty file"
                raise damaged(f"{path}:1", f"the columns {columns}", got, "Write them as the first line.")
            for row in reader:
                cells = cast("dict[str | None, str | None]", row)
                yield reader.line_num, {name: (cells.get(name) or "").strip() for name in names}
    except csv.Error as error:
        raise damaged(f"{path}", "a table of text", str(error), "Save the table as CSV.") from error


def _whole(digits: str) -> int:
    if len(digits) > LONGEST:
        raise ValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _check_depth(page: Any, where: str) -> None:
    level = [page]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for part in level:
            inside: Any = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
            inner += [one for one in inside if isinstance(one, (dict, list))]
        if not inner:
            return
        level = inner
    raise damaged(where, f"JSON of at most {DEEPEST} levels", "more")


def number(word: str | bytes) -> float | None:
    """The number that a word says; None where it says none."""
    try:
        return float(word)
    except ValueError:
        return None
