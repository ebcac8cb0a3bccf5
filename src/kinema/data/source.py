"""`Source`: a set of recordings. One per data set, each in its own file.

A source lists its clips by split without reading them all into memory twice. It invents no unit, rate or joint order:
what the files do not say, a field of the source gives. Sources are frozen dataclasses of plain values, so that a recipe
can hold them; making one opens no file.
"""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from kinema.core.errors import FormatError, MissingDataError, UsageError
from kinema.motion.motion import Clip
from kinema.motion.skeleton import Skeleton

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")
DATA_VARIABLE = "KINEMA_DATA"
LABELS = " & "  # between the labels of a clip that has several: "walk & elderly"


Value = TypeVar("Value")


def derived(make: Callable[[Any], Value]) -> Value:
    """A member of a source that is computed when it is first asked for, as by `cached_property`."""
    return cast("Value", cached_property(make))


class Source(ABC):
    """Recordings of one skeleton tree. A member that is not the same for every instance is `derived`.

    Every clip has an `identity`, the name of its recording ("cmu/06_07"), or, where that is not known, the name within
    the set after a question mark ("?cmu/train/running_4": some trial of the CMU archive). Checkpoints keep the
    identities that they were trained on; `protocols.leaks` compares them.
    """

    name: str
    licence: str
    skeleton: Skeleton
    actions: tuple[str, ...]
    styles: tuple[str, ...] = ()  # those of `actions` that are manners ("elderly"), not actions

    @abstractmethod
    def clips(self, split: Split) -> Iterator[Clip]:
        """The recordings of one split, always in the same order, each with `action` and `identity`."""

    def subject(self, identity: str) -> str:
        """Who moves in the recording of that identity; the identity itself where that is not known."""
        return identity

    def stamp(self) -> str:
        """What a cache of this source is good for: another stamp, and the cache is stale.

        The fields, the size and the time of change of every file, and the stamps of the sources that this one reads.
        """
        return " ".join((repr(self), *map(file_stamp, self._files()), *(source.stamp() for source in self._sources())))

    def _files(self) -> Iterable[Path]:
        """The files that are read."""
        return ()

    def _sources(self) -> Iterable[Source]:
        """The sources that are read."""
        return ()

    def rooted(self, root: str | None) -> Source:
        """The same recordings, read below the folder `root`; the source itself where it reads none."""
        here = cast("Any", self)
        return replace(here, root=root) if any(field.name == "root" for field in fields(here)) else self


@dataclass(frozen=True)
class Inventory:
    """What a check of a data set found: names that are there and whole, that are missing, and damaged ones with why."""

    folder: Path
    whole: tuple[str, ...]
    missing: tuple[str, ...]
    damaged: tuple[tuple[str, str], ...]


def take_inventory(
    folder: Path, reads: Iterable[tuple[str, Callable[[], object]]], missing: Iterable[str] = ()
) -> Inventory:
    """What is whole, missing or damaged, by reading everything: pairs of a name and the function that reads it."""
    whole, absent, damaged = list[str](), list(missing), list[tuple[str, str]]()
    for name, read in reads:
        try:
            read()
            whole.append(name)
        except MissingDataError:
            absent.append(name)
        except FormatError as error:
            damaged.append((name, str(error)))
    return Inventory(folder, tuple(whole), tuple(absent), tuple(damaged))


def mirrored_classes(actions: Sequence[str]) -> list[int]:
    """For each action the index of its mirror image: of "wave-left-hand" for "wave-right-hand", else its own."""
    sides = {"left": "right", "right": "left"}
    other = [re.sub(r"(?<![a-z])(left|right)(?![a-z])", lambda side: sides[side[0]], name) for name in actions]
    return [actions.index(name) if name in actions else place for place, name in enumerate(other)]


def check_split(split: str) -> None:
    """Raises UsageError where `split` is not "train", "val" or "test"."""
    if split not in SPLITS:
        raise UsageError(expected="a split among train, val, test", got=f"'{split}'", cure="Give train, val or test.")


def labels_of(action: str | None) -> tuple[str, ...]:
    """The labels in a clip's `action`: none, one, or several joined by `LABELS`."""
    return tuple(action.split(LABELS)) if action else ()


def data_folder(root: str | None, *, what: str, origin: str) -> Path:
    """The folder that `root` names, or where it is None the environment variable KINEMA_DATA.

    Raises MissingDataError where there is none, with `what` is looked for and its `origin` (where to get it, licence).
    """
    named = root if root is not None else os.environ.get(DATA_VARIABLE, "")
    if not named:
        raise missing_data(what, f"no data folder (neither --data nor {DATA_VARIABLE} is set)", origin)
    folder = Path(named).expanduser()
    if not folder.exists():
        raise missing_data(what, f"{folder}, which does not exist", origin)
    return folder


def data_file(root: str | None, *places: str, what: str, origin: str) -> Path:
    """The first of `places` that exists in the folder of the data (see `data_folder`). Raises MissingDataError."""
    folder = data_folder(root, what=what, origin=origin)
    for place in places:
        if (folder / place).exists():
            return folder / place
    raise missing_data(what, f"no {places[0]} in {folder}", origin)


def missing_data(what: str, got: str, origin: str) -> MissingDataError:
    """The error for missing data: what was expected, what was found, where to get it."""
    cure = f"{origin} Put it into a folder and name that folder with --data, or in {DATA_VARIABLE}."
    return MissingDataError(expected=what, got=got, cure=cure)


def file_stamp(path: Path) -> str:
    """A file's path, size in bytes and time of change in nanoseconds."""
    state = path.stat()
    return f"{path.resolve()}:{state.st_size}:{state.st_mtime_ns}"
