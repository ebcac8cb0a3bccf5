"""Where words for people go: standard error, so that standard output stays data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

JointMapFile = Annotated[Path | None, Parameter(name="--map")]
"""A joint map on the command line (`kinema.motion.retargeting.joint_map`)."""

stderr = Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """One line that the user should know."""
    stderr.print(f"note: {text}", style="yellow", markup=False)
