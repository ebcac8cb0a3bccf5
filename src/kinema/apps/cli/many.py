"""A folder instead of a file: what the verbs have in common when there are many files."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape

from kinema.apps.batch.jobs import Outcome, Piece, Work, pieces_in, report_of, run_job
from kinema.apps.batch.workers import EngineName, engine_of
from kinema.core.atomic import write_text
from kinema.core.errors import UsageError, unknown_name
from kinema.core.progress import progress_to

REPORT = "kinema-report.json"
_SHOWN = 12  # failed files before the rest is only counted


@dataclass(frozen=True)
class Many:
    """How a folder of files is worked on."""

    jobs: int = 1
    """Of a folder: how many files at once."""
    engine: EngineName = "local"
    """Of a folder: processes of this machine, or actors on the Ray cluster that it belongs to (extra ray)."""
    pattern: Annotated[tuple[str, ...], Parameter(negative=())] = ("*.bvh", "*.npz")
    """Of a folder: which files, at any depth."""


ManyFiles = Annotated[Many, Parameter(name="*")]
ONE = Many()


def is_folder(file: Path) -> bool:
    """Whether that is a folder of files, and not one whose files are the frames of one video."""
    from kinema.io import keypoints

    return file.is_dir() and not keypoints.is_keypoints(file)


def suffix_of(format_: str | None) -> str | None:
    """The suffix of a format's files. Raises UsageError for one that cannot be written."""
    if format_ is None:
        return None
    from kinema.io.formats import FORMATS

    suffixes = [suffix for one in FORMATS.values() if one.save is not None for suffix in one.suffixes]
    if (wanted := f".{format_.lower().lstrip('.')}") not in suffixes:
        raise unknown_name("format", format_, [suffix.lstrip(".") for suffix in suffixes])
    return wanted


def run_many(
    work: Work,
    folder: Path,
    out: Path | None,
    many: Many,
    suffix: str | None = None,
    *,
    report: Path | None = None,
    as_json: bool = False,
) -> int:
    """The work on every file of a folder; a report, a table, and exit code 1 where a file failed."""
    if out is None:
        raise UsageError(expected="a folder for the results of a folder", got="none", cure=f"Say -o {folder.name}-out.")
    return run_pieces(
        work, pieces_in(folder, out, patterns=many.pattern, suffix=suffix), out, many, report, as_json=as_json
    )


def run_pieces(
    work: Work, pieces: Sequence[Piece], out: Path, many: Many, report: Path | None = None, *, as_json: bool = False
) -> int:
    """The work on these files; see `run_many`."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    begun, outcomes = time.monotonic(), list[Outcome]()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar, progress_to(None):
        task = bar.add_task("files", total=len(pieces))
        for outcome in run_job(work, pieces, out, engine_of(many.engine, many.jobs)):
            outcomes.append(outcome)
            bar.update(task, completed=len(outcomes), description=outcome.piece.source.name[-30:])
    page = report_of(work, outcomes, time.monotonic() - begun)
    path = report or out / REPORT
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
        console.print(f"... and {len(failed) - _SHOWN} more; the report has them all")
    count = Counter(one.status for one in outcomes)
    table = Table("done", "kept", "failed", "seconds", box=None)
    table.add_row(*(str(count[status]) for status in ("done", "kept", "failed")), f"{seconds:.1f}")
    console.print(table)
