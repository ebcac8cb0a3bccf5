"""A folder instead of a file: what the commands share when there are many files."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape

from kinema.apps.batch.jobs import Outcome, Piece, Work, pieces_in, report_of, run_job
from kinema.apps.batch.workers import EngineName, engine_of
from kinema.apps.cli.options import Inline
from kinema.core.atomic import write_text
from kinema.core.errors import UsageError, unknown_name
from kinema.core.progress import progress_to

if TYPE_CHECKING:
    from kinema.pipeline.requests import FileOptions

REPORT = "kinema-report.json"
_SHOWN = 12  # failed files before the rest is only counted


@dataclass(frozen=True)
class Many:
    """How to work on a folder of files."""

    jobs: int = 1
    """For a folder: the number of files at once."""
    engine: EngineName = "local"
    """For a folder. local: processes of this machine. ray: actors on its Ray cluster (extra ray)."""
    pattern: Annotated[tuple[str, ...] | None, Parameter(negative=())] = None
    """For a folder: the files to take, at any depth, such as '*.bvh'. Default: every file that holds a motion."""


ManyFiles = Annotated[Many, Inline]
ONE = Many()


def is_folder(file: Path) -> bool:
    """Whether this is a folder of files, and not a folder with the keypoints of one video."""
    from kinema.io import keypoints

    return file.is_dir() and not keypoints.is_keypoints(file)


def suffix_of(format_: str | None) -> str | None:
    """The suffix of a format's files. Raises UsageError for a format that cannot be written."""
    if format_ is None:
        return None
    from kinema.io.formats import FORMATS

    if format_ in FORMATS and FORMATS[format_].save is not None:
        return FORMATS[format_].suffixes[0]
    suffixes = [suffix for one in FORMATS.values() if one.save is not None for suffix in one.suffixes]
    if (wanted := f".{format_.lower().lstrip('.')}") not in suffixes:
        raise unknown_name("format", format_, [suffix.lstrip(".") for suffix in suffixes])
    return wanted


def run_many(
    work: Work,
    folder: Path,
    out: Path | None,
    many: Many,
    suffix: str | Callable[[Path], str],
    *,
    files: FileOptions,
    pictures: bool = True,
    report: Path | None = None,
    as_json: bool = False,
) -> int:
    """Do the work on every file of a folder, write a report and print a table; exit code 1 if a file failed.

    `suffix` is that of the results; not `pictures`: points of a picture are left out.
    """
    from kinema.io.formats import LoadOptions

    if out is None:
        raise UsageError(expected="a folder for the results", got="none", cure=f"Type -o {folder.name}-out.")
    given = LoadOptions(**files.arguments())
    pieces = pieces_in(folder, out, patterns=many.pattern, suffix=suffix, given=given, pictures=pictures)
    return run_pieces(work, pieces, out, many, report, as_json=as_json)


def own_suffix(file: Path) -> str:
    """The suffix of what `upsample` and `repair` make of a file: keypoints keep their layout."""
    from kinema.io import keypoints
    from kinema.io.formats import written_as

    return file.suffix if keypoints.is_keypoints(file) else written_as(file)


def run_pieces(
    work: Work, pieces: Sequence[Piece], out: Path, many: Many, report: Path | None = None, *, as_json: bool = False
) -> int:
    """Do the work on these files; see `run_many`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    begun, outcomes = time.monotonic(), list[Outcome]()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar, progress_to(None):
        task = bar.add_task("files", total=len(pieces))
        for outcome in run_job(work, pieces, out, engine_of(many.engine, many.jobs)):
            outcomes.append(outcome)
            bar.update(task, completed=len(outcomes), description=outcome.piece.source.name[-30:])
    path = report or out / REPORT
    page = report_of(work, outcomes, time.monotonic() - begun, path.parent)
    write_text(path, json.dumps(page, indent=1) + "\n")
    _show(outcomes, page["seconds"])
    print(json.dumps(page) if as_json else path)
    return 1 if page["failed"] else 0


def _show(outcomes: Sequence[Outcome], seconds: float) -> None:
    from rich.table import Table

    console = Console(stderr=True, highlight=False)
    failed = [one for one in outcomes if one.status == "failed"]
    for one in failed[:_SHOWN]:
        text = (one.error or {}).get("text", "")
        console.print(f"[red]failed[/] {escape(str(one.piece.source))}: {escape(text)}", soft_wrap=True)
    if len(failed) > _SHOWN:
        console.print(f"... and {len(failed) - _SHOWN} more; the report lists all")
    count = Counter(one.status for one in outcomes)
    table = Table("done", "kept", "failed", "seconds", box=None)
    table.add_row(*(str(count[status]) for status in ("done", "kept", "failed")), f"{seconds:.1f}")
    console.print(table)
