"""The folder whose files the tools may use: names inside it, and nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from kinema.core.errors import UsageError

_MOST = 500  # files in a list


@dataclass(frozen=True)
class SharedFolder:
    """A folder. Names are relative to it, with slashes; links and ".." are refused."""

    root: Path

    def existing(self, name: str) -> Path:
        """The path of a file or folder in it. Raises UsageError for one that is outside, or not there."""
        path = self._inside(name)
        if not path.exists():
            near = ", ".join(self.files()[:20]) or "no file"
            raise UsageError(expected="a file in the folder", got=f"'{name}'", cure=f"Choose one of: {near}.")
        return path

    def target(self, name: str, suffixes: Sequence[str], *, overwrite: bool) -> Path:
        """The path of a file to write. Raises UsageError outside the folder, for another suffix, and where one is."""
        path = self._inside(name)
        if path.suffix.lower() not in suffixes:
            raise UsageError(
                expected=f"a name that ends in {', '.join(suffixes)}",
                got=f"'{name}'",
                cure=f"Name it {PurePosixPath(name).stem or 'motion'}{suffixes[0]}.",
            )
        if path.exists() and not overwrite:
            raise UsageError(
                expected="a new file",
                got=f"'{name}', which exists",
                cure="Choose another name, or set overwrite.",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def files(self) -> list[str]:
        """The names of the files in it, sorted; links and hidden files are left out."""
        found = (
            path.relative_to(self.root)
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.is_symlink() and path.resolve().is_relative_to(self.root.resolve())
        )
        return [one.as_posix() for one in found if not any(part.startswith(".") for part in one.parts)][:_MOST]

    def name(self, path: Path) -> str:
        """The name of a path in it."""
        return path.relative_to(self.root).as_posix()

    def check_constraints(self, constraints: Sequence[Any]) -> None:
        """Raises UsageError where a pose comes from a file outside the folder."""
        for each in constraints:
            if isinstance(each, dict) and "file" in each:
                self.existing(str(each["file"]))

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith(("\\", "~"))
        if absolute or not parts or ".." in parts or "\0" in name or len(name) > 1000:
            raise self._outside(name)
        path = self.root.joinpath(*parts)
        steps = [self.root.joinpath(*parts[: count + 1]) for count in range(len(parts))]
        if any(step.is_symlink() for step in steps) or not path.resolve().is_relative_to(self.root.resolve()):
            raise self._outside(name)
        return path

    def _outside(self, name: str) -> UsageError:
        return UsageError(
            expected="the name of a file in the folder that `kinema mcp` was started with, without links and ..",
            got=repr(name[:80]),
            cure="Use a relative name such as walk.bvh.",
        )
