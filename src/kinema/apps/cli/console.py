"""What commands have in common: options that mean the same everywhere, and words for people, on standard error."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

Json = Annotated[bool, Parameter(name="--json", negative="", help="Write what was done on standard output, as JSON.")]
JointMapFile = Annotated[Path | None, Parameter(name="--map")]
"""A joint map on the command line (`kinema.motion.retargeting.joint_map`)."""

stderr = Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """One line that the user should know."""
    stderr.print(f"note: {text}", style="yellow", markup=False)
