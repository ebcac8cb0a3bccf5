"""Every error that kinema raises on purpose: what was expected, what was found, what to do about it.

The command line turns each class into one line on standard error and its `exit_code`:
1 failed, 2 misuse, 3 data or weights missing, 4 a check failed.
"""

from __future__ import annotations

import difflib
import importlib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any


class KinemaError(Exception):
    """Base of the family. `str(error)` is one line made of the three parts."""

    exit_code = 1

    def __init__(self, *, expected: str, got: str, cure: str) -> None:
        self.expected = expected
        self.got = got
        self.cure = cure
        super().__init__(f"expected {expected}; got {got}. {cure}")


class FormatError(KinemaError):
    """A file is not what its format says. `where` names the file and the line, frame or key."""

    def __init__(self, *, where: str, expected: str, got: str, cure: str) -> None:
        super().__init__(expected=expected, got=got, cure=cure)
        self.where = where
        self.args = (f"{where}: {self.args[0]}",)


class UsageError(KinemaError):
    """The caller asked for something that does not exist or does not fit together."""

    exit_code = 2


class MissingDataError(KinemaError):
    """A data set or a set of weights is not there; the cure says where to get it and under which licence."""

    exit_code = 3


class CheckFailedError(KinemaError):
    """A check that the user asked for did not hold."""

    exit_code = 4


class SkeletonError(KinemaError):
    """A skeleton is malformed, or two skeletons that must agree do not."""


class CheckpointError(KinemaError):
    """A checkpoint is damaged, of another version, or of another model."""


class TrainingError(KinemaError):
    """Training cannot go on (a loss that is not finite, a run folder that does not fit)."""


class KinemaWarning(UserWarning):
    """Something in the input is odd but survivable; the command line shows it as one line on standard error."""


def warn_of_file(file: Path, text: str) -> None:
    """A KinemaWarning about a file: what a reader took for granted, and the option that overrides it."""
    warnings.warn(f"{file.name}: {text}", KinemaWarning, stacklevel=4)


def some(words: Sequence[str], most: int, *, between: str = ", ", what: str = "") -> str:
    """The first words of a list, and how many more there are ("a, b and 3 more" `what`)."""
    more = f" and {len(words) - most} more{what}" if len(words) > most else ""
    return between.join(words[:most]) + more


def damaged(
    where: str, expected: str, got: str, cure: str = "Copy or export the file again.", *, line: int | None = None
) -> FormatError:
    """The error about a place in a file; `line` counts from 1."""
    return FormatError(where=f"{where}, line {line}" if line else where, expected=expected, got=got, cure=cure)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a table: it lists the table and suggests the nearest entries."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    cure = f"Did you mean {' or '.join(near)}?" if near else "Choose one of these."
    article = "an" if kind[0] in "aeio" else "a"
    return UsageError(expected=f"{article} {kind} among {', '.join(names)}", got=f"'{name}'", cure=cure)


def no_rotation(joint: str) -> UsageError:
    """The error for a matrix of a joint that is no rotation."""
    return UsageError(
        expected="rotation matrices: orthogonal, with determinant 1",
        got=f"another matrix for {joint}",
        cure="Make matrices with kinema.geometry.rotations, which has one function for each kind of rotation.",
    )


def require(package: str, extra: str, purpose: str) -> Any:
    """An optional package, imported. Raises UsageError where it is missing, naming the extra of kinema that has it."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            expected=f"{package}, {purpose}", got="no such package", cure=f"pip install 'kinema[{extra}]'."
        ) from error
