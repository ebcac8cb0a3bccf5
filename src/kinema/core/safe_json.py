"""Reading JSON and CSV that may come from anywhere: every fault ends in a FormatError."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from kinema.core.errors import FormatError
from kinema.core.text import decode

DEEPEST = 100  # objects within objects; no format of ours has ten
LONGEST = 300  # digits: a number of more is beyond floating point


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
        raise _wrong(where, "JSON", "brackets within brackets without end") from error
    except ValueError as error:
        raise _wrong(where, "JSON", str(error)) from error
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
                raise _wrong(f"{path}:1", f"the columns {columns}", got, "Write them as the first line.")
            for row in reader:
                cells = cast("dict[str | None, str | None]", row)
                yield reader.line_num, {name: (cells.get(name) or "").strip() for name in names}
    except csv.Error as error:
        cure = "Save the table as CSV."
        raise _wrong(f"{path}", "a table of text", str(error), cure) from error


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
    raise _wrong(where, f"JSON of at most {DEEPEST} levels", "more")


def _wrong(where: str, expected: str, got: str, cure: str = "") -> FormatError:
    return FormatError(
        where=where,
        expected=expected,
        got=got,
        cure=cure or "The file is cut short or of another kind: write it again.",
    )
