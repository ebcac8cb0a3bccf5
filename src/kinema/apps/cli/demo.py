"""`kinema demo`: the first five minutes."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from kinema.apps.cli.console import stderr
from kinema.apps.cli.options import OutRequired


def demo(*, out: OutRequired = Path("kinema-demo"), seed: int = 0) -> None:
    """Run the shipped models on a recording and on procedural motion; needs no network and no GPU.

    Parameters
    ----------
    out
        The folder to write to.
    seed
        The seed of the procedural motion; another seed, another performer.
    """
    stderr.print("loading torch ...")
    from kinema.apps.demo import MODEL
    from kinema.apps.demo import demo as run

    done = run(out, seed=seed, say=lambda text: stderr.print(f"{text} ..."))
    console = Console()
    for title, lines in done.notes.items():
        print(f"\n{title}")
        for line in lines:
            print(f"  {line}")
        if title in done.scores:
            page = done.scores[title].table()
            table = Table(*page.columns, box=None)
            for row in page.rows:
                table.add_row(*row)
            console.print(table)
    print(f"\nwritten to {done.folder} ({done.seconds:.0f} s):")
    for name in done.files:
        print(f"  {done.folder / name}")
    program = _program()
    print("\nnext:")
    print(f"  {program} forecast {MODEL} YOUR.bvh -o future.bvh")
    print(f"  {program} view {done.folder / 'forecast.bvh'}")
    print(f"  {program} train simlpe --tiny --out runs/first")


def _program() -> str:
    """How the user can call this program again: by its name if that is found, else as they called it now."""
    called = Path(sys.argv[0])
    if called.name != "kinema":
        return "python -m kinema"
    return "kinema" if shutil.which("kinema") else sys.argv[0]
