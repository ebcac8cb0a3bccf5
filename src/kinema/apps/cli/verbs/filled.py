"""What upsample, inbetween and repair do when they are called: answer, write, report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from kinema.apps.batch.tasks import Completing, numbered, pages
from kinema.apps.cli.console import note
from kinema.apps.cli.many import Many, is_folder, run_many
from kinema.core.atomic import write_text
from kinema.io.formats import save
from kinema.motion.motion import Clip
from kinema.pipeline.clip_files import open_source
from kinema.pipeline.completion.complete import Completed
from kinema.pipeline.pipeline import open as open_pipeline


def fill(
    work: Completing, file: Path, out: Path | None, word: str, many: Many, report: Path | None, *, as_json: bool
) -> int:
    """The work on a file, or on every one of a folder; the exit code. `word` is in the name of the default OUT."""
    if is_folder(file):
        return run_many(work, file, out, many, report=report, as_json=as_json)
    source = open_source(file, work.files)
    done = work.done(source, open_pipeline(work.model))
    path = out or source.beside(word)
    source.write(done, path)
    tell(done, path, report, as_json=as_json)
    return 0


def write_samples(clips: Clip, out: Path) -> None:
    """Several samples in files of their own, or in one NPZ."""
    if not clips.batch_shape or out.suffix == ".npz":
        save(clips, out)
        return
    for index, path in enumerate(numbered(out, clips.batch_shape.numel())):
        save(clips.one(index), path)


def tell(done: Mapping[str, Completed], path: Path, report: Path | None, *, as_json: bool) -> None:
    """What was filled: on standard output the file, or JSON; for people a line for each way in which it was."""
    page = {"file": str(path), **pages(done)}
    if report is not None:
        write_text(report, json.dumps(page, indent=2) + "\n")
    if as_json:
        print(json.dumps(page))
        return
    for who, each in done.items():
        for line in each.report.lines():
            note(f"{who}: {line}" if who else line)
    print(path)
