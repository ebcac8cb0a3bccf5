"""Where words for people go: standard error, so that standard output stays data."""

from __future__ import annotations

from rich.console import Console

stderr = Console(stderr=True, highlight=False)


def note(text: str) -> None:
    """One line that the user should know."""
    stderr.print(f"note: {text}", style="yellow", markup=False)
