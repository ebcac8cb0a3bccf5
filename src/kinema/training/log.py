"""Reports of a run: a line of JSON per logged step, a progress bar, TensorBoard."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from kinema.core.atomic import write_text
from kinema.core.errors import FormatError, require
from kinema.core.text import parse_json


class Reporter:
    """Receives the progress of a run. `step` counts finished steps."""

    def record(self, step: int, entry: Mapping[str, Any]) -> None:
        """Take a logged step: losses, rates, speed."""

    def advance(self, step: int, loss: float) -> None:
        """Take a finished step that need not be logged."""

    def close(self) -> None:
        """End, after a run that succeeded or failed."""


class JsonLines(Reporter):
    """Appends to a log of one JSON object per line; lines after `step`, of a run that was cut short, are dropped."""

    def __init__(self, file: Path, step: int) -> None:
        kept = [line for line, at in _lines(file) if at <= step]
        write_text(file, "".join(line + "\n" for line in kept))
        self._file = file.open("a", encoding="utf-8")

    def record(self, step: int, entry: Mapping[str, Any]) -> None:
        """Write a line and flush it."""
        self._file.write(json.dumps({"step": step, **entry}) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class ProgressBar(Reporter):
    """A bar on standard error with the loss, the rate and the time left."""

    def __init__(self, name: str, start: int, stop: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("loss {task.fields[loss]:.5f}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), refresh_per_second=4)
        self._task: TaskID = self._bar.add_task(name, completed=start, total=stop, loss=float("nan"), rate="")
        self._bar.start()

    def record(self, step: int, entry: Mapping[str, Any]) -> None:
        """Show the speed that was logged, and once the precision."""
        if "precision" in entry:
            self._bar.console.print("matrix products in {taken}: {why}".format(**entry["precision"]), style="dim")
        if "steps_per_second" in entry:
            self._bar.update(self._task, rate=f"{entry['steps_per_second']:.2f} steps/s")

    def advance(self, step: int, loss: float) -> None:
        """Move the bar."""
        self._bar.update(self._task, completed=step, loss=loss)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.stop()


class TensorBoard(Reporter):
    """Scalars for TensorBoard, in the run folder. Raises UsageError where TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        require("tensorboard", "train", "which draws the curves")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"))

    def record(self, step: int, entry: Mapping[str, Any]) -> None:
        """Write every number of the entry to a curve of its own."""
        for name, value in _numbers(entry):
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


def _lines(file: Path) -> Iterator[tuple[str, float]]:
    """Lines and their steps, up to the first one that is damaged, as when the run was killed."""
    if not file.exists():
        return
    for line in file.read_bytes().split(b"\n"):
        try:
            entry = parse_json(line, file.name)
        except FormatError:
            return
        step = cast("dict[str, Any]", entry).get("step") if isinstance(entry, dict) else None
        if not isinstance(step, int | float):
            return
        yield line.decode(), step


def _numbers(entry: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in entry.items():
        if isinstance(value, Mapping):
            yield from _numbers(cast("Mapping[str, Any]", value), f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, float(value)
